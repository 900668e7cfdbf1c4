"""Where a head looks: yaw, pitch and roll from its 68 landmarks.

The roll is the turn of eyes and brows in the picture. For yaw and pitch the face is laid upright over the template
(`ferkern.face.align`). The nose stands out of the face's plane, so with a head that turns it moves against all the
other points: by its height times the sine of the angle, as parallel projection has it. Two heights and one resting
place are all that is fitted. (The weights of a ridge regression on all 68 points of the upright face, and a mean face
in three dimensions from Tomasi and Kanade's factorisation, "Shape and motion from image streams under orthography",
IJCV 1992, were measured beside it: the one is 0.1 degrees better, the other 0.1 worse. docs/face_pipeline.md.)

Signs and units are those of GENKI-4K's labels: radians; yaw is positive for a face that turns towards the picture's
right, pitch for one that looks up, roll for one that is turned clockwise as one looks at the picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern import image
from ferkern.face.align import TEMPLATE, is_plane

__all__ = ["NOSE", "UPPER", "estimate", "nose_offset"]

NOSE = np.arange(27, 36)
"""Points of the nose: bridge and base."""

UPPER = np.array([*range(17, 27), *range(36, 48)])
"""Points of brows and eyes, which no expression tilts."""

_YAW = 0.142
_PITCH, _PITCH_AT_REST = -0.086, 0.0312
"""sin(yaw) = _YAW dx and sin(pitch) = _PITCH dy + _PITCH_AT_REST; (dx, dy) is the nose's offset from the template, in
pixels of the 48 x 48 crop. Least squares on GENKI-4K; again: ``python -m ferkern.face.calibrate_pose --path P``."""


def estimate(landmarks: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Yaw, pitch and roll of faces.

    Parameters
    ----------
    landmarks : floats [n, 68, 2]
        Points (x, y) in pixels. Anything is allowed, as for `ferkern.face.align.align`.

    Returns
    -------
    float64 [n, 3]
        Yaw and pitch within a quarter turn, roll within half a turn; NaN where the landmarks are not finite or lie on
        a line.

    Raises
    ------
    ValueError
        The landmarks have another shape.
    """
    usable = is_plane(landmarks)
    points = np.where(usable[:, None, None], landmarks, TEMPLATE)
    dx, dy = nose_offset(points).T
    upper = image.fit_similarity(np.broadcast_to(TEMPLATE[UPPER], (len(points), len(UPPER), 2)), points[:, UPPER])
    angles = np.stack(
        [
            np.arcsin(np.clip(_YAW * dx, -1, 1)),
            np.arcsin(np.clip(_PITCH * dy + _PITCH_AT_REST, -1, 1)),
            np.arctan2(upper[:, 1, 0], upper[:, 0, 0]),
        ],
        axis=1,
    )
    return np.where(usable[:, None], angles, np.nan)


def nose_offset(points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """How far the nose of upright faces lies from the template's, [n, 2] in pixels of the 48 x 48 crop."""
    matrices = image.fit_similarity(points, np.broadcast_to(TEMPLATE, points.shape))
    upright = image.transform_points(matrices, points[:, NOSE])
    offset: NDArray[np.float64] = (upright - TEMPLATE[NOSE]).mean(axis=1)
    return offset
