"""What goes through the face pipeline, and the contracts of its stages: detect, find landmarks, align, judge.

A detector (`FaceDetector`), a landmark model (`ferkern.face.landmarks.LandmarkModel`) and any number of heads (`Head`)
may be a user's own; `checked_boxes`, `checked_points` and `checked_results` hold them to their contracts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ferkern import image
from ferkern.errors import StageError
from ferkern.pictures import Picture

if TYPE_CHECKING:
    from ferkern.face.landmarks import LandmarkModel

__all__ = ["Face", "FaceBatch", "FaceDetector", "Head", "checked_boxes", "checked_points", "checked_results"]

POINTS = 68


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a picture.

    Attributes
    ----------
    box : (float, float, float, float)
        x, y, width, height in pixels of the full, upright (EXIF-applied) picture.
    score : float
        The detector's confidence; higher is surer.
    emotion : str
        The most probable class.
    probabilities : dict of str to float
        All classes; sums to 1.
    landmarks : float32 [68, 2], or None
        Points (x, y) in the same pixels, whose centres are at whole numbers.
    pose : (float, float, float), or None
        Yaw, pitch, roll in radians; see `ferkern.face.pose`.
    aligned : bool
        Whether the face was turned upright by its landmarks before it was judged.
    smile : float, or None
        Probability of a smile, 0..1.
    extra : dict of str to Any
        What heads of your own said, by their names.
    """

    box: tuple[float, float, float, float]
    score: float
    emotion: str
    probabilities: dict[str, float]
    landmarks: NDArray[np.float32] | None = field(default=None, compare=False)
    pose: tuple[float, float, float] | None = None
    aligned: bool = False
    smile: float | None = None
    extra: dict[str, Any] = field(default_factory=dict, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, ready for JSON; pixels to 2 decimals, radians to 4, probabilities to 6."""
        return {
            "box": [round(v, 2) for v in self.box],
            "score": round(self.score, 4),
            "emotion": self.emotion,
            "probabilities": {name: round(p, 6) for name, p in self.probabilities.items()},
            "landmarks": None if self.landmarks is None else np.round(self.landmarks.astype(np.float64), 2).tolist(),
            "pose": None if self.pose is None else [round(v, 4) for v in self.pose],
            "aligned": self.aligned,
            "smile": None if self.smile is None else round(self.smile, 6),
            "extra": {name: _plain(value) for name, value in self.extra.items()},
        }


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's own, in lists and dicts too."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value


@dataclass(frozen=True, slots=True, eq=False)
class FaceBatch:
    """Faces of one or several pictures, row for row: what a head looks at.

    Coordinates are pixels of the pictures as they are held (`Picture.rgb`), with pixel centres at whole numbers.

    Attributes
    ----------
    crops : uint8 [n, 48, 48]
        Grey, framed as FER-2013 frames faces; upright where `aligned`.
    boxes : float64 [n, 4]
        The detector's x, y, width, height; the edges of a region: its first pixel's centre is half a pixel inside.
    scores : float64 [n]
        The detector's confidence.
    landmarks : float32 [n, 68, 2], or None
        Points (x, y). A face whose points could not be found has NaN. None: no landmark model.
    poses : float64 [n, 3], or None
        Yaw, pitch, roll in radians, NaN where there are no points.
    aligned : bool [n]
        Whether the crop was turned upright by the landmarks.
    matrices : float64 [n, 2, 3]
        From a crop's pixels to the picture's: (x, y) = matrix @ (column, row, 1).
    pictures : n Pictures
        The picture of each face.
    features : float32 [n, F], or None
        What the last hidden layer of the expression network says of the crops: a short description of each face, from
        which a small classifier can be trained. None before that network has run.
    """

    crops: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    landmarks: NDArray[np.float32] | None
    poses: NDArray[np.float64] | None
    aligned: NDArray[np.bool_]
    matrices: NDArray[np.float64]
    pictures: tuple[Picture, ...]
    features: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.crops)

    def views(self, side: int) -> NDArray[np.uint8]:
        """The crops again, in colour and at another size, cut from the pictures.

        Parameters
        ----------
        side : int
            Pixels along each side.

        Returns
        -------
        uint8 [n, side, side, 3]
        """
        matrices = self.matrices.copy()
        ratio = self.crops.shape[1] / side
        # A view's pixel i has its centre at (i + 1/2) ratio - 1/2 of the crop's pixels.
        matrices[:, :, 2] += matrices[:, :, :2].sum(axis=2) * (0.5 * ratio - 0.5)
        matrices[:, :, :2] *= ratio
        views = np.empty((len(self), side, side, 3), np.uint8)
        for view, matrix, picture in zip(views, matrices, self.pictures, strict=True):
            image.warp(picture.rgb, matrix, (side, side), border="replicate", antialias=True, out=view)
        return views

    @staticmethod
    def joined(batches: Sequence[FaceBatch]) -> FaceBatch:
        """One batch of several that the same detector and landmark model made."""
        first = batches[0]
        if len(batches) == 1:
            return first
        return FaceBatch(
            crops=np.concatenate([b.crops for b in batches]),
            boxes=np.concatenate([b.boxes for b in batches]),
            scores=np.concatenate([b.scores for b in batches]),
            landmarks=None if first.landmarks is None else np.concatenate([_known(b.landmarks) for b in batches]),
            poses=None if first.poses is None else np.concatenate([_known(b.poses) for b in batches]),
            aligned=np.concatenate([b.aligned for b in batches]),
            matrices=np.concatenate([b.matrices for b in batches]),
            pictures=tuple(picture for b in batches for picture in b.pictures),
        )


def _known(array: NDArray[Any] | None) -> NDArray[Any]:
    if array is None:
        raise ValueError("batches: some have landmarks, others none")
    return array


class FaceDetector(Protocol):
    """Anything that finds faces: `ferkern.face.detect.Detector`, or your own."""

    def detect(self, gray: NDArray[np.uint8], /) -> Any:
        """Boxes float32 [n, 4] (x, y, width, height) as `.boxes`, confidence float32 [n] as `.scores`."""


class Head(Protocol):
    """Anything that judges faces: expression, smile, or your own (age, say).

    A head is asked about many faces at once, from one thread.
    """

    @property
    def name(self) -> str:
        """Under this name the results stand in `Face.extra`, in JSON and in CSV; a plain class attribute will do."""

    def __call__(self, faces: FaceBatch, /) -> Sequence[Any] | NDArray[Any]:
        """One result for each face, in their order."""


def checked_boxes(
    detector: FaceDetector, gray: NDArray[np.uint8], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes float64 [n, 4] and scores float64 [n] of a picture called `name`; the largest face first.

    Raises
    ------
    StageError
        The detector raised, its results do not go together, or a box has no size or is not finite.
    """
    who = f"detector {type(detector).__name__} on {name}"
    try:
        found = detector.detect(gray)
        boxes, scores = np.asarray(found.boxes, np.float64), np.asarray(found.scores, np.float64)
    except MemoryError:
        raise  # of the picture, not of the stage
    except Exception as error:
        raise StageError(f"{who}: {_told(error)}") from error
    boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise StageError(f"{who}: boxes {list(boxes.shape)} and scores {list(scores.shape)}, expected [n, 4] and [n]")
    wrong = ~(np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1))
    if wrong.any():
        raise StageError(f"{who}: box {boxes[wrong][0].tolist()}, expected finite numbers and sizes above 0")
    order = np.argsort(-boxes[:, 2] * boxes[:, 3], kind="stable")
    return boxes[order], scores[order]


