"""Where the time of calls on a device went: every span lies between two readings of a clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import numpy as np

__all__ = ["KINDS", "Kind", "Span", "Timeline", "clock_offset", "flatten", "totals"]

Kind = Literal["compile", "host to device", "kernel", "device to host", "queue", "host"]

KINDS: tuple[Kind, ...] = ("kernel", "host to device", "device to host", "compile", "queue", "host")
"""What a moment is counted as, the first that applies: while a kernel runs, the host may be preparing the next."""


_COMPLETE = 0  # CL_COMPLETE


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time.

    Attributes
    ----------
    kind
        ``"compile"``: a program is built or read from the cache. ``"host to device"``, ``"device to host"``: copies.
        ``"kernel"``. ``"queue"``: from a command's being queued to its start, and from the last command's end until
        the host, which waits, knows of it. ``"host"``: ferkern's own work in Python.
    layer
        The layer of the network that it served; empty outside a network.
    name
        Of the kernel, or what was copied or done.
    start
        Seconds on the host's clock (`time.perf_counter`).
    bytes
        Copied.
    """

    kind: Kind
    layer: str
    name: str
    start: float
    seconds: float
    bytes: int = 0


@dataclass(slots=True)
class _Command:
    kind: Kind
    layer: str
    name: str
    event: Any
    queued: float
    bytes: int


class Timeline:
    """Records the commands of a queue and the host's work between them; made by `Device.recording`."""

    def __init__(self, offset: float) -> None:
        self.layer = ""
        """The layer that what follows serves."""
        self._offset = offset
        self._commands: list[_Command] = []
        self._host: list[Span] = []

    def forget(self, before: float) -> None:
        """Drops what had ended by then."""
        self._host = [span for span in self._host if span.start + span.seconds > before]
        self._commands = [
            c
            for c in self._commands
            if c.event.command_execution_status != _COMPLETE or 1e-9 * c.event.profile.end + self._offset > before
        ]

    def take(self, other: Timeline) -> None:
        """Takes over what another record of the same device holds."""
        self._host += other._host
        self._commands += other._commands

    def command(self, kind: Kind, name: str, event: Any, size: int = 0, queued: float | None = None) -> None:
        """Notes a command that has been queued: now, or at the time `queued` where the call waited for its end."""
        self._commands.append(_Command(kind, self.layer, name, event, queued or perf_counter(), size))

    @contextmanager
    def span(self, kind: Kind, name: str) -> Iterator[None]:
        """Notes what the host does meanwhile."""
        begin = perf_counter()
        try:
            yield
        finally:
            self._host.append(Span(kind, self.layer, name, begin, perf_counter() - begin))

    def waited(self, begin: float) -> None:
        """Notes that the host has waited for all commands since `begin`; that it knows now belongs to the queue."""
        end = perf_counter()
        if not self._commands:
            return
        last = self._commands[-1]  # of an in-order queue: it ended last
        last.event.wait()  # Intel's runtime comes back from a blocking copy before its event has times, now and then
        ended = 1e-9 * last.event.profile.end + self._offset
        if end > ended:
            begin = max(begin, ended)
            self._host.append(Span("queue", last.layer, "the host learns of the end", begin, end - begin))
        self._host.append(Span("host", last.layer, "ask for the end's time", end, perf_counter() - end))

    def spans(self) -> list[Span]:
        """All spans of commands that have ended and of the host, in the order of their starts; they may overlap."""
        spans = list(self._host)
        for c in self._commands:
            if c.event.command_execution_status != _COMPLETE:
                continue
            start, end = (1e-9 * t + self._offset for t in (c.event.profile.start, c.event.profile.end))
            spans.append(Span(c.kind, c.layer, c.name, start, end - start, c.bytes))
            if start > c.queued:
                spans.append(Span("queue", c.layer, c.name, c.queued, start - c.queued))
        return sorted(spans, key=lambda span: span.start)


def flatten(spans: Sequence[Span], begin: float, end: float) -> list[Span]:
    """The same time without overlaps: of several spans at a moment the first kind of `KINDS` counts, of one kind the
    earliest. What lies outside [begin, end] is cut off; what no span covers is not there."""
    edges: list[tuple[float, int, int]] = []
    for i, span in enumerate(spans):
        first, last = max(span.start, begin), min(span.start + span.seconds, end)
        if last > first:
            edges += [(first, 1, i), (last, 0, i)]
    edges.sort()
    rank = {kind: r for r, kind in enumerate(KINDS)}
    running: set[int] = set()
    pieces: list[Span] = []
    previous = begin
    for moment, opens, i in edges:
        if running and moment > previous:
            chosen = spans[min(running, key=lambda j: (rank[spans[j].kind], spans[j].start, j))]
            pieces.append(Span(chosen.kind, chosen.layer, chosen.name, previous, moment - previous))
        previous = moment
        (running.add if opens else running.discard)(i)
    return pieces


def totals(spans: Sequence[Span]) -> dict[Kind, float]:
    """Seconds of each kind."""
    sums: dict[Kind, float] = defaultdict(float)
    for span in spans:
        sums[span.kind] += span.seconds
    return {kind: sums[kind] for kind in KINDS}


def clock_offset(cl: Any, handle: Any, queue: Any) -> float:
    """Seconds to add to a device's time (in seconds) to get `time.perf_counter`'s.

    From the narrowest of several pairs of host readings around one of the device's clock: the driver's own timer where
    it offers one (``clGetDeviceAndHostTimer``), else the moment at which a small command was queued.
    """

    def by_timer() -> float:
        return float(handle.device_and_host_timer()[0])

    def by_command() -> float:
        event = cl.enqueue_fill(queue, buffer, np.int32(0), 4)
        moments.append(perf_counter())  # before the wait
        event.wait()
        return float(event.profile.queued)

    moments: list[float] = []
    read = by_timer
    try:
        read()
    except (cl.Error, AttributeError):
        read = by_command
        buffer = cl.Buffer(queue.context, cl.mem_flags.READ_WRITE, 4)
        read()
    best = (float("inf"), 0.0)
    for _ in range(7):
        moments.clear()
        before = perf_counter()
        device = read()
        after = moments[0] if moments else perf_counter()
        best = min(best, (after - before, (before + after) / 2 - 1e-9 * device))
    return best[1]
