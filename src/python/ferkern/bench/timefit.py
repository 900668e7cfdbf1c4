"""Times as a sum of terms, fitted to measured ones: how long something takes that was not measured.

A term is what time may be proportional to: launches, operations, bytes, or seconds of a bound. Coefficients are not
negative, since no part of a call gives time back. What measured points lie above or below the sum is carried over to
points near them, so that a curve that is no sum of terms is followed where it was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import exp

import numpy as np
import numpy.typing as npt

__all__ = ["Expected", "Point", "TimeFit", "fit", "least_squares", "missed", "spread_of"]

Float64 = npt.NDArray[np.float64]

_REACH = 1.0  # of a measured point, in powers of e: a ladder's rungs stand 2 to 4 times apart
_TRUST = 0.3  # weight of "the sum is right" beside the points' own
_Z = 1.96  # 95 % of a normal distribution
_LEAST_SPREAD = 0.02  # nobody's clock repeats itself better
_BEYOND = 0.15  # standard deviation for each power of e that a point lies beyond what was measured


@dataclass(frozen=True, slots=True)
class Expected:
    """A time that is expected, and where it lies 19 times of 20."""

    seconds: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """Something that was measured.

    Attributes
    ----------
    terms
        What its time may be proportional to; none negative.
    place
        Where it stands among the others: logarithms, as many for each point.
    seconds
        Above 0.
    """

    terms: tuple[float, ...]
    place: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class TimeFit:
    """Coefficients of the terms, the points beside them, and how far off points are that the fit has not seen.

    Attributes
    ----------
    spread
        Standard deviation of log(measured / expected), each point expected from the others.
    """

    coefficients: tuple[float, ...]
    places: tuple[tuple[float, ...], ...]
    residuals: tuple[float, ...]
    spread: float
    reach: float = _REACH

    def expect(self, terms: Sequence[float], place: Sequence[float]) -> Expected:
        """The time of a point."""
        base = sum(c * t for c, t in zip(self.coefficients, terms, strict=True))
        places, residuals = np.array(self.places), np.array(self.residuals)
        at = np.array(place)
        near = np.exp(-0.5 * ((places - at) ** 2).sum(axis=1) / self.reach**2)
        seconds = base * exp(float(near @ residuals / (near.sum() + _TRUST)))
        outside = float(np.maximum(places.min(axis=0) - at, 0).sum() + np.maximum(at - places.max(axis=0), 0).sum())
        wide = exp(_Z * (self.spread**2 + (_BEYOND * outside) ** 2) ** 0.5)
        return Expected(seconds, seconds / wide, seconds * wide)


def fit(points: Sequence[Point], *, reach: float = _REACH) -> TimeFit:
    """Fit times to points, at least one; relative errors count.

    Raises
    ------
    ValueError
        There is no point, a time is not positive, or all terms of all points are 0.
    """
    if not points:
        raise ValueError("points: none to fit")
    terms = np.array([p.terms for p in points], np.float64)
    seconds = np.array([p.seconds for p in points], np.float64)
    if not (np.isfinite(seconds).all() and (seconds > 0).all()):
        raise ValueError(f"points: times must be positive, are {seconds.tolist()}")
    if not terms.any():
        raise ValueError("points: every term is 0")
    one = _plain(points, terms, seconds, 0.0, reach)
    if len(points) < 3:
        return TimeFit(one.coefficients, one.places, one.residuals, 0.25, reach)
    return TimeFit(one.coefficients, one.places, one.residuals, spread_of(missed(points, reach=reach)), reach)


def missed(points: Sequence[Point], *, reach: float = _REACH) -> list[float]:
    """log(measured / expected) of each point, expected from all others."""
    terms = np.array([p.terms for p in points], np.float64)
    seconds = np.array([p.seconds for p in points], np.float64)
    found = []
    for i, point in enumerate(points):
        others = [p for j, p in enumerate(points) if j != i]
        kept = np.arange(len(points)) != i
        guess = _plain(others, terms[kept], seconds[kept], 0.0, reach).expect(point.terms, point.place).seconds
        found.append(float(np.log(point.seconds / guess)) if guess > 0 else 1.0)
    return found


def spread_of(errors: Sequence[float]) -> float:
    """Their square mean without the largest fifth: the ends of a ladder are guessed from one side only."""
    squares = np.sort(np.square(errors))[: max(1, round(0.8 * len(errors)))]
    return max(_LEAST_SPREAD, float(np.sqrt(squares.mean())))


def _plain(points: Sequence[Point], terms: Float64, seconds: Float64, spread: float, reach: float) -> TimeFit:
    coefficients = least_squares(terms / seconds[:, None], np.ones(len(points)))
    base = terms @ coefficients
    # A point whose terms all have the coefficient 0 says nothing of the others.
    residuals = np.where(base > 0, np.log(seconds / np.where(base > 0, base, 1.0)), 0.0)
    return TimeFit(
        tuple(coefficients.tolist()), tuple(p.place for p in points), tuple(residuals.tolist()), spread, reach
    )


def least_squares(a: Float64, b: Float64) -> Float64:
    """The x >= 0 that makes the square of a x - b least, by trying every set of columns; few columns.

    Each set is solved without the condition, and the best of those whose solution meets it wins: the solution of the
    constrained problem is the unconstrained one of its positive columns (Lawson, Hanson, "Solving least squares
    problems", 1974, chapter 23).
    """
    scale = np.where((norms := np.linalg.norm(a, axis=0)) > 0, norms, 1.0)
    columns = [i for i in range(a.shape[1]) if norms[i] > 0]
    best, least = np.zeros(a.shape[1]), np.inf
    for count in range(len(columns), 0, -1):
        for chosen in combinations(columns, count):
            x, *_ = np.linalg.lstsq(a[:, chosen] / scale[list(chosen)], b, rcond=1e-9)
            error = float(np.square(a[:, chosen] / scale[list(chosen)] @ x - b).sum())
            if (x >= 0).all() and x.any() and error < least * (1 - 1e-9):
                least = error
                best = np.zeros(a.shape[1])
                best[list(chosen)] = x / scale[list(chosen)]
    return best
