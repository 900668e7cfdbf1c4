"""Pictures for people: faces framed and named, and a card for each with its seven probabilities.

All lengths derive from the picture's size, so that the text is as legible on a thumbnail as on a panorama.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ferkern.draw_landmarks import draw_landmarks
from ferkern.pictures import Picture

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from ferkern.face.pipeline import Face

__all__ = ["COLORS", "OTHER", "annotate", "font", "ink_on", "side_by_side"]

Color = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]  # left, top, right, bottom

COLORS: dict[str, Color] = {
    "angry": (226, 74, 66),
    "disgust": (124, 179, 66),
    "fear": (156, 106, 222),
    "happy": (250, 196, 46),
    "sad": (66, 135, 224),
    "surprise": (240, 129, 52),
    "neutral": (164, 176, 188),
}
OTHER: Color = (38, 198, 178)
_GROUND: Color = (22, 25, 31)
_CARD: Color = (34, 38, 46)
_TRACK: Color = (52, 58, 69)
_TEXT: Color = (236, 239, 243)
_DIM: Color = (158, 166, 178)
_INK: Color = (18, 20, 24)

_SMALLEST_SIDE = 900  # pictures are enlarged until their longer side has this many pixels
_FINE = 1000  # longest side of a shape whose edges are drawn four times as fine
_CARD_HEIGHT, _LONE_CARD_HEIGHT = 0.52, 0.78  # of a card, in units of its width


def annotate(picture: Picture, faces: Sequence[Face], *, cards: bool = True) -> PILImage:
    """Frame and name every face, and set a card with its probabilities beside the picture.

    Parameters
    ----------
    picture : Picture
        As `ferkern.pictures.read` gives it.
    faces : sequence of Face
        As `ferkern.recognize` gives them for this picture.
    cards : bool
        With False only the picture itself is drawn upon.

    Returns
    -------
    PIL.Image.Image
        RGB. Of the picture's own size or larger: small ones are enlarged, and the cards stand at the
        right, or below a wide picture.
    """
    from PIL import Image

    image = Image.fromarray(picture.rgb)
    zoom = max(1.0, _SMALLEST_SIDE / max(image.size))
    if zoom > 1:
        image = image.resize((round(image.width * zoom), round(image.height * zoom)), Image.Resampling.LANCZOS)
    plain = image.copy() if cards and faces else image
    boxes = [_scaled(face, picture, zoom) for face in faces]
    for face, box in zip(faces, boxes, strict=True):
        if face.landmarks is not None:
            points = (face.landmarks + 0.5) * zoom / picture.scale - 0.5
            draw_landmarks(image, points, box[2] - box[0])
    _draw_frames(image, faces, boxes)
    if not faces:
        _draw_notice(image, "no face found")
    if not (cards and faces):
        return image
    return _with_cards(image, plain, faces, boxes)


def side_by_side(images: Sequence[PILImage], *, gap: int = 24) -> PILImage:
    """Join pictures to one row of equal heights."""
    from PIL import Image

    height = max(image.height for image in images)
    row = [
        image.resize((round(image.width * height / image.height), height), Image.Resampling.LANCZOS)
        if image.height != height
        else image
        for image in images
    ]
    width = sum(image.width for image in row) + gap * (len(row) + 1)
    sheet = Image.new("RGB", (width, height + 2 * gap), _GROUND)
    left = gap
    for image in row:
        sheet.paste(image, (left, gap))
        left += image.width + gap
    return sheet


# -- on the picture ----------------------------------------------------------------------


def _scaled(face: Face, picture: Picture, zoom: float) -> Rectangle:
    x, y, width, height = face.box
    sx, sy = zoom / picture.scale[0], zoom / picture.scale[1]
    return x * sx, y * sy, (x + width) * sx, (y + height) * sy


def _draw_frames(image: PILImage, faces: Sequence[Face], boxes: Sequence[Rectangle]) -> None:
    base = math.sqrt(image.width * image.height)
    taken: list[Rectangle] = list(boxes)
    for number, (face, box) in enumerate(zip(faces, boxes, strict=True), start=1):
        color = COLORS.get(face.emotion, OTHER)
        side = box[2] - box[0]
        line = max(2, round(min(base * 0.005, side * 0.03)))
        radius = side * 0.09
        _rounded(image, _grown(box, line), radius + line, _INK, line=line * 3)
        _rounded(image, box, radius, color, line=line)
        text = f"{face.emotion} {_percent(face.probabilities[face.emotion])}"
        if len(faces) > 1:
            text = f"{number}  {text}"
        size = min(max(side * 0.15, base * 0.020), base * 0.042)
        taken.append(_draw_label(image, box, text, color, size, taken))


def _draw_label(
    image: PILImage, box: Rectangle, text: str, color: Color, size: float, taken: Sequence[Rectangle]
) -> Rectangle:
    """Put a label above the box, or where it hides least: below it, or inside at its upper or lower edge."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    bounds = image.size
    letters = font(size)
    pad = size * 0.32
    width = draw.textlength(text, letters) + 2 * pad
    height = size * 1.35
    left = min(max((box[0] + box[2] - width) / 2, 0), max(bounds[0] - width, 0))
    tops = (box[1] - height - pad * 0.6, box[3] + pad * 0.6, box[1] + pad * 0.6, box[3] - height - pad * 0.6)
    places = [(left, top, left + width, top + height) for top in tops if 0 <= top <= bounds[1] - height]
    if not places:
        top = min(max(box[1], 0), max(bounds[1] - height, 0))
        places = [(left, top, left + width, top + height)]
    others = [t for t in taken if t != box]
    place = min(places, key=lambda p: sum(_overlap(p, t) for t in others))
    _rounded(image, place, height * 0.28, color)
    middle = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
    draw.text(middle, text, font=letters, fill=ink_on(color), anchor="mm")
    return place


