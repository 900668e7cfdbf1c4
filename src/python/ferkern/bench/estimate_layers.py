"""A planned network's layers, as the estimate of their time sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ferkern.bench.machine import LEVELS, MachineProfile
from ferkern.bench.roofline import kind_of

if TYPE_CHECKING:
    from ferkern.ledger import LayerCost
    from ferkern.models.network import Network
    from ferkern.session import Session

__all__ = ["LANES", "Layer", "layers_of", "terms_of"]

LANES = {"scalar": 4, "avx2": 8, "avx512": 16, "avx512icl": 16}
# What a thread must have to do before another one helps (src/cpp/ops/split.hpp); global pooling asks for more.
_OPERATIONS_WORTH, _BYTES_WORTH, _POOLED_WORTH = 512 * 1024, 128 * 1024, 512 * 1024
# Winograd's weights are kept transformed, (m + r - 1)^2 / r^2 times as many, and so are its inputs and products on the
# way, (m + r - 1)^2 / m^2 times as many, each written and read (Lavin, Gray 2016, section 4).
_TRANSFORMED = {"winograd2": (16 / 9, 16 / 4), "winograd4": (36 / 9, 36 / 16), "winograd2_5x5": (36 / 25, 36 / 4)}
# Tiles of a run, after which the weights are gone through again (src/cpp/ops/conv2d/winograd.cpp).
_RUN_BYTES, _LONGEST_RUN, _SHORTEST_RUN, _SHORTEST_FAR_RUN, _FAR_BYTES = 384 * 1024, 42, 4, 28, 4e6
_HALF = 8  # lanes: kernels of 16 do a last block of up to 8 channels in half vectors
_TINY = 1e-9  # seconds
_WHILE = 5e4  # scalar operations


@dataclass(frozen=True, slots=True)
class Layer:
    """One step of a plan, for one call.

    Attributes
    ----------
    kernel
        ``"op:name:isa"``.
    work
        Operations that the kernel really does.
    moved, weights, working_set, footprint
        Bytes: read and written at least once; weights of those; what the layer goes through before the next follows;
        of the whole network.
    passes
        Portions of the batch; the layer is run once for each.
    runs
        Times that the weights are gone through for each portion.
    between
        Bytes that the kernel writes and reads in its own scratch memory.
    window, inputs, outputs, pixels, images
        Rows of the window, channels that a filter reads, channels and pixels that come out; 1 where there are none.
        Images of a portion.
    threads
        Of the call.
    shared
        Threads that work on the layer or on portions beside each other.
    beside
        Whether each thread runs portions of its own; else threads meet after every layer that they share.
    """

    name: str
    kernel: str
    work: float
    moved: float
    weights: float
    working_set: float
    footprint: float
    passes: int
    runs: int
    between: float
    window: int
    inputs: int
    outputs: int
    pixels: int
    images: int
    threads: int
    shared: int
    beside: bool

    @property
    def family(self) -> str:
        """Kernels of one family have their efficiencies together, whatever the instruction set."""
        return self.kernel.rpartition(":")[0]

    @property
    def lanes(self) -> int:
        """Of a vector; channels that come out are computed in whole ones."""
        return LANES.get(self.isa, 8)

    @property
    def isa(self) -> str:
        """Of the kernel."""
        return self.kernel.rpartition(":")[2]


def layers_of(network: Network, session: Session, *, threads: int, isa: str | None = None) -> tuple[Layer, ...]:
    """The layers of a plan on `threads` threads, called with as many images as it is planned for.

    Parameters
    ----------
    isa
        As if the kernels were of this set; None: as planned.
    """
    shapes = network.infer_shapes()
    nodes = {node.output: node for node in network.nodes}
    factors = [_TRANSFORMED.get(c.kernel.split(":")[1], (1.0, 0.0)) for c in session.costs]
    footprint = session.arena_bytes + sum(c.weight_bytes * f for c, (f, _) in zip(session.costs, factors, strict=True))
    batch, found = session.batch, []
    for cost, value, (factor, tiles) in zip(session.costs, session.layers, factors, strict=True):
        weights = cost.weight_bytes * factor
        each = cost.bytes_read - cost.weight_bytes + cost.bytes_written
        at_once = min(cost.images_at_once, batch)
        shape = shapes.get(value, (1,))
        node = nodes.get(value)
        w = network.weights[node.weights["w"]].shape if node is not None and "w" in node.weights else (1, 1)
        beside = threads > 1 and at_once < batch and -(-batch // at_once) >= threads
        kernel = cost.kernel if isa is None else f"{cost.kernel.rpartition(':')[0]}:{isa}"
        found.append(
            Layer(
                name=cost.layer,
                kernel=kernel,
                work=cost.work * batch,
                moved=weights + each * batch,
                weights=weights,
                working_set=weights + each * at_once,
                footprint=footprint,
                passes=-(-batch // at_once),
                runs=_runs(cost.kernel, (w[1], shape[0]), shape[1:], at_once, 1 if beside else threads),
                between=8.0 * tiles * batch * math.prod(shape[1:]) * (w[1] + shape[0]),
                window=w[2] if len(w) == 4 else 1,
                inputs=w[1],
                outputs=shape[0],
                pixels=math.prod(shape[1:]),
                images=at_once,
                threads=threads,
                shared=threads if beside else _sharing(cost, at_once, threads),
                beside=beside,
            )
        )
    return tuple(found)


def _sharing(cost: LayerCost, images: int, threads: int) -> int:
    """Threads that a layer is worth, by the rules of the plans: one portion at a time, by operations, or by bytes."""
    op, name, _ = cost.kernel.split(":")
    passed = cost.bytes_read - cost.weight_bytes + cost.bytes_written
    if op in ("pool", "global_pool"):
        worth = cost.bytes_read / (_BYTES_WORTH if op == "pool" else _POOLED_WORTH)
    elif name == "matvec":
        worth = cost.weight_bytes / _BYTES_WORTH
    elif op in ("batch_norm", "concat"):
        worth = passed / _BYTES_WORTH
    elif op in ("elementwise", "reorder", "softmax"):
        worth = passed * images / _BYTES_WORTH
    else:
        whole = op == "gemm" or name in _TRANSFORMED
        worth = (cost.work * images if whole else cost.flops) / _OPERATIONS_WORTH
    return max(1, min(threads, int(worth)))


def _runs(kernel: str, channels: tuple[int, int], pixels: Sequence[int], images: int, threads: int) -> int:
    """Runs of tiles of a Winograd convolution: each goes through all of its transformed weights."""
    name = kernel.split(":")[1]
    if name not in _TRANSFORMED or len(pixels) != 2:
        return 1
    side, points = (4, 36) if name == "winograd4" else (2, 16 if name == "winograd2" else 36)
    tiles = images * math.prod(math.ceil(size / side) for size in pixels)
    far = 4.0 * points * math.prod(channels) > _FAR_BYTES
    run = min(max(_RUN_BYTES // (4 * points * channels[0]), _SHORTEST_FAR_RUN if far else _SHORTEST_RUN), _LONGEST_RUN)
    run -= run % 14 if run > 14 else 0
    together = threads if tiles >= 2 * threads else 1  # every thread gets as many
    count = math.ceil(math.ceil(tiles / run) / together) * together
    return math.ceil(tiles / math.ceil(tiles / count))


def terms_of(layer: Layer, machine: MachineProfile) -> tuple[float, ...]:
    """What the layer's time may be proportional to, in seconds on a machine: arithmetic at the peak of the threads that
    share it, memory at its bandwidth (`ferkern.bench.roofline`), a short while, the same again where threads meet.

    The short while is that of 50,000 scalar operations, about a microsecond: what a layer costs beyond its loops, for
    every portion, goes with the clock.

    Raises
    ------
    ValueError
        The profile knows no peak of the kernel's kind.
    """
    kind = kind_of(layer.kernel)
    peak = machine.peak(kind, layer.isa)
    if peak is None:
        raise ValueError(f"machine: its profile has no peak of {kind} for {layer.isa}")
    block = min(layer.lanes, _HALF)
    blocks = -(-layer.outputs // block) * block / layer.outputs if layer.pixels > 1 else 1.0
    arithmetic = layer.work * blocks / (peak[0] * layer.shared)
    scalar = machine.peak("fp32", "scalar")
    short = _WHILE / (scalar[0] if scalar is not None else 1e6 * _WHILE) * layer.passes
    alone = short / (layer.shared if layer.beside else 1)
    meeting = short if layer.shared > 1 and not layer.beside else 0.0
    return (max(arithmetic, _TINY), _memory(layer, machine), alone, meeting)


def _memory(layer: Layer, machine: MachineProfile) -> float:
    """Seconds of all that moves: through the nearest level that holds it, and of weights those that no cache kept."""
    threads, seconds = layer.shared, 0.0  # a thread that does nothing brings no cache and no bandwidth
    near = machine.bandwidth(machine.level_of(layer.working_set, threads), threads)
    if near is not None:
        seconds = (layer.moved + layer.weights * (layer.passes * layer.runs - 1) + layer.between) / near
    for cache, behind in pairwise(LEVELS):
        lost = 1 - machine.capacity(cache, threads) / layer.footprint if layer.footprint > 0 else 0.0
        far = machine.bandwidth(behind, threads)
        if lost > 0 and far is not None:
            seconds = max(seconds, layer.weights * lost / far)
    return seconds
