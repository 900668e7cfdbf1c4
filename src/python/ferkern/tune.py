"""Choosing kernels by measuring them: the convolutions of a network, in the network, on this machine."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkern import _core, cache
from ferkern.auto import AUTO, CPU, for_network
from ferkern.models.network import Node, Shape

if TYPE_CHECKING:
    from ferkern.models.network import Network

__all__ = ["tuned_kernels"]

FILE = "kernels.json"
_ROUNDS = 7


def tuned_kernels(
    network: Network, *, device: str = CPU, precision: str = "float32", batch: int, threads: int | None
) -> dict[str, str]:
    """The fastest kernel for each convolution of a network, measured once a machine and then remembered.

    The network is planned once for each kernel's name; the plans are profiled in turn, layer by layer, on random input,
    and for each layer the name with the least time of `_ROUNDS` runs wins. What was measured before, for a layer of the
    same shape, batch, threads and instruction set on the same processor, is read from the cache folder
    (`ferkern.cache`).

    Parameters
    ----------
    network
        The stored graph.
    device, precision, batch, threads
        As in `Network.plan`.

    Returns
    -------
    dict
        Output of the convolution's node to the kernel's name, for `Network.plan`'s ``kernels``; of a device it is
        empty, since plans find what was measured there by themselves (`ferkern.opencl.tuned`).
    """
    if device == AUTO:
        device = for_network(network, batch=batch, precision=precision, threads=threads)
    if device != CPU:
        from ferkern.opencl.tune import tune_missing

        tune_missing(network, batch, device)
        return {}
    shapes = network.infer_shapes()
    choices = {n.output: _names(n, network, shapes, batch) for n in network.nodes if n.op == "conv2d"}
    choices = {output: names for output, names in choices.items() if len(names) > 1}
    layers = {n.output: _key(n, network, shapes, batch, threads) for n in network.nodes if n.output in choices}
    stored = _known()
    chosen = {output: stored[key] for output, key in layers.items() if stored.get(key) in choices[output]}
    missing = {output: names for output, names in choices.items() if output not in chosen}
    if missing:
        measured = _measure(network, missing, batch, threads)
        chosen.update(measured)
        # Read again: another process may have measured meanwhile.
        layers_now = {**_known(), **{layers[output]: name for output, name in measured.items()}}
        cache.write_json(FILE, {"machine": _machine(), "layers": layers_now})
    return chosen


def _names(node: Node, network: Network, shapes: dict[str, Shape], batch: int) -> list[str]:
    """Names of the kernels that can serve a convolution."""
    a, w = node.attributes, network.weights[node.weights["w"]]
    x = np.broadcast_to(np.float32(0), (batch, *shapes[node.inputs[0]]))
    stride, dilation = (tuple(a.get(name, (1, 1))) for name in ("stride", "dilation"))
    padding, groups = a.get("padding", [0, 0, 0, 0]), a.get("groups", 1)
    shape = _core.conv2d_shape(x, w, None, stride, padding, dilation, groups, None, None)
    return _core.conv2d_kernels(shape)


def _machine() -> dict[str, str]:
    """Whose figures they are; other kernels of another version may be the fastest."""
    return {"cpu": str(_core.cpu()["brand"]), "isa": _core.get_choice()[0], "version": _core.__version__}


def _key(node: Node, network: Network, shapes: dict[str, Shape], batch: int, threads: int | None) -> str:
    size = [batch, *shapes[node.inputs[0]], *network.weights[node.weights["w"]].shape]
    used = threads or _core.get_choice()[3] or _core.default_threads()
    return json.dumps([size, node.attributes.get("padding", [0, 0, 0, 0]), used, _core.get_choice()[0]])


def _known() -> dict[str, Any]:
    """Kernel by layer, as measured on this processor."""
    stored = cache.read_json(FILE)
    if not isinstance(stored, dict) or stored.get("machine") != _machine():
        return {}
    layers = stored.get("layers")
    return layers if isinstance(layers, dict) else {}


def _measure(network: Network, choices: dict[str, list[str]], batch: int, threads: int | None) -> dict[str, str]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *network.input_shape)).astype(np.float32)
    most = max(len(names) for names in choices.values())
    tried = [{o: names[min(i, len(names) - 1)] for o, names in choices.items()} for i in range(most)]
    plans = [network.plan(batch=batch, threads=threads, kernels=names) for names in tried]
    least = {output: dict.fromkeys(names, math.inf) for output, names in choices.items()}
    for _ in range(_ROUNDS):
        for names, session in zip(tried, plans, strict=True):
            for output, seconds in zip(session.layers, session.profile(x)[1].seconds, strict=True):
                if output in least:
                    least[output][names[output]] = min(least[output][names[output]], seconds)
    return {output: min(times, key=times.__getitem__) for output, times in least.items()}
