"""Stages in threads: a source, steps behind it, and results in the order of the frames.

Between two steps stands a `Channel` with little room, so a slow step holds back those before it, and memory is bounded
whatever happens. Every frame that the source gives ends in exactly one of three ways, and is counted there: as a
result that was taken, as dropped by the policy, or as abandoned, when it was under way at an early end.

A step that raises puts the error in its frame's place. It reaches the consumer behind all results before it; what
stands before the step stops at once.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ferkern import _core
from ferkern.errors import StageError
from ferkern.video.channel import Channel, Ended, Stopped
from ferkern.video.frame import Frame
from ferkern.video.results import Report, StageTime
from ferkern.video.source import Source
from ferkern.video.stages import Step, Work

__all__ = ["DROP", "READ", "Failure", "Pipeline"]

DROP = ("block", "latest", "every_nth")
"""What may become of frames that come faster than they are worked on; see `ferkern.video.open`."""

PATIENCE = 10.0
"""Seconds that the end waits for a step or source that is busy; one that never returns is left and named."""

_LOG = logging.getLogger(__name__)
READ = "decode"
"""Name of what the source does, beside the stages."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands in the place of a frame (of none, if the source failed): this happened there."""

    error: BaseException
    frames: int


Item = Work | Failure
Choice = tuple[str, bool, str, int, bool]  # of `ferkern.config`


