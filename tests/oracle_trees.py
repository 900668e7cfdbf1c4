"""A cascade of regression trees in NumPy: independent of the C++, one face, one tree, one split at a time.

What the contract computes in float32 (offsets turned, shapes) is float32 here: look-ups fall on the same pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Ensemble:
    """Arrays as `ferkern._core.Trees` takes them: codes int8 and basis, or leaves float32 [L, T, S + 1, P, 2]."""

    mean: np.ndarray
    anchors: np.ndarray
    offsets: np.ndarray
    pairs: np.ndarray  # [L, T, S, 2]
    thresholds: np.ndarray
    codes: np.ndarray | None = None
    basis: np.ndarray | None = None
    leaves: np.ndarray | None = None

    def native_arguments(self) -> tuple[np.ndarray, ...]:
        pairs = self.pairs.astype(np.uint32)
        packed = (pairs[..., 0] | pairs[..., 1] << 16).view(np.int32)
        return self.mean, self.anchors, self.offsets, packed, self.thresholds, self.codes, self.basis


def random_ensemble(rng, *, points=5, levels=2, trees=7, depth=3, pool=11, rank=None) -> Ensemble:
    """Rank None: float leaves."""
    splits = 2**depth - 1
    e = Ensemble(
        mean=rng.uniform(0.2, 0.8, (points, 2)).astype(np.float32),
        anchors=rng.integers(0, points, (levels, pool)).astype(np.int32),
        offsets=rng.normal(0, 0.1, (levels, pool, 2)).astype(np.float32),
        pairs=rng.integers(0, pool, (levels, trees, splits, 2)),
        thresholds=rng.integers(-60, 60, (levels, trees, splits)).astype(np.float32),
    )
    if rank is None:
        e.leaves = rng.normal(0, 0.02, (levels, trees, splits + 1, points, 2)).astype(np.float32)
    else:
        e.codes = rng.integers(-127, 128, (levels, trees, splits + 1, rank)).astype(np.int8)
        e.basis = rng.normal(0, 1e-4, (levels, rank, points, 2)).astype(np.float32)
    return e


def turn_between(mean, shape):
    """The matrix ((a, -b), (b, a)) that maps the mean shape best, both centred; by complex numbers."""
    m = (mean.astype(np.float64) - mean.astype(np.float64).mean(0)) @ [1, 1j]
    s = (shape.astype(np.float64) - shape.astype(np.float64).mean(0)) @ [1, 1j]
    z = (m.conj() * s).sum() / (abs(m) ** 2).sum()
    return np.array([[z.real, -z.imag], [z.imag, z.real]])


def look(picture, frame, shape, turn, anchors, offsets):
    turn, values = turn.astype(np.float32), np.zeros(len(anchors))
    for f, (anchor, offset) in enumerate(zip(anchors, offsets, strict=True)):
        u = turn[0, 0] * offset[0] + turn[0, 1] * offset[1] + shape[anchor, 0]
        v = turn[1, 0] * offset[0] + turn[1, 1] * offset[1] + shape[anchor, 1]
        x = int(np.floor(frame[0] + np.float64(u) * frame[2] + 0.5))
        y = int(np.floor(frame[1] + np.float64(v) * frame[3] + 0.5))
        if 0 <= x < picture.shape[1] and 0 <= y < picture.shape[0]:
            values[f] = picture[y, x]
    return values


def evaluate(e: Ensemble, picture, frame, start=None) -> np.ndarray:
    """float64 [P, 2], pixels."""
    shape = (e.mean if start is None else start).astype(np.float32)
    splits = e.pairs.shape[2]
    for level in range(len(e.anchors)):
        turn = turn_between(e.mean, shape)
        pixels = look(picture, frame, shape, turn, e.anchors[level], e.offsets[level])
        rows = []
        for tree in range(e.pairs.shape[1]):
            at = 0
            while at < splits:
                a, b = e.pairs[level, tree, at]
                at = 2 * at + (1 if pixels[a] - pixels[b] > e.thresholds[level, tree, at] else 2)
            rows.append(at - splits)
        if e.leaves is not None:
            for tree, row in enumerate(rows):
                shape = shape + e.leaves[level, tree, row]
        else:
            total = sum(e.codes[level, tree, row].astype(np.int64) for tree, row in enumerate(rows))
            moved = np.einsum("k,kpc->pc", total.astype(np.float64), e.basis[level].astype(np.float64))
            shape = (shape + moved @ turn.T).astype(np.float32)
    return shape.astype(np.float64) * [frame[2], frame[3]] + [frame[0], frame[1]]


def dlib_integer(value: int) -> bytes:
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def dlib_float(value: float) -> bytes:
    mantissa, exponent = np.frexp(np.float32(value))
    return dlib_integer(int(np.ldexp(mantissa, 24))) + dlib_integer(int(exponent) - 24)


def dlib_column(values) -> bytes:
    values = np.ravel(values)
    return dlib_integer(-len(values)) + dlib_integer(-1) + b"".join(dlib_float(v) for v in values)


def dlib_file(e: Ensemble) -> bytes:
    """The bytes that dlib::serialize writes of a shape_predictor."""
    levels, trees, splits = e.pairs.shape[:3]
    parts = [dlib_integer(1), dlib_column(e.mean), dlib_integer(levels)]
    for level in range(levels):
        parts.append(dlib_integer(trees))
        for tree in range(trees):
            parts.append(dlib_integer(splits))
            for (a, b), threshold in zip(e.pairs[level, tree], e.thresholds[level, tree], strict=True):
                parts += [dlib_integer(int(a)), dlib_integer(int(b)), dlib_float(threshold)]
            parts.append(dlib_integer(splits + 1))
            parts += [dlib_column(leaf) for leaf in e.leaves[level, tree]]
    parts.append(dlib_integer(levels))
    for anchors in e.anchors:
        parts += [dlib_integer(len(anchors)), *(dlib_integer(int(a)) for a in anchors)]
    parts.append(dlib_integer(levels))
    for offsets in e.offsets:
        parts += [dlib_integer(len(offsets)), *(dlib_float(v) for v in np.ravel(offsets))]
    return b"".join(parts)
