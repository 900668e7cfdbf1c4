"""Timing one way of moving bytes, whatever it is: a device's, a file's or a simulated one with a clock of its own."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

__all__ = ["DIRECTIONS", "Carrier", "Direction", "Effort", "Link", "Reading", "Unmeasurable", "Way", "measure"]

Direction = Literal[
    "host to device", "device to host", "both at once", "device to device", "device memory", "file to host",
    "file to device",
]  # fmt: skip
DIRECTIONS: tuple[Direction, ...] = Direction.__args__  # type: ignore[attr-defined]

Carrier = Literal["driver", "host", "kernel", "map"]
"""Who moves the bytes: a copy that the driver is asked for, loads and stores of the host through a mapping, a kernel
that reaches into memory of the host, or nobody: mapping and unmapping alone, which on some devices is a copy."""


class Unmeasurable(RuntimeError):
    """A reading cannot be taken here; the message says why."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way that bytes take.

    Attributes
    ----------
    memory
        Kind of memory at the host's end, ``"pageable"`` or ``"pinned"`` for instance; what is done with it, in the
        directions ``"device memory"`` (``"read"``, ``"write"``, ``"copy"``) and those from a file (``"cold"``,
        ``"warm"``).
    times
        How often the size that a reading names is moved: 2 for ``"both at once"`` and for a copy within the device's
        memory, whose bytes read and bytes written both count.
    """

    memory: str
    direction: Direction
    carrier: Carrier
    times: int = 1

    def __str__(self) -> str:
        return f"{self.direction}, {self.memory}"


class Link(Protocol):
    """A way with the clock that it is timed by. Only `copy` is timed."""

    def clock(self) -> float:
        """Seconds."""

    def prepare(self, size: int, offset: int) -> None:
        """Makes memory for `size` bytes, the host's end `offset` bytes past the start of a page.

        Raises
        ------
        Unmeasurable
            There is not so much memory, or the way does not exist here.
        """

    def renew(self) -> None:
        """Puts bytes at the start that were not there before, and wrong ones at the end; so touches every page."""

    def before(self) -> None:
        """What must be done again before every copy, such as dropping a file from the system's cache."""

    def copy(self) -> None:
        """Moves the bytes; returns when all have arrived."""

    def wrong(self) -> int:
        """How many bytes at the end are not those at the start."""

    def release(self) -> None:
        """Gives the memory back, also if `prepare` went wrong."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a reading is worked at."""

    seconds: float = 0.05
    """Copies are timed for about so long,"""
    least: int = 7
    """but so many at least"""
    most: int = 60
    """and so many at most."""
    warm_up: int = 2
    """Copies before, which are not counted."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Timings of one way, size and alignment.

    Attributes
    ----------
    size_bytes
        Of one copy, in each direction.
    offset_bytes
        Of the host's end from the start of a page of 4,096 bytes.
    seconds
        Of every timed copy, in the order in which they ran.
    wrong_bytes
        That had not arrived after the warm-up or after the last copy; a reading with any has no rate.
    flags
        What a reader must know (`ferkern.bench.transfers_limits`).
    """

    way: Way
    size_bytes: int
    offset_bytes: int
    seconds: tuple[float, ...]
    wrong_bytes: int
    flags: tuple[str, ...] = ()

    @property
    def median_seconds(self) -> float:
        return statistics.median(self.seconds)

    @property
    def quartile_seconds(self) -> tuple[float, float]:
        """A quarter of the copies took less than the first, a quarter more than the second."""
        low, high = np.quantile(self.seconds, (0.25, 0.75))
        return float(low), float(high)

    @property
    def bytes_per_second(self) -> float | None:
        """At the median; None where bytes did not arrive."""
        return self.rate(self.median_seconds)

    def rate(self, seconds: float) -> float | None:
        """Bytes a second if a copy takes `seconds`."""
        return self.way.times * self.size_bytes / seconds if not self.wrong_bytes and seconds > 0 else None


def measure(link: Link, way: Way, size: int, offset: int = 0, effort: Effort | None = None) -> Reading:
    """Prepare, warm up, verify, time, verify.

    The bytes are changed before the last timed copy, so that the verification after it proves that a timed copy moved
    them.

    Raises
    ------
    Unmeasurable
        The link says so.
    """
    effort = effort or Effort()
    try:
        link.prepare(size, offset)
        link.renew()
        with _no_collection():
            once = min(_timed(link) for _ in range(max(effort.warm_up, 1)))
            wrong = link.wrong()
            count = effort.most if once <= 0 else round(effort.seconds / once)
            count = max(effort.least, min(effort.most, count))
            seconds = [_timed(link) for _ in range(count - 1)]
            link.renew()
            seconds.append(_timed(link))
        return Reading(way, size, offset, tuple(seconds), max(wrong, link.wrong()))
    finally:
        link.release()


def _timed(link: Link) -> float:
    link.before()
    start = link.clock()
    link.copy()
    return link.clock() - start


@contextmanager
def _no_collection() -> Iterator[None]:
    """The interpreter's collector would be timed where it happens to run."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
