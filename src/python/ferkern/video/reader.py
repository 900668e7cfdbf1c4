"""A video as a stream of results: `open`, and `Video`, which is iterated over with ``for`` or ``async for``."""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from ferkern.config import config
from ferkern.face.expression import ExpressionClassifier, ExpressionHead
from ferkern.face.smile import SMILE, SmileStage
from ferkern.models.store import files
from ferkern.video.channel import Ended, Stopped
from ferkern.video.pipeline import DROP, READ, Pipeline
from ferkern.video.results import Report, Result
from ferkern.video.smooth import TIME_CONSTANT
from ferkern.video.source import ArraySource, FileSource, VideoSource, connect
from ferkern.video.stages import Annotate, Encode, Judge, Own, Smooth, Stage, Step, Track, Tracker, Work

if TYPE_CHECKING:
    from ferkern.face.stages import Head
    from ferkern.models.network import Network

__all__ = ["Video", "open"]


def open(
    source: VideoSource | FileSource | ArraySource,
    *,
    drop: str | None = None,
    nth: int = 2,
    model: str | os.PathLike[str] | Network = "fer_small",
    tracker: Tracker | None = None,
    smile: bool | None = None,
    heads: Sequence[Head] = (),
    stages: Sequence[Stage] = (),
    smoothing: float = TIME_CONSTANT,
    annotate: str | os.PathLike[str] | None = None,
    pixels: bool = False,
    rate: float | None = None,
    workers: Mapping[str, int] | None = None,
    priority: Mapping[str, int] | None = None,
    room: int = 2,
    real_time: bool | None = None,
) -> Video:
    """Follow the faces of a video and say what they express, frame by frame.

    Reading, tracking, judging, drawing and encoding run side by side, each in threads of its own, a few frames ahead of
    the consumer; results come in the order of the frames.

    Parameters
    ----------
    source : path, address, int, ``"-"``, or iterable
        A file or stream that FFmpeg reads; a camera's number (``"-"``: the first camera); or frames: uint8 arrays
        [H, W] (grey), [H, W, 3] (RGB) or [H, W, 4], or pairs of a time in seconds and such an array. Frames may change
        their size on the way.
    drop : ``"block"``, ``"latest"`` or ``"every_nth"``, optional
        What becomes of frames that come faster than they are worked on. Block: the source waits, nothing is lost.
        Latest: it never waits, the newest frame is taken when there is room, and the newest result when the consumer
        comes; so a slow consumer is never late. Every nth: the source waits, and only each `nth` frame, beginning with
        the first, is worked on. None: latest for cameras and addresses, else block. What was dropped is counted in
        `Video.report`.
    nth : int
        For ``"every_nth"``.
    model : str, path or Network
        As for `ferkern.Recognizer`.
    tracker : Tracker, optional
        None: a `ferkern.video.track.FaceTracker`.
    smile : bool, optional
        As for `ferkern.Recognizer`.
    heads : sequence of Head
        Heads of your own; what they say stands in `VideoFace.extra`.
    stages : sequence of callables
        Stages of your own, behind the smoothing: `ferkern.video.stages.Stage`. What they give stands in `Result.extra`.
    smoothing : float
        Time constant of the means over time in seconds (`ferkern.video.smooth`); 0: none.
    annotate : path, optional
        Write the video with its faces drawn to this file (H.264, without sound).
    pixels : bool
        Whether results bring their frames. Whoever keeps results then keeps these.
    rate : float, optional
        Frames a second, for arrays without times.
    workers : dict of str to int, optional
        Threads by name of stage: ``judge``, ``draw``, and those of your own. The others need the frames in order.
    priority : dict of str to int, optional
        By name of stage (``track``, ``judge``, ``smooth``, ``draw``, ``encode``, your own): a stage whose number is
        lower by n than the highest runs n steps of niceness lower on Linux, and is served by the processor after the
        others; elsewhere it has no effect. All are 0 if not said.
    room : int
        Frames that may wait between two stages; with ``"latest"`` it is one.
    real_time : bool, optional
        Whether frames are taken when their time has come, as a camera would give them. None: for files under
        ``"latest"``.

    Returns
    -------
    Video

    Raises
    ------
    ImportError
        The source is a file or camera, or `annotate` is given, and PyAV (extra ``video``) is not installed.
    OSError
        A file does not exist or may not be opened; there is no such camera.
    ValueError
        A file is no video; a choice or number is none that there is; a stage's name stands twice.
    TypeError
        The source is of another type.
    """
    _check(drop, nth, room)
    connected = source if isinstance(source, (FileSource, ArraySource)) else connect(source, rate=rate)
    encode: Encode | None = None
    try:
        with config(threads=1):
            judge = Judge(_networks(model, smile), heads)
            track = Track(tracker or _face_tracker())
        classes = judge.classifier.classes
        steps: list[Step] = [track, judge, Smooth(classes, smoothing), *(Own(stage) for stage in stages)]
        if annotate is not None:
            encode = Encode(annotate, connected)
            steps += [Annotate(), encode]
        _arrange(steps, workers or {}, priority or {})
    except BaseException:
        connected.close()
        if encode is not None:
            encode.close()
        raise
    policy = drop or ("latest" if connected.live else "block")
    paced = policy == "latest" and not connected.live and isinstance(connected, FileSource)
    pipeline = Pipeline(
        connected, steps, drop=policy, nth=nth, room=room, paced=paced if real_time is None else real_time
    )
    return Video(pipeline, classes=classes, pixels=pixels)


