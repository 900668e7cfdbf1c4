"""The confusion matrix and the ROC curve as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ferkern.draw import font
from ferkern.evaluate import BinaryScores, Evaluation

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

__all__ = ["confusion_picture", "roc_picture"]

Color = tuple[int, int, int]

_PAPER: Color = (255, 255, 255)
_INK: Color = (28, 32, 38)
_DIM: Color = (110, 118, 130)
_LOW: Color = (243, 246, 250)
_HIGH: Color = (16, 72, 138)
_CELL = 112
_LONGEST = 20  # letters of a class's name
_MARGIN = 36
_PLOT = 720  # side of the ROC curve's square, pixels
_CURVES: tuple[Color, ...] = ((16, 72, 138), (214, 96, 24), (46, 125, 50))


def confusion_picture(evaluation: Evaluation, *, title: str, unit: str = "faces", note: str = "") -> PILImage:
    """Draw the confusion matrix: rows are the truth, each cell its share of the row and its count.

    Parameters
    ----------
    evaluation : Evaluation
    title : str
        Stands above, with accuracy and number of examples below it.
    unit : str
        What the examples are.
    note : str
        A further line, below these.

    Returns
    -------
    PIL.Image.Image
        RGB.
    """
    from PIL import Image, ImageDraw

    names = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in evaluation.classes]
    label_font, small, big = font(26), font(20), font(36)
    line = f"accuracy {evaluation.accuracy:.1%} of {evaluation.n:,} {unit}; shares of each row, counts below"
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    widest = round(max(probe.textlength(name, label_font) for name in names))
    heads = round(max(probe.textlength(*text) for text in ((title, big), (line, small), (note, small))))
    left, top, cell = _MARGIN + 44 + widest + 16, _MARGIN + 150, max(_CELL, widest + 8)
    width, size = cell * len(names), _CELL * len(names)
    image = Image.new("RGB", (left + max(width, heads) + _MARGIN, top + size + _MARGIN + 84), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((left, _MARGIN), title, font=big, fill=_INK, anchor="la")
    draw.text((left, _MARGIN + 56), line, font=small, fill=_DIM, anchor="la")
    draw.text((left, _MARGIN + 84), note, font=small, fill=_DIM, anchor="la")
    draw.text((left + width / 2, top + size + 62), "recognized as", font=label_font, fill=_DIM, anchor="ma")
    _vertical(image, "truth", _MARGIN + 12, top + size // 2)
    for i, name in enumerate(names):
        draw.text((left - 16, top + _CELL * (i + 0.5)), name, font=label_font, fill=_INK, anchor="rm")
        draw.text((left + cell * (i + 0.5), top + size + 14), name, font=label_font, fill=_INK, anchor="ma")
        total = max(int(evaluation.confusion[i].sum()), 1)
        for j in range(len(names)):
            count = int(evaluation.confusion[i, j])
            share = count / total
            x, y = left + j * cell, top + i * _CELL
            draw.rectangle((x + 1, y + 1, x + cell - 2, y + _CELL - 2), fill=_mix(share))
            ink = _PAPER if share > 0.45 else _INK
            draw.text((x + cell / 2, y + _CELL * 0.42), f"{share:.0%}", font=label_font, fill=ink, anchor="mm")
            draw.text((x + cell / 2, y + _CELL * 0.70), f"{count:,}", font=small, fill=ink, anchor="mm")
    return image


def roc_picture(curves: Mapping[str, BinaryScores], *, title: str, note: str) -> PILImage:
    """Draw ROC curves over each other, with accuracy and area in the legend.

    Parameters
    ----------
    curves : mapping of str to BinaryScores
        By what the legend calls them, the first on top; at most three.
    title, note : str
        Stand above.

    Returns
    -------
    PIL.Image.Image
        RGB.
    """
    from PIL import Image, ImageDraw

    label_font, small, big = font(24), font(20), font(36)
    left, top, fine = _MARGIN + 110, _MARGIN + 120, 2
    image = Image.new("RGB", (left + _PLOT + _MARGIN, top + _PLOT + _MARGIN + 84), _PAPER)
    # The curves are drawn at twice the size, for smooth edges.
    plot = Image.new("RGB", (_PLOT * fine, _PLOT * fine), _LOW)
    pen = ImageDraw.Draw(plot)
    for tick in range(1, 10):
        at = tick / 10 * _PLOT * fine
        pen.line([(at, 0), (at, _PLOT * fine)], fill=_PAPER, width=fine)
        pen.line([(0, at), (_PLOT * fine, at)], fill=_PAPER, width=fine)
    pen.line([(0, _PLOT * fine), (_PLOT * fine, 0)], fill=_DIM, width=fine)
    colors = dict(zip(curves, _CURVES, strict=False))
    for name, scores in reversed(list(curves.items())):
        x, y = scores.roc.false_positives * _PLOT * fine, (1 - scores.roc.true_positives) * _PLOT * fine
        pen.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=colors[name], width=3 * fine, joint="curve")
    image.paste(plot.resize((_PLOT, _PLOT), Image.Resampling.LANCZOS), (left, top))
    draw = ImageDraw.Draw(image)
    draw.text((left, _MARGIN), title, font=big, fill=_INK, anchor="la")
    draw.text((left, _MARGIN + 56), note, font=small, fill=_DIM, anchor="la")
    for tick in range(0, 11, 2):
        at = tick / 10 * _PLOT
        draw.text((left + at, top + _PLOT + 12), f"{tick / 10:.1f}", font=small, fill=_INK, anchor="ma")
        draw.text((left - 12, top + _PLOT - at), f"{tick / 10:.1f}", font=small, fill=_INK, anchor="rm")
    wrong = "share of the others called smiling"
    draw.text((left + _PLOT / 2, top + _PLOT + 56), wrong, font=label_font, fill=_DIM, anchor="ma")
    _vertical(image, "share of smiles found", _MARGIN + 12, top + _PLOT // 2)
    for row, (name, scores) in enumerate(curves.items()):
        y_text = top + _PLOT - 40 * (len(curves) - row) - 20
        draw.rectangle((left + 240, y_text - 4, left + 276, y_text + 4), fill=colors[name])
        legend = f"{name}: accuracy {scores.accuracy:.1%}, AUC {scores.auc:.4f}"
        draw.text((left + 290, y_text), legend, font=small, fill=_INK, anchor="lm")
    return image


def _vertical(image: PILImage, text: str, x: int, y: int) -> None:
    from PIL import Image, ImageDraw

    half = 200
    strip = Image.new("RGB", (2 * half, 40), _PAPER)
    ImageDraw.Draw(strip).text((half, 20), text, font=font(26), fill=_DIM, anchor="mm")
    image.paste(strip.transpose(Image.Transpose.ROTATE_90), (x - 20, y - half))


def _mix(share: float) -> Color:
    red, green, blue = (round(a + (b - a) * min(share, 1.0) ** 0.7) for a, b in zip(_LOW, _HIGH, strict=True))
    return red, green, blue
