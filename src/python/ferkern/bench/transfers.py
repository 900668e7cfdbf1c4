"""What moving bytes costs: between host and OpenCL device, within the device, and from a file."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferkern.bench.machine import MachineProfile, saved_profile
from ferkern.bench.transfers_fit import Fit, fit, fit_apart
from ferkern.bench.transfers_limits import FLAGS, Limits, flagged, limits_of, map_flag
from ferkern.bench.transfers_measure import Direction, Effort, Link, Reading, Unmeasurable, Way, measure

if TYPE_CHECKING:
    from ferkern.opencl import DeviceInfo

__all__ = ["Case", "Transfers", "run_cases", "transfers"]

FORMAT_VERSION = 1
SHORT = (1, 64, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26)
FULL = tuple(1 << k for k in range(31))
OFFSETS = (64, 1)
"""Beside 0, the start of a page: a cache line, and nothing."""
_ALIGNED_SIZES = (1 << 12, 1 << 20, 1 << 24)
_LEAST_FILE, _MOST_FILE = 1 << 12, 1 << 28
_COPIES = 6  # of a size, in the host's memory at the same time: both ends of both directions, and what verifies them


@dataclass(frozen=True, slots=True)
class Case:
    """One reading to be taken."""

    way: Way
    size_bytes: int
    offset_bytes: int = 0


@dataclass(frozen=True)
class Transfers:
    """Every reading, and what they say together.

    Attributes
    ----------
    device
        As its driver describes it.
    machine
        The host, as in a `MachineProfile`.
    limits
        What the readings are held against.
    readings
        In the order in which they were taken.
    fits
        Latency and bandwidth of each way, from its readings at the start of a page; ways with one size have none.
    missing
        What could not be measured, and why.
    load
        Processes that wanted a processor in the minute before: figures of a busy machine are none of the machine.
    """

    device: DeviceInfo
    machine: Mapping[str, str | int]
    limits: Limits
    readings: tuple[Reading, ...]
    fits: Mapping[Way, Fit]
    missing: Mapping[str, str]
    load: float = 0.0

    @property
    def ways(self) -> tuple[Way, ...]:
        """Those that were measured."""
        return tuple(dict.fromkeys(r.way for r in self.readings))

    def of(self, way: Way, offset: int = 0) -> tuple[Reading, ...]:
        """The readings of a way at one alignment, by size."""
        found = [r for r in self.readings if (r.way, r.offset_bytes) == (way, offset)]
        return tuple(sorted(found, key=lambda r: r.size_bytes))

    def find(self, direction: Direction, memory: str) -> Way | None:
        """The way of that direction and memory, if it was measured."""
        return next((way for way in self.ways if (way.direction, way.memory) == (direction, memory)), None)

    def overlap(self, memory: str) -> float | None:
        """How much both directions at once gain: the time of one after the other over the time of both, at most 2."""
        names: tuple[Direction, ...] = ("host to device", "device to host", "both at once")
        ways = [self.find(name, memory) for name in names]
        if None in ways:
            return None
        times = [{r.size_bytes: r.median_seconds for r in self.of(way)} for way in ways if way is not None]
        sizes = set(times[0]) & set(times[1]) & set(times[2])
        if not sizes:
            return None
        up, down, both = (row[max(sizes)] for row in times)
        return (up + down) / both

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in seconds, all of them."""
        return {
            "format": FORMAT_VERSION,
            "kind": "transfers",
            "device": asdict(self.device),
            "machine": dict(self.machine),
            "limits": asdict(self.limits),
            "readings": [
                {
                    **asdict(r),
                    "median_seconds": r.median_seconds,
                    "quartile_seconds": r.quartile_seconds,
                    "bytes_per_second": r.bytes_per_second,
                }
                for r in self.readings
            ],
            "fits": [{"way": asdict(way), **asdict(found)} for way, found in self.fits.items()],
            "missing": dict(self.missing),
            "load": self.load,
            "flags": {name: FLAGS[name] for r in self.readings for name in r.flags},
        }

    def to_json(self) -> str:
        """`to_dict` as a text."""
        return json.dumps(self.to_dict(), indent=1)


