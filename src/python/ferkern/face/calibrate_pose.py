"""How far the nose moves when a head turns: the derivation of the three numbers in `ferkern.face.pose`.

Photographs labelled with yaw, pitch and roll go through the detector and the landmark model; the sines of yaw and pitch
are fitted to the nose's offset by least squares. A face and its mirror image look equally far to either side, so the
fit of the yaw has no constant. Five folds say what the fit is worth
(``python -m ferkern.face.calibrate_pose --path genki4k`` prints both).
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkern.face.landmarks import LANDMARKS
from ferkern.face.pose import estimate, nose_offset

if TYPE_CHECKING:
    from ferkern.data import SmileSet
    from ferkern.face.pipeline import Recognizer

__all__ = ["PoseFit", "collect", "fit", "folded_errors"]

FOLDS = 5


@dataclass(frozen=True, slots=True)
class PoseFit:
    """sin(yaw) = yaw dx, sin(pitch) = pitch dy + at_rest; (dx, dy) as `nose_offset` gives it."""

    yaw: float
    pitch: float
    at_rest: float


def collect(data: SmileSet, recognizer: Recognizer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Landmarks [n, 68, 2] of the largest faces, and their labels [n, 3], where a face was found.

    Raises
    ------
    ValueError
        The data has no labels of the pose, or no face is found.
    """
    if data.pose is None:
        raise ValueError(f"data: {data.form} has no labels of the pose")
    points, labels = [], []
    with closing(recognizer.stream(data.paths)) as stream:
        for done, label in zip(stream, data.pose, strict=True):
            if done.faces and done.faces[0].landmarks is not None:
                points.append(done.faces[0].landmarks.astype(np.float64))
                labels.append(label)
    if not points:
        raise ValueError(f"data: no face with landmarks found on {len(data)} pictures")
    return np.stack(points), np.stack(labels)


def fit(points: NDArray[np.float64], labels: NDArray[np.float64]) -> PoseFit:
    """Least squares on landmarks [n, 68, 2] and labels [n, 3] (yaw, pitch, roll in radians)."""
    dx, dy = nose_offset(points).T
    sines = np.sin(labels)
    (pitch, at_rest), *_ = np.linalg.lstsq(np.column_stack([dy, np.ones_like(dy)]), sines[:, 1], rcond=None)
    return PoseFit(yaw=float(dx @ sines[:, 0] / (dx @ dx)), pitch=float(pitch), at_rest=float(at_rest))


def folded_errors(points: NDArray[np.float64], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances [n, 3] from the labels in radians, each face judged by a fit to the other folds."""
    errors = np.abs(estimate(points) - labels)  # of the roll, which has nothing that is fitted
    dx, dy = nose_offset(points).T
    fold = np.arange(len(points)) % FOLDS
    for k in range(FOLDS):
        made, rows = fit(points[fold != k], labels[fold != k]), fold == k
        errors[rows, 0] = np.abs(np.arcsin(np.clip(made.yaw * dx[rows], -1, 1)) - labels[rows, 0])
        pitch = np.arcsin(np.clip(made.pitch * dy[rows] + made.at_rest, -1, 1))
        errors[rows, 1] = np.abs(pitch - labels[rows, 1])
    return errors


def main(arguments: list[str] | None = None) -> None:
    """Print the fit, and what it is worth beside always saying the median."""
    parser = argparse.ArgumentParser(prog="python -m ferkern.face.calibrate_pose", description=__doc__.splitlines()[0])
    parser.add_argument("--path", required=True, help="GENKI-4K: its folder or its label file")
    parser.add_argument("--landmarks", default=LANDMARKS, help=f"trees, network, or a file ({LANDMARKS})")
    options = parser.parse_args(arguments)

    from ferkern.data import read_smiles
    from ferkern.face.pipeline import Recognizer

    data = read_smiles(options.path, "genki4k")
    points, labels = collect(data, Recognizer(landmarks=options.landmarks, smile=False))
    errors = np.degrees(folded_errors(points, labels))
    constant = np.degrees(np.abs(labels - np.median(labels, axis=0)))
    out = sys.stdout
    out.write(f"{fit(points, labels)}\n{len(points)} of {len(data)} faces\n")
    for i, name in enumerate(("yaw", "pitch", "roll")):
        out.write(
            f"{name}: mean error {errors[:, i].mean():.2f} degrees, median {np.median(errors[:, i]):.2f}; "
            f"the median label for all: {constant[:, i].mean():.2f}\n"
        )


if __name__ == "__main__":
    main()
