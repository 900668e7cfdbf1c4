"""Every way in which a video can end: by itself, by its consumer, by an error; with `for` and with `async for`."""

from __future__ import annotations

import asyncio
import gc
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import ENVIRONMENT
from ferkern.errors import StageError
from ferkern.video import VideoFace
from video_clips import StillFaces, balanced, drained, frames, opened, our_threads

pytestmark = pytest.mark.slow  # nothing here depends on the instruction set


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = our_threads()
    yield
    gc.collect()
    assert our_threads() == before


def test_consumer_stops_early() -> None:
    closed = threading.Event()

    def source() -> Iterator[np.ndarray]:
        try:
            yield from frames(1000)
        finally:
            closed.set()

    with opened(source()) as video:
        for result in video:
            if result.index == 5:
                break
    assert closed.is_set()
    assert video.report.ended == "closed"
    assert video.report.results == 6
    assert balanced(video.report)
    assert our_threads() == []
    assert list(video) == []


def test_consumer_that_forgets_to_close() -> None:
    video = opened(frames(1000))
    next(video)
    report = video.report
    assert our_threads()
    del video
    gc.collect()
    assert our_threads() == []
    assert report.ended == "closed"


def test_never_begun() -> None:
    video = opened(frames(10))
    assert our_threads() == []
    video.close()
    assert list(video) == []


def test_program_that_ends_in_the_middle() -> None:
    """Nothing is closed, a stage is at work, the source waits for ever: the program ends all the same, and says so."""
    code = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from ferkern.video import pipeline
from video_clips import frames, opened
pipeline.PATIENCE = 0.2
def source():
    yield from frames(30)
    threading.Event().wait()
video = opened(source())
print([next(video).index for _ in range(30)][-1])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        capture_output=True, text=True, timeout=60, check=False, env=ENVIRONMENT,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "29\n"), done.stderr
    assert "left behind" in done.stderr
    assert "ferkern decode" in done.stderr


@pytest.mark.parametrize("at", [0, 7])
@pytest.mark.parametrize("where", ["track", "own", "workers"])
def test_stage_that_raises(where: str, at: int) -> None:
    """All results before that frame come, then the error, naming stage and frame; then nothing."""

    def own(frame: Any, faces: list[VideoFace]) -> None:
        if where != "track" and frame.index == at:
            raise ArithmeticError("division of nothing")

    tracker = StillFaces(fails_at=at if where == "track" else None)
    workers = {"own": 3} if where == "workers" else {}
    with opened(frames(100), tracker=tracker, stages=[own], workers=workers) as video:
        seen, error = drained(video)
        assert isinstance(error, StageError)
        assert re.match(rf"stage '\w+' on frame {at} of source: ArithmeticError", str(error))
        assert isinstance(error.__cause__, ArithmeticError)
        assert seen == list(range(at))
        assert our_threads() == []
        assert list(video) == []
    assert video.report.ended == "error"
    assert video.report.results == at
    assert balanced(video.report)


def test_stage_that_raises_under_latest() -> None:
    """The error is never dropped."""

    def source() -> Iterator[np.ndarray]:
        for frame in frames(1000):
            time.sleep(1e-3)
            yield frame

    with opened(source(), tracker=StillFaces(fails_at=2), drop="latest") as video:
        time.sleep(0.1)
        _, error = drained(video)
    assert "had enough" in str(error)
    assert video.report.read < 1000
    assert balanced(video.report)


def test_stage_that_raises_at_its_end() -> None:
    class Bad:
        name = "bad"

        def __call__(self, frame: Any, faces: list[VideoFace]) -> None: ...

        def close(self) -> None:
            raise OSError("the disk is full")

    with opened(frames(10), stages=[Bad()]) as video:
        seen, error = drained(video)
    assert str(error) == "stage 'bad' at its end: OSError: the disk is full"
    assert seen == list(range(10))
    assert balanced(video.report)


