"""Grows the proposal cascade: stage after stage, each against negatives that the stages before let through."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferkern import _core as native
from ferkern.train.boosting import SoftCascade, Windows, all_features, fit_stage

log = logging.getLogger(__name__)

Grey = NDArray[np.uint8]
FACTOR = 1.2


@dataclass(slots=True)
class GrowingPlan:
    """How the cascade grows.

    Attributes
    ----------
    learners : tables added at each stage
    lost : share of the training faces that each stage may reject
    negatives : windows gathered for each stage
    pool : features tried at each stage
    """

    window: int = 24
    learners: tuple[int, ...] = (2, 3, 4, 5, 7, 9, 12, 15, 18, 20, 22)
    lost: float = 0.0015
    negatives: int = 12_000
    pool: int = 1800


def native_cascade(cascade: SoftCascade) -> native.Cascade:
    """The grown tables in the form that scans pictures."""
    count, ends = len(cascade.tables), [0, *cascade.stage_ends]
    rects = np.zeros((count, 3, 4), np.int32)
    rects[:, 0] = np.stack(cascade.features)
    numbers = np.arange(count)
    nodes = np.stack([numbers, 256 * numbers, 0 * numbers, 0 * numbers - 1], 1)
    trees = np.stack([numbers, 0 * numbers + 1, 0 * numbers, 0 * numbers + 2], 1)
    return native.Cascade(
        lbp=True,
        window=(cascade.window, cascade.window),
        cumulative=True,
        rects=rects,
        weights=np.zeros((count, 3), np.float32),
        tilted=np.zeros(count, np.int32),
        nodes=nodes.astype(np.int32),
        thresholds=np.zeros(count, np.float32),
        leaves=np.zeros(2, np.float32),
        tables=np.concatenate(cascade.tables).astype(np.float32),
        trees=trees.astype(np.int32),
        stages=np.stack([ends[:-1], np.diff(ends)], 1).astype(np.int32),
        stage_thresholds=np.array(cascade.thresholds, np.float32),
    )


def grow(positives: Windows, backgrounds: list[Grey], plan: GrowingPlan, rng: np.random.Generator) -> SoftCascade:
    """Train the cascade on faces [n, window, window] and pictures without faces."""
    cascade = SoftCascade(plan.window)
    features = all_features(plan.window)
    negatives = random_windows(backgrounds, plan.negatives, plan.window, rng)
    for number, learners in enumerate(plan.learners):
        if number:
            negatives, rate = mine(cascade, backgrounds, plan, rng)
            log.info("stage %d: %d negatives; %.2g of all windows are let through", number, len(negatives), rate)
        pool = features[rng.choice(len(features), plan.pool, replace=False)]
        votes = fit_stage(cascade, positives, negatives, learners, pool=pool)
        cascade.thresholds.append(float(np.quantile(votes, plan.lost)))
        kept = votes >= cascade.thresholds[-1]
        positives = positives[kept]
    return cascade


def random_windows(pictures: list[Grey], count: int, size: int, rng: np.random.Generator) -> Windows:
    """Windows from anywhere, of any scale."""
    found = np.empty((count, size, size), np.uint8)
    for i in range(count):
        picture = pictures[int(rng.integers(len(pictures)))]
        limit = min(picture.shape)
        side = int(np.exp(rng.uniform(np.log(size), np.log(limit))))
        y, x = (int(rng.integers(n - side + 1)) for n in picture.shape)
        found[i] = native.resize_fixed(np.ascontiguousarray(picture[y : y + side, x : x + side]), size, size)
    return found


def mine(
    cascade: SoftCascade, pictures: list[Grey], plan: GrowingPlan, rng: np.random.Generator
) -> tuple[Windows, float]:
    """Windows of faceless pictures that the cascade lets through, and their share of all windows.

    Pictures are turned, mirrored and shrunk at random, so that the same ones give new windows.
    """
    scanner, size = native_cascade(cascade), plan.window
    found: list[Windows] = []
    total = passed = seen = 0
    each = max(4, 3 * plan.negatives // len(pictures))
    for index in np.concatenate([rng.permutation(len(pictures)) for _ in range(6)]):
        picture = varied(pictures[int(index)], rng)
        if min(picture.shape) < size:
            continue
        hits, _ = scanner.scan(picture, FACTOR, (0, 0), (0, 0), 2)
        scales = scanner.scales(picture.shape[1], picture.shape[0], FACTOR, (0, 0), (0, 0))
        seen += sum(_windows(picture.shape, scale, size) for scale in scales)
        passed += len(hits)
        if len(hits) > each:
            hits = hits[rng.choice(len(hits), each, replace=False)]
        found.append(windows_at(picture, hits, scales, size))
        total += len(hits)
        if total >= plan.negatives:
            break
    return np.concatenate(found)[: plan.negatives], passed / seen


def _windows(shape: tuple[int, ...], scale: float, size: int) -> int:
    height, width = (int((n / scale - size + 2) / 2) for n in shape)
    return height * width


def windows_at(picture: Grey, hits: NDArray[np.int32], scales: list[float], size: int) -> Windows:
    """The windows behind hits, as the scanner saw them."""
    found = np.empty((len(hits), size, size), np.uint8)
    for level in np.unique(hits[:, 4]):
        scale = np.float32(scales[int(level)])
        width, height = (round(float(np.float32(n) / scale)) for n in (picture.shape[1], picture.shape[0]))
        shrunk = native.resize_fixed(picture, height, width)
        for i in np.flatnonzero(hits[:, 4] == level):
            x, y = hits[i, 5], hits[i, 6]
            found[i] = shrunk[y : y + size, x : x + size]
    return found


def varied(picture: Grey, rng: np.random.Generator) -> Grey:
    """Mirrored, turned by quarters, shrunk a little: still a picture without faces."""
    shape = picture.shape
    shrink = rng.uniform(1.0, 1.2)
    if rng.random() < 0.5:
        picture = native.resize_fixed(np.ascontiguousarray(picture), int(shape[0] / shrink), int(shape[1] / shrink))
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    return np.ascontiguousarray(np.rot90(picture, int(rng.integers(4))))