def transfers(
    device: str = "opencl",
    *,
    full: bool = False,
    limit: int = 1 << 30,
    folder: str | os.PathLike[str] | None = None,
    files: bool = True,
    effort: Effort | None = None,
    profile: MachineProfile | None = None,
    wrap: Callable[[Iterable[Case]], Iterable[Case]] = iter,
) -> Transfers:
    """Measure the transfers of a device; nothing else should run meanwhile.

    Parameters
    ----------
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.
    full
        All powers of two up to 1 GiB, and more copies of each: minutes instead of half a minute.
    limit
        Bytes of the largest transfer. What the device allocates in one piece and a sixth of the host's free memory
        limit it further.
    folder
        Where the file is written for the leg from disk; None: the system's folder for temporary files.
    files
        Whether that leg is measured.
    effort
        How long each reading is worked at.
    profile
        Of this machine, for the bandwidth of its memory; None: the saved one, else it is measured first.
    wrap
        Given the cases, gives them back one by one: for a display of progress.

    Raises
    ------
    TypeError, ValueError
        Not such a device string; a limit that is no whole number, or below 1.
    DeviceError
        The device is missing.
    """
    from ferkern.bench.measure import identity
    from ferkern.bench.transfers_opencl import Queues
    from ferkern.bench.transfers_ways import ways_of
    from ferkern.opencl import DeviceError, find

    if not isinstance(limit, int):
        raise TypeError(f"limit must be a whole number of bytes, is {limit!r}")
    if limit < 1:
        raise ValueError(f"limit must be 1 byte at least, is {limit}")
    target, load = find(device, only=True), os.getloadavg()[0]
    place = Path(tempfile.gettempdir() if folder is None else folder)
    limits = limits_of(target, profile or saved_profile())
    makers = ways_of(Queues.of(target), place if files else None)
    most = min(limit, target.info.allocation_bytes, target.info.memory_bytes // _COPIES, _free_memory() // _COPIES)
    sizes = [size for size in (FULL if full else _short(limits)) if size <= most]
    effort = effort or (Effort(0.1, least=9, most=200) if full else Effort())
    trouble = (target.cl.Error, DeviceError, MemoryError, OSError)
    readings, missing = run_cases(makers, wrap(cases_of(list(makers), sizes)), effort, trouble)
    return replace(conclude(target.info, identity(), limits, readings, missing), load=load)


def _short(limits: Limits) -> tuple[int, ...]:
    """The short ladder, up to a size that leaves the host's caches if the device is one with it."""
    sizes: tuple[int, ...] = SHORT
    while limits.shared and sizes[-1] < 2 * limits.cache_bytes:
        sizes = (*sizes, 4 * sizes[-1])
    return sizes


def cases_of(ways: Sequence[Way], sizes: Sequence[int]) -> list[Case]:
    """What there is to measure: size by size, so that ways are compared within seconds of each other."""
    cases = []
    for size in sizes:
        for way in ways:
            if way.direction.startswith("file") and not _LEAST_FILE <= size <= _MOST_FILE:
                continue
            cases.append(Case(way, size))
            if size in _ALIGNED_SIZES and way.memory in ("pageable", "pinned", "mapped") and way.times == 1:
                cases += [Case(way, size, offset) for offset in OFFSETS]
    return cases


def run_cases(
    makers: Mapping[Way, Callable[[], Link]],
    cases: Iterable[Case],
    effort: Effort,
    trouble: tuple[type[BaseException], ...] = (),
) -> tuple[list[Reading], dict[str, str]]:
    """Take the readings; a way that refuses a size is not asked for larger ones.

    Parameters
    ----------
    trouble
        Further errors that mean no more than that this reading cannot be taken.

    Returns
    -------
    readings
    missing
        Way, and the size from which on it refuses → why.
    """
    expected: tuple[type[BaseException], ...] = (Unmeasurable, *trouble)
    readings: list[Reading] = []
    missing: dict[str, str] = {}
    refused: set[Way] = set()
    measured: set[Way] = set()
    for case in cases:
        if case.way in refused:
            continue
        try:
            reading = measure(makers[case.way](), case.way, case.size_bytes, case.offset_bytes, effort)
        except expected as error:
            refused.add(case.way)
            more = f" from {case.size_bytes:,} bytes on" if case.way in measured else ""
            missing[f"{case.way}{more}"] = str(error) or type(error).__name__
            continue
        measured.add(case.way)
        readings.append(reading)
    return readings, missing


def conclude(
    device: DeviceInfo,
    machine: Mapping[str, str | int],
    limits: Limits,
    readings: Sequence[Reading],
    missing: Mapping[str, str],
) -> Transfers:
    """Hold the readings against the limits, and fit a line to each way."""
    judged = [flagged(reading, limits) for reading in readings]
    done = Transfers(device, machine, limits, tuple(judged), {}, missing)
    fits: dict[Way, Fit] = {}
    for way in done.ways:
        rows = [r for r in done.of(way) if not r.wrong_bytes]
        found = _fit(way, rows, limits)
        if found is not None:
            fits[way] = found
        flag = map_flag(rows, limits) if way.carrier == "map" and rows else None
        if flag is not None:
            judged = [replace(r, flags=(*r.flags, flag)) if r.way == way else r for r in judged]
    return replace(done, readings=tuple(judged), fits=fits)


def _fit(way: Way, rows: Sequence[Reading], limits: Limits) -> Fit | None:
    """One line, or one within the host's caches and one beyond them; None from fewer than two sizes."""
    if len({r.size_bytes for r in rows}) < 2 or not all(r.median_seconds > 0 for r in rows):
        return None
    sizes, seconds = [way.times * r.size_bytes for r in rows], [r.seconds for r in rows]
    cached = [limits.cached(r) for r in rows]
    found = fit_apart(sizes, seconds, cached) if cached.count(True) >= 2 else fit(sizes, seconds)
    return replace(found, misfit_bytes=found.misfit_bytes // way.times)


def _free_memory() -> int:
    """Bytes of the host's memory that programs can have; much where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return 1 << math.ceil(math.log2(_COPIES << 30))
