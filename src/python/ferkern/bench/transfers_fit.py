"""Latency and bandwidth from timings of many sizes: ``t = latency + bytes / bandwidth``.

Sizes span nine decades, so errors count relative to the time that was measured (weights 1 / t²); sizes that do not lie
on the line, because a driver or a cache treats them in another way, count less (Huber's weights: P. J. Huber, Robust
Estimation of a Location Parameter, 1964). Intervals come from the bootstrap: timings are drawn again within each size
(B. Efron, Bootstrap Methods: Another Look at the Jackknife, 1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ["Fit", "Interval", "fit", "fit_apart"]

Float64 = npt.NDArray[np.float64]

_DRAWS = 400
_ROUNDS = 8  # of reweighting; the weights stand still after four or five
_HUBER = 1.345  # standard deviations: 95 % of least squares' efficiency where errors are normal
_LEAST_SCALE = 0.005  # relative; below it all sizes lie on the line as far as clocks can tell
_SEED = 20260101


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Fit:
    """What all sizes of one way say together.

    Attributes
    ----------
    latency_seconds
        0 at the least.
    bytes_per_second
        None where time does not grow with size, or no size left the caches.
    misfit
        By how much of the time measured the line misses the size that it misses most.
    misfit_bytes
        That size.
    cached_bytes_per_second
        Of sizes that stay in the host's caches, where these have a line of their own (`fit_apart`).
    """

    latency_seconds: Interval
    bytes_per_second: Interval | None
    misfit: float
    misfit_bytes: int
    cached_bytes_per_second: Interval | None = None

    def seconds(self, size: int) -> float:
        """What the line says of a size; of one in the caches it says too much."""
        rate = self.bytes_per_second or self.cached_bytes_per_second
        return self.latency_seconds.value + (size / rate.value if rate is not None else 0.0)


def fit_apart(sizes: Sequence[int], seconds: Sequence[Sequence[float]], cached: Sequence[bool | None]) -> Fit:
    """Fit one line to sizes in the caches and, from its latency, another to sizes that are not.

    Two bandwidths are no line; one through both says neither.

    Parameters
    ----------
    cached
        Whether a size stays in the caches; None: in part, so that it belongs to neither line.

    Raises
    ------
    ValueError
        As `fit`; two sizes in the caches are needed.
    """
    rows = list(zip(sizes, seconds, cached, strict=True))
    near = [(size, row) for size, row, inside in rows if inside]
    far = [(size, row) for size, row, inside in rows if inside is False]
    base = fit([size for size, _ in near], [row for _, row in near])
    base = replace(base, cached_bytes_per_second=base.bytes_per_second, bytes_per_second=None)
    if not far:
        return base
    s, t, draws = _medians([size for size, _ in far], [row for _, row in far])
    latency = base.latency_seconds.value
    slope, slopes = _slopes(s, t[None], latency), _slopes(s, draws, latency)
    off = np.abs((latency + slope[0] * s) / t - 1)
    worst = int(off.argmax())
    if off[worst] > base.misfit:
        base = replace(base, misfit=float(off[worst]), misfit_bytes=int(s[worst]))
    return replace(base, bytes_per_second=_rate(slope[0], slopes))


def fit(sizes: Sequence[int], seconds: Sequence[Sequence[float]]) -> Fit:
    """Fit a line through the medians of each size.

    Parameters
    ----------
    sizes
        Bytes; two different ones at least.
    seconds
        For each size the timings.

    Raises
    ------
    ValueError
        Fewer than two sizes, or a size without timings, or one that took no time.
    """
    if len(set(sizes)) < 2 or len(sizes) != len(seconds):
        raise ValueError(f"sizes: two different ones are needed, with timings for each, got {sizes}")
    s, medians, draws = _medians(sizes, seconds)
    latency, slope = _lines(s, medians[None])
    latencies, slopes = _lines(s, draws)
    line = latency[0] + slope[0] * s
    off = np.abs(line / medians - 1)
    worst = int(off.argmax())
    return Fit(_interval(latency[0], latencies), _rate(slope[0], slopes), float(off[worst]), int(s[worst]))


def _medians(sizes: Sequence[int], seconds: Sequence[Sequence[float]]) -> tuple[Float64, Float64, Float64]:
    """Sizes, their medians, and medians of drawn samples [draws, sizes]."""
    medians = np.array([np.median(row) if len(row) else 0.0 for row in seconds])
    if not (medians > 0).all():
        raise ValueError(f"seconds: every size needs timings above 0, medians are {medians.tolist()}")
    draws = np.stack([_drawn_medians(np.asarray(row, np.float64), k) for k, row in enumerate(seconds)], axis=1)
    return np.asarray(sizes, np.float64), medians, np.maximum(draws, np.finfo(np.float64).tiny)


def _drawn_medians(row: Float64, key: int) -> Float64:
    """Medians of `_DRAWS` samples of the row, drawn with replacement."""
    drawn = np.random.default_rng((_SEED, key)).integers(0, len(row), (_DRAWS, len(row)))
    return np.asarray(np.median(row[drawn], axis=1), np.float64)


def _lines(s: Float64, t: Float64) -> tuple[Float64, Float64]:
    """Latency and slope for each row of t [draws, sizes], both 0 at the least."""
    weights = 1 / t**2
    huber = np.ones_like(t)
    latency = slope = np.zeros(len(t))
    for _ in range(_ROUNDS):
        latency, slope = _weighted(s, t, weights * huber)
        off = np.abs((latency[:, None] + slope[:, None] * s) / t - 1)
        scale = np.maximum(1.4826 * np.median(off, axis=1, keepdims=True), _LEAST_SCALE)
        huber = np.minimum(1.0, _HUBER * scale / np.maximum(off, 1e-300))
    return latency, slope


def _weighted(s: Float64, t: Float64, w: Float64) -> tuple[Float64, Float64]:
    """The normal equations of a line; where one of the two would be negative, it is 0 and the other alone is fitted."""
    sw, sx, sy = w.sum(1), (w * s).sum(1), (w * t).sum(1)
    sxx, sxy = (w * s * s).sum(1), (w * s * t).sum(1)
    determinant = sw * sxx - sx * sx
    latency, slope = (sxx * sy - sx * sxy) / determinant, (sw * sxy - sx * sy) / determinant
    no_latency, no_slope = latency < 0, slope < 0
    latency = np.where(no_latency, 0.0, np.where(no_slope, sy / sw, latency))
    slope = np.where(no_latency, sxy / sxx, np.where(no_slope, 0.0, slope))
    return latency, slope


def _slopes(s: Float64, t: Float64, latency: float) -> Float64:
    """The slope for each row of t [draws, sizes] where the latency is known: the median of those of its sizes."""
    return np.asarray(np.maximum(np.median((t - latency) / s, axis=1), 0.0), np.float64)


def _interval(value: float, draws: Float64) -> Interval:
    low, high = np.quantile(draws, (0.025, 0.975))
    return Interval(float(value), min(float(low), float(value)), max(float(high), float(value)))


def _rate(slope: float, slopes: Float64) -> Interval | None:
    """1 / slope; None where the interval of the slope reaches 0: then no bandwidth can be told from none."""
    low, high = np.quantile(slopes, (0.025, 0.975))
    if slope <= 0 or low <= 0 or not math.isfinite(1 / slope):
        return None
    return Interval(float(1 / slope), min(float(1 / high), float(1 / slope)), max(float(1 / low), float(1 / slope)))
