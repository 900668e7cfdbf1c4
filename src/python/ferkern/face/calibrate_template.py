"""Where the landmarks of an upright face lie in a FER-2013 crop: the derivation of `align.TEMPLATE`.

An aligned crop is to be framed as FER-2013 frames faces, and `expression.FRAMING` says how that is relative to a
detector's box. So the annotated points of faces in the wild are seen in the crops of the boxes that the detector finds
around them; their medians, made symmetric about the crop's middle, are the template. It comes from annotations alone,
so it serves every landmark model (``python -m ferkern.face.calibrate_template --path landmarks68`` prints it).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkern import image, pictures
from ferkern.face.expression import SIDE, frame
from ferkern.face.landmarks import MIRRORED_68

if TYPE_CHECKING:
    from ferkern.face.pipeline import FaceDetector

__all__ = ["annotated", "measure"]

_NEAR, _LEAST, _MOST = 0.35, 0.5, 2.0  # of the larger side of the points' bounding box: the rule of a hit


def annotated(folder: Path) -> list[tuple[Path, NDArray[np.float32]]]:
    """Pictures and points of a folder with points68.npz (names, points [n, 68, 2]) and images/."""
    with np.load(folder / "points68.npz", allow_pickle=False) as stored:
        names, points = stored["names"].tolist(), stored["points"].astype(np.float32)
    return [(folder / "images" / name, face) for name, face in zip(names, points, strict=True)]


def measure(
    faces: Iterable[tuple[Path, NDArray[np.float32]]], detector: FaceDetector
) -> tuple[NDArray[np.float64], int]:
    """The template, float64 [68, 2] in pixels of the crop, and the number of faces that the detector found.

    Parameters
    ----------
    faces : iterable of (path, float32 [68, 2])
        Pictures and their annotated points.
    detector : FaceDetector

    Raises
    ------
    ValueError
        The detector finds none of the faces.
    """
    seen = []
    for path, points in faces:
        boxes = np.asarray(detector.detect(pictures.read(path).gray()).boxes, np.float64).reshape(-1, 4)
        extent = float((points.max(axis=0) - points.min(axis=0)).max())
        away = np.linalg.norm(boxes[:, :2] + boxes[:, 2:] / 2 - points.mean(axis=0), axis=1)
        hit = (away <= _NEAR * extent) & (boxes[:, 2] >= _LEAST * extent) & (boxes[:, 2] <= _MOST * extent)
        if hit.any():
            box = boxes[[int(np.where(hit, away, np.inf).argmin())]]
            seen.append(image.transform_points(image.invert(frame(box)), points[None].astype(np.float64))[0])
    if not seen:
        raise ValueError("faces: the detector finds none of them")
    medians = np.median(seen, axis=0)
    return (medians + medians[MIRRORED_68] * (-1, 1) + (SIDE - 1, 0)) / 2, len(seen)


def main(arguments: list[str] | None = None) -> None:
    """Print the template."""
    parser = argparse.ArgumentParser(
        prog="python -m ferkern.face.calibrate_template", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--path", required=True, type=Path, help="a folder with points68.npz and images/")
    options = parser.parse_args(arguments)

    from ferkern.face.detect import Detector

    faces = annotated(options.path)
    template, found = measure(faces, Detector.load())
    out = sys.stdout
    out.write(f"{found} of {len(faces)} faces found\n")
    for row in range(0, 68, 4):
        out.write(" ".join(f"({x:.2f}, {y:.2f})," for x, y in template[row : row + 4].tolist()) + "\n")


if __name__ == "__main__":
    main()
