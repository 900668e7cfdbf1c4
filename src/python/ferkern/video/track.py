"""Faces followed through a video: landmarks found once, carried by optical flow, checked, and found again when lost.

`FaceTracker.update` takes one frame after the other and gives the faces in it. The detector is asked about the first
frame, when a face is lost or there is none, and now and then to find new faces; in between each face is followed
(`ferkern.video.followed` says how its landmarks are kept from drifting).

A face keeps its id while it is followed, and when it is lost and found again near where it was lost within a second,
if it looks the same. An id is never given twice.
"""

from __future__ import annotations

import cmath
import math
import os
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ferkern import flow, image
from ferkern.face.detect import Detections, Detector
from ferkern.face.landmark_trees import LandmarkTrees
from ferkern.face.landmarks import LANDMARKS, LandmarkModel
from ferkern.face.landmarks import load as load_landmarks
from ferkern.face.stages import FaceDetector
from ferkern.video.finding import around, is_face, shrunk, start, trees_in
from ferkern.video.followed import Followed, Start, State
from ferkern.video.one_euro import OneEuro
from ferkern.video.overlap import covered, inside, overlaps, pairs
from ferkern.video.similarity import Similarity, to_complex, to_points
from ferkern.video.view import cut_view

__all__ = ["FaceTracker", "Found", "TrackedFace"]

UInt8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]

_TREES = "landmarks68_trees"
_SAME = 0.3  # overlap (intersection over union) from which a box that was found is that of a face that is followed
_COVERED = 0.6  # of a box: so much of it inside another's face is no other face
_TWICE = 0.5  # overlap from which two tracks follow one face
_ALIKE, _ALIKE_AWAY = 0.2, 0.5  # least likeness of a lost face that is found again; more, a side or `_KEEP` away
_REACH = 1.0  # sides of a face that it may be away from where it was lost, each second, and at least half a one
_KEEP = 1.0  # seconds that a lost face is remembered
_INSIDE = 0.5  # of its box must be in the frame
_SMALLEST = 12.0  # pixels: faces that have become smaller end
_CONFIRM_EVERY, _UNSEEN = 0.25, 1.0  # seconds until the detector is asked about a face; until one it does not see ends
_CUT = 0.5  # correlation of two frames, 1/16 as large, below which a new scene began
_SURROUNDINGS, _FLAT = 0.25, 4.0  # least share of the frame that tells; grey levels that are nothing to see
_WINDOW, _LEVELS = 21, 3


