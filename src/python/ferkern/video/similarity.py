"""Similarities of the plane as pairs of complex numbers, and a fit to points of which some went astray.

A point (x, y) is x + iy; a turn by t with scale s, and a shift, is z -> a z + b with a = s exp(it). A frame of video
fits a handful of these; as complex numbers that takes microseconds, with general matrices tens of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Similarity", "fit", "robust_fit", "to_complex", "to_points"]

Complex = NDArray[np.complex128]
Bools = NDArray[np.bool_]

_PAIRS = 48  # pairs of points that are tried; with half the points astray none is right in one run of a million
_FEWEST = 8


@dataclass(frozen=True, slots=True)
class Similarity:
    """z -> a z + b: a turn, one scale, a shift; no reflection."""

    a: complex
    b: complex

    def __call__(self, points: Complex) -> Complex:
        return self.a * points + self.b

    def at(self, point: complex) -> complex:
        """Where one point goes."""
        return self.a * point + self.b

    def after(self, first: Similarity) -> Similarity:
        """This one, done to what `first` gives."""
        return Similarity(self.a * first.a, self.a * first.b + self.b)

    def inverse(self) -> Similarity:
        """The one that goes back."""
        return Similarity(1 / self.a, -self.b / self.a)

    @property
    def scale(self) -> float:
        """Factor of lengths."""
        return abs(self.a)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """float64 [2, 3], as `ferkern.image.warp` takes it."""
        a, b = self.a, self.b
        return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def to_complex(points: NDArray[np.floating[Any]]) -> Complex:
    """Points [..., 2] as complex128 [...]."""
    return np.ascontiguousarray(points, np.float64).view(np.complex128)[..., 0]


def to_points(points: Complex) -> NDArray[np.float32]:
    """complex128 [n] as points float32 [n, 2]."""
    return points.astype(np.complex64)[:, None].view(np.float32)


def fit(source: Complex, target: Complex) -> Similarity | None:
    """The least-squares similarity (Umeyama 1991) of two or more points; None where all sources are one point."""
    p_mean, q_mean = source.sum() / len(source), target.sum() / len(target)  # `mean` takes three times as long
    p, q = source - p_mean, target - q_mean
    spread = np.vdot(p, p).real
    if not spread > 1e-12 * (1.0 + abs(p_mean) ** 2):
        return None
    a = complex(np.vdot(p, q) / spread)
    return Similarity(a, complex(q_mean - a * p_mean)) if a else None


def robust_fit(source: Complex, target: Complex, good: Bools, tolerance: float) -> tuple[Similarity, Bools] | None:
    """The similarity that most points agree with.

    Parameters
    ----------
    source, target : complex128 [n]
    good : bool [n]
        Points that count.
    tolerance : float
        Distance from where the similarity takes a point up to which it agrees.

    Returns
    -------
    (Similarity, bool [n]), the least-squares fit of the points that agree, and which these are; None where fewer than
    8 do.

    Notes
    -----
    If four points of five agree with the plain fit, it is only mended; else similarities through pairs of points are
    tried and the one of the least truncated squares is mended (P. Torr, A. Zisserman, "MLESAC", CVIU 78, 2000, their
    MSAC). The pairs are the same in every run: the same frames give the same tracks.
    """
    index = np.flatnonzero(good)
    if len(index) < _FEWEST:
        return None
    p, q = source[index], target[index]
    found = fit(p, q)
    if found is None:
        return None
    near = _square(found(p) - q) < tolerance**2
    if near.sum() < 0.8 * len(p):
        found = _by_pairs(p, q, tolerance)
        near = _square(found(p) - q) < tolerance**2
    for _ in range(2):
        agreed = int(near.sum())
        if agreed < _FEWEST:
            return None
        if agreed == len(p):
            break
        found = fit(p[near], q[near]) or found
        near = _square(found(p) - q) < tolerance**2
    agree = np.zeros(len(source), np.bool_)
    agree[index[near]] = True
    return found, agree


def _by_pairs(p: Complex, q: Complex, tolerance: float) -> Similarity:
    n = len(p)
    k = np.arange(_PAIRS)
    first = k * n // _PAIRS
    second = (first + n // 4 + k * 7 % (n // 2)) % n
    apart = p[second] - p[first]
    apart[apart == 0] = np.inf
    a = (q[second] - q[first]) / apart
    b = q[first] - a * p[first]
    cost = np.minimum(_square(a[:, None] * p + b[:, None] - q), tolerance**2).sum(axis=1)
    best = int(np.argmin(cost))
    return Similarity(complex(a[best]), complex(b[best]))


def _square(z: Complex) -> NDArray[np.float64]:
    return z.real**2 + z.imag**2
