"""The confusion matrix as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferkern.draw import font
from ferkern.evaluate import Evaluation

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

__all__ = ["confusion_picture"]

Color = tuple[int, int, int]

_PAPER: Color = (255, 255, 255)
_INK: Color = (28, 32, 38)
_DIM: Color = (110, 118, 130)
_LOW: Color = (243, 246, 250)
_HIGH: Color = (16, 72, 138)
_CELL = 112
_MARGIN = 36


def confusion_picture(evaluation: Evaluation, *, title: str) -> PILImage:
    """Draw the confusion matrix: rows are the truth, each cell its share of the row and its count.

    Parameters
    ----------
    evaluation : Evaluation
    title : str
        Stands above, with accuracy and number of examples below it.

    Returns
    -------
    PIL.Image.Image
        RGB.
    """
    from PIL import Image, ImageDraw

    names = evaluation.classes
    label_font, small, big = font(26), font(20), font(36)
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    left = _MARGIN + 44 + round(max(probe.textlength(name, label_font) for name in names)) + 16
    top = _MARGIN + 150
    size = _CELL * len(names)
    image = Image.new("RGB", (left + size + _MARGIN, top + size + _MARGIN + 84), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((left, _MARGIN), title, font=big, fill=_INK, anchor="la")
    line = f"accuracy {evaluation.accuracy:.1%} of {evaluation.n:,} faces; shares of each row, counts below"
    draw.text((left, _MARGIN + 56), line, font=small, fill=_DIM, anchor="la")
    draw.text((left + size / 2, top + size + 62), "recognized as", font=label_font, fill=_DIM, anchor="ma")
    _vertical(image, "truth", _MARGIN + 12, top + size // 2)
    for i, name in enumerate(names):
        middle = _CELL * (i + 0.5)
        draw.text((left - 16, top + middle), name, font=label_font, fill=_INK, anchor="rm")
        draw.text((left + middle, top + size + 14), name, font=label_font, fill=_INK, anchor="ma")
        total = max(int(evaluation.confusion[i].sum()), 1)
        for j in range(len(names)):
            count = int(evaluation.confusion[i, j])
            share = count / total
            x, y = left + j * _CELL, top + i * _CELL
            draw.rectangle((x + 1, y + 1, x + _CELL - 2, y + _CELL - 2), fill=_mix(share))
            ink = _PAPER if share > 0.45 else _INK
            draw.text((x + _CELL / 2, y + _CELL * 0.42), f"{share:.0%}", font=label_font, fill=ink, anchor="mm")
            draw.text((x + _CELL / 2, y + _CELL * 0.70), f"{count:,}", font=small, fill=ink, anchor="mm")
    return image


def _vertical(image: PILImage, text: str, x: int, y: int) -> None:
    from PIL import Image, ImageDraw

    strip = Image.new("RGB", (160, 40), _PAPER)
    ImageDraw.Draw(strip).text((80, 20), text, font=font(26), fill=_DIM, anchor="mm")
    strip = strip.transpose(Image.Transpose.ROTATE_90)
    image.paste(strip, (x - 20, y - 80))


def _mix(share: float) -> Color:
    red, green, blue = (round(a + (b - a) * min(share, 1.0) ** 0.7) for a, b in zip(_LOW, _HIGH, strict=True))
    return red, green, blue
