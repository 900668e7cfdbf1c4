"""Choosing kernels by measuring them: the convolutions of a network, in the network, on this machine."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkern import _core, cache
from ferkern.models.network import Node, Shape
from ferkern.registry import kernels

if TYPE_CHECKING:
    from ferkern.models.network import Network

__all__ = ["tuned_kernels"]

FILE = "kernels.json"
_ROUNDS = 7


def tuned_kernels(network: Network, *, batch: int, threads: int | None) -> dict[str, str]:
    """The fastest kernel for each convolution of a network, measured once a machine and then remembered.

    The network is planned once for each kernel's name; the plans are profiled in turn, layer by layer, on random input,
    and for each layer the name with the least time of `_ROUNDS` runs wins. What was measured before, for a layer of the
    same shape, batch, threads and instruction set on the same processor, is read from the cache folder
    (`ferkern.cache`).

    Parameters
    ----------
    network
        The stored graph.
    batch, threads
        As in `Network.plan`.

    Returns
    -------
    dict
        Output of the convolution's node to the kernel's name, for `Network.plan`'s ``kernels``.
    """
    shapes = network.infer_shapes()
    layers = {n.output: _key(n, network, shapes, batch, threads) for n in network.nodes if _has_choice(n, network)}
    known = _known()
    missing = [output for output, key in layers.items() if key not in known]
    if missing:
        best = _measure(network, missing, batch, threads)
        known.update({layers[output]: name for output, name in best.items()})
        cache.write_json(FILE, {"machine": _machine(), "layers": {**_known(), **known}})
    return {output: known[key] for output, key in layers.items() if key in known}


def _has_choice(node: Node, network: Network) -> bool:
    """Whether more than one kernel can serve the node: a 3 x 3 convolution with stride 1."""
    if node.op != "conv2d":
        return False
    a, w = node.attributes, network.weights[node.weights["w"]]
    plain = list(a.get("stride", [1, 1])) == [1, 1] and list(a.get("dilation", [1, 1])) == [1, 1]
    return plain and a.get("groups", 1) == 1 and w.shape[2:] == (3, 3)


def _names() -> list[str]:
    """Names of the kernels that can serve such a layer, but for the reference."""
    return sorted({row.name for row in kernels("conv2d") if row.isa == "scalar"} - {"reference"})


def _machine() -> dict[str, str]:
    return {"cpu": str(_core.cpu()["brand"]), "isa": _core.get_choice()[0]}


def _key(node: Node, network: Network, shapes: dict[str, Shape], batch: int, threads: int | None) -> str:
    size = [batch, *shapes[node.inputs[0]], *network.weights[node.weights["w"]].shape]
    used = threads or _core.get_choice()[3] or _core.default_threads()
    return json.dumps([size, node.attributes.get("padding", [0, 0, 0, 0]), used, _core.get_choice()[0]])


def _known() -> dict[str, str]:
    """Layers measured on this processor."""
    stored: Any = cache.read_json(FILE)
    if not isinstance(stored, dict) or stored.get("machine") != _machine():
        return {}
    layers, names = stored.get("layers"), _names()
    return {str(key): name for key, name in layers.items() if name in names} if isinstance(layers, dict) else {}


def _measure(network: Network, outputs: list[str], batch: int, threads: int | None) -> dict[str, str]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *network.input_shape)).astype(np.float32)
    plans = {
        name: network.plan(batch=batch, threads=threads, kernels=dict.fromkeys(outputs, name)) for name in _names()
    }
    least = {output: dict.fromkeys(plans, math.inf) for output in outputs}
    for _ in range(_ROUNDS):
        for name, session in plans.items():
            for output, row in zip(session.layers, session.profile(x)[1].rows, strict=True):
                if output in least:
                    least[output][name] = min(least[output][name], row.seconds)
    return {output: min(times, key=times.__getitem__) for output, times in least.items()}
