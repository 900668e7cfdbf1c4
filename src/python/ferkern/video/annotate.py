"""Faces drawn into a video: frame, landmarks, expression with its probability, and a bar for each class beside it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkern.draw import COLORS, OTHER, font, ink_on
from ferkern.draw_landmarks import CONTOURS
from ferkern.video.canvas import Canvas, Color, Coloring, Ink, Sprite, even
from ferkern.video.frame import planes_of

if TYPE_CHECKING:
    from ferkern.video.frame import Frame
    from ferkern.video.results import VideoFace

__all__ = ["annotate", "draw_faces"]

_DARK: Color = (18, 20, 24)
_LIGHT: Color = (255, 255, 255)
_GROUND: Color = (22, 25, 31)
_GROOVE: Color = (66, 72, 84)

_BT709, _UNSAID = 1, 2  # AVCOL_SPC_*
_HIGH = 720  # rows from which on a frame that does not say so follows BT.709
_LINE, _DOT = 0.0022, 0.0065  # half width of a line and radius of a dot in units of the face
_SMALL = 72  # pixels; smaller faces get no bars
_LEGIBLE = 6  # pixels of letters; on smaller frames there is no text
_WIDEST = 2.5  # half width of a line in pixels
_DENSEST = 2000  # places along a line; no line that is seen needs more

Mask = NDArray[np.uint8]


def annotate(frame: Frame, faces: Sequence[VideoFace]) -> Any:
    """A copy of a frame with its faces drawn, for an encoder: PyAV's frame in YUV 4:2:0 with even sides.

    Parameters
    ----------
    frame : Frame
    faces : sequence of VideoFace

    Returns
    -------
    av.VideoFrame
    """
    from ferkern.video.source import pyav

    av = pyav()
    source = frame.source
    if not frame.is_decoded:
        form = {2: "gray", 3: "rgb24", 4: "rgba"}[source.ndim if source.ndim == 2 else source.shape[2]]
        source = av.VideoFrame.from_ndarray(source, form)
        source = source.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range="MPEG")
        source.colorspace, source.color_range = _BT709, 1
    copy = av.VideoFrame(source.width & ~1 or 2, source.height & ~1 or 2, "yuv420p")
    for target, plane in zip(planes_of(copy), planes_of(source), strict=True):
        rows, columns = min(target.shape[0], plane.shape[0]), min(target.shape[1], plane.shape[1])
        target[:rows, :columns] = plane[:rows, :columns]
    full = source.color_range == 2 or source.format.name == "yuvj420p"
    copy.color_range, copy.colorspace = 2 if full else 1, source.colorspace
    high = source.colorspace == _BT709 or (source.colorspace == _UNSAID and source.height >= _HIGH)
    draw_faces(Canvas(planes_of(copy), Coloring(709 if high else 601, full)), faces)
    return copy


def draw_faces(canvas: Canvas, faces: Sequence[VideoFace]) -> None:
    """Draw faces upon a frame; the largest last, so that it is seen whole."""
    width, height = canvas.size
    base = math.sqrt(width * height)
    for face in sorted(faces, key=lambda f: f.box[2] * f.box[3]):
        color = COLORS.get(face.emotion, OTHER)
        side = max(face.box[2], face.box[3])
        if face.landmarks is not None and np.isfinite(face.landmarks).all():
            _draw_landmarks(canvas, face.landmarks.astype(np.float64), side)
        box = _draw_box(canvas, face, color, max(2, even(base * 0.003)))
        text = f"{face.emotion} {face.probabilities[face.emotion] * 100:.0f} %"
        size = round(min(max(side * 0.12, base * 0.021), base * 0.034))
        if size >= _LEGIBLE:
            _draw_label(canvas, box, f"{face.id}  {text}" if len(faces) > 1 else text, color, size)
        if side >= _SMALL:
            _draw_bars(canvas, box, face, max(round(min(side * 0.062, base * 0.019)), 11))


def _draw_landmarks(canvas: Canvas, points: NDArray[np.float64], side: float) -> None:
    # Whole tenths, so that the discs of `Canvas` are made once for faces of about the same size.
    line = round(min(max(side * _LINE, 0.4), _WIDEST), 1)
    dot = round(min(max(side * _DOT, 0.8), 2 * _WIDEST), 1)
    canvas.strokes(_dense(points), (Ink(_DARK, line + 0.5, 0.35), Ink(_LIGHT, line, 0.65)), chroma=False)
    canvas.strokes(points, (Ink(_DARK, dot + 0.7, 0.45), Ink(_LIGHT, dot)))


_PAIRS = np.array(
    [
        (a, b)
        for contour, closed in CONTOURS
        for a, b in zip(contour, [*contour[1:], *([contour[0]] if closed else [])], strict=False)
    ]
)


def _dense(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places along the contours at most a pixel apart."""
    start, way = points[_PAIRS[:, 0]], points[_PAIRS[:, 1]] - points[_PAIRS[:, 0]]
    counts = np.minimum(np.ceil(np.hypot(*way.T)), _DENSEST).astype(np.int64) + 1
    segment = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(len(segment)) - np.repeat(np.cumsum(counts) - counts, counts)
    along: NDArray[np.float64] = start[segment] + way[segment] * (nth / counts[segment])[:, None]
    return along


def _draw_box(canvas: Canvas, face: VideoFace, color: Color, line: int) -> tuple[int, int, int, int]:
    x, y, width, height = face.box
    left, top, right, bottom = even(x), even(y), even(x + width), even(y + height)
    radius = even(min(right - left, bottom - top) * 0.09)
    if radius < line + 2:
        radius = 0
    for grown, width_of_line, ink, opacity in ((line, 3 * line, _DARK, 0.4), (0, line, color, 1.0)):
        outer = (left - grown, top - grown, right + grown, bottom + grown)
        _draw_outline(canvas, outer, radius + grown if radius else 0, width_of_line, ink, opacity)
    return left, top, right, bottom


