"""The upright view of a face: a small picture in which a followed face stands still.

The similarity that carries the face (its `pose`) maps the view's pixels to the frame's. In the view turn, size and
place are gone; what is left is expression, the head's turn in space, light and noise. So the landmark trees see the
face as they do best, upright and of one size, and a template of an earlier view can be compared with the present one
however far the face has moved since.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferkern import flow, image
from ferkern.face.align import TEMPLATE
from ferkern.video.similarity import Similarity, robust_fit, to_complex, to_points

__all__ = ["BOX", "FACE", "SIDE", "Reference", "cut_view", "pose_of"]

Complex = NDArray[np.complex128]
Bools = NDArray[np.bool_]
UInt8 = NDArray[np.uint8]

SIDE = 192
"""Pixels along a side of the view."""

_UNIT = SIDE / 72  # pixels of the view in one of the template's (48 x 48)
FACE = 44.75 * _UNIT
"""Side of the face in the view, pixels: that of the box in which the detector frames it."""

BOX = np.array([[(SIDE - FACE) / 2, (SIDE - FACE) / 2, FACE, FACE]])
"""float64 [1, 4]: the face's box in the view."""

_CENTRE = 23.5 + 24.5j  # of the detector's boxes, in the template's pixels
_TO_TEMPLATE = Similarity(1 / _UNIT, _CENTRE - (SIDE - 1) / 2 * (1 + 1j) / _UNIT)
_SHAPE = to_complex(TEMPLATE)
_EVERY_POINT = np.ones(len(_SHAPE), np.bool_)
_PLAUSIBLE = 6.0  # template's pixels: points this far from where a face has them belong to no face

_FACE_PIXELS = (slice(SIDE // 5, SIDE - SIDE // 5, 4),) * 2  # what likeness and light are measured on: 29 x 29
_WINDOW, _LEVELS, _STEPS, _STEP = 15, 1, 10, 0.02
_THERE_AND_BACK = 0.5  # pixels of the view


def pose_of(points: Complex) -> Similarity | None:
    """The pose in which a face's landmarks (complex [68], the frame's pixels) are upright; None where they are none."""
    size = float(np.ptp(points.real) + np.ptp(points.imag)) / 2
    if not size > 0:
        return None
    found = robust_fit(_SHAPE, points, _EVERY_POINT, _PLAUSIBLE * size / 40)
    return found[0].after(_TO_TEMPLATE) if found is not None and found[1].mean() >= 0.5 else None


def cut_view(luma: UInt8, pose: Similarity) -> UInt8:
    """The view uint8 [SIDE, SIDE] of a frame; outside the frame its border goes on.

    Faces that are more than twice as large as in the view are halved first (means over the pixels' areas), so that no
    pixel of the frame is passed over and its noise averages out.
    """
    halvings = int(np.log2(max(pose.scale, 1.0)))
    if halvings:
        corners = pose(np.array([0, SIDE, SIDE * 1j, SIDE * (1 + 1j)]))
        step = 2**halvings
        left, top = (int(max(low, 0)) // step * step for low in (corners.real.min() - step, corners.imag.min() - step))
        right, bottom = (int(high) + 2 * step for high in (corners.real.max(), corners.imag.max()))
        part = luma[top : max(bottom, 0), left : max(right, 0)]
        height, width = (side // step for side in part.shape)
        if height and width:
            luma = image.resize(part[: height * step, : width * step], (height, width))
            # A pixel's centre is at step (x + 1/2) - 1/2 of the frame's pixels.
            whole = Similarity(step, left + top * 1j + (step - 1) / 2 * (1 + 1j))
            pose = whole.inverse().after(pose)
    return image.warp(luma, pose.matrix, (SIDE, SIDE), border="replicate")


class Reference:
    """A view that later ones are compared with, and the landmarks in it: they are found again without drift.

    Parameters
    ----------
    view : uint8 [SIDE, SIDE]
    points : complex [68]
        The landmarks in it.
    """

    def __init__(self, view: UInt8, points: Complex) -> None:
        self.points = points
        self._start = to_points(points)
        self._pyramid = flow.pyramid(view)
        pixels = view[_FACE_PIXELS].astype(np.float32)
        self._mean, self._contrast = float(pixels.mean()), max(float(pixels.std()), 1.0)
        self._pixels = (pixels - self._mean) / self._contrast

    def likeness(self, view: UInt8) -> float:
        """Normalised correlation of the faces' middles, -1 to 1: 1 for the same picture in any light."""
        pixels = view[_FACE_PIXELS].astype(np.float32)
        contrast = max(float(pixels.std()), 1.0)
        return float(np.vdot(self._pixels, pixels - pixels.mean())) / (contrast * pixels.size)

    def match(self, view: UInt8, guess: Complex) -> tuple[Complex, Bools]:
        """The landmarks in another view, by Lucas-Kanade from the reference, there and back.

        Parameters
        ----------
        view : uint8 [SIDE, SIDE]
        guess : complex [68]
            Where to begin.

        Returns
        -------
        points : complex [68]; found : bool [68], those that came back to where they began
        """
        found = flow.track(
            self._pyramid,
            self._in_my_light(view),
            self._start,
            guess=to_points(guess),
            window=_WINDOW,
            levels=_LEVELS,
            iterations=_STEPS,
            epsilon=_STEP,
            backward=True,
        )
        assert found.backward_error is not None
        return to_complex(found.points), found.status & (found.backward_error < _THERE_AND_BACK)

    def shift(self, by: Complex) -> None:
        """Move the landmarks in this view: they were found to be wrong."""
        if by.any():
            self.points = self.points + by
            self._start = to_points(self.points)

    def _in_my_light(self, view: UInt8) -> UInt8:
        """With the reference's mean and contrast: Lucas-Kanade takes a change of light for motion."""
        pixels = view[_FACE_PIXELS].astype(np.float32)
        gain = self._contrast / max(float(pixels.std()), 1.0)
        table = (np.arange(256) - float(pixels.mean())) * gain + self._mean
        lit: UInt8 = np.clip(np.rint(table), 0, 255).astype(np.uint8)[view]
        return lit