class Found(Protocol):
    """Boxes [n, 4] and scores [n], such as `ferkern.face.detect.Detections`."""

    @property
    def boxes(self) -> NDArray[np.float32]:
        """x, y, width, height in the frame's pixels."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """The detector's confidence."""


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A face in one frame.

    Attributes
    ----------
    id : int
        The same for the same face; never given twice by one tracker.
    box : (float, float, float, float)
        x, y, width, height in the frame's pixels: the detector's box, carried along. It may leave the frame.
    score : float
        The detector's confidence when it saw the face last.
    landmarks : float32 [68, 2]
        (x, y) in pixels whose centres are at whole numbers, after the one-euro filter.
    raw_landmarks : float32 [68, 2]
        Before it.
    state : "detected", "tracked" or "corrected"
        Whether detector and trees placed the landmarks in this frame, or the flow did, or the flow did and the trees
        are drawing some of the points, because they disagreed by more than the trees' own error.
    agreement : float
        Share of the points whose flow agreed with the face's common motion, 0 to 1.
    likeness : float
        Normalised correlation of the face with an earlier view of itself, -1 to 1.
    angle : float
        Turn of the face in the frame's plane, radians, clockwise as one looks at it.
    """

    id: int
    box: tuple[float, float, float, float]
    score: float
    landmarks: NDArray[np.float32] = field(compare=False)
    raw_landmarks: NDArray[np.float32] = field(compare=False)
    state: State
    agreement: float
    likeness: float
    angle: float


class FaceTracker:
    """Follows the faces of one video; for one thread at a time.

    Parameters
    ----------
    detector : FaceDetector, str or path, optional
        None: the detector that comes with ferkern. A string or path names one (`Detector.load`).
    landmarks : LandmarkModel, str or path
        What `ferkern.face.landmarks.load` takes, or a model of your own. It is asked about every face in every frame.
    max_faces : int
        Faces that are followed at once; the largest are taken.
    search_every : float, optional
        Seconds of video between two searches for new faces. None: the tracker never searches by itself; what `search`
        found, in another thread, say, is handed to `update`.
    search_side : int
        Frames whose longer side is larger are shrunk to it for the detector. The one that comes with ferkern finds
        faces from 30 pixels: with 640 those from 60 pixels in a frame of 1280 x 720, in a quarter of the time.
    min_cutoff, beta : float
        Of the one-euro filter, Hz, and Hz for each face side a second; see `OneEuro`. A large `min_cutoff` filters
        nothing.

    Attributes
    ----------
    searches : int
        How often `update` searched a whole frame.

    Raises
    ------
    ValueError
        A number is out of range, or a name means nothing.
    ferkern.errors.ModelError
        The detector's or the landmark model's file is damaged.
    """

    def __init__(
        self,
        detector: FaceDetector | str | os.PathLike[str] | None = None,
        landmarks: LandmarkModel | str | os.PathLike[str] = LANDMARKS,
        *,
        max_faces: int = 8,
        search_every: float | None = 0.5,
        search_side: int = 640,
        min_cutoff: float = 1.5,
        beta: float = 20.0,
    ) -> None:
        if max_faces < 1:
            raise ValueError(f"max_faces is {max_faces}; it must be at least 1")
        if search_every is not None and not 0 <= search_every < math.inf:
            raise ValueError(f"search_every is {search_every}; it must be a number of seconds, at least 0, or None")
        if search_side < 32:
            raise ValueError(f"search_side is {search_side}; it must be at least 32 pixels")
        OneEuro(min_cutoff, beta)
        if detector is None or isinstance(detector, (str, os.PathLike)):
            detector = Detector.load("frontal" if detector is None else detector)
        if landmarks == _TREES:
            landmarks = LandmarkTrees.load(_TREES)
        elif isinstance(landmarks, (str, os.PathLike)):
            landmarks = load_landmarks(landmarks)
        self.detector: FaceDetector = detector
        self.landmarks: LandmarkModel = landmarks
        self.max_faces, self.search_every, self.search_side = max_faces, search_every, search_side
        self._filter = (min_cutoff, beta)
        self._next_id = 0
        self.searches = 0
        self.reset()

    def reset(self) -> None:
        """Forget all faces, the last frame, its size and time. Ids go on."""
        self._faces: list[Followed] = []
        self._lost: list[Followed] = []
        self._frame: UInt8 | None = None
        self._spare: UInt8 | None = None
        self._before: flow.Pyramid | None = None
        self._time = -math.inf
        self._searched = -math.inf

    def search(self, luma: UInt8) -> Detections:
        """The detector's boxes in a frame, which is shrunk to `search_side`; neither reads nor changes the tracker.

        May run in another thread beside `update` if the detector may, as ferkern's own does.

        Raises
        ------
        TypeError, ValueError
            `luma` is not uint8 [H, W] with pixels.
        ferkern.errors.StageError
            A detector of your own failed.
        """
        _check(luma)
        height, width = luma.shape
        ratio = max(max(height, width) / self.search_side, 1.0)
        boxes, scores = shrunk(self.detector, luma, (max(round(height / ratio), 1), max(round(width / ratio), 1)))
        return Detections(boxes.astype(np.float32), scores.astype(np.float32))

    def update(self, luma: UInt8, time: float, *, found: Found | None = None) -> list[TrackedFace]:
        """The faces of the next frame.

        Parameters
        ----------
        luma : uint8 [H, W]
            Grey frame, or the luma plane of a YUV frame: rows may stand apart, pixels of a row stand together. It is
            copied: it may be written into afterwards.
        time : float
            Seconds, later than the frame before.
        found : Detections, optional
            What `search` found, in this frame or in one shortly before: new faces are looked at again in this frame.

        Returns
        -------
        list of TrackedFace, by their ids

        Raises
        ------
        TypeError
            `luma` is not uint8.
        ValueError
            `luma` has another rank, no pixels, or another size than the frame before (call `reset` first); pixels of a
            row stand apart; `time` is not finite or not later.
        ferkern.errors.StageError
            A detector or landmark model of your own failed; all faces are forgotten.
        """
        _check(luma)
        if self._frame is not None and luma.shape != self._frame.shape:
            raise ValueError(
                f"luma: shape {list(luma.shape)}, the frame before has {list(self._frame.shape)}; "
                "call reset() where the size changes"
            )
        if not (math.isfinite(time) and time > self._time):
            raise ValueError(f"time is {time}; it must be finite and later than the frame before, {self._time}")
        frame = np.empty(luma.shape, np.uint8) if self._spare is None else self._spare
        np.copyto(frame, luma)
        try:
            self._step(frame, time, found)
        except BaseException:
            self.reset()  # faces of two frames must not stand side by side
            raise
        self._spare, self._frame = self._frame, frame
        return [_told(face) for face in self._faces]

    def _step(self, frame: UInt8, time: float, found: Found | None) -> None:
        now = flow.pyramid(frame)
        failed = self._follow(frame, now, time)
        if failed and not self._faces and self._is_cut(frame, failed):
            failed = []
            self._lost.clear()
        self._lost.extend(face for face in failed if not self._look_again(face, frame, time))
        self._end_twins()
        self._lost = [face for face in self._lost if time - face.seen <= _KEEP]
        if found is not None:
            self._take(frame, time, np.asarray(found.boxes, np.float64), np.asarray(found.scores), current=False)
        if self._is_due(time, bool(failed)):
            here = self.search(frame)
            self._take(frame, time, here.boxes.astype(np.float64), here.scores, current=True)
            self._searched = time
            self.searches += 1
        self._faces.sort(key=lambda face: face.id)
        self._before, self._time = now, time

    def _follow(self, frame: UInt8, now: flow.Pyramid, time: float) -> list[Followed]:
        """Move all faces on; those that could not be followed."""
        if not self._faces or self._before is None:
            return []
        points = np.concatenate([to_points(face.points) for face in self._faces])
        moved = flow.track(self._before, now, points, window=_WINDOW, levels=_LEVELS, backward=True)
        assert moved.backward_error is not None
        kept: list[Followed] = []
        failed: list[Followed] = []
        for i, face in enumerate(self._faces):
            own = slice(68 * i, 68 * (i + 1))
            pose = face.moved(to_complex(moved.points[own]), moved.backward_error[own], moved.status[own])
            if pose is not None and self._settle(face, pose, frame, time):
                gone = inside(face.box, frame.shape) < _INSIDE or face.side < _SMALLEST
                (self._lost if gone else kept).append(face)
            else:
                failed.append(face)
        self._faces = kept
        return failed

    def _settle(self, face: Followed, pose: Similarity, frame: UInt8, time: float) -> bool:
        view = cut_view(frame, pose)
        if not face.settle(pose, view, trees_in(self.landmarks, view), time):
            return False
        if time - face.confirmed >= _CONFIRM_EVERY and time - face.asked >= _CONFIRM_EVERY:
            face.asked = time
            if is_face(self.detector, view):
                face.confirmed = time
        return time - face.confirmed <= _UNSEEN

    def _is_cut(self, frame: UInt8, faces: list[Followed]) -> bool:
        """Whether a new scene has begun: what surrounds the lost faces resembles the last frame not even from afar."""
        if self._frame is None:
            return False
        size = (max(frame.shape[0] // 16, 1), max(frame.shape[1] // 16, 1))
        a, b = (image.resize(picture, size).astype(np.float64) for picture in (self._frame, frame))
        around = np.ones(size, np.bool_)
        for face in faces:
            x, y, width, height = (n / 16 for n in face.box)
            around[max(int(y), 0) : max(int(y + height) + 1, 0), max(int(x), 0) : max(int(x + width) + 1, 0)] = False
        if around.mean() < _SURROUNDINGS:
            around[:] = True
        a, b = a[around] - a[around].mean(), b[around] - b[around].mean()
        flat = _FLAT**2 * len(a)
        return float(a @ b) + flat < _CUT * math.sqrt((float(a @ a) + flat) * (float(b @ b) + flat))

    def _look_again(self, face: Followed, frame: UInt8, time: float) -> bool:
        """Begin a face anew near where it was lost in this frame."""
        found = around(self.detector, frame, face.box)
        if found is None:
            return False
        box, score = found
        others = np.array([other.box for other in self._faces]).reshape(-1, 4)
        if len(others) and overlaps(box[None], others).max() >= _SAME:
            return False
        begun = start(self.landmarks, frame, box, score)
        if begun is None or face.resembles(begun) < _ALIKE:
            return False
        face.begin(begun, time)
        self._faces.append(face)
        return True

    def _end_twins(self) -> None:
        """Of two tracks of one face the one that resembles itself less ends; of two alike the younger."""
        boxes = np.array([face.box for face in self._faces]).reshape(-1, 4)
        for i, j in pairs(np.triu(overlaps(boxes, boxes), 1), _TWICE):
            first, second = self._faces[i], self._faces[j]
            worse = min(first, second, key=lambda face: (round(face.likeness, 1), -face.id))
            self._lost.append(worse)
        self._faces = [face for face in self._faces if face not in self._lost]

    def _is_due(self, time: float, failed: bool) -> bool:
        if self.search_every is None:
            return False
        return failed or not self._faces or time - self._searched >= self.search_every

    def _take(self, frame: UInt8, time: float, boxes: Float64, scores: NDArray[np.floating], *, current: bool) -> None:
        """Confirm faces by boxes that were found, and begin those that are new. The largest comes first."""
        boxes = boxes.reshape(-1, 4)
        tracked = np.array([face.box for face in self._faces]).reshape(-1, 4)
        taken = set()
        for i, j in pairs(overlaps(boxes, tracked), _SAME):
            taken.add(i)
            if current:
                self._faces[j].confirmed, self._faces[j].score = time, float(scores[i])
        for i in np.argsort(-boxes[:, 2:].prod(axis=1), kind="stable"):
            others = np.array([face.box for face in self._faces]).reshape(-1, 4)
            if i in taken or (len(others) and covered(boxes[i : i + 1], others).max() >= _COVERED):
                continue
            if len(self._faces) >= self.max_faces:
                break
            begun = start(self.landmarks, frame, boxes[i], float(scores[i]))
            if begun is not None and (current or is_face(self.detector, begun.view)):
                self._begin(begun, time)

    def _begin(self, begun: Start, time: float) -> None:
        """A face that was lost near here and looks the same, or a new one."""
        centre = begun.pose.at(begun.box[0])
        alike = []
        for face in self._lost:
            gap, away = time - face.seen, abs(centre - face.centre) / face.side
            likeness = face.resembles(begun)
            needed = _ALIKE + _ALIKE_AWAY * min(gap / _KEEP + away, 1.0)
            if away < max(_REACH * gap, 0.5) and likeness >= needed:
                alike.append((likeness, -face.id, face))
        if alike:
            face = max(alike)[2]
            self._lost.remove(face)
        else:
            face = Followed(self._next_id, OneEuro(*self._filter))
            self._next_id += 1
        face.begin(begun, time)
        self._faces.append(face)


def _check(luma: UInt8) -> None:
    if not isinstance(luma, np.ndarray) or luma.dtype != np.uint8:
        raise TypeError(f"luma must be a uint8 array, is {getattr(luma, 'dtype', type(luma).__name__)}")
    if luma.ndim != 2 or luma.size == 0:
        raise ValueError(f"luma: shape {list(luma.shape)}, expected [H, W] with pixels")
    if luma.shape[1] > 1 and luma.strides[1] != 1:
        raise ValueError(f"luma: pixels of a row stand {luma.strides[1]} bytes apart; they must stand together")


def _told(face: Followed) -> TrackedFace:
    return TrackedFace(
        id=face.id,
        box=face.box,
        score=face.score,
        landmarks=face.smooth,
        raw_landmarks=to_points(face.points),
        state=face.state,
        agreement=face.agreement,
        likeness=face.likeness,
        angle=cmath.phase(face.pose.a),
    )
