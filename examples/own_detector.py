"""Boxes from somewhere else: anything with `detect(gray)` that gives `.boxes` and `.scores` finds the faces.

python examples/own_detector.py photo.jpg 177 66 95 95
"""

import sys
from dataclasses import dataclass

import numpy as np

import ferkern as fk


@dataclass
class Boxes:
    """Faces known beforehand: boxes float32 [n, 4] (x, y, width, height), scores float32 [n]."""

    boxes: np.ndarray
    scores: np.ndarray


class Known:
    """A detector that was told where the face is."""

    def __init__(self, *box: float) -> None:
        self.box = box

    def detect(self, gray: np.ndarray, /) -> Boxes:
        return Boxes(boxes=np.array([self.box], np.float32), scores=np.ones(1, np.float32))


path, *numbers = sys.argv[1:]
for face in fk.recognize(path, detector=Known(*map(float, numbers))):
    for name, probability in face.probabilities.items():
        print(f"{name:9} {probability:6.1%}")