def _rounded(image: PILImage, box: Rectangle, radius: float, color: Color, *, line: int | None = None) -> None:
    """Rounded rectangle with smooth edges, filled or (with `line`) outlined inwards."""
    from PIL import Image, ImageDraw

    left, top = math.floor(box[0]), math.floor(box[1])
    width, height = math.ceil(box[2]) + 1 - left, math.ceil(box[3]) + 1 - top
    fine = 4 if max(width, height) < _FINE else 1
    mask = Image.new("L", (width * fine, height * fine), 0)
    inside = (
        (box[0] - left) * fine,
        (box[1] - top) * fine,
        (box[2] - left) * fine - 1,
        (box[3] - top) * fine - 1,
    )
    pen = ImageDraw.Draw(mask)
    if line is None:
        pen.rounded_rectangle(inside, radius * fine, fill=255)
    else:
        pen.rounded_rectangle(inside, radius * fine, outline=255, width=line * fine)
    image.paste(color, (left, top), mask.reduce(fine) if fine > 1 else mask)


def _draw_notice(image: PILImage, text: str) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    size = math.sqrt(image.width * image.height) * 0.035
    letters = font(size)
    width = draw.textlength(text, letters) + size
    draw.rounded_rectangle((size / 2, size / 2, size / 2 + width, size * 2.1), size * 0.3, fill=_CARD)
    draw.text((size / 2 + width / 2, size * 1.3), text, font=letters, fill=_TEXT, anchor="mm")


# -- cards ----------------------------------------------------------------------


