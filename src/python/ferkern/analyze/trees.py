"""Decision trees that tell labels from trajectories, and an honest figure of how well they do.

Neighbouring frames of a video are all but the same picture. A test of frames drawn at random would ask the tree about
frames whose neighbours it has learnt by heart. So time is cut into blocks, whole blocks are held out, and frames that
are near a held-out one in time are not learnt from. The components are found again in each fold from what is learnt
from; the mean shape of each face, which no label enters, is that of all its frames. Beside each figure stands that of
always saying the label that is most frequent in all frames, the held-out ones too: it is told more than the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkern import linalg
from ferkern.analyze.labels import Labels
from ferkern.analyze.structure import Components, kept_components
from ferkern.analyze.trajectories import Trajectories
from ferkern.evaluate import Evaluation, score

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier

__all__ = [
    "LEAST_OF_A_CLASS",
    "CrossValidation",
    "Fold",
    "Leaf",
    "Question",
    "Samples",
    "cross_validate",
    "learn",
    "prepare",
]

LEAST_OF_A_CLASS = 10
"""Frames below which a label is left out."""

_GAP = 0.25  # of a block: how near in time to a held-out frame nothing is learnt


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Labelled frames.

    Attributes
    ----------
    rows : int64 [m]
        Of the trajectories.
    labels : int64 [m]
        Into `classes`.
    classes : tuple of str
        In the order of the network's where it gave them, else of the alphabet.
    blocks : int64 [m]
        The block of time that each frame belongs to, 0, 1, ...
    times : float64 [m]
        Seconds.
    recording : int64 [m]
        Of the trajectories.
    block_seconds : float
    left_out : dict of str to int
        Labels with too few frames.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    blocks: NDArray[np.int64]
    times: NDArray[np.float64]
    recording: NDArray[np.int64]
    block_seconds: float
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.rows)

    def blocks_of(self, label: int) -> int:
        """Number of blocks in which a label stands."""
        return len(np.unique(self.blocks[self.labels == label]))


def prepare(trajectories: Trajectories, labels: Labels, *, block_seconds: float = 2.0) -> Samples:
    """Choose the labelled frames and cut their time into blocks.

    Raises
    ------
    ValueError
        `block_seconds` is not positive, or fewer than two labels have `LEAST_OF_A_CLASS` frames.
    """
    if not 0 < block_seconds < np.inf:
        raise ValueError(f"block_seconds must be positive, is {block_seconds}")
    names, counts = np.unique(labels.of_rows[labels.of_rows != ""], return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    left_out = {name: count for name, count in found.items() if count < LEAST_OF_A_CLASS}
    order = names.tolist() if labels.given else [name for name in trajectories.classes if name in found]
    classes = tuple(name for name in order if name not in left_out)
    if len(classes) < 2:
        told = ", ".join(f"{name} {count}" for name, count in found.items()) or "none"
        raise ValueError(
            f"a tree needs two labels of {LEAST_OF_A_CLASS} frames or more; {labels.source}: {told} "
            f"of {len(trajectories)} frames"
        )
    rows = np.flatnonzero(np.isin(labels.of_rows, classes))
    numbers = {name: number for number, name in enumerate(classes)}
    times, recording = trajectories.times[rows], trajectories.recording[rows]
    first = np.array([trajectories.times[each.rows][0] for each in trajectories.recordings])
    parts = np.stack([recording, np.floor((times - first[recording]) / block_seconds).astype(np.int64)], axis=1)
    return Samples(
        rows=rows,
        labels=np.array([numbers[name] for name in labels.of_rows[rows].tolist()]),
        classes=classes,
        blocks=np.unique(parts, axis=0, return_inverse=True)[1].reshape(-1),
        times=times,
        recording=recording,
        block_seconds=block_seconds,
        left_out=left_out,
    )


@dataclass(frozen=True, slots=True)
class Fold:
    """One part that was held out."""

    name: str
    learnt_from: int
    tested: int
    accuracy: float
    baseline: float
    """Of always saying the label that is most frequent in all frames."""


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidation:
    """How trees did on what they had not learnt from.

    Attributes
    ----------
    split : str
        ``"time blocks"`` or ``"recordings"``.
    folds : tuple of Fold
    evaluation : Evaluation
        Of all held-out frames together.
    baseline : float
        Accuracy of always saying the label that is most frequent in all frames.
    """

    split: str
    folds: tuple[Fold, ...]
    evaluation: Evaluation
    baseline: float

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the labels of the share of their frames that are told."""
        recalls = [c.recall for c in self.evaluation.per_class.values() if c.recall is not None]
        return float(np.mean(recalls))

    @property
    def spread(self) -> float:
        """Standard deviation of the folds' accuracies."""
        return float(np.std([fold.accuracy for fold in self.folds]))


