"""Measures of a classifier from labels and probabilities, written out in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BinaryScores",
    "ClassScores",
    "Evaluation",
    "RocCurve",
    "area_under_curve",
    "confusion_matrix",
    "roc_curve",
    "score",
    "score_binary",
]

UNANSWERED = 0.5
"""Score that stands in the ROC curve for an example that got none."""


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


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """Receiver operating characteristic: what each threshold would let through.

    Attributes
    ----------
    false_positives, true_positives : float64 [m]
        Shares of the negatives and of the positives that score at least the threshold, from (0, 0) to (1, 1).
    thresholds : float64 [m]
        Falling; the first is infinite.
    """

    false_positives: NDArray[np.float64]
    true_positives: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def roc_curve(positive: NDArray[np.bool_], scores: NDArray[np.floating[Any]]) -> RocCurve:
    """Points of the ROC curve, one for each distinct score.

    The area under it, by trapezoids, is `area_under_curve` of the same scores.

    Parameters
    ----------
    positive : bool [n]
    scores : floats [n]

    Raises
    ------
    ValueError
        One of the two groups is empty, or a score is NaN.
    """
    positives = int(positive.sum())
    if positives in (0, len(positive)) or np.isnan(scores).any():
        missing = int(np.isnan(scores).sum())
        raise ValueError(f"{positives} of {len(positive)} examples are positive, {missing} scores NaN: no ROC curve")
    thresholds, group = np.unique(-scores.astype(np.float64), return_inverse=True)
    hits = np.bincount(group, weights=positive, minlength=len(thresholds))
    counts = np.bincount(group, minlength=len(thresholds))
    true_positives = np.concatenate([[0.0], np.cumsum(hits)]) / positives
    false_positives = np.concatenate([[0.0], np.cumsum(counts - hits)]) / (len(positive) - positives)
    return RocCurve(false_positives, true_positives, np.concatenate([[np.inf], -thresholds]))


@dataclass(frozen=True, slots=True, eq=False)
class BinaryScores:
    """A yes-or-no classifier on labelled examples.

    Attributes
    ----------
    accuracy : float
        Share of right answers; an example without an answer is an error.
    auc : float
        Area under `roc`, in which an example without an answer has the score 0.5.
    roc : RocCurve
    """

    accuracy: float
    auc: float
    roc: RocCurve


def score_binary(positive: NDArray[np.bool_], probabilities: NDArray[np.floating[Any]]) -> BinaryScores:
    """Accuracy at one half, ROC curve and the area under it, on all examples.

    Parameters
    ----------
    positive : bool [n]
    probabilities : floats [n]
        Of a positive; NaN where there is no answer.

    Raises
    ------
    ValueError
        The sizes disagree, or one of the two groups is empty.
    """
    if positive.ndim != 1 or positive.shape != probabilities.shape:
        raise ValueError(
            f"positive {list(positive.shape)} and probabilities {list(probabilities.shape)} must both be [n]"
        )
    answered = ~np.isnan(probabilities)
    right = answered & ((probabilities > 0.5) == positive)
    scores = np.where(answered, probabilities, UNANSWERED)
    roc = roc_curve(positive, scores)
    auc = area_under_curve(positive, scores)
    assert auc is not None  # roc_curve has seen both groups
    return BinaryScores(accuracy=float(right.mean()), auc=auc, roc=roc)


def _ratio(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None
