"""An analysis as text for people."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ferkern.analyze.analysis import Analysis
from ferkern.analyze.structure import REGIONS
from ferkern.analyze.trees import CrossValidation, Leaf, Question

__all__ = ["report", "rules", "signed"]

_LINE = 120


def report(analysis: Analysis) -> str:
    """The whole analysis, in lines of 120 characters and less but for names of files."""
    parts = [_heads(analysis), _components(analysis), _groups(analysis), _clusters(analysis), _labels(analysis)]
    if analysis.tree is not None:
        parts.append(_tree(analysis))
    if analysis.notes:
        parts.append(f"note: {note}" for note in analysis.notes)
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _heads(analysis: Analysis) -> Iterator[str]:
    t = analysis.trajectories
    for each in t.recordings:
        times = t.times[each.rows]
        yield f"{each.name}: {len(times):,} frames, {times[0]:.2f} to {times[-1]:.2f} s"
    missing = f"; {t.without_landmarks:,} without landmarks are left out" if t.without_landmarks else ""
    yield f"matrix {len(t):,} x {t.matrix.shape[1]}{missing}; seed {analysis.options.seed}"
    if t.pose_share is not None:
        yield f"taken away: what follows yaw and pitch, {t.pose_share:.1%} of the variance"


def _components(analysis: Analysis) -> Iterator[str]:
    components = analysis.components
    shares = components.pca.explained_variance_ratio
    total = float(shares[: len(components)].sum())
    how = f"ferkern.linalg.pca, {components.pca.method}"
    yield f"Components ({how}): {len(components)} explain {total:.1%} of the variance"
    yield "         variance   sum  moves most  deviation  correlation with yaw, pitch, smile"
    running = np.cumsum(shares)
    for index, each in enumerate(components.kept):
        told = "  ".join("    -" if v is None else signed(v) for v in each.correlations.values())
        yield f"{index + 1:7}  {each.share:8.1%} {running[index]:5.0%}  {each.region:10} {each.deviation:10.1%}  {told}"
    yield "Deviation is the standard deviation, all points together, in distances of the outer eye corners."


def _groups(analysis: Analysis) -> Iterator[str]:
    groups = analysis.groups
    yield "Points that move together (Ward's method), and how far: root mean square, of the distance of the eyes"
    for number, movement in enumerate(groups.movement.tolist()):
        own = groups.of_points == number
        inside = {name: int(own[points].sum()) for name, points in REGIONS.items()}
        told = ", ".join(f"{name} {count}" for name, count in inside.items() if count)
        yield f"{number + 1:7}  {movement:6.1%}  {int(own.sum()):2} points: {told}"


def _clusters(analysis: Analysis) -> Iterator[str]:
    clusters, t, labels = analysis.clusters, analysis.trajectories, analysis.labels.of_rows
    silhouette = "" if clusters.silhouette is None else f"; mean silhouette {clusters.silhouette:.2f}"
    how = f", the best of {min(clusters.tried)} to {max(clusters.tried)}" if clusters.tried else ""
    yield f"Frames that look alike (k-means): {len(clusters.typical)} clusters{how}{silhouette}"
    for number, row in enumerate(clusters.typical.tolist()):
        own = clusters.of_rows == number
        names, counts = np.unique(labels[own & (labels != "")], return_counts=True)
        most = np.argsort(-counts, kind="stable")[:3]
        told = ", ".join(f"{names[i]} {counts[i] / own.sum():.0%}" for i in most)
        where = f"frame {t.frames[row]} of {t.recordings[int(t.recording[row])].name}"
        yield f"{number + 1:7}  {int(own.sum()):6,} frames; typical: {where}{'; ' if told else ''}{told}"


def _labels(analysis: Analysis) -> Iterator[str]:
    labels = analysis.labels
    names, counts = np.unique(labels.of_rows[labels.of_rows != ""], return_counts=True)
    told = ", ".join(f"{name} {count:,}" for name, count in zip(names.tolist(), counts.tolist(), strict=True))
    yield f"Labels: {labels.source}"
    yield f"  {told or 'none'}, of {len(labels.of_rows):,} frames"


def _tree(analysis: Analysis) -> Iterator[str]:
    if analysis.tree is None:
        return
    what = "tells the labels" if analysis.labels.given else "imitates the expression network"
    yield f"Decision tree that {what}, learnt from all {len(analysis.samples or ()):,} labelled frames"
    yield from rules(analysis.tree)
    for validation in analysis.validations:
        yield ""
        yield from _validation(analysis, validation)
    if not analysis.validations:
        yield "How good it is could not be tested."


def rules(node: Question | Leaf, indent: str = "  ") -> Iterator[str]:
    """A tree as lines of text."""
    if isinstance(node, Leaf):
        yield f"{indent}{node.label} ({node.right:,} of {node.frames:,} frames)"
        return
    yield f"{indent}component {node.component + 1} <= {node.threshold:.3f}"
    yield from rules(node.yes, indent + "    ")
    yield f"{indent}component {node.component + 1} > {node.threshold:.3f}"
    yield from rules(node.no, indent + "    ")


def _validation(analysis: Analysis, validation: CrossValidation) -> Iterator[str]:
    found = validation.evaluation
    options = analysis.options
    held = f"blocks of {options.block_seconds:g} s" if validation.split == "time blocks" else "whole recordings in turn"
    yield f"Tested on held-out {held}, {len(validation.folds)} folds"
    yield (
        f"  accuracy {found.accuracy:.1%} (± {validation.spread:.1%} over folds), balanced "
        f"{validation.balanced_accuracy:.1%}; baseline, always the most frequent label: {validation.baseline:.1%}"
    )
    width = max(map(len, found.classes))
    # Columns as wide as the names, but for lines of 120 characters.
    column = max(8, min(width, (_LINE - width - len("    precision  recall  called ")) // len(found.classes) - 1))
    heads = " ".join(f"{name[:column]:>{column}}" for name in found.classes)
    yield "  " + " " * width + "  precision  recall  called " + heads
    for index, name in enumerate(found.classes):
        each = found.per_class[name]
        counts = " ".join(f"{count:{column},}" for count in found.confusion[index].tolist())
        yield f"  {name:{width}}  {_share(each.precision):>9}  {_share(each.recall):>6}         {counts}"


def signed(value: float) -> str:
    """A correlation with two decimals; no minus before zero."""
    return f"{round(value, 2) + 0.0:+.2f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
