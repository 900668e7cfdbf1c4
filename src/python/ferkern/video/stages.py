"""The stages of a video: the contract of one's own, and those that are always there.

Each runs in threads of its own between two queues (`ferkern.video.pipeline`), one call for each frame.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ferkern.face.align import align
from ferkern.face.expression import cut
from ferkern.face.expression import frame as framed
from ferkern.face.pose import estimate as estimate_pose
from ferkern.face.stages import FaceBatch, checked_results
from ferkern.pictures import Picture
from ferkern.video.encode import Encoder
from ferkern.video.frame import Frame
from ferkern.video.results import VideoFace
from ferkern.video.smooth import Smoother

if TYPE_CHECKING:
    from ferkern.face.expression import ExpressionClassifier, ExpressionHead
    from ferkern.face.smile import SmileStage
    from ferkern.face.stages import Head
    from ferkern.video.source import Source

__all__ = ["Annotate", "Encode", "Judge", "Own", "Reading", "Smooth", "Stage", "Step", "Track", "Tracker", "Work"]


class Stage(Protocol):
    """A stage of your own, behind those that find and judge faces: any callable.

    It may have attributes: ``name`` (its results stand under it; else the name of the function), ``workers`` (threads
    that call it, 1 if not said; with more than one, frames come in any order, and results leave in order all the
    same), ``priority`` (see `ferkern.video.open`) and a method ``close``, which is called once at the end.
    """

    def __call__(self, frame: Frame, faces: Sequence[VideoFace], /) -> Any:
        """What stands in `Result.extra` under the stage's name."""


class Tracked(Protocol):
    """A face as a tracker gives it: `ferkern.video.track.TrackedFace`."""

    @property
    def id(self) -> int: ...
    @property
    def box(self) -> Any: ...
    @property
    def score(self) -> float: ...
    @property
    def landmarks(self) -> NDArray[np.float32]: ...
    @property
    def state(self) -> str: ...


class Tracker(Protocol):
    """Anything that follows faces: `ferkern.video.track.FaceTracker`, or your own. Called in the order of frames."""

    def update(self, luma: NDArray[np.uint8], time: float, /) -> Sequence[Tracked]:
        """The faces of the next frame, luma uint8 [H, W], at a time in seconds."""

    def reset(self) -> None:
        """What comes next does not follow what came before: frames have changed their size."""


@dataclass(slots=True)
class Reading:
    """What was read of the faces of one frame, row for row with `Work.tracked`."""

    probabilities: NDArray[np.float64]  # [n, K]
    smiles: list[float] | None
    poses: NDArray[np.float64]  # [n, 3], NaN where unknown
    aligned: NDArray[np.bool_]
    extra: dict[str, list[Any]]


@dataclass(slots=True, eq=False)
class Work:
    """A frame and what the stages have found out so far; each works on it alone."""

    frame: Frame
    arrived: float
    seconds: dict[str, float]
    tracked: Sequence[Tracked] = ()
    reading: Reading | None = None
    faces: list[VideoFace] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    picture: Any = None


class Step(Protocol):
    """A stage as the pipeline runs it."""

    name: str
    workers: int
    priority: int

    @property
    def in_order(self) -> bool:
        """Whether it must see the frames one after the other: one worker."""

    def __call__(self, work: Work, /) -> None:
        """Do its part."""

    def close(self) -> None:
        """No more frames."""


@dataclass(slots=True, eq=False)
class _Settings:
    """What all steps have."""

    name: str
    in_order: bool
    workers: int = 1
    priority: int = 0

    def close(self) -> None:
        """Nothing to do."""


class Track(_Settings):
    """Finds faces and follows them."""

    def __init__(self, tracker: Tracker) -> None:
        super().__init__("track", in_order=True)
        self._tracker = tracker
        self._size: tuple[int, int] | None = None

    def __call__(self, work: Work, /) -> None:
        """One frame."""
        if self._size not in (None, work.frame.size):
            self._tracker.reset()
        self._size = work.frame.size
        work.tracked = self._tracker.update(work.frame.luma, work.frame.time)


