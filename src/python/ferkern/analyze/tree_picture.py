"""A decision tree as a picture: questions in the middle, the answers with their colours at the ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ferkern.analyze.trees import Leaf, Question

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_tree"]

_INK, _DIM, _PALE = "#1c2026", "#6e7682", "#d5dae1"
_ROW = 0.62  # inches from one answer to the next
_LEVEL = 2.9  # inches from a question to its answers


def draw_tree(root: Question | Leaf, *, colors: Mapping[str, str], figure: Callable[[float, float], Figure]) -> Figure:
    """Draw a tree that grows to the right; the upper branch of each question is yes.

    Parameters
    ----------
    root
    colors : mapping of str to str
        Of each label.
    figure : callable
        Makes a figure of a width and a height in inches, with 1.3 inches above for its title.
    """
    leaves, levels = _size(root)
    width, height = max(9.0, _LEVEL * (levels + 0.9) + 0.6), max(3.2, 1.6 + _ROW * leaves)
    made = figure(width, height)
    axes = made.add_axes((0.3 / width, 0.2 / height, 1 - 0.6 / width, 1 - 1.5 / height))
    axes.set_xlim(0, width - 0.6)
    axes.set_ylim(_ROW * leaves, 0)
    axes.axis("off")
    _draw(axes, root, 0, 0.0, colors)
    return made


def _size(node: Question | Leaf) -> tuple[int, int]:
    """Answers, and questions one behind the other."""
    if isinstance(node, Leaf):
        return 1, 0
    (a, deep), (b, deeper) = _size(node.yes), _size(node.no)
    return a + b, 1 + max(deep, deeper)


def _draw(axes: Axes, node: Question | Leaf, level: int, top: float, colors: Mapping[str, str]) -> float:
    """Draw a branch whose answers begin at height `top`; the height of its own node."""
    x = level * _LEVEL
    if isinstance(node, Leaf):
        y = top + _ROW / 2
        share = node.right / max(node.frames, 1)
        axes.barh(y, 1.7, 0.40, left=x, color="white", edgecolor=_PALE, zorder=2)
        axes.barh(y, 1.7 * share, 0.40, left=x, color=colors[node.label], alpha=0.5, zorder=2)
        axes.text(x + 0.08, y, node.label, fontsize=11, color=_INK, va="center", zorder=3)
        axes.text(x + 1.78, y, f"{share:.0%} of {node.frames:,}", fontsize=9, color=_DIM, va="center", zorder=3)
        return y
    upper = _draw(axes, node.yes, level + 1, top, colors)
    lower = _draw(axes, node.no, level + 1, top + _ROW * _size(node.yes)[0], colors)
    y = (upper + lower) / 2
    for answer, end in (("yes", upper), ("no", lower)):
        turn = x + _LEVEL - 0.55
        axes.plot([x + 1.0, turn, turn, x + _LEVEL], [y, y, end, end], color=_DIM, linewidth=1.1, zorder=1)
        axes.text(turn + 0.06, end - 0.05, answer, fontsize=9, color=_DIM, va="bottom")
    box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": _DIM}
    text = f"component {node.component + 1} ≤ {node.threshold:.3f}"
    axes.text(x + 0.06, y, text, fontsize=11, color=_INK, ha="left", va="center", bbox=box, zorder=3)
    return y