def _with_cards(image: PILImage, plain: PILImage, faces: Sequence[Face], boxes: Sequence[Rectangle]) -> PILImage:
    from PIL import Image

    width, columns, below = _layout(image.size, len(faces))
    gap = round(width * 0.045)
    alone = len(faces) == 1 and not below
    card_height = round(width * (_LONE_CARD_HEIGHT if alone else _CARD_HEIGHT))
    rows = math.ceil(len(faces) / columns)
    panel_width = columns * (width + gap) + gap
    panel_height = rows * (card_height + gap) + gap
    if below:
        canvas = Image.new("RGB", (max(image.width, panel_width), image.height + panel_height), _GROUND)
        left, top = (canvas.width - panel_width) // 2, image.height
    else:
        canvas = Image.new("RGB", (image.width + panel_width, max(image.height, panel_height)), _GROUND)
        left, top = image.width, (canvas.height - panel_height) // 2
    canvas.paste(image, (0, 0) if below else (0, (canvas.height - image.height) // 2))
    for index, (face, box) in enumerate(zip(faces, boxes, strict=True)):
        row, column = divmod(index, columns)
        if alone:
            card = _lone_card(face, (width, card_height))
        else:
            card = _card(plain, face, box, index + 1 if len(faces) > 1 else None, (width, card_height))
        canvas.paste(card, (left + gap + column * (width + gap), top + gap + row * (card_height + gap)))
    return canvas


def _layout(size: tuple[int, int], count: int) -> tuple[int, int, bool]:
    """Width of a card, columns, and whether the cards stand below the picture."""
    width, height = size
    base = math.sqrt(width * height)
    if width > 2.2 * height:  # below
        card = round(min(max(base * 0.42, 300), width))
        return card, max(1, min(count, int(width / (card * 1.05)))), True
    for share, most_columns in ((0.52, 1), (0.46, 1), (0.40, 1), (0.34, 2), (0.28, 3), (0.22, 4)):
        card = round(base * share)  # beside: the largest cards that all find room
        rows = max(1, int((height - card * 0.045) / (card * (_CARD_HEIGHT + 0.045))))
        columns = math.ceil(count / rows)
        if columns <= most_columns:
            return card, columns, False
    card = round(width / 6)  # a crowd: below, in rows as wide as the picture
    return card, int(width / (card * 1.05)), True


def _lone_card(face: Face, size: tuple[int, int]) -> PILImage:
    """The one face's name in large letters, and its bars below; the portrait is the picture itself."""
    from PIL import Image, ImageDraw

    width, height = size[0] * 2, size[1] * 2
    card = Image.new("RGB", (width, height), _GROUND)
    draw = ImageDraw.Draw(card)
    pad = width * 0.06
    draw.rounded_rectangle((0, 0, width - 1, height - 1), width * 0.035, fill=_CARD)
    title = height * 0.24
    figure = _percent(face.probabilities[face.emotion])
    color = COLORS.get(face.emotion, OTHER)
    draw.text((pad, pad + title * 0.36), face.emotion, font=font(title * 0.52), fill=color, anchor="lm")
    draw.text((width - pad, pad + title * 0.36), figure, font=font(title * 0.44), fill=_TEXT, anchor="rm")
    _draw_bars(draw, face, (pad, pad + title * 0.86, width - pad, height - pad * 0.8))
    return card.resize(size, Image.Resampling.LANCZOS)


def _card(plain: PILImage, face: Face, box: Rectangle, number: int | None, size: tuple[int, int]) -> PILImage:
    """A face's portrait, its name, and one bar for each class; drawn at twice the size for smooth edges."""
    from PIL import Image, ImageDraw

    width, height = size[0] * 2, size[1] * 2
    card = Image.new("RGB", (width, height), _GROUND)
    draw = ImageDraw.Draw(card)
    pad = height * 0.075
    draw.rounded_rectangle((0, 0, width - 1, height - 1), height * 0.06, fill=_CARD)
    color = COLORS.get(face.emotion, OTHER)

    side = round(width * 0.34)
    portrait = _portrait(plain, box, side)
    mask = Image.new("L", (side, side), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, side - 1, side - 1), side * 0.08, fill=255)
    card.paste(portrait, (round(pad), round(pad)), mask)
    under = pad + side
    name = face.emotion if number is None else f"{number}  {face.emotion}"
    room = height - pad * 0.6 - under
    draw.text(
        (pad, under + room * 0.30),
        name,
        font=_fitting(draw, name, side, room * 0.42),
        fill=color,
        anchor="lm",
    )
    draw.text(
        (pad, under + room * 0.74),
        _percent(face.probabilities[face.emotion]),
        font=font(room * 0.36),
        fill=_TEXT,
        anchor="lm",
    )
    _draw_bars(draw, face, (pad * 1.8 + side, pad, width - pad, height - pad))
    return card.resize(size, Image.Resampling.LANCZOS)


def _draw_bars(draw: ImageDraw, face: Face, area: Rectangle) -> None:
    """One bar for each class and, a little apart, one for the smile."""
    left, top, right, bottom = area
    gap = 0.0 if face.smile is None else 0.5  # rows between the classes and the smile
    count = max(len(face.probabilities), 7) + (face.smile is not None) + gap
    row = (bottom - top) / count
    letters = font(row * 0.56)
    label = max(draw.textlength(name, letters) for name in face.probabilities) + row * 0.4
    figure = draw.textlength("100 %", letters) + row * 0.3
    across = (left + label, right - figure, right)
    for index, (name, probability) in enumerate(face.probabilities.items()):
        best = name == face.emotion
        _draw_bar(draw, name, probability, COLORS.get(name, OTHER), across, top + row * (index + 0.5), row, best)
    if face.smile is not None:
        middle = top + row * (len(face.probabilities) + gap + 0.5)
        _draw_bar(draw, "smile", face.smile, OTHER, across, middle, row, face.smile > 0.5)


def _draw_bar(
    draw: ImageDraw,
    name: str,
    share: float,
    color: Color,
    across: tuple[float, float, float],
    middle: float,
    row: float,
    strong: bool,
) -> None:
    """Name, bar and figure of one row; `across`: where the bar starts and ends, and where the figure ends."""
    start, end, right = across
    letters, half = font(row * 0.56), row * 0.26
    draw.text((start - row * 0.4, middle), name, font=letters, fill=_TEXT if strong else _DIM, anchor="rm")
    draw.rounded_rectangle((start, middle - half, end, middle + half), half / 2, fill=_TRACK)
    length = (end - start) * share
    if length >= 1:
        draw.rounded_rectangle(
            (start, middle - half, start + length, middle + half), min(half / 2, length / 2), fill=color
        )
    draw.text((right, middle), _percent(share), font=letters, fill=_TEXT if strong else _DIM, anchor="rm")


def _portrait(plain: PILImage, box: Rectangle, side: int) -> PILImage:
    """The face with a margin around it, as a square; what lies outside the picture is dark."""
    from PIL import Image

    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = max(box[2] - box[0], box[3] - box[1]) * 0.62
    crop = plain.crop((round(x - half), round(y - half), round(x + half), round(y + half)))
    return crop.resize((side, side), Image.Resampling.LANCZOS)


# -- small things ----------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def _sized_font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def font(size: float) -> FreeTypeFont | ImageFont:
    """Pillow's own font at a size in pixels; the same on every machine."""
    return _sized_font(max(8, round(size)))


def _fitting(draw: ImageDraw, text: str, width: float, size: float) -> FreeTypeFont | ImageFont:
    length = draw.textlength(text, font(size))
    return font(size if length <= width else size * width / length)


def _percent(probability: float) -> str:
    return f"{probability * 100:.0f} %"


def ink_on(color: Color) -> Color:
    """Dark or white: what is read best on a colour."""
    return _INK if float(np.dot(color, (0.299, 0.587, 0.114))) > 120 else (255, 255, 255)


def _grown(box: Rectangle, by: float) -> Rectangle:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _overlap(a: Rectangle, b: Rectangle) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0
