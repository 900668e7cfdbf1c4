"""Soft cascades of block-LBP look-up tables, grown by gentle boosting with ever harder negatives.

A weak learner is one 3x3-block LBP feature with a table of 256 real values, one for each code (Zhang et al.,
"Face detection based on multi-block LBP representation", ICB 2007). Tables are fitted by weighted least squares
(gentle AdaBoost; Friedman, Hastie and Tibshirani, Annals of Statistics 28, 2000). Votes accumulate over the whole
cascade, and at the end of each stage a window is rejected whose vote lies under the trace that nearly all faces stay
above (soft cascade; Bourdev and Brandt, CVPR 2005, with the trace tested at stages rather than after every table).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

CODES = 256
Windows = NDArray[np.uint8]


def all_features(window: int, smallest: int = 1) -> NDArray[np.int32]:
    """Every x, y, width, height of an upper left block whose 3x3 blocks fit into a square window."""
    found = [
        (x, y, w, h)
        for w in range(smallest, window // 3 + 1)
        for h in range(smallest, window // 3 + 1)
        for x in range(window - 3 * w + 1)
        for y in range(window - 3 * h + 1)
    ]
    return np.array(found, np.int32)


class CodeBook:
    """Integral images of windows, from which the codes of a feature come for all windows at once."""

    def __init__(self, windows: Windows) -> None:
        count, height, width = windows.shape
        sums = np.zeros((height + 1, width + 1, count), np.int32)
        sums[1:, 1:] = windows.transpose(1, 2, 0).astype(np.int32).cumsum(0).cumsum(1)
        self.sums = sums

    def codes(self, feature: NDArray[np.int32]) -> NDArray[np.uint8]:
        """uint8 [windows]: eight comparisons with the middle block, clockwise from the upper left."""
        x, y, w, h = (int(v) for v in feature)
        grid = self.sums[y : y + 3 * h + 1 : h, x : x + 3 * w + 1 : w]
        cells = grid[1:, 1:] - grid[1:, :-1] - grid[:-1, 1:] + grid[:-1, :-1]
        code = np.zeros(self.sums.shape[2], np.uint8)
        for row, column in ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)):
            code = code * 2 + (cells[row, column] >= cells[1, 1])
        return code


@dataclass
class SoftCascade:
    """The grown cascade: features, tables, and after how many of them which vote is asked for."""

    window: int
    features: list[NDArray[np.int32]] = field(default_factory=list)
    tables: list[NDArray[np.float32]] = field(default_factory=list)
    stage_ends: list[int] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)

    def votes(self, windows: Windows) -> NDArray[np.float64]:
        """float64 [windows]: the sum of all tables, rejected or not."""
        book, total = CodeBook(windows), np.zeros(len(windows))
        for feature, table in zip(self.features, self.tables, strict=True):
            total += table[book.codes(feature)]
        return total


def fit_stage(
    cascade: SoftCascade,
    positives: Windows,
    negatives: Windows,
    learners: int,
    *,
    pool: NDArray[np.int32],
    shrink: float = 1.0,
) -> NDArray[np.float64]:
    """Add `learners` tables that separate the windows, which the cascade so far has let through.

    Returns
    -------
    float64 [positives]: the positives' votes with the new tables.
    """
    windows = np.concatenate([positives, negatives])
    truth = np.repeat([1.0, -1.0], [len(positives), len(negatives)])
    book = CodeBook(windows)
    codes = np.stack([book.codes(feature) for feature in pool])
    votes = cascade.votes(windows)
    for _ in range(learners):
        weights = _weights(truth, votes)
        best, table = _best_table(codes, truth, weights)
        small = (shrink * table).astype(np.float32)
        cascade.features.append(pool[best])
        cascade.tables.append(small)
        votes += small[codes[best]]
    cascade.stage_ends.append(len(cascade.tables))
    error = float(np.mean(votes[len(positives) :] > np.quantile(votes[: len(positives)], 0.01)))
    log.info("%d tables; of the last negatives %.3f are above 99%% of the faces", len(cascade.tables), error)
    return votes[: len(positives)]


def _weights(truth: NDArray[np.float64], votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(-truth * vote), cut at 50 times the mean of the class; then each class sums to one half."""
    weights = np.exp(-np.clip(truth * votes, -30, 30))
    for sign in (1.0, -1.0):
        mine = truth == sign
        weights[mine] /= weights[mine].sum()
        weights[mine] = np.minimum(weights[mine], 50.0 / mine.sum())
        weights[mine] *= 0.5 / weights[mine].sum()
    return weights


def _best_table(
    codes: NDArray[np.uint8], truth: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[int, NDArray[np.float64]]:
    """The feature whose table leaves the least weighted squared error, and that table."""
    signed = weights * truth
    best, best_gain, best_table = 0, -1.0, np.zeros(CODES)
    smooth = 1.0 / len(truth)
    for i, row in enumerate(codes):
        mass = np.bincount(row, weights, CODES)
        moment = np.bincount(row, signed, CODES)
        gain = float((moment * moment / (mass + smooth)).sum())
        if gain > best_gain:
            best, best_gain, best_table = i, gain, moment / (mass + smooth)
    return best, best_table
