"""The 68 landmarks on a picture: thin contours with a dot for each point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

__all__ = ["CONTOURS", "draw_landmarks"]

CONTOURS = (
    (range(17), False),  # jaw
    (range(17, 22), False),  # brows
    (range(22, 27), False),
    (range(27, 31), False),  # nose
    (range(31, 36), False),
    (range(36, 42), True),  # eyes
    (range(42, 48), True),
    (range(48, 60), True),  # lips
    (range(60, 68), True),
)
"""Points that a line joins, and whether it closes."""

_LIGHT, _DARK = (255, 255, 255), (18, 20, 24)
_FINE = 4  # how much finer the lines are drawn than the picture
_SHARPEST = 2000  # pixels along a side; larger patches are drawn as fine as the picture
_LINE, _DOT, _LEAST = 0.003, 0.0075, 0.5  # width and radius in units of the face; never below, pixels


def draw_landmarks(image: PILImage, points: NDArray[np.floating], size: float) -> None:
    """Draw one face's landmarks into a picture.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB; it is drawn upon.
    points : floats [68, 2]
        (x, y) in the picture's pixels, whose centres are at whole numbers. Points that are far from the face's other
        points, or not finite, draw nothing.
    size : float
        Width of the face in pixels: what lines and dots are measured by.
    """
    from PIL import Image, ImageDraw

    if not np.isfinite(points).all():
        return
    last = np.array([image.width - 1, image.height - 1])
    low = np.clip(np.floor(points.min(axis=0) - size * 0.1), 0, last + 1).astype(np.int64)
    high = np.clip(np.ceil(points.max(axis=0) + size * 0.1), -1, last).astype(np.int64)
    width, height = (high - low + 1).tolist()
    if width < 1 or height < 1:
        return
    fine = _FINE if max(width, height) < _SHARPEST else 1
    places = (points - low + 0.5) * fine
    for color, share, wider in ((_DARK, 110, 1.0), (_LIGHT, 235, 0.0)):
        mask = Image.new("L", (width * fine, height * fine), 0)
        pen = ImageDraw.Draw(mask)
        line = max(size * _LINE, _LEAST) + wider * max(size * _LINE, _LEAST)
        dot = max(size * _DOT, _LEAST * 1.6) + wider * max(size * _LINE, _LEAST) / 2
        for contour, closed in CONTOURS:
            path = [tuple(places[i]) for i in contour]
            pen.line(path + path[:1] if closed else path, fill=share, width=max(1, round(line * fine)), joint="curve")
        for x, y in places:
            pen.ellipse(
                (x - dot * fine, y - dot * fine, x + dot * fine, y + dot * fine), fill=255 if not wider else share
            )
        image.paste(color, tuple(low.tolist()), mask.reduce(fine) if fine > 1 else mask)
