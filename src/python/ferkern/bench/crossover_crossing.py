"""The size from which the device wins, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Answer", "Crossing", "crossing", "falling"]

Float64 = npt.NDArray[np.float64]
Answer = Literal["from", "always", "never"]

_DRAWS = 400
_TAIL = 2.5  # percent beyond each end of the interval


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where the device starts to win.

    Attributes
    ----------
    answer
        ``"from"`` `size` on; ``"always"``, ``"never"``: at every measured size, at none.
    size, low, high
        The size and its interval of 95 %: 0 where "always" lies within it, infinity where "never" does. With "always"
        the size is 0, with "never" infinity.
    share
        Of the resampled measurements that give this answer.
    exceptions
        Measured sizes where the other side won all the same, by more than the measurements' spread.
    """

    answer: Answer
    size: float
    low: float
    high: float
    share: float
    exceptions: tuple[float, ...] = ()


def crossing(
    sizes: Sequence[float], cpu: Sequence[Sequence[float]], device: Sequence[Sequence[float]], *, seed: int = 0
) -> Crossing:
    """Where the device's time falls below the processor's, from rounds at each size.

    The logarithm of the ratio of medians is made to fall with the size (isotonic regression; more work never favours
    the side with the dearer start), and the place where it passes 0 lies between two sizes on the line through their
    logarithms. The rounds are drawn anew, a round's two samples together since they were taken together, and the
    interval holds the middle 95 % of what comes out (Efron, "Bootstrap methods", Annals of Statistics 7, 1979).

    Parameters
    ----------
    sizes
        Rising.
    cpu, device
        Seconds, for each size as many rounds of both.

    Raises
    ------
    ValueError
        No size, sizes that do not rise, or rounds that do not fit.
    """
    if not sizes or any(b <= a for a, b in pairwise(sizes)):
        raise ValueError(f"sizes must rise and be at least one, are {list(sizes)}")
    if not len(sizes) == len(cpu) == len(device) or any(
        not c or len(c) != len(d) for c, d in zip(cpu, device, strict=True)
    ):
        raise ValueError("cpu and device must hold as many rounds as each other for each size")
    places = np.log(np.array(sizes, np.float64))
    c, d = [np.array(one) for one in cpu], [np.array(one) for one in device]
    rng = np.random.default_rng(seed)
    counts = np.array([len(one) for one in c], np.float64)
    drawn = np.stack([_drawn(a, b, rng) for a, b in zip(c, d, strict=True)], axis=1)
    draws = np.array([_place(places, row, counts) for row in drawn])
    ratios = np.array([_ratio(a, b) for a, b in zip(c, d, strict=True)])
    place = _place(places, ratios, counts)
    answer = _answer(place)
    low, high = np.percentile(draws, [_TAIL, 100 - _TAIL], method="nearest")
    return Crossing(
        answer=answer,
        size=math.exp(place),
        low=math.exp(low),
        high=math.exp(high),
        share=float(np.mean([_answer(x) == answer for x in draws])),
        exceptions=tuple(float(s) for s, x, r, a, b in zip(sizes, places, ratios, c, d, strict=True)
                         if (x < place) != (r > 0) and abs(r) > _noise(a, b)),
    )  # fmt: skip


def falling(values: Float64, weights: Float64) -> Float64:
    """The sequence that never rises and is nearest in the weighted square mean (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, count = value, weight, 1
        while blocks and blocks[-1][0] < mean:
            m, w, n = blocks.pop()
            mean, total, count = (m * w + mean * total) / (w + total), w + total, n + count
        blocks.append((mean, total, count))
    return np.concatenate([np.full(count, mean) for mean, _, count in blocks])


def _drawn(cpu: Float64, device: Float64, rng: np.random.Generator) -> Float64:
    """The ratio at one size, for every draw of its rounds."""
    chosen = rng.integers(len(cpu), size=(_DRAWS, len(cpu)))
    found: Float64 = np.log(np.median(device[chosen], axis=1) / np.median(cpu[chosen], axis=1))
    return found


def _ratio(cpu: Float64, device: Float64) -> float:
    return math.log(float(np.median(device)) / float(np.median(cpu)))


def _noise(cpu: Float64, device: Float64) -> float:
    """Twice the standard error of the logarithm of the ratio; a single round tells nothing of it."""
    if len(cpu) < 2:
        return math.inf
    return 2 * float(np.std(np.log(device / cpu), ddof=1)) / math.sqrt(len(cpu)) * 1.25  # of a median, not a mean


def _place(places: Float64, ratios: Float64, counts: Float64) -> float:
    """The logarithm of the size where the ratio passes 0; minus infinity: below all; infinity: nowhere."""
    line = falling(ratios, counts)
    if line[0] < 0:
        return -math.inf
    if line[-1] >= 0:
        return math.inf
    after = int(np.argmax(line < 0))
    before = after - 1
    step = line[before] / (line[before] - line[after])
    return float(places[before] + step * (places[after] - places[before]))


def _answer(place: float) -> Answer:
    return "from" if math.isfinite(place) else "always" if place < 0 else "never"
