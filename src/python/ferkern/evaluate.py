"""Measures of a classifier from labels and probabilities, written out in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassScores", "Evaluation", "area_under_curve", "confusion_matrix", "score"]


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class against the rest. A measure whose denominator is zero is None, never 0 or 1."""

    precision: float | None
    recall: float | None
    f1: float | None
    auc: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a classifier did on labelled examples.

    Attributes
    ----------
    accuracy : float
        Share of examples whose most probable class is their label, 0..1.
    n : int
        Examples.
    classes : tuple of str
        Names, in the order of every other field.
    per_class : dict of str to ClassScores
    confusion : int64 [K, K]
        ``confusion[i, j]``: examples of class i that were called j; rows are the truth.
    """

    accuracy: float
    n: int
    classes: tuple[str, ...]
    per_class: dict[str, ClassScores]
    confusion: NDArray[np.int64]

    @property
    def class_distribution(self) -> dict[str, int]:
        """Examples of each class."""
        return {name: int(count) for name, count in zip(self.classes, self.confusion.sum(axis=1), strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, ready for JSON."""
        return {
            "accuracy": self.accuracy,
            "n": self.n,
            "classes": list(self.classes),
            "per_class": {
                name: {"precision": c.precision, "recall": c.recall, "f1": c.f1, "auc": c.auc}
                for name, c in self.per_class.items()
            },
            "confusion": self.confusion.tolist(),
            "class_distribution": self.class_distribution,
        }


def score(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], classes: Sequence[str]
) -> Evaluation:
    """Accuracy, confusion matrix, and precision, recall, F1 and AUC of every class.

    Parameters
    ----------
    labels : integers [N], 0 <= label < K
    probabilities : floats [N, K]
        Any scores that grow with the class's likelihood; only their order matters.
    classes : K names

    Raises
    ------
    ValueError
        N is 0, the sizes disagree, a label is out of range, or a probability is NaN.
    """
    count = len(classes)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or probabilities.shape[1] != count:
        raise ValueError(
            f"labels {list(labels.shape)} and probabilities {list(probabilities.shape)} do not go together: "
            f"expected [N] and [N, {count}] for {count} classes"
        )
    if len(labels) == 0:
        raise ValueError("labels: no examples to evaluate")
    if labels.min() < 0 or labels.max() >= count:
        raise ValueError(f"labels: values {labels.min()} .. {labels.max()}, expected 0 .. {count - 1}")
    if np.isnan(probabilities).any():
        raise ValueError(f"probabilities: {int(np.isnan(probabilities).sum())} of {probabilities.size} values are NaN")
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(labels, predicted, count)
    hits = np.diag(confusion)
    per_class: dict[str, ClassScores] = {}
    for k, name in enumerate(classes):
        precision = _ratio(hits[k], confusion[:, k].sum())
        recall = _ratio(hits[k], confusion[k].sum())
        # F1 = 2 TP / (2 TP + FP + FN); the denominator is the class's row sum plus its column sum.
        f1 = _ratio(2 * hits[k], confusion[k].sum() + confusion[:, k].sum())
        per_class[name] = ClassScores(precision, recall, f1, area_under_curve(labels == k, probabilities[:, k]))
    return Evaluation(
        accuracy=float(hits.sum() / len(labels)),
        n=len(labels),
        classes=tuple(classes),
        per_class=per_class,
        confusion=confusion,
    )


def confusion_matrix(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], count: int
) -> NDArray[np.int64]:
    """Counts [count, count] of (label, predicted) pairs; rows are the labels."""
    pairs = labels.astype(np.int64) * count + predicted
    return np.bincount(pairs, minlength=count * count).reshape(count, count).astype(np.int64)


def area_under_curve(positive: NDArray[np.bool_], scores: NDArray[np.floating[Any]]) -> float | None:
    """Area under the ROC curve: the chance that a positive example scores above a negative one.

    Ties count half. By ranks (Mann and Whitney 1947): AUC = (R - P (P + 1) / 2) / (P N), with R the sum of
    the positives' ranks, P positives and N negatives; equal scores share the mean of their ranks.

    Parameters
    ----------
    positive : bool [n]
    scores : floats [n]

    Returns
    -------
    float, or None where one of the two groups is empty
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if positives == 0 or negatives == 0:
        return None
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)  # rank of the last member of each group of equal scores, from 1
    rank = (last - (sizes - 1) / 2.0)[group]
    rank_sum = float(rank[positive].sum())
    return (rank_sum - positives * (positives + 1) / 2.0) / (positives * negatives)


def _ratio(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None