class Judge(_Settings):
    """Turns the faces of a frame upright and asks the networks about all of them at once.

    Parameters
    ----------
    make : callable
        Gives the networks for one worker: a session serves one call at a time.
    heads : sequence of Head
    """

    def __init__(
        self, make: Callable[[], tuple[ExpressionHead, SmileStage | None]], heads: Sequence[Head] = ()
    ) -> None:
        super().__init__("judge", in_order=False)
        self._make = make
        self._heads = tuple(heads)
        self._idle: queue.SimpleQueue[tuple[ExpressionHead, SmileStage | None]] = queue.SimpleQueue()
        first = make()
        self._idle.put(first)
        self.classifier: ExpressionClassifier = first[0].classifier

    def __call__(self, work: Work, /) -> None:
        """One frame."""
        if not work.tracked:
            return
        try:
            networks = self._idle.get_nowait()
        except queue.Empty:
            networks = self._make()
        try:
            work.reading = self._read(work, *networks)
        finally:
            self._idle.put(networks)

    def _read(self, work: Work, expression: ExpressionHead, smile: SmileStage | None) -> Reading:
        batch = self._batch(work)
        batch = replace(batch, features=expression.classifier.features(batch.crops))
        said = checked_results(expression, batch)
        return Reading(
            probabilities=np.array([[p[name] for name in self.classifier.classes] for p in said]),
            smiles=None if smile is None else checked_results(smile, batch),
            poses=np.empty((0, 3)) if batch.poses is None else batch.poses,
            aligned=batch.aligned,
            extra={head.name: checked_results(head, batch) for head in self._heads},
        )

    def _batch(self, work: Work) -> FaceBatch:
        frame, faces = work.frame, work.tracked
        boxes = np.array([face.box for face in faces], np.float64)
        points = np.stack([face.landmarks for face in faces]).astype(np.float32)
        upright, aligned = align(points)
        matrices = np.where(aligned[:, None, None], upright, framed(boxes))
        pictures: tuple[Picture, ...] = ()
        if self._heads:  # only these may look at colours
            name = f"frame {frame.index}"
            picture = Picture(rgb=np.ascontiguousarray(frame.rgb()), size=frame.size, scale=(1.0, 1.0), name=name)
            pictures = (picture,) * len(faces)
        return FaceBatch(
            crops=frame.grey(cut(frame.luma, matrices)),
            boxes=boxes,
            scores=np.array([face.score for face in faces], np.float64),
            landmarks=points,
            poses=estimate_pose(points),
            aligned=aligned,
            matrices=matrices,
            pictures=pictures,
        )


class Smooth(_Settings):
    """Means over time, and the faces as users see them."""

    def __init__(self, classes: Sequence[str], time_constant: float) -> None:
        super().__init__("smooth", in_order=True)
        self._classes = tuple(classes)
        self._expressions, self._smiles = Smoother(time_constant), Smoother(time_constant)

    def __call__(self, work: Work, /) -> None:
        """One frame."""
        if work.reading is not None:
            work.faces = [self._face(work, work.reading, i) for i in range(len(work.tracked))]
        self._expressions.forget(work.frame.time)
        self._smiles.forget(work.frame.time)

    def _face(self, work: Work, reading: Reading, i: int) -> VideoFace:
        face, time = work.tracked[i], work.frame.time
        smoothed = self._expressions(face.id, time, reading.probabilities[i])
        raw_smile = None if reading.smiles is None else float(reading.smiles[i])
        smile = None if raw_smile is None else float(self._smiles(face.id, time, np.array([raw_smile]))[0])
        x, y, width, height = (float(v) for v in face.box)
        yaw, pitch, roll = reading.poses[i].tolist()
        return VideoFace(
            id=face.id,
            box=(x, y, width, height),
            score=float(face.score),
            landmarks=None if np.isnan(face.landmarks).any() else face.landmarks,
            state=face.state,
            emotion=self._classes[int(smoothed.argmax())],
            probabilities=dict(zip(self._classes, smoothed.tolist(), strict=True)),
            raw_probabilities=dict(zip(self._classes, reading.probabilities[i].tolist(), strict=True)),
            smile=smile,
            raw_smile=raw_smile,
            pose=None if np.isnan(yaw) else (yaw, pitch, roll),
            aligned=bool(reading.aligned[i]),
            extra={name: results[i] for name, results in reading.extra.items()},
        )


class Own(_Settings):
    """A user's stage."""

    def __init__(self, stage: Stage) -> None:
        name = str(getattr(stage, "name", None) or getattr(stage, "__name__", type(stage).__name__))
        workers, priority = getattr(stage, "workers", 1), getattr(stage, "priority", 0)
        super().__init__(name, in_order=False, workers=workers, priority=priority)
        self._stage = stage

    def __call__(self, work: Work, /) -> None:
        """One frame."""
        work.extra[self.name] = self._stage(work.frame, work.faces)

    def close(self) -> None:
        """Tell the stage, if it wants to know."""
        close = getattr(self._stage, "close", None)
        if callable(close):
            close()


class Annotate(_Settings):
    """Draws the faces upon a copy of the frame."""

    def __init__(self) -> None:
        super().__init__("draw", in_order=False)

    def __call__(self, work: Work, /) -> None:
        """One frame."""
        from ferkern.video.annotate import annotate

        work.picture = annotate(work.frame, work.faces)


class Encode(_Settings):
    """Writes what was drawn into a video."""

    def __init__(self, path: str | os.PathLike[str], source: Source) -> None:
        super().__init__("encode", in_order=True)
        self.encoder = Encoder(path, rate=source.rate, pixel_aspect=source.pixel_aspect)

    def __call__(self, work: Work, /) -> None:
        """One frame."""
        self.encoder.write(work.picture, work.frame.time)
        work.picture = None

    def close(self) -> None:
        """End the file."""
        self.encoder.close()
