"""Is one of two pieces of code slower? Runs in turn, a rank test on the pairs, and how large the difference is.

Timings have heavy tails and drift with the machine's load and clock. Both sides therefore run in turn (first one, then
the other, the order changed from pair to pair); of each pair only the ratio counts, and of the ratios only signs and
ranks (F. Wilcoxon, Individual Comparisons by Ranking Methods, 1945). The size of the difference is the median of the
means of all pairs of log ratios, with the interval that inverts the test (J. L. Hodges and E. L. Lehmann, Estimates of
Location Based on Rank Tests, 1963).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Comparison", "compare", "interleave"]

Float64 = npt.NDArray[np.float64]

_LEAST_PAIRS = 10  # below it, even ten differences of one sign are chance once in 500 times


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether b takes as long as a.

    Attributes
    ----------
    ratio
        Time of b over time of a: 1.05 where b is 5 % slower.
    low, high
        Confidence interval of the ratio, to the level of the test.
    p
        How often so uneven ranks come by chance where nothing differs, both sides counted.
    pairs
        Compared.
    verdict
        ``"slower"`` or ``"faster"`` (that is what b is), or ``"same"``: no difference was shown.
    """

    ratio: float
    low: float
    high: float
    p: float
    pairs: int
    verdict: Literal["slower", "faster", "same"]

    def __str__(self) -> str:
        return f"{self.verdict}: {100 * (self.ratio - 1):+.2f} % ({100 * (self.low - 1):+.2f} to " + (
            f"{100 * (self.high - 1):+.2f} %), p = {self.p:.2g}, {self.pairs} pairs"
        )


def compare(a: Sequence[float], b: Sequence[float], *, level: float = 0.005, least: float = 0.01) -> Comparison:
    """Compare timings that were taken in turn.

    Parameters
    ----------
    a, b
        Seconds, above 0; the i-th of both were taken one after the other (`interleave`). At least 10.
    level
        How often identical code may be found different.
    least
        Differences smaller than this share count as none, even where they are shown: where code lies in memory makes as
        much.

    Raises
    ------
    ValueError
        Too few, not equally many, or timings that are not above 0 and finite.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < _LEAST_PAIRS:
        raise ValueError(f"a and b must be {_LEAST_PAIRS} or more pairs of timings, are {x.shape} and {y.shape}")
    for name, values in (("a", x), ("b", y)):
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"{name} must be finite and above 0 seconds, lowest is {values.min()}")
    if not (0 < level < 1 and least >= 0):
        raise ValueError(f"level must be between 0 and 1 and least not below 0, are {level} and {least}")
    logs = np.log(y / x)
    p = _signed_ranks(logs)
    middle, low, high = _location(logs, level)
    shown = p < level and abs(math.expm1(middle)) > least
    verdict: Literal["slower", "faster", "same"] = "same" if not shown else "slower" if middle > 0 else "faster"
    return Comparison(math.exp(middle), math.exp(low), math.exp(high), p, len(logs), verdict)


def interleave(
    a: Callable[[], object],
    b: Callable[[], object],
    *,
    pairs: int = 40,
    warm_up: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[list[float], list[float]]:
    """Time two functions in turn, the order changed from pair to pair; seconds of each, for `compare`."""
    for _ in range(warm_up):
        a()
        b()
    seconds: tuple[list[float], list[float]] = ([], [])
    for pair in range(pairs):
        for side in (0, 1) if pair % 2 == 0 else (1, 0):
            run = (a, b)[side]
            start = clock()
            run()
            seconds[side].append(clock() - start)
    return seconds


def _signed_ranks(values: Float64) -> float:
    """Two-sided p of Wilcoxon's signed ranks, by the normal distribution with corrections for ties and continuity."""
    values = values[values != 0]
    n = len(values)
    if n == 0:
        return 1.0
    _, place, counts = np.unique(np.abs(values), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[place]
    positive = float(ranks[values > 0].sum())
    variance = n * (n + 1) * (2 * n + 1) / 24 - float((counts**3 - counts).sum()) / 48
    distance = max(abs(positive - n * (n + 1) / 4) - 0.5, 0.0)
    return min(1.0, 2 * NormalDist().cdf(-distance / math.sqrt(variance)))


def _location(values: Float64, level: float) -> tuple[float, float, float]:
    """The median of all means of two values (a value with itself too), and the interval that the test admits."""
    n = len(values)
    first, second = np.triu_indices(n)
    means = np.sort((values[first] + values[second]) / 2)
    spread = NormalDist().inv_cdf(1 - level / 2) * math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    outside = max(0, min((len(means) - 1) // 2, math.floor(n * (n + 1) / 4 - spread)))
    return float(np.median(means)), float(means[outside]), float(means[-1 - outside])
