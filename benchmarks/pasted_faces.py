"""What alignment does for expressions: FER-2013 faces in larger pictures, found and judged with it and without.

    python benchmarks/pasted_faces.py --path fer2013 [--landmarks network] [--faces 3589]

Every PublicTest face is enlarged two- to sixfold and laid into a larger picture (`ferkern.face.calibrate.paste`), some
of them turned. Accuracy is that on the faces that the detector finds, once as FER-2013 has them and once through the
pipeline; the same pictures each time.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from ferkern import Recognizer, image
from ferkern.data import read_faces
from ferkern.face.calibrate import Pasted, paste, search
from ferkern.face.expression import ExpressionClassifier


class At:
    """A detector that was told where the face is."""

    def __init__(self, box: np.ndarray) -> None:
        self.boxes, self.scores = box[None].astype(np.float32), np.ones(1, np.float32)

    def detect(self, gray: np.ndarray, /) -> At:
        return self


def turned(pasted: Pasted, degrees: float) -> Pasted:
    """The picture turned about the face's middle."""
    center = (pasted.left + pasted.side / 2 - 0.5, pasted.top + pasted.side / 2 - 0.5)
    matrix = image.similarity(1.0, np.deg2rad(degrees), center=center)
    gray = image.warp(pasted.gray, image.invert(matrix), pasted.gray.shape, border="replicate")
    return Pasted(gray, pasted.left, pasted.top, pasted.side)


def accuracy(recognizer: Recognizer, pictures: list[np.ndarray], boxes: list[np.ndarray], labels: np.ndarray) -> float:
    """Share of right answers on faces whose boxes are known."""
    hits = 0
    for gray, box, label in zip(pictures, boxes, labels, strict=True):
        recognizer.detector = At(box)
        (face,) = recognizer(gray)
        hits += recognizer.classifier.classes.index(face.emotion) == label
    return hits / len(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", required=True)
    parser.add_argument("--landmarks", default="network")
    parser.add_argument("--model", default="fer_small")
    parser.add_argument("--faces", type=int, default=3589)
    options = parser.parse_args()

    data = read_faces(options.path).part("PublicTest")
    data = data.select(np.arange(len(data)) < options.faces)
    aligning = Recognizer(model=options.model, landmarks=options.landmarks, smile=False)
    plain = Recognizer(model=options.model, landmarks=None)
    detector, classifier = aligning.detector, ExpressionClassifier(options.model)
    for degrees in (0, 10, 20, 30):
        rng = np.random.default_rng(2)
        pictures, boxes, rows = [], [], []
        for row, face in enumerate(data.images):
            pasted = turned(paste(face, rng), degrees * (-1) ** row)
            box = search(pasted, detector)
            if box is not None:
                pictures.append(pasted.gray)
                boxes.append(box)
                rows.append(row)
        labels = data.labels[rows]
        direct = float((classifier(data.images[rows]).argmax(axis=1) == labels).mean())
        sys.stdout.write(
            f"turned {degrees:2} degrees: {len(rows) / len(data):.1%} of {len(data)} found; as FER-2013 has them "
            f"{direct:.2%}, without alignment {accuracy(plain, pictures, boxes, labels):.2%}, "
            f"with {accuracy(aligning, pictures, boxes, labels):.2%}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
