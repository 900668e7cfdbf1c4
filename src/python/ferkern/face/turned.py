"""Faces that lie on their side: any detector of upright faces, asked about turned copies of the picture as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkern import image
from ferkern.face.detect import Detections, Detector

if TYPE_CHECKING:
    from ferkern.face.stages import FaceDetector

__all__ = ["TurnedDetector"]

_SAME_PLACE = 0.4  # of the larger box's side, between the centres of two boxes of one face
_SAME_SIZE = 2.0


class TurnedDetector:
    """Asks a detector about the picture and about copies turned in its plane.

    A detector of upright faces finds heads tilted by up to some 20 degrees. Copies at 35 degrees to both sides take
    that to 55, at three times the cost. Of boxes on the same face the surest stays.

    Parameters
    ----------
    detector : FaceDetector, optional
        None: the detector that comes with ferkern.
    angles
        By how much the picture is turned, degrees clockwise; 0 is the picture itself.

    Raises
    ------
    ValueError
        There are no angles, or one is not finite.
    """

    def __init__(self, detector: FaceDetector | None = None, *, angles: Sequence[float] = (0.0, -35.0, 35.0)) -> None:
        if not len(angles) or not np.isfinite(angles).all():
            raise ValueError(f"angles must be one or more finite numbers of degrees, are {list(angles)}")
        self.detector: FaceDetector = Detector.load() if detector is None else detector
        self.angles = tuple(float(angle) for angle in angles)

    def detect(self, gray: NDArray[np.uint8], /) -> Detections:
        """Find faces.

        Parameters
        ----------
        gray : uint8 [H, W]

        Returns
        -------
        Detections
            Upright boxes in the picture, each as large as the face's box in its copy and about the same centre; the
            surest first.
        """
        found = [self._turned(gray, angle) for angle in self.angles]
        boxes, scores = np.concatenate([b for b, _ in found]), np.concatenate([s for _, s in found])
        kept: list[int] = []
        for i in np.argsort(-scores, kind="stable").tolist():
            if not any(_same_face(boxes[i], boxes[k]) for k in kept):
                kept.append(i)
        return Detections(boxes[kept].astype(np.float32), scores[kept].astype(np.float32))

    def _turned(self, gray: NDArray[np.uint8], angle: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Boxes [n, 4] and scores [n] of the copy, back in the picture."""
        if angle == 0:
            return _arrays(self.detector.detect(gray))
        height, width = gray.shape
        radians = np.deg2rad(angle)
        c, s = abs(np.cos(radians)), abs(np.sin(radians))
        size = (int(np.ceil(s * width + c * height)), int(np.ceil(c * width + s * height)))
        middle, centre = ((width - 1) / 2, (height - 1) / 2), ((size[1] - 1) / 2, (size[0] - 1) / 2)
        back = image.similarity(1.0, -radians, (middle[0] - centre[0], middle[1] - centre[1]), center=centre)
        boxes, scores = _arrays(self.detector.detect(image.warp(gray, back, size, border="replicate")))
        # Centres of boxes in coordinates of pixel centres, there and back.
        centres = (boxes[:, :2] + boxes[:, 2:] / 2 - 0.5) @ back[:, :2].T + back[:, 2]
        boxes[:, :2] = centres + 0.5 - boxes[:, 2:] / 2
        inside = ((centres > -0.5) & (centres < (width - 0.5, height - 0.5))).all(axis=1)
        return boxes[inside], scores[inside]


def _arrays(found: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array(found.boxes, np.float64).reshape(-1, 4), np.array(found.scores, np.float64).reshape(-1)


def _same_face(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    larger, smaller = max(a[2], b[2]), min(a[2], b[2])
    apart = np.hypot(*(a[:2] + a[2:] / 2 - b[:2] - b[2:] / 2))
    return bool(apart < _SAME_PLACE * larger and larger < _SAME_SIZE * smaller)
