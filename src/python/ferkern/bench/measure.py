"""Measuring a machine: loops in registers for the peaks, passages through memory for the bandwidth (op ``machine``)."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

import ferkern
from ferkern import _core
from ferkern.bench.machine import KINDS, LEVELS, Level, MachineProfile, Measured, Passage
from ferkern.config import config
from ferkern.registry import ISAS, isa_levels, kernels

__all__ = ["Measurement", "identity", "machine", "measurements", "run_all"]

_SMALLEST_MEMORY, _LARGEST_MEMORY = 64 << 20, 1 << 30  # bytes that are gone through to measure memory
_SYSCONF = {"L1": "SC_LEVEL1_DCACHE_SIZE", "L2": "SC_LEVEL2_CACHE_SIZE", "L3": "SC_LEVEL3_CACHE_SIZE"}
_CACHES = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number to be measured: a peak of `kind` with `isa`, or a passage through `size_bytes` of `level`."""

    kind: str
    isa: str = ""
    level: str = ""
    size_bytes: int = 0
    threads: int = 1


def machine(
    *,
    quick: bool = False,
    isa: str | None = None,
    threads: int | None = None,
    wrap: Callable[[Iterable[Measurement]], Iterable[Measurement]] = iter,
) -> MachineProfile:
    """Measure this machine; it should have nothing else to do.

    Parameters
    ----------
    quick
        In a second instead of ten: fewer repetitions, one size for each level of memory, one thread. For shares in a
        report, not to be saved.
    isa, threads
        As if the processor had no higher instruction set, and no more cores: the profile of a lesser machine, which
        `ferkern.bench.estimate` takes for another one. None: all there are.
    wrap
        Given the measurements, gives them back one by one: for a display of progress.

    Returns
    -------
    MachineProfile
        Not saved yet (`MachineProfile.save`).

    Raises
    ------
    ValueError
        An instruction set that is unknown or not supported, or a number of threads below 1.
    """
    highest = isa or _core.isa_supported()
    if highest not in isa_levels():
        raise ValueError(f"isa must be one of {', '.join(isa_levels())}, is {isa!r}")
    most = _core.default_threads() if threads is None else threads
    if most < 1:
        raise ValueError(f"threads must be at least 1, is {threads}")
    levels = find_levels()
    planned = measurements(levels, quick=quick, isa=highest, threads=most)
    measured = run_all(wrap(planned), levels, quick=quick, isa=highest)
    return replace(measured, machine={**measured.machine, "isa": highest, "threads": most})


def measurements(
    levels: Sequence[Level], *, quick: bool = False, isa: str | None = None, threads: int | None = None
) -> list[Measurement]:
    """What there is to measure here: every kind of peak with every instruction set, every level of memory."""
    highest = isa or _core.isa_supported()
    rows = [
        k
        for k in kernels("machine")
        if k.isa in ISAS[: ISAS.index(highest) + 1] and k.name in KINDS and _served(k.name, highest)
    ]
    planned = [Measurement(row.name, isa=row.isa) for kind in KINDS for row in reversed(rows) if row.name == kind]
    most = threads or _core.default_threads()
    for level in levels:
        sizes = list(_sizes(level.name, levels))
        for threads in (1,) if quick or most == 1 or level.name in ("L1", "L2") else (1, most):
            for kind in ("read", "copy"):
                for size in sizes[:1] if quick else sizes:
                    planned.append(Measurement(kind, level=level.name, size_bytes=size, threads=threads))
    return planned


def run_all(
    planned: Iterable[Measurement], levels: Sequence[Level], *, quick: bool = False, isa: str | None = None
) -> MachineProfile:
    """Measure what is planned, one after the other; bandwidth with `isa` (None: the widest)."""
    highest = isa or _core.isa_supported()
    repetitions, seconds = (3, 0.004) if quick else (7, 0.02)
    peaks: dict[str, dict[str, Measured]] = {}
    passages: list[Passage] = []
    missing = {name: "its size is not known" for name in LEVELS if name not in {level.name for level in levels}}
    if not _served("bf16", highest):
        missing["bf16"] = "the processor has no instruction for it (avx512_bf16), or not all of the set avx512icl"
    for m in planned:
        if m.isa:
            with config(isa=m.isa, exact=True):
                _core.machine_peak(m.kind, 0.001)  # wakes the core, and vectors of this width
                rates = [_core.machine_peak(m.kind, seconds)[0] for _ in range(repetitions)]
            peaks.setdefault(m.kind, {})[m.isa] = _summary(rates)
            continue
        try:
            with config(isa=highest, exact=False):
                rates, _ = _core.machine_bandwidth(m.kind, m.size_bytes, m.threads, repetitions, seconds)
        except MemoryError:
            missing[f"{m.kind} of {m.size_bytes} bytes"] = "does not fit into memory"
            continue
        passages.append(Passage(m.kind, m.level, m.size_bytes, m.threads, _summary(rates)))
    return MachineProfile(identity(), peaks, tuple(levels), tuple(passages), missing)


def find_levels() -> list[Level]:
    """Caches of the processor that this process may use first, by what the system says of them, and memory."""
    found = _from_sysfs()
    for name, key in _SYSCONF.items():
        if name not in found and key in os.sysconf_names and os.sysconf(key) > 0:
            found[name] = os.sysconf(key)
    # A cache that is not larger than the one before it could not be told from that.
    known = [(name, found[name]) for name in LEVELS if name in found]
    kept = [*known[:1], *(b for a, b in pairwise(known) if b[1] > a[1])]
    return [*(Level(name, size) for name, size in kept), Level(LEVELS[-1], None)]


def _from_sysfs() -> dict[str, int]:
    sizes = {}
    processor = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    for folder in sorted(_CACHES.glob(f"cpu{processor}/cache/index*")):
        try:
            kind, level, size = ((folder / name).read_text().strip() for name in ("type", "level", "size"))
            if kind != "Instruction" and f"L{level}" in LEVELS:
                sizes[f"L{level}"] = int(size.removesuffix("K")) * 1024
        except (OSError, ValueError):
            continue
    return sizes


def _sizes(name: str, levels: Sequence[Level]) -> Iterator[int]:
    """Bytes to go through so that they stand in a level, the safest first; multiples of a page."""
    sizes = {level.name: level.size_bytes or 0 for level in levels}
    if name == LEVELS[-1]:
        largest = max(sizes.values())
        yield from (min(max(_SMALLEST_MEMORY, times * largest), _LARGEST_MEMORY) for times in (4, 8))
        return
    below = max((size for size in sizes.values() if size < sizes[name]), default=0)
    for share in (0.5, 0.25, 0.75):
        size = round(sizes[name] * share) // 4096 * 4096
        if size >= max(2 * below, 4096):  # else much of it would stand in the level before
            yield size


def _served(kind: str, isa: str) -> bool:
    """Whether a row of the kind serves this processor."""
    return kind != "bf16" or (bool(_core.cpu()["avx512_bf16"]) and isa == "avx512icl")


def _summary(rates: Sequence[float]) -> Measured:
    return Measured(statistics.median(rates), min(rates), max(rates))


def identity() -> dict[str, str | int]:
    """What this machine is, as `MachineProfile.machine` says it."""
    return {
        "brand": str(_core.cpu()["brand"]),
        "isa": _core.isa_supported(),
        "threads": _core.default_threads(),
        "platform": platform.platform(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "ferkern": ferkern.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
