"""Drawing on the planes of a YUV 4:2:0 frame: rectangles, sprites, and strokes with smooth edges.

Colours are set where they are needed, in luma at every pixel and in chroma at every second one, so nothing of the frame
is converted. Positions of rectangles and sprites are even, whereby chroma has its own exact pixels; strokes lie
anywhere.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Canvas", "Color", "Coloring", "Ink", "Sprite", "even"]

Color: TypeAlias = tuple[int, int, int]
UInt8: TypeAlias = NDArray[np.uint8]
Points: TypeAlias = NDArray[np.floating]

# Shares of red and blue in luma (ITU-R BT.601, BT.709).
_WEIGHTS = {601: (0.299, 0.114), 709: (0.2126, 0.0722)}
_HALF = 128
_FAR = np.float32(1e9)


def even(value: float) -> int:
    """The nearest even number."""
    return 2 * round(value / 2)


@dataclass(frozen=True, slots=True)
class Coloring:
    """How a frame holds colours.

    Attributes
    ----------
    matrix : int
        601 or 709: which recommendation they follow.
    full_range : bool
        Whether black is 0 and white 255 in luma; else 16 and 235.
    """

    matrix: int = 709
    full_range: bool = False

    def ycc(self, color: Color) -> tuple[int, int, int]:
        """A colour (red, green, blue; 0 to 255) as luma and chroma, bytes."""
        red, blue = _WEIGHTS[self.matrix]
        r, g, b = (v / 255 for v in color)
        y = red * r + (1 - red - blue) * g + blue * b
        u, v = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
        low, luma, chroma = (0, 255, 255) if self.full_range else (16, 219, 224)
        return round(low + luma * y), min(round(_HALF + chroma * u), 255), min(round(_HALF + chroma * v), 255)


class Sprite:
    """A small picture that lets some of the frame through, made once and laid on many frames.

    Parameters
    ----------
    layers : sequence of (mask, color)
        Masks uint8 [h, w] of one size, its sides even (255: nothing of what is below is seen), the lowest first.
    coloring : Coloring
    """

    def __init__(self, layers: Sequence[tuple[UInt8, Color]], coloring: Coloring) -> None:
        self.height, self.width = layers[0][0].shape
        # Of each plane: how much of the frame stays, of 256, and what is added to it, times 256.
        self.planes: list[tuple[NDArray[np.uint16], NDArray[np.uint16]]] = []
        for plane, side in enumerate((1, 2, 2)):
            kept = np.ones((self.height // side, self.width // side))
            added = np.zeros_like(kept)
            for mask, color in layers:
                share = mask.reshape(self.height // side, side, self.width // side, side).mean(axis=(1, 3)) / 255
                kept, added = kept * (1 - share), added * (1 - share) + share * coloring.ycc(color)[plane]
            self.planes.append(((kept * 256).astype(np.uint16), (added * 256).astype(np.uint16)))


@dataclass(frozen=True, slots=True)
class Ink:
    """What a stroke is made of: a colour, how far it reaches, in pixels, and how much it covers, up to 1."""

    color: Color
    radius: float
    opacity: float = 1.0


class Canvas:
    """A frame to draw upon.

    Parameters
    ----------
    planes : uint8 [H, W] and twice [H / 2, W / 2], rounded up
        Written to.
    coloring : Coloring
    """

    def __init__(self, planes: Sequence[UInt8], coloring: Coloring) -> None:
        self.planes = tuple(planes)
        self.coloring = coloring

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.planes[0].shape
        return width, height

    def rectangle(self, box: tuple[int, int, int, int], color: Color, *, opacity: float = 1.0) -> None:
        """Fill left, top, right, bottom (the last two excluded), of even numbers; what lies outside is left out."""
        left, top, right, bottom = box
        width, height = self.size
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if left >= right or top >= bottom:
            return
        share = round(opacity * 256)
        for value, plane, side in zip(self.coloring.ycc(color), self.planes, (1, 2, 2), strict=True):
            part = plane[top // side : -(-bottom // side), left // side : -(-right // side)]
            if share >= 256:
                part[...] = value
            else:
                part[...] = (part.astype(np.uint16) * (256 - share) + value * share) >> 8

    def sprite(self, left: int, top: int, sprite: Sprite) -> None:
        """Lay a sprite over the frame, its corner at an even place; what lies outside is left out."""
        width, height = self.size
        x, y = max(-left, 0), max(-top, 0)
        right, bottom = min(sprite.width, width - left), min(sprite.height, height - top)
        if x >= right or y >= bottom:
            return
        for plane, (kept, added), side in zip(self.planes, sprite.planes, (1, 2, 2), strict=True):
            rows, columns = slice(y // side, -(-bottom // side)), slice(x // side, -(-right // side))
            shift_y, shift_x = top // side, left // side
            part = plane[rows.start + shift_y : rows.stop + shift_y, columns.start + shift_x : columns.stop + shift_x]
            part[...] = (part * kept[rows, columns] + added[rows, columns]) >> 8

    def strokes(self, points: Points, inks: Sequence[Ink], *, chroma: bool = True) -> None:
        """Lay round dots about points [n, 2] (x, y), of one ink over the other; dense points make a line.

        Without chroma only luma is drawn: on lines of a pixel, which chroma at half the resolution would blur, nobody
        sees the difference.
        """
        values = [self.coloring.ycc(ink.color) for ink in inks]
        luma, u, v = self.planes
        points = points.astype(np.float32)
        both = list(zip(values, inks, strict=True))
        _dots((luma,), points, [(value[:1], ink.radius, ink.opacity) for value, ink in both])
        if chroma:  # a sample lies amid its four pixels, at (2 i + 1/2) of theirs
            _dots((u, v), (points - 0.5) / 2, [(value[1:], ink.radius / 2, ink.opacity) for value, ink in both])


def _dots(planes: Sequence[UInt8], points: Points, inks: Sequence[tuple[tuple[int, ...], float, float]]) -> None:
    """Dots of one or more inks (values in the planes, radius, opacity); where dots overlap, the nearest counts."""
    height, width = planes[0].shape
    limit = max(radius for _, radius, _ in inks) + 0.5
    x, y = np.ascontiguousarray(points.T)
    inside = (x > -limit) & (x < width - 1 + limit) & (y > -limit) & (y < height - 1 + limit)
    if not inside.all():
        x, y = x[inside], y[inside]
    if len(x) == 0:
        return
    steps = _disc(limit)
    reach = int(steps.max())
    columns, rows = np.rint(x), np.rint(y)
    left, top = int(columns.min()) - reach, int(rows.min()) - reach
    patch_width, patch_height = int(columns.max()) + reach + 1 - left, int(rows.max()) + reach + 1 - top
    distance_x, distance_y = (columns - x)[:, None] + steps[0], (rows - y)[:, None] + steps[1]
    distance_x *= distance_x
    distance_y *= distance_y
    distance_x += distance_y
    corner = (rows.astype(np.int64) - top) * patch_width + (columns.astype(np.int64) - left)
    index = corner[:, None] + (steps[1] * patch_width + steps[0]).astype(np.int64)
    squares = np.full(patch_width * patch_height, _FAR, np.float32)
    np.minimum.at(squares, index.ravel(), distance_x.ravel())
    where = np.flatnonzero(squares < limit * limit)
    rows, columns = np.divmod(where, patch_width)
    rows, columns, distance = rows + top, columns + left, np.sqrt(squares[where])
    seen = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    if not seen.all():
        rows, columns, distance = rows[seen], columns[seen], distance[seen]
    parts = [plane[rows, columns].astype(np.float32) for plane in planes]
    for values, radius, opacity in inks:
        share = np.clip(np.float32(radius + 0.5) - distance, 0, 1) * np.float32(opacity)
        for part, value in zip(parts, values, strict=True):
            part += share * (value - part)
    for plane, part in zip(planes, parts, strict=True):
        plane[rows, columns] = part + np.float32(0.5)


@functools.lru_cache(maxsize=64)
def _disc(limit: float) -> NDArray[np.float32]:
    """Steps [2, n] (x, y) to the pixels that may lie nearer than `limit` to a point whose own pixel is at (0, 0)."""
    reach = math.ceil(limit + 0.5)
    x, y = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    nearest = np.hypot(np.maximum(abs(x) - 0.5, 0), np.maximum(abs(y) - 0.5, 0))
    return np.stack([x, y])[:, nearest < limit].astype(np.float32)
