"""A video as a stream of results: order, counts, drop policies, stages of one's own; how it ends: test_video_ends."""

from __future__ import annotations

import gc
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from ferkern.video import VideoFace
from video_clips import StillFaces, balanced, frames, opened, our_threads

pytestmark = pytest.mark.slow  # nothing here depends on the instruction set


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = our_threads()
    yield
    gc.collect()
    assert our_threads() == before


def test_every_frame_gives_a_result_in_order() -> None:
    tracker = StillFaces(2)
    with opened(frames(40), tracker=tracker, rate=25.0) as video:
        assert video.frames == 40
        results = list(video)
    assert [r.index for r in results] == list(range(40))
    assert [r.time for r in results] == pytest.approx([i / 25 for i in range(40)])
    assert tracker.times == [r.time for r in results]
    report = video.report
    assert (report.read, report.results, report.dropped, report.abandoned) == (40, 40, 0, 0)
    assert report.ended == "end"
    assert report.sizes == [(64, 48)]
    for result in results:
        assert [face.id for face in result.faces] == [0, 1]
        assert list(result.seconds) == ["decode", "track", "judge", "smooth"]
        assert min(result.seconds.values()) >= 0
        assert result.latency >= result.seconds["track"] + result.seconds["judge"]
        assert result.frame is None
    assert {name: stage.frames for name, stage in report.stages.items()} == dict.fromkeys(results[0].seconds, 40)
    assert list(video) == []  # once


def test_faces_are_what_the_networks_say() -> None:
    """Smoothed and raw probabilities against the networks called by themselves on the same crops."""
    from ferkern.face.align import align
    from ferkern.face.expression import ExpressionClassifier, cut

    pictures = [np.random.default_rng(i).integers(0, 255, (48, 64), dtype=np.uint8) for i in range(12)]
    tracker = StillFaces()
    with opened(pictures, tracker=tracker, model="fer_small", smoothing=0.2) as video:
        faces = [result.faces[0] for result in video]
    classifier = ExpressionClassifier("fer_small", threads=1)
    matrices, aligned = align(tracker.faces[0].landmarks[None])
    assert aligned.all()
    raw = np.array([classifier(cut(p, matrices))[0] for p in pictures])
    np.testing.assert_allclose([list(f.raw_probabilities.values()) for f in faces], raw, atol=1e-5)
    for i, face in enumerate(faces):
        weights = np.exp(-(i - np.arange(i + 1)) / 30 / 0.2)
        expected = (weights[:, None] * raw[: i + 1]).sum(axis=0) / weights.sum()
        np.testing.assert_allclose(list(face.probabilities.values()), expected, atol=1e-5)
        assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert face.emotion == video.classes[int(expected.argmax())]
        assert face.aligned
        assert face.pose is not None
        assert face.smile is not None
        assert face.raw_smile is not None


def test_frames_without_faces() -> None:
    with opened(frames(5)) as video:
        assert [r.faces for r in video] == [[]] * 5


def test_pixels_stay_as_they_were() -> None:
    """One array used for all frames by the caller; results that are kept keep their own pixels."""

    def one_array() -> Iterator[np.ndarray]:
        array = np.empty((8, 6, 3), np.uint8)
        for i in range(30):
            array[...] = i
            yield array

    with opened(one_array(), pixels=True) as video:
        results = list(video)
    assert [int(r.frame.rgb()[3, 3, 1]) for r in results if r.frame] == list(range(30))
    assert all(r.frame is not None and not r.frame.luma.flags.writeable for r in results)


def test_buffers_are_used_again() -> None:
    from ferkern.video.source import ArraySource

    source = ArraySource(frames(300))
    with opened(source) as video:
        for _ in video:
            pass
    assert source.buffers.made < 20


@pytest.mark.parametrize("workers", [1, 4])
def test_own_stages(workers: int) -> None:
    """A function and an object; with several workers that take random times, results come in order all the same."""

    def brightness(frame: Any, faces: list[VideoFace]) -> float:
        time.sleep(random.random() * 2e-3)
        return float(frame.luma.mean())

    class Counting:
        name = "count"
        closed = 0

        def __init__(self) -> None:
            self.seen: list[int] = []

        def __call__(self, frame: Any, faces: list[VideoFace]) -> int:
            self.seen.append(frame.index)
            return len(faces)

        def close(self) -> None:
            self.closed += 1

    counting = Counting()
    clip = frames(60)
    with opened(
        clip, tracker=StillFaces(1), stages=[brightness, counting], workers={"brightness": workers, "judge": workers}
    ) as video:
        results = list(video)
    assert [r.extra["brightness"] for r in results] == [float(f.mean()) for f in clip]
    assert [r.extra["count"] for r in results] == [1] * 60
    assert counting.seen == list(range(60))
    assert counting.closed == 1
    assert list(results[0].seconds)[-2:] == ["brightness", "count"]