class Pipeline:
    """Threads that run steps over the frames of a source.

    Parameters
    ----------
    source : Source
    steps : sequence of Step
    drop : str
        One of `DROP`.
    nth : int
        Which frames ``"every_nth"`` keeps.
    room : int
        Frames that may lie between two steps.
    paced : bool
        Whether frames are taken when their time has come, as from a camera.
    """

    def __init__(
        self, source: Source, steps: Sequence[Step], *, drop: str, nth: int = 1, room: int = 2, paced: bool = False
    ) -> None:
        self.source = source
        self.report = Report(stages={name: StageTime() for name in (READ, *(step.name for step in steps))})
        self._steps = tuple(steps)
        self._nth = nth if drop == "every_nth" else 1
        self._paced = paced
        latest = drop == "latest"
        ends = (0, len(steps))
        self._channels: list[Channel[Item]] = [
            Channel(1 if latest else room, newest=latest and i in ends, keep=_is_failure) for i in range(len(steps) + 1)
        ]
        self._stopping = threading.Event()
        self._lock = threading.RLock()  # of the counts; the collector may end a video in the middle of one
        self._skipped = self._held = self._failed_frames = 0
        self._threads: list[threading.Thread] = []
        self._began = self._first = 0.0
        self._over = False

    # -- for the consumer ----------------------------------------------------------------

    def start(self) -> None:
        """Start the threads; once."""
        if self._threads or self._over:
            return
        choice = _core.get_choice()
        lowest = max([step.priority for step in self._steps] + [0])
        self._thread(READ, self._read, choice, lowest)
        for i, step in enumerate(self._steps):
            working = _Working(step.workers)
            for number in range(step.workers):
                name = step.name if step.workers == 1 else f"{step.name} {number + 1}"
                self._thread(name, partial(self._serve, i, step, working), choice, lowest - step.priority)

    def take(self) -> Work:
        """The next frame's work; waits for it.

        Raises
        ------
        Ended, Stopped
            There is no more.
        Exception
            What a step (as a StageError) or the source raised.
        """
        self.start()
        try:
            return self._given(self._channels[-1].take()[1])
        except Ended:
            self.finish("end")
            raise

    def take_at_once(self, otherwise: Callable[[], None]) -> Work | None:
        """As `take`, or None if that would wait: then `otherwise` is called when there is something."""
        self.start()
        try:
            taken = self._channels[-1].take_at_once(otherwise)
        except Ended:
            self.finish("end")
            raise
        return None if taken is None else self._given(taken[1])

    def forget(self, otherwise: Callable[[], None]) -> None:
        """What was left with `take_at_once` need not be called."""
        self._channels[-1].forget(otherwise)

    def _given(self, item: Item) -> Work:
        if isinstance(item, Failure):
            self._failed_frames += item.frames
            self.finish("error", failures=1)
            raise item.error
        return item

    def stop(self) -> None:
        """Let nothing go on; does not wait."""
        self._stopping.set()
        for channel in self._channels:
            channel.stop()

    def finish(self, how: str, *, failures: int = 0) -> None:
        """Stop what still runs, wait for it, and complete the report; the first call counts."""
        with self._lock:
            if self._over:
                return
            self._over = True
        self.stop()
        deadline = time.monotonic() + PATIENCE
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(deadline - time.monotonic(), 0))
        busy = [thread.name for thread in self._threads if thread.is_alive()]
        if busy:
            _LOG.warning("%s: left behind after %.0f s: %s", self.source.name, PATIENCE, ", ".join(busy))
        self._complete(how, failures)

    def _complete(self, how: str, failures: int) -> None:
        report = self.report
        left = [item for channel in self._channels for item in channel.left]
        report.results = self._channels[-1].taken - failures
        report.dropped = self._skipped + self._channels[0].dropped + self._channels[-1].dropped
        waiting = sum(item.frames if isinstance(item, Failure) else 1 for item in left)
        report.abandoned = waiting + self._held + self._failed_frames
        report.damaged, report.missing = self.source.damaged, self.source.missing
        report.mended_times = self.source.clock.mended
        report.seconds = time.perf_counter() - self._began if self._began else 0.0
        report.ended = how
        if report.damage:
            _LOG.warning("%s: %s", self.source.name, report.damage)

    # -- in the threads ------------------------------------------------------------------

    def _thread(self, name: str, work: Callable[[], None], choice: Choice, lower: int) -> None:
        isa, exact, kernel, _, strict = choice

        def run() -> None:
            _core.set_choice(isa, exact, kernel, 1, strict)
            _lower_priority(lower)
            work()

        # A daemon: a program that forgets to close a video ends all the same.
        thread = threading.Thread(target=run, name=f"ferkern {name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _read(self) -> None:
        """The source's thread."""
        channel, number = self._channels[0], 0
        try:
            frames = iter(self.source)
            while not self._stopping.is_set():
                begin, begin_own = time.perf_counter(), time.thread_time()
                frame = next(frames, None)
                if frame is None:
                    break
                spent = time.perf_counter() - begin
                self._note(READ, spent, time.thread_time() - begin_own)
                self._arrive(frame)
                if frame.index % self._nth:
                    self._skipped += 1
                    continue
                work = Work(frame, time.perf_counter(), {READ: spent})
                try:
                    channel.put(number, work)
                except Stopped:
                    self._hold(1)
                    return
                number += 1
        except BaseException as error:
            self._report_failure(channel, number, error)
        finally:
            self._close_source(channel, number)
            channel.end()

    def _arrive(self, frame: Frame) -> None:
        report = self.report
        if not report.read:
            self._began = time.perf_counter()
            self._first = frame.time
        report.read += 1
        if not report.sizes or report.sizes[-1] != frame.size:
            report.sizes.append(frame.size)
        if self._paced:
            due = self._began + frame.time - self._first
            self._stopping.wait(max(due - time.perf_counter(), 0))

    def _close_source(self, channel: Channel[Item], number: int) -> None:
        try:
            self.source.close()
        except BaseException as error:
            self._report_failure(channel, number, error)

    def _report_failure(self, channel: Channel[Item], number: int, error: BaseException) -> None:
        try:
            channel.put(number, Failure(error, 0))
        except Stopped:
            _LOG.warning("%s: after it was stopped: %s", self.source.name, error)

    def _serve(self, i: int, step: Step, working: _Working) -> None:
        """One worker's thread of step `i`."""
        inlet, outlet = self._channels[i], self._channels[i + 1]
        ticket = -1
        try:
            while True:
                ticket, item = inlet.take()
                failed = isinstance(item, Failure)
                if not failed:
                    item = self._done(step, item)
                try:
                    outlet.put(ticket, item)
                except Stopped:
                    self._hold(item.frames if isinstance(item, Failure) else 1)
                    raise
                if isinstance(item, Failure):  # what comes behind it is for nobody
                    self._stopping.set()
                    inlet.stop()
                    break
        except (Ended, Stopped):
            pass
        if working.leave():
            self._close_step(step, inlet, outlet)
            outlet.end()

    def _close_step(self, step: Step, inlet: Channel[Item], outlet: Channel[Item]) -> None:
        try:
            step.close()
        except BaseException as error:
            failure = StageError(f"stage {step.name!r} at its end: {_told(error)}")
            failure.__cause__ = error
            try:
                outlet.put(inlet.taken, Failure(failure, 0))
            except Stopped:
                _LOG.warning("%s: %s", self.source.name, failure)

    def _done(self, step: Step, work: Item) -> Item:
        assert isinstance(work, Work)
        begin, begin_own = time.perf_counter(), time.thread_time()
        try:
            step(work)
        except BaseException as error:
            name = f"stage {step.name!r} on frame {work.frame.index} of {self.source.name}"
            failure = error if isinstance(error, MemoryError) else StageError(f"{name}: {_told(error)}")
            if failure is not error:
                failure.__cause__ = error
            return Failure(failure, 1)
        spent = time.perf_counter() - begin
        work.seconds[step.name] = spent
        self._note(step.name, spent, time.thread_time() - begin_own)
        return work

    def _note(self, name: str, seconds: float, processor: float) -> None:
        """What a stage took for one frame."""
        with self._lock:
            stage = self.report.stages[name]
            stage.frames += 1
            stage.seconds += seconds
            stage.processor += processor
            stage.longest = max(stage.longest, seconds)

    def _hold(self, frames: int) -> None:
        """Frames that a thread held when everything was stopped."""
        with self._lock:
            self._held += frames


class _Working:
    """How many workers of a step are at work."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()

    def leave(self) -> bool:
        """One leaves; whether it was the last."""
        with self._lock:
            self._count -= 1
            return self._count == 0


def _is_failure(item: Item) -> bool:
    return isinstance(item, Failure)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _lower_priority(by: int) -> None:
    """Make this thread nicer than the one it comes from; where systems know no such thing, nothing happens."""
    if by > 0 and sys.platform == "linux":
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + by)