def checked_points(
    model: LandmarkModel, gray: NDArray[np.uint8], boxes: NDArray[np.float64], name: str
) -> NDArray[np.float32]:
    """Points float32 [n, 68, 2] of a picture called `name`; a face with a point that is not finite has NaN throughout.

    Raises
    ------
    StageError
        The model raised, or its result has another shape.
    """
    who = f"landmark model {type(model).__name__} on {name}"
    try:
        points = np.array(model(gray, boxes), np.float32)
    except MemoryError:
        raise  # of the picture, not of the stage
    except Exception as error:
        raise StageError(f"{who}: {_told(error)}") from error
    if points.shape != (len(boxes), POINTS, 2):
        raise StageError(f"{who}: points {list(points.shape)}, expected {[len(boxes), POINTS, 2]}")
    points[~np.isfinite(points).all(axis=(1, 2))] = np.nan
    return points


def checked_results(head: Head, faces: FaceBatch) -> list[Any]:
    """What a head says of each face.

    Raises
    ------
    StageError
        The head raised, or gave another number of results.
    """
    who = f"head {head.name!r}"
    try:
        results = list(head(faces))
    except Exception as error:
        raise StageError(f"{who} on {len(faces)} faces: {_told(error)}") from error
    if len(results) != len(faces):
        raise StageError(f"{who}: gave {len(results)} results for {len(faces)} faces")
    return results


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
