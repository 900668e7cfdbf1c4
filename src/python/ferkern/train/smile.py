"""The smile head: logistic regression on the expression network's features, judged by five folds.

``python -m ferkern.train.smile --path genki4k --out DIR``: every picture goes through the whole pipeline (detection,
landmarks, alignment), the report of five folds is printed and written, and the head is fitted to all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern.evaluate import area_under_curve

__all__ = ["FoldReport", "fit_logistic", "folds", "judge"]

MISSED = 0.5
"""Score of a face that was not found; as an answer it is wrong."""


@dataclass(frozen=True, slots=True)
class FoldReport:
    """Accuracy of each fold, the area under the curve of all together, and the share of faces found."""

    accuracies: tuple[float, ...]
    auc: float
    found: float
    scores: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """Mean of the folds."""
        return float(np.mean(self.accuracies))

    @property
    def spread(self) -> float:
        """Standard deviation of the folds."""
        return float(np.std(self.accuracies))


def fit_logistic(
    features: NDArray[np.floating[Any]], labels: NDArray[np.bool_], *, decay: float = 1e-2
) -> tuple[NDArray[np.float64], float]:
    """Weights [F] and bias of logistic regression with L2 decay on standardised features.

    Newton's method (iteratively reweighted least squares) on the mean log-likelihood less ``decay / 2 |w|^2``.

    Parameters
    ----------
    features : floats [n, F]
    labels : bool [n]
    decay
        Strength of the decay, above 0.
    """
    x = features.astype(np.float64)
    mean, deviation = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    x = np.c_[(x - mean) / deviation, np.ones(len(x))]
    penalty = np.r_[np.full(x.shape[1] - 1, decay), 0.0]
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ w))
        slope = x.T @ (p - labels) / len(x) + penalty * w
        curve = (x * (p * (1 - p))[:, None]).T @ x / len(x) + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curve, slope)
        w -= step
        if np.abs(step).max() < 1e-8:
            break
    weights = w[:-1] / deviation
    return weights, float(w[-1] - weights @ mean)


def folds(labels: NDArray[np.bool_], *, count: int = 5, seed: int = 0) -> NDArray[np.int64]:
    """Fold of each example: both classes spread evenly, drawn by `seed`."""
    rng = np.random.default_rng(seed)
    result = np.empty(len(labels), np.int64)
    for value in (False, True):
        rows = rng.permutation(np.flatnonzero(labels == value))
        result[rows] = np.arange(len(rows)) % count
    return result


def judge(
    features: NDArray[np.floating[Any]],
    labels: NDArray[np.bool_],
    found: NDArray[np.bool_],
    *,
    count: int = 5,
    seed: int = 0,
) -> FoldReport:
    """Cross-validation: each fold is judged by a head fitted to the others.

    Parameters
    ----------
    features : floats [n, F]
        Rows of faces that were not found are ignored.
    labels : bool [n]
    found : bool [n]
        Whether the pipeline found the face. A missed face is an error, and 0.5 for the area under the curve.
    """
    fold = folds(labels, count=count, seed=seed)
    scores = np.full(len(labels), MISSED)
    accuracies = []
    for k in range(count):
        weights, bias = fit_logistic(features[(fold != k) & found], labels[(fold != k) & found])
        rows = (fold == k) & found
        scores[rows] = 1 / (1 + np.exp(-(features[rows] @ weights + bias)))
        right = ((scores > 0.5) == labels) & found
        accuracies.append(float(right[fold == k].mean()))
    auc = area_under_curve(labels, scores)
    assert auc is not None
    return FoldReport(tuple(accuracies), auc, float(found.mean()), scores)
