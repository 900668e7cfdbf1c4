"""Expressions over time as a picture: for each face a band of seven colours, and its smile below."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern.draw import COLORS, OTHER
from ferkern.video.history import FaceHistory, History

__all__ = ["draw_timeline"]

_INK, _DIM, _SMILE = "#1c2026", "#6e7682", "#12907e"
_MOST = 8  # faces; those that were seen longest
_WIDTH, _BAND, _REST, _DPI = 13.0, 2.3, 1.35, 110  # inches
_POINTS = 4000  # across; longer videos show means of as many pieces
_LONGEST = 36  # letters of the title
_GAP = 0.5  # seconds without a face from which on its band is broken


def draw_timeline(history: History, path: Path, *, title: str) -> None:
    """Draw the smoothed probabilities of each face, stacked, over the video's time.

    Parameters
    ----------
    history : History
    path : path
        .png, .svg or .pdf.
    title : str
        Stands above.

    Raises
    ------
    ImportError
        matplotlib (extra ``plot``) is not installed.
    OSError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    everybody = history.faces()
    faces = everybody[:_MOST]
    rows = max(len(faces), 1)
    height = _BAND * rows + _REST
    figure = Figure(figsize=(_WIDTH, height))
    top, bottom = 1 - 0.80 / height, 0.55 / height
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    figure.subplots_adjust(left=0.06, right=0.985, top=top, bottom=bottom, hspace=0.22)
    figure.text(0.06, 1 - 0.30 / height, _short(title), color=_INK, size=14, weight="bold", va="center")
    for place, face in zip(axes, faces, strict=False):
        _draw_face(place, history, face)
    for place in axes:
        place.set_xlim(history.start, max(history.end, history.start + 1e-3))
        place.set_ylim(0, 1)
        place.set_yticks((0, 0.5, 1), ("0", "½", "1"))
        place.tick_params(colors=_DIM, labelsize=9)
        for side in place.spines.values():
            side.set_visible(False)
    if not faces:
        axes[0].text(0.5, 0.5, "no face was seen", color=_DIM, ha="center", transform=axes[0].transAxes)
    axes[-1].set_xlabel("seconds", color=_DIM)
    _draw_key(figure, history, height, hidden=len(everybody) - len(faces))
    figure.savefig(path, dpi=_DPI)


def _draw_face(place: Any, history: History, face: FaceHistory) -> None:
    for piece in _pieces(face.time):
        time, shares, smile = (_thinned(a[piece]) for a in (face.time, face.probabilities, face.smile))
        if len(time) == 1:  # a band of one frame has no width
            time, shares, smile = time[0] + np.array([-0.01, 0.01]), np.repeat(shares, 2, 0), np.repeat(smile, 2)
        colors = [_hex(COLORS.get(name, OTHER)) for name in history.classes]
        place.stackplot(time, shares.T, colors=colors, linewidth=0, alpha=0.9)
        place.plot(time, smile, color="white", linewidth=3.2, solid_capstyle="round")
        place.plot(time, smile, color=_SMILE, linewidth=1.6, solid_capstyle="round")
    seen = f"face {face.id}: {len(face.time):,} of {history.frames:,} frames"
    place.set_title(seen, loc="left", color=_DIM, size=9, pad=3)


def _draw_key(figure: Any, history: History, height: float, *, hidden: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys: list[Any] = [Patch(color=_hex(COLORS.get(name, OTHER)), label=name) for name in history.classes]
    keys.append(Line2D([], [], color=_SMILE, linewidth=2, label="smile"))
    figure.legend(
        handles=keys, loc="upper right", bbox_to_anchor=(0.985, 1 - 0.08 / height), ncols=len(keys), frameon=False,
        fontsize=9, labelcolor=_INK, handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip
    if hidden:
        words = f"{hidden} more face{'s were' if hidden > 1 else ' was'} seen for a shorter time"
        figure.text(0.985, 0.2 / height, words, color=_DIM, size=9, ha="right")


def _pieces(time: NDArray[np.float64]) -> list[slice]:
    """Where a face was seen without a break."""
    breaks = np.flatnonzero(np.diff(time) > _GAP) + 1
    edges = [0, *breaks.tolist(), len(time)]
    return [slice(a, b) for a, b in pairwise(edges)]


def _thinned(values: NDArray[Any]) -> NDArray[Any]:
    """Means of pieces of equal length, where there are more values than a picture can show."""
    step = -(-len(values) // _POINTS)
    if step == 1:
        return values
    means: NDArray[Any] = np.add.reduceat(values, np.arange(0, len(values), step), axis=0, dtype=np.float64)
    counts = np.diff([*range(0, len(values), step), len(values)])
    return means / counts.reshape(-1, *[1] * (values.ndim - 1))


def _short(title: str) -> str:
    """What has room beside the key."""
    return title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}…"


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
