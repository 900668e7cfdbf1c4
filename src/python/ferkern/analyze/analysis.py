"""The whole analysis of trajectories in one call, and its results as plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferkern.analyze import labels as labelling
from ferkern.analyze.labels import Labels
from ferkern.analyze.structure import (
    Clusters,
    Components,
    Groups,
    Map,
    cluster_frames,
    decompose,
    group_points,
    map_frames,
    required,
)
from ferkern.analyze.trajectories import Trajectories, gather
from ferkern.analyze.trees import CrossValidation, Leaf, Question, Samples, cross_validate, learn, prepare
from ferkern.video.tracks_read import Tracks, read_tracks

__all__ = ["Analysis", "Options", "analyze"]


@dataclass(frozen=True, slots=True)
class Options:
    """What can be asked for.

    Attributes
    ----------
    face : int, or None
        This face of each file alone; None: every one.
    remove_pose : bool
        Take away what follows the turning of the head (`ferkern.analyze.trajectories.without_pose`).
    components : int, or None
        That are kept; None: as many as explain 95 % of the variance, 2 to 20.
    groups : int
        Of points that move together.
    clusters : int, or None
        Of frames that look alike; None: the number of 2 to 8 with the highest silhouette.
    tsne : bool
        Whether to make the map of frames.
    depth : int
        Of decision trees.
    folds : int
        Parts that are held out in turn.
    block_seconds : float
        Length of the blocks of time that are held out as a whole.
    seed : int
        Of k-means, t-SNE and trees.
    """

    face: int | None = None
    remove_pose: bool = False
    components: int | None = None
    groups: int = 6
    clusters: int | None = None
    tsne: bool = True
    depth: int = 4
    folds: int = 5
    block_seconds: float = 2.0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What was found.

    Attributes
    ----------
    options : Options
    trajectories : Trajectories
    components : Components
    groups : Groups
    clusters : Clusters
    map : Map, or None
        None: not asked for.
    labels : Labels
    samples : Samples, or None
        None: there is nothing to learn from; `notes` say why.
    tree : Question, Leaf, or None
        Learnt from all labelled frames.
    validations : tuple of CrossValidation
        By time blocks, and by recordings where there are several; of those that could be done.
    notes : tuple of str
        What was left out, and why.
    """

    options: Options
    trajectories: Trajectories
    components: Components
    groups: Groups
    clusters: Clusters
    map: Map | None
    labels: Labels
    samples: Samples | None
    tree: Question | Leaf | None
    validations: tuple[CrossValidation, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; the same for the same files."""
        return {
            "recordings": _recordings(self.trajectories),
            "frames": len(self.trajectories),
            "frames_without_landmarks": self.trajectories.without_landmarks,
            "pose_share_removed": None
            if self.trajectories.pose_share is None
            else round(self.trajectories.pose_share, 6),
            "seed": self.options.seed,
            "unit": "distance of the outer eye corners of the mean shape",
            "mean_shape": np.round(self.trajectories.mean, 6).tolist(),
            "components": _components(self.components),
            "groups": {
                "of_points": self.groups.of_points.tolist(),
                "movement": _rounded(self.groups.movement),
            },
            "clusters": _clusters(self),
            "tsne": None if self.map is None else {"frames": len(self.map.rows), "perplexity": self.map.perplexity},
            "labels": {
                "source": self.labels.source,
                "given": self.labels.given,
                "frames": {name: int((self.labels.of_rows == name).sum()) for name in _names(self.labels)},
            },
            "tree": None if self.tree is None else _node(self.tree),
            "evaluation": [_validation(each) for each in self.validations],
            "notes": list(self.notes),
        }


def analyze(
    paths: Sequence[str | Path | Tracks],
    *,
    labels: str | Path | None = None,
    options: Options | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Analysis:
    """Analyse tracks: alignment, components, groups, clusters, map, decision trees.

    Parameters
    ----------
    paths
        Files that ``ferkern video --csv`` wrote, or `Tracks`.
    labels : path, optional
        File of labels (`ferkern.analyze.labels`); else what the network for expressions said.
    options : Options, optional
    progress : callable
        Is told what is done next.

    Raises
    ------
    ImportError
        scikit-learn is not there; the message says which extra brings it.
    ValueError
        A file is damaged, there are too few frames, or an option does not fit; the message says which.
    """
    required()
    asked = options or Options()
    progress("reading")
    files = [path if isinstance(path, Tracks) else read_tracks(path) for path in paths]
    stretches = None if labels is None else labelling.read_labels(labels)
    trajectories = gather(files, face=asked.face, remove_pose=asked.remove_pose)
    said = (
        labelling.from_network(trajectories)
        if stretches is None
        else labelling.assign(trajectories, stretches, str(labels))
    )
    progress("components")
    components = decompose(trajectories, asked.components)
    progress("groups and clusters")
    groups = group_points(components, asked.groups)
    clusters = cluster_frames(components, asked.clusters, seed=asked.seed)
    progress("map of frames (t-SNE)")
    placed = map_frames(components, seed=asked.seed) if asked.tsne else None
    progress("decision trees")
    samples, tree, validations, notes = _trees(trajectories, components, said, asked)
    notes = [f"label {each} covers no frame" for each in said.unused] + notes
    return Analysis(
        asked, trajectories, components, groups, clusters, placed, said, samples, tree, tuple(validations), tuple(notes)
    )


def _trees(
    trajectories: Trajectories, components: Components, labels: Labels, asked: Options
) -> tuple[Samples | None, Question | Leaf | None, list[CrossValidation], list[str]]:
    """What can be learnt and tested, and why the rest cannot."""
    notes: list[str] = []
    try:
        samples = prepare(trajectories, labels, block_seconds=asked.block_seconds)
    except ValueError as error:
        return None, None, [], [f"no decision tree: {error}"]
    for name, count in samples.left_out.items():
        notes.append(f"label {name!r} is left out of the trees: it has {count} frames")
    for number, name in enumerate(samples.classes):
        if samples.blocks_of(number) == 1:
            notes.append(f"label {name!r} stands in one block of time alone: when that is held out, nobody can know it")
    tree = learn(components, samples, depth=asked.depth, seed=asked.seed)
    validations = []
    for split in ("time blocks", "recordings")[: 2 if len(np.unique(samples.recording)) > 1 else 1]:
        try:
            validations.append(
                cross_validate(
                    trajectories,
                    samples,
                    split=split,
                    folds=asked.folds,
                    depth=asked.depth,
                    components=asked.components,
                    seed=asked.seed,
                )
            )
        except ValueError as error:
            notes.append(f"trees are not tested by {split}: {error}")
    return samples, tree, validations, notes


# -- as plain values ----------------------------------------------------------------------


def _rounded(values: Any) -> list[float]:
    rounded: list[float] = np.round(np.asarray(values, np.float64), 6).tolist()
    return rounded


def _names(labels: Labels) -> list[str]:
    names: list[str] = np.unique(labels.of_rows[labels.of_rows != ""]).tolist()
    return names


def _recordings(trajectories: Trajectories) -> list[dict[str, Any]]:
    return [
        {
            "file": str(each.path),
            "face": each.face,
            "frames": each.rows.stop - each.rows.start,
            "start": float(trajectories.times[each.rows][0]),
            "end": float(trajectories.times[each.rows][-1]),
        }
        for each in trajectories.recordings
    ]


def _components(components: Components) -> dict[str, Any]:
    pca = components.pca
    return {
        "method": f"ferkern.linalg.pca, {pca.method}",
        "singular_values": _rounded(pca.singular_values),
        "explained_variance_ratio": _rounded(pca.explained_variance_ratio),
        "kept": [
            {
                "share": round(each.share, 6),
                "deviation": round(each.deviation, 6),
                "region": each.region,
                "correlations": {k: None if v is None else round(v, 4) for k, v in each.correlations.items()},
            }
            for each in components.kept
        ],
    }


def _clusters(analysis: Analysis) -> list[dict[str, Any]] | dict[str, Any]:
    clusters, trajectories = analysis.clusters, analysis.trajectories
    found = []
    for number, row in enumerate(clusters.typical.tolist()):
        own = clusters.of_rows == number
        recording = trajectories.recordings[int(trajectories.recording[row])]
        found.append(
            {
                "frames": int(own.sum()),
                "typical": {
                    "file": str(recording.path),
                    "face": recording.face,
                    "frame": int(trajectories.frames[row]),
                    "time": float(trajectories.times[row]),
                },
                "labels": {n: int((analysis.labels.of_rows[own] == n).sum()) for n in _names(analysis.labels)},
            }
        )
    silhouette = None if clusters.silhouette is None else round(clusters.silhouette, 4)
    tried = {str(k): round(v, 4) for k, v in clusters.tried.items()}
    return {"silhouette": silhouette, "tried": tried, "found": found}


def _node(node: Question | Leaf) -> dict[str, Any]:
    if isinstance(node, Leaf):
        return {"label": node.label, "right": node.right, "frames": node.frames}
    return {
        "component": node.component + 1,
        "at_most": round(node.threshold, 6),
        "yes": _node(node.yes),
        "no": _node(node.no),
    }


def _validation(validation: CrossValidation) -> dict[str, Any]:
    return {
        "split": validation.split,
        "baseline": validation.baseline,
        "balanced_accuracy": validation.balanced_accuracy,
        "folds": [
            {
                "held_out": fold.name,
                "learnt_from": fold.learnt_from,
                "tested": fold.tested,
                "accuracy": fold.accuracy,
                "baseline": fold.baseline,
            }
            for fold in validation.folds
        ],
        **validation.evaluation.to_dict(),
    }