def _draw_outline(
    canvas: Canvas, box: tuple[int, int, int, int], radius: int, line: int, color: Color, opacity: float
) -> None:
    """A rounded rectangle, its line inside."""
    left, top, right, bottom = box
    sides = (
        (left + radius, top, right - radius, top + line),
        (left + radius, bottom - line, right - radius, bottom),
        (left, top + max(radius, line), left + line, bottom - max(radius, line)),
        (right - line, top + max(radius, line), right, bottom - max(radius, line)),
    )
    for side in sides:
        canvas.rectangle(side, color, opacity=opacity)
    if radius:
        for x, flip_x in ((left, 1), (right - radius, -1)):
            for y, flip_y in ((top, 1), (bottom - radius, -1)):
                canvas.sprite(x, y, _corner(radius, line, color, opacity, flip_x, flip_y, canvas.coloring))


@functools.lru_cache(maxsize=512)
def _corner(radius: int, line: int, color: Color, opacity: float, flip_x: int, flip_y: int, held: Coloring) -> Sprite:
    """A quarter of a ring: of the upper left, or flipped."""
    at = radius - 0.5 - np.arange(radius)
    distance = np.hypot(at[:, None], at)
    ring = np.clip(radius - distance + 0.5, 0, 1) * np.clip(distance - (radius - line) + 0.5, 0, 1)
    return Sprite([(np.rint(ring * opacity * 255).astype(np.uint8)[::flip_y, ::flip_x], color)], held)


def _draw_label(canvas: Canvas, box: tuple[int, int, int, int], text: str, color: Color, size: int) -> None:
    """Above the box, or where there is no room, below it, or else inside at its upper edge."""
    label = _label(text, size, color, canvas.coloring)
    gap = even(size * 0.35)
    left, top, right, bottom = box
    across, down = canvas.size
    x = even(min(max((left + right - label.width) / 2, 0), max(across - label.width, 0)))
    if top - gap - label.height >= 0:
        y = top - gap - label.height
    elif bottom + gap + label.height <= down:
        y = bottom + gap
    else:
        y = max(top + gap, 0)
    canvas.sprite(x, even(y), label)


@functools.lru_cache(maxsize=512)
def _label(text: str, size: int, color: Color, held: Coloring) -> Sprite:
    """A pill and the letters in it."""
    from PIL import Image, ImageDraw

    letters = font(size)
    width = even(letters.getlength(text) + size * 0.8) + 2
    height = even(size * 1.4)
    written = Image.new("L", (width, height), 0)
    ImageDraw.Draw(written).text((width / 2, height / 2), text, font=letters, fill=255, anchor="mm")
    return Sprite([(_pill(width, height, height / 4, 255), color), (np.asarray(written), ink_on(color))], held)


def _pill(width: int, height: int, radius: float, fill: int) -> Mask:
    """A rectangle with round corners and smooth edges."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (width * 4, height * 4), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, width * 4 - 1, height * 4 - 1), radius * 4, fill=fill)
    return np.asarray(mask.reduce(4))


def _draw_bars(canvas: Canvas, box: tuple[int, int, int, int], face: VideoFace, size: int) -> None:
    """Names and bars of the classes and of the smile, right or left of the box, or nowhere without room."""
    readings = dict(face.probabilities)
    if face.smile is not None:
        readings["smile"] = face.smile
    panel = _panel(tuple(readings), size, canvas.coloring)
    left, top, right, _ = box
    gap = even(size * 0.9)
    across, down = canvas.size
    x, y = right + gap, even(min(max(top, 0), down - panel.height))
    if x + panel.width > across:
        x = left - gap - panel.width
    if x < 0 or y < 0:
        return
    canvas.sprite(x, y, panel)
    _, start, end = _bar(size, panel.width, 0)
    for number, (name, share) in enumerate(readings.items()):
        (bar_top, bar_bottom), *_ = _bar(size, panel.width, number)
        reached = start + even((end - start) * share)
        canvas.rectangle((x + start, y + bar_top, x + reached, y + bar_bottom), COLORS.get(name, OTHER))


def _bar(size: int, width: int, number: int) -> tuple[tuple[int, int], int, int]:
    """Top and bottom of a bar of the panel, and where all begin and end, of even numbers."""
    middle = even(size * 0.5) + even(size * 1.45) * number + even(size * 0.725)
    half = max(even(size * 0.29), 2)
    return (middle - half, middle + half), even(width - size * 5.6), even(width - size * 0.6)


@functools.lru_cache(maxsize=64)
def _panel(names: tuple[str, ...], size: int, held: Coloring) -> Sprite:
    """Names, and grooves for bars."""
    from PIL import Image, ImageDraw

    letters = font(size)
    width = even(max(letters.getlength(name) for name in names) + size * 6.8)
    height = even(size * 1.45) * len(names) + 2 * even(size * 0.5)
    written, grooves = Image.new("L", (width, height), 0), Image.new("L", (width, height), 0)
    for number, name in enumerate(names):
        (top, bottom), start, end = _bar(size, width, number)
        at = start - size * 0.5, (top + bottom) / 2
        ImageDraw.Draw(written).text(at, name, font=letters, fill=235, anchor="rm")
        ImageDraw.Draw(grooves).rectangle((start, top, end - 1, bottom - 1), fill=255)
    ground = _pill(width, height, size / 2, 190)
    return Sprite([(ground, _GROUND), (np.asarray(written), _LIGHT), (np.asarray(grooves), _GROOVE)], held)
