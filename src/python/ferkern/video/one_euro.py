"""The one-euro filter: a low-pass that opens as what it filters moves.

Source: Casiez, Roussel, Vogel, "1 euro filter: a simple speed-based low-pass filter for noisy input in interactive
systems", CHI 2012.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["OneEuro"]

Float64 = NDArray[np.float64]


class OneEuro:
    """Filters positions [n, d]; each of the n points has one speed and one cutoff.

    Parameters
    ----------
    min_cutoff : float
        Cutoff of a point at rest, Hz: the lower, the less it trembles.
    beta : float
        By how much the cutoff rises, Hz for each unit a second: the higher, the less a point lags.
    speed_cutoff : float
        Cutoff of the low-pass on the speed, Hz.

    Raises
    ------
    ValueError
        A cutoff is not above 0, `beta` is below 0, or one is not finite.
    """

    def __init__(self, min_cutoff: float = 1.0, beta: float = 0.0, speed_cutoff: float = 1.0) -> None:
        if not (0 < min_cutoff < math.inf and 0 < speed_cutoff < math.inf and 0 <= beta < math.inf):
            raise ValueError(
                f"min_cutoff is {min_cutoff}, beta {beta}, speed_cutoff {speed_cutoff}; cutoffs must be above 0, "
                "beta at least 0, all finite"
            )
        self.min_cutoff = min_cutoff
        self.beta = beta
        self.speed_cutoff = speed_cutoff
        self._time = 0.0
        self._value: Float64 | None = None
        self._velocity: Float64 = np.zeros(0)

    def __call__(self, positions: Float64, time: float) -> Float64:
        """The positions at `time` (seconds), filtered; the first ones as they are.

        Raises
        ------
        ValueError
            `time` is not after the call before, or the positions have another shape than then.
        """
        if self._value is None:
            self._value, self._velocity = positions.copy(), np.zeros_like(positions)
        elif positions.shape != self._value.shape:
            raise ValueError(f"positions: shape {list(positions.shape)}, {list(self._value.shape)} before")
        elif not time > self._time:
            raise ValueError(f"time is {time}; it must be after {self._time}")
        else:
            step = time - self._time
            velocity = (positions - self._value) / step
            self._velocity = self._velocity + _share(self.speed_cutoff, step) * (velocity - self._velocity)
            speed = np.sqrt((self._velocity**2).sum(axis=-1, keepdims=True))
            share = _share(self.min_cutoff + self.beta * speed, step)
            self._value = self._value + share * (positions - self._value)
        self._time = time
        return self._value.copy()

    def reset(self) -> None:
        """Forget what was seen: the next positions are the first ones."""
        self._value = None


def _share(cutoff: Float64 | float, step: float) -> Float64:
    """Share of a new value in a first-order low-pass; `step` is the time since the last one, seconds."""
    turn = 2.0 * math.pi * np.asarray(cutoff, np.float64) * step
    share: Float64 = turn / (turn + 1.0)
    return share