def test_priority_is_niceness() -> None:
    """A stage below the highest priority runs that much nicer."""
    import os

    nice: dict[str, int] = {}

    def slow(frame: Any, faces: list[VideoFace]) -> None:
        nice["slow"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def quick(frame: Any, faces: list[VideoFace]) -> None:
        nice["quick"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with opened(frames(2), stages=[slow, quick], priority={"quick": 2, "slow": -1}) as video:
        list(video)
    if sys.platform == "linux" and own < 17:
        assert nice == {"quick": own, "slow": own + 3}


# -- what is left out ----------------------------------------------------------------------


@pytest.mark.parametrize("nth", [1, 3, 7])
def test_every_nth(nth: int) -> None:
    with opened(frames(50), drop="every_nth", nth=nth) as video:
        assert [r.index for r in video] == list(range(0, 50, nth))
    kept = len(range(0, 50, nth))
    assert (video.report.read, video.report.results, video.report.dropped) == (50, kept, 50 - kept)


def test_latest_drops_for_a_slow_consumer() -> None:
    """The source is never held back, what comes is new, and every frame is accounted for."""
    given = threading.Event()

    def source() -> Iterator[np.ndarray]:
        for frame in frames(60):
            time.sleep(1e-3)
            yield frame
        given.set()

    with opened(source(), drop="latest") as video:
        first = next(video)
        assert given.wait(10)
        time.sleep(0.1)
        rest = list(video)
    indices = [first.index, *(r.index for r in rest)]
    assert indices == sorted(set(indices))
    assert indices[-1] == 59
    assert len(rest) < 10
    assert video.report.read == 60
    assert video.report.dropped == 60 - len(indices)
    assert video.report.abandoned == 0


def test_latest_drops_for_a_slow_stage() -> None:
    """A stage that is busy until the source has given all: only what was under way and the newest are worked on."""
    given = threading.Event()

    def slow(frame: Any, faces: list[VideoFace]) -> None:
        assert given.wait(30)

    def source() -> Iterator[np.ndarray]:
        yield from frames(100)
        given.set()

    with opened(source(), drop="latest", stages=[slow]) as video:
        indices = [r.index for r in video]
    assert indices == sorted(set(indices))
    assert indices[-1] == 99
    assert len(indices) < 12
    assert balanced(video.report)
    assert video.report.dropped == 100 - len(indices)


def test_block_holds_the_source_back() -> None:
    taken: list[int] = []

    def source() -> Iterator[np.ndarray]:
        for i, frame in enumerate(frames(200)):
            taken.append(i)
            yield frame

    with opened(source()) as video:
        for _ in range(3):
            next(video)
        time.sleep(0.1)
        assert len(taken) < 30
    assert balanced(video.report)
    assert video.report.abandoned == video.report.read - 3


# -- what is asked for ---------------------------------------------------------------------


def named(name: str) -> Callable[..., None]:
    def stage(frame: Any, faces: list[VideoFace]) -> None: ...

    stage.__name__ = name
    return stage


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop": "some"}, "drop must be one of block, latest, every_nth, is 'some'"),
        ({"nth": 0}, "nth must be at least 1, is 0"),
        ({"room": 0}, "room must be at least 1, is 0"),
        ({"smoothing": -1.0}, "smoothing is -1.0"),
        ({"rate": 0.0}, "rate is 0.0"),
        ({"workers": {"tack": 2}}, "workers: there is no stage 'tack'; there are track, judge, smooth"),
        ({"workers": {"track": 2}}, "workers of stage 'track' are 2; it needs frames in order"),
        ({"workers": {"judge": 0}}, "workers of stage 'judge' must be at least 1, are 0"),
        ({"priority": {"draw": 1}}, "priority: there is no stage 'draw'"),
        ({"stages": [named("judge")]}, "the name 'judge' stands twice"),
        ({"stages": [named("a"), named("a")]}, "the name 'a' stands twice"),
        ({"stages": [named("decode")]}, "the name 'decode' stands twice"),
        ({"model": "fer_2conv", "smile": True}, "smile: the head reads features of 'fer_small'"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        opened(frames(1), **options)


def test_wrong_sources() -> None:
    with pytest.raises(TypeError, match="float is no video"):
        opened(1.5)
    with pytest.raises(TypeError, match=r"one array of shape \[48, 64\]"):
        opened(frames(1)[0])
    with pytest.raises(FileNotFoundError, match="camera 97: there is no /dev/video97"):
        opened(97)


# -- many frames ---------------------------------------------------------------------------


def test_stress() -> None:
    """Many workers, little room, random times, several videos at once: order and counts hold."""

    def jitter(frame: Any, faces: list[VideoFace]) -> int:
        if random.random() < 0.05:
            time.sleep(random.random() * 2e-3)
        return frame.index

    def run(count: int, room: int, failures: list[str]) -> None:
        options = {"stages": [jitter], "workers": {"jitter": 5, "judge": 2}, "room": room}
        with opened(frames(count), tracker=StillFaces(room % 2), **options) as video:
            got = [(r.index, r.extra["jitter"]) for r in video]
        if got != [(i, i) for i in range(count)] or not balanced(video.report):
            failures.append(f"{count} frames, room {room}: {got[:5]}, {video.report}")

    failures: list[str] = []
    threads = [threading.Thread(target=run, args=(150, room, failures)) for room in (1, 2, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
