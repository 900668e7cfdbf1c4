"""A face drawn by numbers: landmark models and detectors for tests, whose right answers are known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ferkern import image
from ferkern.face.align import TEMPLATE
from ferkern.face.expression import frame


@dataclass
class Found:
    boxes: np.ndarray
    scores: np.ndarray


@dataclass
class FixedDetector:
    """Says of every picture the same."""

    boxes: list[tuple[float, ...]]
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def detect(self, gray: np.ndarray, /) -> Found:
        self.seen.append(gray.shape)
        return Found(np.array(self.boxes, np.float32).reshape(-1, 4), np.arange(len(self.boxes), dtype=np.float32))


@dataclass
class DrawnLandmarks:
    """The template, as each box frames it, turned clockwise by `angle` radians about the crop's middle."""

    angle: float = 0.0
    scale: float = 1.0

    def __call__(self, gray: np.ndarray, boxes: np.ndarray, /) -> np.ndarray:
        c, s = self.scale * np.cos(self.angle), self.scale * np.sin(self.angle)
        turn = np.array([[c, -s], [s, c]])
        points = (TEMPLATE - 23.5) @ turn.T + 23.5
        return image.transform_points(frame(np.asarray(boxes)), points[None]).astype(np.float32)