class Video:
    """Results of a video, once, in the order of its frames; made by `open`.

    Leaving its ``with`` block, an error, the end, and the last reference to it all end it: files are completed, threads
    are gone.

    Attributes
    ----------
    name : str
        The path, or what else messages call it.
    frames : int, or None
        How many the source says there are.
    rate : float
        Frames a second, about.
    classes : tuple of str
        Of the expressions.
    """

    def __init__(self, pipeline: Pipeline, *, classes: Sequence[str], pixels: bool) -> None:
        self._pipeline = pipeline
        self._pixels = pixels
        self.name = pipeline.source.name
        self.frames = pipeline.source.frames
        self.rate = pipeline.source.rate
        self.classes = tuple(classes)
        self._last = weakref.finalize(self, pipeline.finish, "closed")

    @property
    def report(self) -> Report:
        """What has become of the frames; complete when it is over."""
        return self._pipeline.report

    def close(self) -> None:
        """End it; what is under way is abandoned. Waits until files are complete and threads gone."""
        self._pipeline.finish("closed")
        self._last.detach()

    # -- for ---------------------------------------------------------------------------

    def __iter__(self) -> Video:
        return self

    def __next__(self) -> Result:
        """The next result.

        Raises
        ------
        ferkern.errors.StageError
            A stage failed; all results before that frame have come.
        Exception
            What the iterator raised that gives the frames.
        """
        try:
            return self._result(self._pipeline.take())
        except (Ended, Stopped):
            raise StopIteration from None
        except KeyboardInterrupt:
            self.close()
            raise

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- async for ---------------------------------------------------------------------

    def __aiter__(self) -> Video:
        return self

    async def __anext__(self) -> Result:
        """The next result; the loop goes on meanwhile. A task that is cancelled here loses none."""
        loop = asyncio.get_running_loop()
        while True:
            ready = loop.create_future()
            tell = _telling(loop, ready)
            try:
                work = self._pipeline.take_at_once(tell)
            except (Ended, Stopped):
                raise StopAsyncIteration from None
            if work is not None:
                return self._result(work)
            try:
                await ready
            except asyncio.CancelledError:
                self._pipeline.forget(tell)
                raise

    async def __aenter__(self) -> Video:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def _result(self, work: Work) -> Result:
        return Result(
            index=work.frame.index,
            time=work.frame.time,
            faces=work.faces,
            seconds=work.seconds,
            latency=time.perf_counter() - work.arrived,
            extra=work.extra,
            frame=work.frame if self._pixels else None,
        )


def _telling(loop: asyncio.AbstractEventLoop, ready: asyncio.Future[None]) -> Callable[[], None]:
    """A call, from any thread, that lets whoever awaits `ready` go on."""

    def done() -> None:
        if not ready.done():
            ready.set_result(None)

    def tell() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(done)

    return tell


def _check(drop: str | None, nth: int, room: int) -> None:
    if drop is not None and drop not in DROP:
        raise ValueError(f"drop must be one of {', '.join(DROP)}, is {drop!r}")
    for name, value in (("nth", nth), ("room", room)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, is {value}")


def _networks(
    model: str | os.PathLike[str] | Network, smile: bool | None
) -> Callable[[], tuple[ExpressionHead, SmileStage | None]]:
    """Makes the networks of one worker of the stage that judges."""
    from ferkern import models

    network = model if isinstance(model, models.Network) else models.load(model)

    def make() -> tuple[ExpressionHead, SmileStage | None]:
        with config(threads=1):
            head = ExpressionHead(ExpressionClassifier(network, threads=1))
            if smile is False or (smile is None and SMILE not in files()):
                return head, None
            stage = SmileStage()
        if stage.reads == network.name:
            return head, stage
        if smile:
            raise ValueError(f"smile: the head reads features of {stage.reads!r}, but the model is {network.name!r}")
        return head, None

    return make


def _face_tracker() -> Tracker:
    from ferkern.video.track import FaceTracker

    return FaceTracker()


def _arrange(steps: Sequence[Step], workers: Mapping[str, int], priority: Mapping[str, int]) -> None:
    """Give steps their workers and priorities."""
    names = [step.name for step in steps]
    for name in names:
        if names.count(name) > 1 or name == READ:
            raise ValueError(f"stages: the name {name!r} stands twice; give each stage a name of its own")
    for what, chosen in (("workers", workers), ("priority", priority)):
        for name, value in chosen.items():
            if name not in names:
                raise ValueError(f"{what}: there is no stage {name!r}; there are {', '.join(names)}")
            setattr(steps[names.index(name)], what, value)
    for step in steps:
        if step.workers < 1:
            raise ValueError(f"workers of stage {step.name!r} must be at least 1, are {step.workers}")
        if step.in_order and step.workers > 1:
            raise ValueError(f"workers of stage {step.name!r} are {step.workers}; it needs frames in order")
