"""An analysis as pictures (PNG): spectrum, trajectories, map, modes, groups, decision tree, confusion matrices."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkern.analyze.analysis import Analysis
from ferkern.analyze.report import signed
from ferkern.analyze.tree_picture import draw_tree
from ferkern.draw import COLORS
from ferkern.draw_landmarks import CONTOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_all"]

INK, DIM, PALE = "#1c2026", "#6e7682", "#d5dae1"
_PALETTE = (
    "#10488a",
    "#d66018",
    "#2e7d32",
    "#7b3fa0",
    "#b3261e",
    "#00838f",
    "#8a6d1f",
    "#ad1457",
    "#4b6b2f",
    "#37474f",
)
_NAMES = (
    "spectrum.png",
    "trajectories.png",
    "tsne.png",
    "modes.png",
    "groups.png",
    "tree.png",
    "confusion_time_blocks.png",
    "confusion_recordings.png",
)
_DPI = 110
_LETTERS = 11.5  # of a note, an inch
_SHOWN_VALUES = 40  # singular values in the picture
_MODES = 6
_FAR = 2.0  # standard deviations at which modes are drawn


def draw_all(analysis: Analysis, folder: Path) -> list[Path]:
    """Draw every picture that the analysis has matter for.

    Parameters
    ----------
    analysis
    folder : Path
        Must be there. Pictures of an earlier analysis in it are replaced or taken away.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    OSError
        A file cannot be written.
    """
    from matplotlib import rc_context

    drawers: list[tuple[str, Callable[[Analysis], Figure]]] = [
        ("spectrum.png", _spectrum),
        ("trajectories.png", _trajectories),
        ("modes.png", _modes),
        ("groups.png", _groups),
    ]
    if analysis.map is not None:
        drawers.insert(2, ("tsne.png", _map))
    if analysis.tree is not None:
        drawers.append(("tree.png", _tree))
    for name in _NAMES:  # an older picture would pass for one of this analysis
        (folder / name).unlink(missing_ok=True)
    written = []
    with rc_context({"text.parse_math": False}):  # labels and names of files may hold a $
        for name, draw in drawers:
            draw(analysis).savefig(folder / name, dpi=_DPI, facecolor="white", metadata={"Software": None})
            written.append(folder / name)
    return written + _confusions(analysis, folder)


def _figure(width: float, height: float, title: str, note: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    figure.text(0.5 / width, 1 - 0.28 / height, title, fontsize=17, color=INK, va="top")
    lines = textwrap.fill(note, int((width - 1) * _LETTERS))
    figure.text(0.5 / width, 1 - 0.68 / height, lines, fontsize=10.5, color=DIM, va="top")
    figure.subplots_adjust(
        left=0.9 / width, right=1 - 0.4 / width, top=1 - 1.4 / height, bottom=0.7 / height, wspace=0.22, hspace=0.32
    )
    return figure


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=DIM, labelsize=9)
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)


def _whence(analysis: Analysis) -> str:
    t = analysis.trajectories
    names = ", ".join(f"{_short(each.path.name, 32)}, face {each.face}" for each in t.recordings[:2])
    more = f" and {len(t.recordings) - 2} more" if len(t.recordings) > 2 else ""
    turned = "" if t.pose_share is None else ", less what follows yaw and pitch"
    return f"{len(t):,} frames of {names}{more}{turned}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _label_colors(names: Sequence[str]) -> dict[str, str]:
    """Expressions as elsewhere in ferkern, other labels from a palette."""
    if all(name in COLORS for name in names):
        return {name: "#{:02x}{:02x}{:02x}".format(*COLORS[name]) for name in names}
    return {name: _PALETTE[i % len(_PALETTE)] for i, name in enumerate(names)}


def _kinds(analysis: Analysis, by: str) -> list[tuple[str, str, NDArray[np.bool_]]]:
    """Name, colour and rows of each cluster or label; rows without a label first."""
    if by == "cluster":
        of_rows = analysis.clusters.of_rows
        count = len(analysis.clusters.typical)
        return [(f"cluster {i + 1}", _PALETTE[i % len(_PALETTE)], of_rows == i) for i in range(count)]
    labels = analysis.labels.of_rows
    names: list[str] = np.unique(labels[labels != ""]).tolist()
    colors = _label_colors(names)
    kinds = [(name, colors[name], labels == name) for name in names]
    return ([("no label", PALE, labels == "")] if (labels == "").any() else []) + kinds


def _labels_title(analysis: Analysis) -> str:
    return "by label, given" if analysis.labels.given else "by what the expression network said"


# -- spectrum ----------------------------------------------------------------------


def _spectrum(analysis: Analysis) -> Figure:
    pca, kept = analysis.components.pca, len(analysis.components)
    values = pca.singular_values[:_SHOWN_VALUES]
    share = float(pca.explained_variance_ratio[:kept].sum())
    note = f"{_whence(analysis)}; the first {kept} components explain {share:.1%} of the variance"
    figure = _figure(13, 5.6, "Singular values of the trajectories", note)
    left, right = figure.subplots(1, 2)
    numbers = np.arange(1, len(values) + 1)
    left.semilogy(
        numbers[kept:], np.maximum(values[kept:], values[0] * 1e-8), "o", color=DIM, markersize=4, mfc="white"
    )
    left.semilogy(numbers[:kept], values[:kept], "o", color=_PALETTE[0], markersize=6, label="kept")
    left.set_ylabel("singular value", color=DIM)
    left.legend(frameon=False)
    running = np.cumsum(pca.explained_variance_ratio)[: len(values)]
    right.bar(numbers, pca.explained_variance_ratio[: len(values)] * 100, color=PALE, label="each")
    right.bar(numbers[:kept], pca.explained_variance_ratio[:kept] * 100, color=_PALETTE[0])
    right.plot(numbers, running * 100, color=_PALETTE[1], linewidth=2, label="sum")
    right.axhline(95, color=DIM, linewidth=0.8, linestyle="--")
    right.set_ylabel("explained variance, %", color=DIM)
    right.set_ylim(0, 101)
    right.legend(frameon=False, loc="center right")
    for axes in (left, right):
        _plain(axes)
        axes.set_xlabel("component", color=DIM)
    return figure


# -- trajectories ----------------------------------------------------------------------


def _trajectories(analysis: Analysis) -> Figure:
    t, scores = analysis.trajectories, analysis.components.scores
    figure = _figure(15, 11, "Trajectories along the first components", _whence(analysis))
    grid = figure.add_gridspec(2, 2, height_ratios=(1.9, 1))
    second = scores[:, 1] if scores.shape[1] > 1 else np.zeros(len(scores))
    for column, by in enumerate(("cluster", "label")):
        axes = figure.add_subplot(grid[0, column])
        for run in t.runs():
            axes.plot(scores[run, 0], second[run], color=PALE, linewidth=0.6, zorder=1)
        _scatter(axes, scores[:, 0], second, _kinds(analysis, by))
        axes.set_title("by cluster (k-means)" if by == "cluster" else _labels_title(analysis), color=INK, fontsize=12)
        axes.set_xlabel("component 1, distances of the eyes", color=DIM)
        axes.set_ylabel("component 2", color=DIM)
    _over_time(figure.add_subplot(grid[1, :]), analysis)
    return figure


def _scatter(axes: Axes, x: NDArray[Any], y: NDArray[Any], kinds: Sequence[tuple[str, str, NDArray[np.bool_]]]) -> None:
    size = float(np.clip(20_000 / max(len(x), 1), 3, 26))
    for name, color, rows in kinds:
        edge = "none" if size < 8 else "white"
        axes.scatter(x[rows], y[rows], s=size, color=color, label=name, edgecolors=edge, linewidths=0.4, zorder=2)
    _plain(axes)
    columns = 1 if len(kinds) <= 8 else 2
    axes.legend(frameon=True, framealpha=0.85, edgecolor=PALE, fontsize=9, ncols=columns, markerscale=max(1, 5 / size))


def _over_time(axes: Axes, analysis: Analysis) -> None:
    """The first three components frame by frame, one recording after the other, above a strip of the labels."""
    t, scores = analysis.trajectories, analysis.components.scores
    rows = np.arange(len(t))
    for index in range(min(3, scores.shape[1])):
        for run in t.runs():
            label = f"component {index + 1}" if run.start == 0 else None
            axes.plot(rows[run], scores[run, index], color=_PALETTE[index], linewidth=1.1, label=label)
    low, high = float(scores[:, :3].min()), float(scores[:, :3].max())
    strip = (high - low) * 0.08
    for _, color, own in _kinds(analysis, "label"):
        axes.fill_between(rows, low - 2 * strip, low - strip, where=own, step="mid", color=color, linewidth=0)
    for each in t.recordings[1:]:
        axes.axvline(each.rows.start - 0.5, color=INK, linewidth=0.8)
    for each in t.recordings if len(t.recordings) <= 6 else ():
        name = _short(each.path.stem, 18)
        axes.text(each.rows.start, high, f" {name}, {each.face}", fontsize=8, color=DIM, va="top")
    _plain(axes)
    axes.set_xlim(-0.5, len(t) - 0.5)
    title = f"over time, recordings one after the other; below, {_labels_title(analysis)}"
    axes.set_title(title, color=INK, fontsize=12, loc="left")
    axes.set_xlabel("frame of the matrix", color=DIM)
    axes.legend(frameon=False, fontsize=10, loc="lower right", bbox_to_anchor=(1, 1), ncols=3)


def _map(analysis: Analysis) -> Figure:
    placed = analysis.map
    if placed is None:
        raise ValueError("analysis: has no map")
    note = (
        f"{len(placed.rows):,} of {_whence(analysis)}; perplexity {placed.perplexity:g}, seed {analysis.options.seed}; "
        "neighbours mean something, distances of clouds do not"
    )
    figure = _figure(15, 8, "Map of the frames (t-SNE)", note)
    for axes, by in zip(figure.subplots(1, 2), ("cluster", "label"), strict=True):
        kinds = [(name, color, rows[placed.rows]) for name, color, rows in _kinds(analysis, by)]
        _scatter(axes, placed.places[:, 0], placed.places[:, 1], kinds)
        axes.set_title("by cluster (k-means)" if by == "cluster" else _labels_title(analysis), color=INK, fontsize=12)
        axes.set_xticklabels([])
        axes.set_yticklabels([])
        axes.set_aspect("equal", "datalim")
    return figure


# -- faces ----------------------------------------------------------------------


def _face(axes: Axes, shape: NDArray[np.float64], color: str, width: float) -> None:
    for points, closed in CONTOURS:
        line = shape[[*points, points[0]] if closed else list(points)]
        axes.plot(line[:, 0], line[:, 1], color=color, linewidth=width, solid_capstyle="round", solid_joinstyle="round")


def _frame_face(axes: Axes, mean: NDArray[np.float64]) -> None:
    (left, top), (right, bottom) = mean.min(axis=0) - 0.25, mean.max(axis=0) + 0.25
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_aspect("equal")
    axes.axis("off")


def _modes(analysis: Analysis) -> Figure:
    components, mean = analysis.components, analysis.trajectories.mean
    shown = min(_MODES, len(components))
    note = f"{_whence(analysis)}; grey: the mean shape, orange: {_FAR:g} standard deviations up, blue: down"
    rows, columns = (1, shown) if shown <= 3 else (2, 3)
    figure = _figure(13 if columns > 2 else 10, 1.7 + 4.6 * rows, "How faces move along each component", note)
    figure.subplots_adjust(wspace=0.02, hspace=0.16, left=0.02, right=0.98, bottom=0.02)
    for index in range(shown):
        axes = figure.add_subplot(rows, columns, index + 1)
        _face(axes, mean, "#b8bfc9", 1.2)
        _face(axes, mean - _FAR * components.mode(index), _PALETTE[0], 1.8)
        _face(axes, mean + _FAR * components.mode(index), _PALETTE[1], 1.8)
        _frame_face(axes, mean)
        each = components.kept[index]
        told = [f"{name} {signed(value)}" for name, value in each.correlations.items() if value is not None]
        axes.set_title(f"component {index + 1}: {each.share:.1%}", color=INK, fontsize=13)
        told = ["correlation: " + ", ".join(told)] if told else []
        axes.text(0.5, 0.0, "".join(told), transform=axes.transAxes, ha="center", fontsize=9.5, color=DIM)
    return figure


def _groups(analysis: Analysis) -> Figure:
    groups, mean = analysis.groups, analysis.trajectories.mean
    note = f"{_whence(analysis)}; how far each group moves: root mean square, of the distance of the outer eye corners"
    figure = _figure(9, 9, "Points that move together", note)
    axes = figure.add_axes((0.04, 0.03, 0.92, 0.82))
    _face(axes, mean, PALE, 1.4)
    for number, movement in enumerate(groups.movement.tolist()):
        own = groups.of_points == number
        color = _PALETTE[number % len(_PALETTE)]
        label = f"group {number + 1}: {movement:.1%}"
        axes.scatter(mean[own, 0], mean[own, 1], s=110, color=color, edgecolors="white", label=label, zorder=3)
    _frame_face(axes, mean)
    axes.legend(frameon=False, fontsize=11, loc="lower right")
    return figure


# -- trees ----------------------------------------------------------------------


def _tree(analysis: Analysis) -> Figure:
    if analysis.tree is None or analysis.samples is None:
        raise ValueError("analysis: has no tree")
    what = "tells the labels" if analysis.labels.given else "imitates the expression network"
    tested = "; ".join(
        f"on held-out {v.split} {v.evaluation.accuracy:.1%} right, baseline {v.baseline:.1%}"
        for v in analysis.validations
    )
    note = f"labels: {analysis.labels.source}; learnt from {len(analysis.samples):,} frames; {tested or 'not tested'}"
    return draw_tree(
        analysis.tree,
        colors=_label_colors(analysis.samples.classes),
        figure=lambda width, height: _figure(width, height, f"Decision tree that {what}", note),
    )


def _confusions(analysis: Analysis, folder: Path) -> list[Path]:
    from ferkern.chart import confusion_picture

    written = []
    for validation in analysis.validations:
        path = folder / f"confusion_{validation.split.replace(' ', '_')}.png"
        confusion_picture(
            validation.evaluation,
            title=f"Held-out {validation.split}",
            unit="frames",
            note=f"baseline {validation.baseline:.1%}; labels: {analysis.labels.source}",
        ).save(path)
        written.append(path)
    return written