def cross_validate(
    trajectories: Trajectories,
    samples: Samples,
    *,
    split: str = "time blocks",
    folds: int = 5,
    depth: int = 4,
    components: int | None = None,
    seed: int = 0,
) -> CrossValidation:
    """Learn from all parts but one and test on that, for each part.

    Parameters
    ----------
    trajectories, samples
    split : {"time blocks", "recordings"}
        Blocks of time, dealt in turn into `folds` parts; or each recording (a face of a file) a part of its own.
    folds : int
        Parts of the time blocks, at most as many as there are blocks.
    depth : int
        Of the tree.
    components : int, optional
        As in `ferkern.analyze.structure.decompose`.
    seed : int

    Raises
    ------
    ValueError
        There are fewer than two parts, or nothing is left to learn from.
    """
    probabilities = np.zeros((len(samples), len(samples.classes)))
    most_frequent = samples.labels == np.bincount(samples.labels).argmax()
    done = []
    for name, held in _parts(trajectories, samples, split, folds):
        learn_from = ~held & ~_near(samples, held, _GAP * samples.block_seconds)
        if learn_from.sum() < 2:
            raise ValueError(f"{name}: nothing is left to learn from")
        x, tested = _features(trajectories.matrix, samples.rows[learn_from], samples.rows[held], components)
        tree = _tree(x, samples.labels[learn_from], depth, seed)
        probabilities[np.ix_(held, tree.classes_)] = tree.predict_proba(tested)
        done.append(
            Fold(
                name,
                int(learn_from.sum()),
                int(held.sum()),
                accuracy=float((probabilities[held].argmax(axis=1) == samples.labels[held]).mean()),
                baseline=float(most_frequent[held].mean()),
            )
        )
    evaluation = score(samples.labels, probabilities, samples.classes)
    return CrossValidation(split, tuple(done), evaluation, float(most_frequent.mean()))


def _parts(
    trajectories: Trajectories, samples: Samples, split: str, folds: int
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    if split == "recordings":
        present = np.unique(samples.recording).tolist()
        if len(present) < 2:
            raise ValueError("labels stand in one recording alone: trees cannot be tested on another")
        for index in present:
            yield trajectories.recordings[index].name, samples.recording == index
        return
    if split != "time blocks":
        raise ValueError(f"split must be 'time blocks' or 'recordings', is {split!r}")
    if folds < 2:
        raise ValueError(f"folds must be 2 or more, is {folds}")
    count = int(samples.blocks.max()) + 1
    if count < 2:
        raise ValueError(
            f"the labelled frames fill one block of {samples.block_seconds:g} s: nothing can be held out honestly; "
            "take shorter blocks or a longer recording"
        )
    folds = min(folds, count)
    for fold in range(folds):
        yield f"blocks {fold + 1}, {fold + 1 + folds}, ...", samples.blocks % folds == fold


def _near(samples: Samples, held: NDArray[np.bool_], gap: float) -> NDArray[np.bool_]:
    """Frames of a recording within so many seconds of a held-out one."""
    near = np.zeros(len(samples), np.bool_)
    for index in np.unique(samples.recording[held]):
        own = np.flatnonzero(samples.recording == index)
        tested = samples.times[own[held[own]]]
        after = np.searchsorted(tested, samples.times[own])
        below = samples.times[own] - tested[np.maximum(after - 1, 0)]
        above = tested[np.minimum(after, len(tested) - 1)] - samples.times[own]
        near[own] = np.minimum(np.abs(below), np.abs(above)) < gap
    return near


def _features(
    matrix: NDArray[np.float32], learn_from: NDArray[np.int64], tested: NDArray[np.int64], count: int | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores along the components of what is learnt from."""
    pca = linalg.pca(np.ascontiguousarray(matrix[learn_from]))
    count = min(count or kept_components(pca), len(pca.components))
    return pca.transform(matrix[learn_from])[:, :count], pca.transform(matrix[tested])[:, :count]


def _tree(x: NDArray[np.float32], y: NDArray[np.int64], depth: int, seed: int) -> DecisionTreeClassifier:
    from sklearn.tree import DecisionTreeClassifier

    leaf = max(5, len(x) // 200)
    return DecisionTreeClassifier(max_depth=depth, min_samples_leaf=leaf, random_state=seed).fit(x, y)


@dataclass(frozen=True, slots=True)
class Leaf:
    """An answer of a tree."""

    label: str
    right: int
    """Frames that ended here and have this label."""
    frames: int


@dataclass(frozen=True, slots=True)
class Question:
    """Is the score along this component (counted from 0) at most the threshold?"""

    component: int
    threshold: float
    yes: Question | Leaf
    no: Question | Leaf


def learn(components: Components, samples: Samples, *, depth: int = 4, seed: int = 0) -> Question | Leaf:
    """Learn a tree from all labelled frames, for reading; how good it is `cross_validate` says.

    L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and regression trees", 1984. Questions whose answers
    all name the same label are left out.
    """
    tree = _tree(components.scores[samples.rows], samples.labels, depth, seed)
    nodes = tree.tree_
    ends = tree.apply(components.scores[samples.rows])
    names = [samples.classes[i] for i in tree.classes_]

    def built(node: int) -> Question | Leaf:
        if nodes.children_left[node] < 0:
            label = names[int(nodes.value[node].argmax())]
            here = samples.labels[ends == node]
            return Leaf(label, int((here == samples.classes.index(label)).sum()), len(here))
        yes, no = built(int(nodes.children_left[node])), built(int(nodes.children_right[node]))
        if isinstance(yes, Leaf) and isinstance(no, Leaf) and yes.label == no.label:
            return Leaf(yes.label, yes.right + no.right, yes.frames + no.frames)
        return Question(int(nodes.feature[node]), float(nodes.threshold[node]), yes, no)

    return built(0)
