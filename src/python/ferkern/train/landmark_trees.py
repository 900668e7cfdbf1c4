"""Trains a cascade of regression trees for landmarks.

A level looks at a random pool of pixels about the current shapes, and boosts trees of pixel differences towards what
the shapes still lack. That is held in the frame of the mean shape (turned and scaled back by the similarity between
mean and current shape) and in its own K principal components, so that a split costs K additions a sample and a leaf
K bytes.

Sources: Kazemi and Sullivan, "One millisecond face alignment with an ensemble of regression trees", CVPR 2014; radii of
the pools that shrink from level to level: Ren et al., "Face alignment at 3000 FPS via regressing local binary
features", CVPR 2014.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern import _core
from ferkern.face.landmark_trees import Crop, TreeTables
from ferkern.train.landmark_samples import Samples

__all__ = ["TreeConfig", "grow_trees"]

log = logging.getLogger(__name__)

Float32 = NDArray[np.float32]
CHECKPOINT = "landmark_trees.npz"
_BATCH = 25  # trees between two reports


@dataclass(frozen=True, slots=True)
class TreeConfig:
    """Settings of one run.

    Attributes
    ----------
    levels, trees, depth : levels, trees of a level, splits from root to leaf
    pool : pixels that a level looks up
    widest, narrowest : radius about a landmark in which the first and the last level look, in sides of the box
    reach : length at which the prior on the distance of two pixels has fallen to 1/e, in radii
    rank : principal components of a level
    candidates : splits that are drawn for each one that is kept
    shrinkage, damping : of a leaf's mean; damping is added to the samples' weight
    share : of the samples that judge a tree's splits
    strangers : share of the starts that lie between the mean shape and another face's
    clip : standard deviations that the codes of a leaf of full size reach
    seed : of everything drawn
    """

    levels: int = 12
    trees: int = 350
    depth: int = 4
    pool: int = 400
    widest: float = 0.25
    narrowest: float = 0.06
    reach: float = 0.6
    rank: int = 32
    candidates: int = 20
    shrinkage: float = 0.1
    damping: float = 10.0
    share: float = 0.5
    strangers: float = 0.7
    clip: float = 4.0
    seed: int = 1


@dataclass(slots=True)
class _Grown:
    """Arrays of the levels so far, as `TreeTables` holds them."""

    anchors: list[NDArray[np.uint16]] = field(default_factory=list)
    offsets: list[Float32] = field(default_factory=list)
    pairs: list[NDArray[np.uint16]] = field(default_factory=list)
    thresholds: list[NDArray[np.int16]] = field(default_factory=list)
    codes: list[NDArray[np.int8]] = field(default_factory=list)
    basis: list[NDArray[np.float16]] = field(default_factory=list)
    units: list[Float32] = field(default_factory=list)


def grow_trees(
    data: Samples,
    crop: Crop,
    config: TreeConfig,
    *,
    checkpoint: Path | None = None,
    on_trees: Callable[[int, int], None] | None = None,
    on_level: Callable[[int, float, TreeTables], None] | None = None,
) -> TreeTables:
    """Train on samples.

    Parameters
    ----------
    data
        Samples, cut out by the same `crop`.
    crop
        What the model will look at.
    config
        Settings.
    checkpoint
        File that is written after each level; if it is there, the run goes on from it.
    on_trees
        Called with level and trees of it that stand, for a progress bar.
    on_level
        Called after each level with its number, the mean error that is left on the samples (in units of the box), and
        the model so far.

    Raises
    ------
    ValueError
        If there are no samples, a setting is out of range, or the checkpoint is of another run or damaged.
    """
    if len(data) < 2:
        raise ValueError(f"data: {len(data)} samples, at least 2 are needed")
    mean = data.shapes[np.abs(data.turns) < 20].mean(axis=0)
    shapes = _starts(data, mean, config)
    grown = _Grown()
    if checkpoint is not None and checkpoint.exists():
        shapes = _restore(checkpoint, grown, config, shapes.shape)
    frames = np.tile(np.array(crop.frame), (len(data), 1))
    for level in range(len(grown.anchors), config.levels):
        shapes = _grow_level(grown, level, data, frames, mean, shapes, config, on_trees)
        if checkpoint is not None:
            _store(checkpoint, grown, config, shapes)
        if on_level is not None:
            error = float(np.linalg.norm(data.shapes - shapes, axis=2).mean())
            on_level(level, error, _tables(grown, crop, mean))
    return _tables(grown, crop, mean)


def _starts(data: Samples, mean: Float32, config: TreeConfig) -> Float32:
    """The mean shape, or for some samples a place between it and another face's shape."""
    rng = np.random.default_rng([config.seed, 0])
    part = np.where(rng.random(len(data)) < config.strangers, rng.random(len(data)), 0).astype(np.float32)
    others = data.shapes[rng.permutation(len(data))]
    return mean + part[:, None, None] * (others - mean)


