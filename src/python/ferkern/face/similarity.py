"""Similarity transforms of points: rotation, uniform scale and translation, by least squares in closed form.

A similarity of the plane is z -> a z + t with complex a and t. For centred points p (from) and q (to) the least-squares
solution is a = sum(conj(p) q) / sum(|p|^2), t = mean(q) - a mean(p): Umeyama, "Least-squares estimation of
transformation parameters between two point patterns", PAMI 1991, in two dimensions and without reflection.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["apply", "compose", "fit", "invert"]

Floats = NDArray[np.floating[Any]]


def fit(points: Floats, target: Floats) -> NDArray[np.float64]:
    """The similarity that takes points nearest to a target.

    Parameters
    ----------
    points : floats [..., P, 2]
    target : floats [P, 2] or [..., P, 2]

    Returns
    -------
    float64 [..., 2, 3]
        (x, y) -> matrix @ (x, y, 1). Points that all lie in one place are only moved, not scaled.
    """
    p = points[..., 0].astype(np.float64) + 1j * points[..., 1]
    q = target[..., 0].astype(np.float64) + 1j * target[..., 1]
    p_mean, q_mean = p.mean(axis=-1), q.mean(axis=-1)
    p, q = p - p_mean[..., None], q - q_mean[..., None]
    spread = (p * p.conj()).real.sum(axis=-1)
    a = np.divide((p.conj() * q).sum(axis=-1), spread, out=np.ones(spread.shape, np.complex128), where=spread > 0)
    t = q_mean - a * p_mean
    rows = [np.stack([a.real, -a.imag, t.real], axis=-1), np.stack([a.imag, a.real, t.imag], axis=-1)]
    return np.stack(rows, axis=-2)


def apply(matrix: Floats, points: Floats) -> NDArray[np.float64]:
    """Points [..., P, 2] under matrices [..., 2, 3]."""
    moved: NDArray[np.float64] = points @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]
    return moved


def invert(matrix: Floats) -> NDArray[np.float64]:
    """Inverses of affine matrices [..., 2, 3]."""
    linear = np.linalg.inv(matrix[..., :2].astype(np.float64))
    return np.concatenate([linear, -linear @ matrix[..., 2:]], axis=-1)


def compose(second: Floats, first: Floats) -> NDArray[np.float64]:
    """The matrix [..., 2, 3] that does `first`, then `second`."""
    linear = second[..., :2] @ first[..., :2]
    moved = second[..., :2] @ first[..., 2:] + second[..., 2:]
    return np.concatenate([linear, moved], axis=-1)
