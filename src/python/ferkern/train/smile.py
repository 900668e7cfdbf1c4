"""The smile head: logistic regression on the expression network's features, judged by five folds.

``python -m ferkern.train.smile --path genki4k --out DIR``: every picture goes through the whole pipeline (detection,
landmarks, alignment), the report of five folds is printed and written, and the head is fitted to all of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern import models
from ferkern.evaluate import area_under_curve
from ferkern.face.landmarks import LANDMARKS
from ferkern.face.smile import smile_network
from ferkern.face.stages import FaceBatch

__all__ = ["FoldReport", "Seen", "fit_logistic", "folds", "judge", "look"]

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


@dataclass(frozen=True, slots=True)
class Seen:
    """What the pipeline saw of each picture: the largest face's features [n, F], "happy" [n], and which were found."""

    features: NDArray[np.float64]
    happy: NDArray[np.float64]
    found: NDArray[np.bool_]


class _Features:
    """A head that gives the features themselves."""

    name = "features"

    def __call__(self, faces: FaceBatch, /) -> list[NDArray[np.float32]]:
        assert faces.features is not None
        return list(faces.features)


def look(paths: Sequence[Path], *, landmarks: str, model: str = "fer_small") -> Seen:
    """Send pictures through the pipeline.

    Raises
    ------
    OSError, ValueError
        A picture cannot be read.
    """
    from ferkern.face.pipeline import Recognizer

    recognizer = Recognizer(model=model, landmarks=landmarks, smile=False, heads=[_Features()])
    rows: list[NDArray[np.float32] | None] = []
    happy = np.full(len(paths), MISSED)
    for i, done in enumerate(recognizer.stream(paths)):
        if done.error is not None:
            raise done.error
        rows.append(done.faces[0].extra["features"] if done.faces else None)
        if done.faces:
            happy[i] = done.faces[0].probabilities["happy"]
    width = next((len(row) for row in rows if row is not None), 0)
    features = np.array([np.zeros(width) if row is None else row for row in rows], np.float64)
    return Seen(features, happy, np.array([row is not None for row in rows]))


def main(arguments: list[str] | None = None) -> None:
    """Print and write the report of the folds, and store the head fitted to all pictures."""
    parser = argparse.ArgumentParser("python -m ferkern.train.smile", description=__doc__.splitlines()[0])
    parser.add_argument("--path", type=Path, required=True, help="folder of the data set, or its label file")
    parser.add_argument("--dataset", default="genki4k", help="genki4k, folder or celeba")
    parser.add_argument("--landmarks", default=LANDMARKS, help="trees, network or a file")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    from ferkern.data import read_smiles
    from ferkern.models.store import files

    data = read_smiles(options.path, options.dataset)
    seen = look(data.paths, landmarks=options.landmarks)
    report = judge(seen.features, data.smiles, seen.found)
    happy = ((seen.happy > 0.5) == data.smiles) & seen.found
    record = {
        "dataset": options.dataset,
        "n": len(data),
        "found": report.found,
        "folds": report.accuracies,
        "accuracy": report.accuracy,
        "spread": report.spread,
        "auc": report.auc,
        "happy_alone": {"accuracy": float(happy.mean()), "auc": area_under_curve(data.smiles, seen.happy)},
    }
    sys.stdout.write(json.dumps(record, indent=2) + "\n")
    weights, bias = fit_logistic(seen.features[seen.found], data.smiles[seen.found])
    facts = {
        "features": "fer_small",
        "features_sha256": hashlib.sha256(files()["fer_small"].read_bytes()).hexdigest(),
        "landmarks": options.landmarks,
        "data": options.dataset,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    models.save(smile_network(weights, bias, metadata=facts), options.out / "smile.safetensors", dtype="float32")
    (options.out / "smile.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
