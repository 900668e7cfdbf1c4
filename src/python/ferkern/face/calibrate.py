"""How FER-2013 frames a face relative to a detector's box: the derivation of `expression.FRAMING`.

FER-2013's pictures are squares that were cut around faces by another detector, so our boxes mean another square.
The relation is measured rather than guessed: Training faces are enlarged, laid into larger pictures whose
surroundings continue their borders, and searched; the medians over all faces found are the framing. The measure of
success is how well the network judges crops of found faces beside the faces themselves
(`python -m ferkern.face.calibrate --path fer2013` prints both: 68.0 % and 70.1 % of 3,034 PublicTest faces found).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkern import image
from ferkern.face.expression import SIDE, Framing, crop

if TYPE_CHECKING:
    from ferkern.face.pipeline import FaceDetector

__all__ = ["Calibration", "Pasted", "measure", "paste", "search"]

_ENLARGED = (2.0, 6.0)  # smallest and largest factor
_SURROUNDINGS = 0.75  # at most and at least half of it on every side, in units of the face picture


@dataclass(frozen=True, slots=True)
class Pasted:
    """A FER-2013 face in a larger picture: pixels uint8 [H, W], and where its square lies."""

    gray: NDArray[np.uint8]
    left: float
    top: float
    side: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A framing, the share of faces that were found, and the quartiles' distance of (side, dx, dy)."""

    framing: Framing
    found: float
    spread: tuple[float, float, float]


def paste(face: NDArray[np.uint8], rng: np.random.Generator) -> Pasted:
    """Enlarge a face [48, 48] and continue its borders outwards."""
    side = round(SIDE * rng.uniform(*_ENLARGED))
    large = image.resize(face, (side, side), method="bilinear")
    margins = rng.integers(round(_SURROUNDINGS * side / 2), round(_SURROUNDINGS * side), 4)
    gray = np.pad(large, (tuple(margins[:2]), tuple(margins[2:])), mode="edge")
    return Pasted(gray=gray, left=float(margins[2]), top=float(margins[0]), side=float(side))


def search(pasted: Pasted, detector: FaceDetector) -> NDArray[np.float64] | None:
    """The surest box whose centre lies in the middle half of the face's square, or None."""
    found = detector.detect(pasted.gray)
    boxes = np.asarray(found.boxes, np.float64).reshape(-1, 4)
    middle = np.array([pasted.left, pasted.top]) + pasted.side / 2
    near = np.abs(boxes[:, :2] + boxes[:, 2:] / 2 - middle).max(axis=1) < pasted.side / 4
    if not near.any():
        return None
    scores = np.where(near, np.asarray(found.scores, np.float64), -np.inf)
    box: NDArray[np.float64] = boxes[int(scores.argmax())]
    return box


def measure(faces: NDArray[np.uint8], detector: FaceDetector, *, seed: int = 0) -> Calibration:
    """Medians of side and offset of the faces' squares, in units of the box's larger side.

    Parameters
    ----------
    faces : uint8 [n, 48, 48]
    detector : FaceDetector
    seed : int
        Of sizes and places.

    Raises
    ------
    ValueError
        The detector finds none of the faces.
    """
    rng = np.random.default_rng(seed)
    relations = []
    for face in faces:
        pasted = paste(face, rng)
        box = search(pasted, detector)
        if box is None:
            continue
        larger = max(box[2], box[3])
        dx = pasted.left + pasted.side / 2 - (box[0] + box[2] / 2)
        dy = pasted.top + pasted.side / 2 - (box[1] + box[3] / 2)
        relations.append((pasted.side / larger, dx / larger, dy / larger))
    if not relations:
        raise ValueError(f"faces: the detector finds none of these {len(faces)}")
    low, median, high = np.quantile(np.array(relations), (0.25, 0.5, 0.75), axis=0)
    side, dx, dy = (float(v) for v in median)
    spread = high - low
    return Calibration(
        framing=Framing(side=side, dx=dx, dy=dy),
        found=len(relations) / len(faces),
        spread=(float(spread[0]), float(spread[1]), float(spread[2])),
    )


def main(arguments: list[str] | None = None) -> None:
    """Print the framing, and what it is worth."""
    parser = argparse.ArgumentParser(prog="python -m ferkern.face.calibrate", description=__doc__.splitlines()[0])
    parser.add_argument("--path", required=True, help="FER-2013: fer2013.csv, or a folder of sheets or class folders")
    parser.add_argument("--faces", type=int, default=2000, help="how many Training faces (2000)")
    options = parser.parse_args(arguments)

    from ferkern.data import read_faces
    from ferkern.face.detect import Detector

    data = read_faces(options.path)
    detector = Detector.load()
    training, test = data.part("Training"), data.part("PublicTest")
    chosen = np.random.default_rng(1).permutation(len(training))[: options.faces]
    result = measure(training.images[chosen], detector)
    out = sys.stdout
    out.write(f"{result.framing}\nfound {result.found:.1%} of {len(chosen)} faces\n")
    out.write("between the quartiles: side {:.3f}, dx {:.3f}, dy {:.3f}\n".format(*result.spread))
    if len(test):
        direct, cropped, n = _worth(test.images, test.labels, detector, result.framing)
        out.write(
            f"accuracy on {n} PublicTest faces found: {direct:.1%} as they are, {cropped:.1%} found and cropped\n"
        )


def _worth(
    faces: NDArray[np.uint8], labels: NDArray[np.int64], detector: FaceDetector, framing: Framing
) -> tuple[float, float, int]:
    """Accuracy of fer_small on found faces as they are and as cropped by `framing`, and their number."""
    from ferkern.face.expression import ExpressionClassifier

    rng = np.random.default_rng(2)
    rows, crops = [], []
    for row, face in enumerate(faces):
        pasted = paste(face, rng)
        box = search(pasted, detector)
        if box is not None:
            rows.append(row)
            crops.append(crop(pasted.gray, box[None], framing=framing))
    classifier = ExpressionClassifier()
    direct = classifier(faces[rows]).argmax(axis=1) == labels[rows]
    cropped = classifier(np.concatenate(crops)).argmax(axis=1) == labels[rows]
    return float(direct.mean()), float(cropped.mean()), len(rows)


if __name__ == "__main__":
    main()
