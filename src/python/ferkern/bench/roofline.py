"""The bound of a layer: the shortest time that the machine allows it (Williams, Waterman, Patterson, "Roofline", 2009).

    seconds >= max( operations / (peak of the kernel's kind and instruction set x threads),
                    bytes / bandwidth of the nearest level that holds the layer's working set,
                    weights (1 - C / F) / bandwidth of the level behind C,   for each cache C )

The last, because a network goes through all of its F bytes, weights and values between layers, before it comes back to
a layer: a cache of C bytes keeps at most C / F of them from one call to the next, however it replaces lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ferkern.bench.machine import LEVELS, MachineProfile

__all__ = ["Bound", "Demand", "bound", "kind_of"]


@dataclass(frozen=True, slots=True)
class Demand:
    """What a run asks of the machine for one layer.

    Attributes
    ----------
    kernel
        ``"op:name:isa"``.
    moved_bytes
        Read and written, at least once each.
    set_bytes
        The layer's working set: what it goes through before the next layer follows.
    weight_bytes
        Of those moved.
    footprint_bytes
        Of the whole network.
    """

    kernel: str
    operations: float
    moved_bytes: float
    set_bytes: float
    weight_bytes: float
    footprint_bytes: float
    threads: int


@dataclass(frozen=True, slots=True)
class Bound:
    """The shortest time, and what sets it: ``"fp32 avx512"``, ``"L2"``, ``"weights: memory"``."""

    seconds: float
    by: str


def kind_of(kernel: str) -> str:
    """The kind of arithmetic of a kernel ``"op:name:isa"``."""
    op = kernel.partition(":")[0]
    if op.endswith("_int8"):
        return "int8"
    if op.startswith("binary"):
        return "xor_popcount"
    return "fp32"  # with weights in bfloat16, too: the sums are float32


def bound(machine: MachineProfile, demand: Demand) -> Bound | None:
    """The bound that applies; None where the profile knows nothing of the kernel's instruction set or of memory."""
    d, found = demand, []
    kind = kind_of(d.kernel)
    peak = machine.peak(kind, d.kernel.rpartition(":")[2])
    if peak is not None:
        found.append(Bound(d.operations / (peak[0] * d.threads), f"{kind} {peak[1]}"))
        level = machine.level_of(d.set_bytes, d.threads)
        bandwidth = machine.bandwidth(level, d.threads)
        if bandwidth is not None:
            found.append(Bound(d.moved_bytes / bandwidth, level))
        for cache, behind in pairwise(LEVELS):
            lost = 1 - machine.capacity(cache, d.threads) / d.footprint_bytes if d.footprint_bytes > 0 else 0.0
            bandwidth = machine.bandwidth(behind, d.threads)
            if lost > 0 and d.weight_bytes > 0 and bandwidth is not None:
                found.append(Bound(d.weight_bytes * lost / bandwidth, f"weights: {behind}"))
    return max(found, key=lambda b: b.seconds, default=None)
