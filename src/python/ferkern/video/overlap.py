"""How boxes lie on each other, and which belong together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["covered", "inside", "overlaps", "pairs"]

Float64 = NDArray[np.float64]


def _common(a: Float64, b: Float64) -> Float64:
    """Common area [n, m] of boxes [n, 4] and [m, 4], x, y, width, height."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    area: Float64 = np.maximum(high - low, 0).prod(axis=2)
    return area


def overlaps(a: Float64, b: Float64) -> Float64:
    """Intersection over union [n, m] of boxes [n, 4] and [m, 4], x, y, width, height."""
    common = _common(a, b)
    both: Float64 = a[:, 2:].prod(axis=1)[:, None] + b[:, 2:].prod(axis=1)[None] - common
    shares: Float64 = common / both
    return shares


def covered(a: Float64, b: Float64) -> Float64:
    """Share [n, m] of the smaller of two boxes that lies in the other."""
    smaller = np.minimum(a[:, 2:].prod(axis=1)[:, None], b[:, 2:].prod(axis=1)[None])
    shares: Float64 = _common(a, b) / smaller
    return shares


def inside(box: tuple[float, float, float, float], shape: tuple[int, ...]) -> float:
    """Share of a box that lies in a frame [H, W]."""
    frame = np.array([[0, 0, shape[1], shape[0]]], np.float64)
    boxes = np.array([box])
    return float(_common(boxes, frame)[0, 0] / (box[2] * box[3]))


def pairs(scores: Float64, least: float) -> list[tuple[int, int]]:
    """Rows and columns that belong together: the highest score first, each row and column once, none below `least`."""
    taken = []
    scores = scores.copy()
    while scores.size and scores.max() >= least:
        row, column = np.unravel_index(int(np.argmax(scores)), scores.shape)
        taken.append((int(row), int(column)))
        scores[row], scores[:, column] = -1, -1
    return taken