def _pool(mean: Float32, level: int, config: TreeConfig) -> tuple[NDArray[np.int32], Float32]:
    """Landmarks, and offsets from them spread evenly over a disc."""
    rng = np.random.default_rng([config.seed, 1, level])
    anchors = rng.permutation(np.arange(config.pool) % len(mean)).astype(np.int32)
    length = np.sqrt(rng.random(config.pool)) * _radius(level, config)
    angle = rng.uniform(0, 2 * np.pi, config.pool)
    return anchors, np.stack([length * np.cos(angle), length * np.sin(angle)], axis=1).astype(np.float32)


def _radius(level: int, config: TreeConfig) -> float:
    done = level / max(config.levels - 1, 1)
    return float(config.widest ** (1 - done) * config.narrowest**done)


def _turned(vectors: Float32, turns: Float32) -> Float32:
    """Each sample's vectors [n, P, 2] times its matrix ((a, -b), (b, a))."""
    a, b = turns[:, :1], turns[:, 1:]
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([a * x - b * y, b * x + a * y], axis=2)


def _grow_level(
    grown: _Grown,
    level: int,
    data: Samples,
    frames: NDArray[np.float64],
    mean: Float32,
    shapes: Float32,
    config: TreeConfig,
    on_trees: Callable[[int, int], None] | None,
) -> Float32:
    """Add a level; returns the shapes after it."""
    anchors, offsets = _pool(mean, level, config)
    pixels, turns = _core.trees_look(data.crops, frames, shapes, mean, anchors, offsets)
    size = (turns**2).sum(axis=1, keepdims=True)
    lacking = _turned(data.shapes - shapes, turns * np.array([1, -1], np.float32) / size)
    basis, deviation = _principal(lacking.reshape(len(data), -1), data.weights, config.rank)
    residuals = np.ascontiguousarray(lacking.reshape(len(data), -1) @ basis.T.astype(np.float32))
    before = residuals.copy()
    units = (config.shrinkage * config.clip * np.maximum(deviation, 1e-6) / 127).astype(np.float32)
    positions = mean[anchors] + offsets
    parts = []
    for first in range(0, config.trees, _BATCH):
        parts.append(
            _core.trees_grow(
                pixels,
                residuals,
                data.weights,
                positions,
                units,
                min(_BATCH, config.trees - first),
                config.depth,
                config.candidates,
                config.reach * _radius(level, config),
                config.shrinkage,
                config.damping,
                config.share,
                (config.seed * 1_000_003 + level) * 1_000_003 + first,
            )
        )
        if on_trees is not None:
            on_trees(level, min(first + _BATCH, config.trees))
    pairs = np.concatenate([part[0] for part in parts])
    grown.anchors.append(anchors.astype(np.uint16))
    grown.offsets.append(offsets)
    grown.pairs.append(np.stack([pairs & 0xFFFF, pairs >> 16], axis=-1).astype(np.uint16))
    grown.thresholds.append(np.concatenate([part[1] for part in parts]))
    grown.codes.append(np.concatenate([part[2] for part in parts]))
    grown.basis.append(basis.reshape(config.rank, -1, 2))
    grown.units.append(units)
    moved = ((before - residuals) @ basis.astype(np.float32)).reshape(shapes.shape)
    return shapes + _turned(moved, turns)


def _principal(rows: Float32, weights: Float32, rank: int) -> tuple[NDArray[np.float16], Float32]:
    """The first principal axes about zero [rank, columns], and the deviation along each."""
    scaled = rows * np.sqrt(weights / weights.sum())[:, None]
    values, vectors = np.linalg.eigh((scaled.T @ scaled).astype(np.float64))
    deviation = np.sqrt(np.maximum(values[::-1][:rank], 0)).astype(np.float32)
    return vectors[:, ::-1][:, :rank].T.astype(np.float16), deviation


def _tables(grown: _Grown, crop: Crop, mean: Float32) -> TreeTables:
    arrays = {name: np.stack(getattr(grown, name)) for name in _Grown.__slots__}
    return TreeTables(crop=crop, mean=mean, card={}, **arrays)


def _store(path: Path, grown: _Grown, config: TreeConfig, shapes: Float32) -> None:
    part = path.with_name(path.name + ".part.npz")
    arrays = {name: np.stack(getattr(grown, name)) for name in _Grown.__slots__}
    everything: dict[str, Any] = {"config": np.array(repr(asdict(config))), "shapes": shapes, **arrays}
    np.savez(part, **everything)
    part.replace(path)


def _restore(path: Path, grown: _Grown, config: TreeConfig, shape: tuple[int, ...]) -> Float32:
    try:
        with np.load(path, allow_pickle=False) as stored:
            before, shapes = str(stored["config"]), stored["shapes"]
            arrays = {name: list(stored[name]) for name in _Grown.__slots__}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a readable checkpoint: {error}") from error
    if before != repr(asdict(config)) or shapes.shape != shape:
        raise ValueError(f"{path}: holds a run with other settings or samples")
    for name, levels in arrays.items():
        getattr(grown, name).extend(levels)
    log.info("resumed %s after level %d", path, len(grown.anchors))
    return np.asarray(shapes, np.float32)
