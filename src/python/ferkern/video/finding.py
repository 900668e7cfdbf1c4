"""Asking detector and landmark model: where a face begins, and whether it is still there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferkern import image
from ferkern.face.landmarks import LandmarkModel
from ferkern.face.stages import FaceDetector, checked_boxes, checked_points
from ferkern.video.followed import Start
from ferkern.video.overlap import overlaps
from ferkern.video.similarity import Similarity, to_complex
from ferkern.video.view import BOX, FACE, SIDE, cut_view, pose_of

__all__ = ["around", "is_face", "shrunk", "start", "trees_in"]

UInt8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]

_CHECK_SIDE = 96  # pixels along the view in which the detector confirms a face
_AROUND, _AROUND_FACE = 2.0, 64.0  # what is searched about a face, in its sides; pixels of the face there
_CONFIRMED = 0.3  # overlap
_LIKELY_SIZE = (0.5, 2.0)  # of the landmarks' box, in sides of the detector's


def trees_in(model: LandmarkModel, view: UInt8) -> NDArray[np.complex128] | None:
    """The landmark model's points in a view, complex [68]; None where it has none."""
    points = checked_points(model, view, BOX, "the view of a face")[0]
    return None if np.isnan(points[0, 0]) else to_complex(points)


def start(model: LandmarkModel, luma: UInt8, box: Float64, score: float) -> Start | None:
    """A face from the detector's box [4]; None where the landmark model finds no face there.

    The model looks at the box, and then twice at the upright view, so that it begins as it will go on.
    """
    points = checked_points(model, luma, box[None], "the frame")[0]
    found: NDArray[np.complex128] | None = None if np.isnan(points[0, 0]) else to_complex(points)
    pose = Similarity(1, 0)
    for _ in range(2):
        upright = None if found is None else pose_of(pose(found))
        if upright is None or not _LIKELY_SIZE[0] < FACE * upright.scale / box[2:].max() < _LIKELY_SIZE[1]:
            return None
        pose = upright
        view = cut_view(luma, pose)
        found = trees_in(model, view)
    if found is None:
        return None
    corner = 0.5 + 0.5j  # from pixels' centres to the edges of regions
    centre = pose.inverse().at(complex(box[0] + box[2] / 2, box[1] + box[3] / 2) - corner) + corner
    return Start(pose, view, found, (centre, complex(box[2], box[3]) / pose.scale), score)


def is_face(detector: FaceDetector, view: UInt8) -> bool:
    """Whether the detector sees a face where the view has it."""
    small = image.resize(view, (_CHECK_SIDE, _CHECK_SIDE))
    boxes, _ = checked_boxes(detector, small, "the view of a face")
    return bool(len(boxes) and overlaps(boxes * (SIDE / _CHECK_SIDE), BOX).max() > _CONFIRMED)


def shrunk(detector: FaceDetector, luma: UInt8, size: tuple[int, int]) -> tuple[Float64, Float64]:
    """Boxes [n, 4] and scores [n] in a picture that the detector sees at another size (height, width)."""
    small = luma if size == luma.shape else image.resize(luma, size)
    boxes, scores = checked_boxes(detector, small, "the frame")
    return boxes * np.array([luma.shape[1] / size[1], luma.shape[0] / size[0]] * 2), scores


def around(detector: FaceDetector, luma: UInt8, box: tuple[float, float, float, float]) -> tuple[Float64, float] | None:
    """The box [4] that overlaps most with a face's last one, and its score, in what lies about it; None without."""
    x, y, width, height = box
    reach = _AROUND * max(width, height) / 2
    centre = (x + width / 2, y + height / 2)
    left, top = (int(max(c - reach, 0)) for c in centre)
    right, bottom = (int(min(max(c + reach, 0), end)) for c, end in zip(centre, luma.shape[::-1], strict=True))
    if right - left < width / 2 or bottom - top < height / 2:
        return None
    ratio = max(max(width, height) / _AROUND_FACE, 1.0)
    part = luma[top:bottom, left:right]
    boxes, scores = shrunk(
        detector, part, (max(round((bottom - top) / ratio), 1), max(round((right - left) / ratio), 1))
    )
    if not len(boxes):
        return None
    boxes[:, :2] += (left, top)
    near = overlaps(boxes, np.array([box]))[:, 0]
    best = int(np.argmax(near))
    return (boxes[best], float(scores[best])) if near[best] >= _CONFIRMED else None