@given(
    count=st.integers(0, 25),
    drop=st.sampled_from(["block", "latest", "every_nth"]),
    room=st.integers(1, 3),
    workers=st.integers(1, 4),
    fails_at=st.none() | st.integers(0, 25),
    stops_at=st.none() | st.integers(0, 25),
)
@settings(max_examples=25, deadline=None)
def test_any_way_through(
    count: int, drop: str, room: int, workers: int, fails_at: int | None, stops_at: int | None
) -> None:
    """Whatever is asked for and happens: results rise, stop before the frame that failed, and all are accounted for."""

    def stage(frame: Any, faces: list[VideoFace]) -> int:
        if frame.index == fails_at:
            raise ArithmeticError
        return frame.index

    seen = []
    error = None
    with opened(frames(count, (2, 2)), drop=drop, room=room, stages=[stage], workers={"stage": workers}) as video:
        try:
            for result in video:
                seen.append(result.index)
                assert result.extra["stage"] == result.index
                if result.index == stops_at:
                    break
        except StageError as raised:
            error = raised
    expected = list(range(0, count, 2 if drop == "every_nth" else 1))
    before = [i for i in expected if fails_at not in expected or fails_at is None or i < fails_at]
    assert seen == sorted(set(seen))
    assert fails_at not in seen
    if error is not None:
        assert set(seen) <= set(before)
    if drop != "latest":  # which may also drop the frame that would have failed
        stopped = stops_at in before
        assert seen == [i for i in before if not stopped or stops_at is None or i <= stops_at]
        assert (error is not None) == (fails_at in expected and not stopped)
        assert video.report.dropped <= count - len(expected)
    assert video.report.results == len(seen)
    assert balanced(video.report)
    assert our_threads() == []


def test_source_that_raises() -> None:
    """What the iterator raises comes as it is, behind the results of the frames before."""

    def source() -> Iterator[np.ndarray]:
        yield from frames(4)
        raise LookupError("no more film")

    with opened(source()) as video:
        seen, error = drained(video)
    assert isinstance(error, LookupError)
    assert str(error) == "no more film"
    assert seen == [0, 1, 2, 3]
    assert (video.report.read, video.report.results) == (4, 4)


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (np.zeros((4, 4), np.float32), TypeError, r"source\[2\]: dtype float32, expected uint8"),
        (np.zeros((4, 4, 2), np.uint8), ValueError, r"source\[2\]: shape \[4, 4, 2\]"),
        (np.zeros((0, 4), np.uint8), ValueError, r"source\[2\]: shape \[0, 4\]"),
        ("frame", TypeError, r"source\[2\]: str is no frame"),
    ],
)
def test_wrong_frames(frame: Any, error: type[Exception], message: str) -> None:
    with opened([*frames(2), frame, *frames(2)]) as video, pytest.raises(error, match=message):
        list(video)
    assert video.report.results == 2


def test_change_of_size() -> None:
    tracker = StillFaces()
    clip = [*frames(3), *frames(3, (40, 32)), *frames(2, (40, 32), channels=3), *frames(1, (1, 1))]
    with opened(clip, tracker=tracker) as video:
        assert len(list(video)) == 9
    assert video.report.sizes == [(64, 48), (40, 32), (1, 1)]
    assert tracker.resets == 2
    assert tracker.shapes == [f.shape[:2] for f in clip]


def test_times_rise_strictly() -> None:
    """Stamps that stand still, go back, or are not numbers are mended; the distances behind a jump stay."""
    stamps = [0.0, 0.1, 0.1, 0.05, float("nan"), 5.0, 0.0, 0.1]
    with opened(list(zip(stamps, frames(8), strict=True)), rate=10.0) as video:
        times = [r.time for r in video]
    assert times[:2] == [0.0, 0.1]
    assert (np.diff(times) > 0).all()
    assert times[-1] - times[-2] == pytest.approx(0.1)
    assert video.report.mended_times == 4


# -- asyncio -------------------------------------------------------------------------------


def test_async_for_leaves_the_loop_free() -> None:
    """While the stages work, other tasks go on; results are the same as with `for`."""

    def slow(frame: Any, faces: list[VideoFace]) -> None:
        time.sleep(0.01)

    async def run() -> tuple[list[int], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async with opened(frames(20), stages=[slow]) as video:
            indices = [r.index async for r in video]
        ticking.cancel()
        return indices, ticks

    indices, ticks = asyncio.run(run())
    assert indices == list(range(20))
    assert ticks > 10


def test_async_task_that_is_cancelled_loses_nothing() -> None:
    gate = threading.Event()

    def source() -> Iterator[np.ndarray]:
        yield from frames(3)
        gate.wait(10)
        yield from frames(3)

    async def run() -> list[int]:
        seen = []
        async with opened(source()) as video:
            for _ in range(3):
                seen.append((await anext(video)).index)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(video), 0.05)
            gate.set()
            seen += [r.index async for r in video]
        return seen

    assert asyncio.run(run()) == list(range(6))


def test_async_error_and_early_end() -> None:
    async def run() -> None:
        async with opened(frames(10), tracker=StillFaces(fails_at=4)) as video:
            with pytest.raises(StageError):
                [r async for r in video]
        async with opened(frames(1000)) as video:
            async for result in video:
                if result.index == 3:
                    break
        assert balanced(video.report)

    asyncio.run(run())
