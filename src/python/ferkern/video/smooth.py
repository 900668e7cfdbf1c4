"""Expression over time: what a network says of single frames flickers, what a face does takes a while.

The smoothed reading of a face at time t is the mean of all its readings so far, each weighted by exp(-age / tau): an
exponential mean with the time constant tau, for any distances between frames and without a special first frame. With
many frames to a time constant a step has reached 63 % after tau.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["TIME_CONSTANT", "Smoother"]

TIME_CONSTANT = 0.3
"""Seconds; about as long as a brief expression lasts."""

_FORGOTTEN = 20.0  # time constants after which nothing is left of a reading

Float64 = NDArray[np.float64]


class Smoother:
    """Exponential means of readings, one for each face.

    Parameters
    ----------
    time_constant : float
        tau in seconds; 0: every reading as it is.

    Raises
    ------
    ValueError
        The time constant is below 0 or not finite.
    """

    def __init__(self, time_constant: float = TIME_CONSTANT) -> None:
        if not (math.isfinite(time_constant) and time_constant >= 0):
            raise ValueError(f"smoothing is {time_constant}; it must be a time in seconds, 0 or more")
        self.time_constant = time_constant
        self._faces: dict[int, tuple[float, Float64, float]] = {}  # time, weighted sum, sum of weights

    def __call__(self, face: int, time: float, reading: Float64) -> Float64:
        """The mean after one more reading of a face.

        Parameters
        ----------
        face : int
            Which face.
        time : float
            Seconds; later than the face's reading before.
        reading : float64 [K]
            Any numbers; probabilities that sum to 1 give such that sum to 1.

        Returns
        -------
        float64 [K]
        """
        if self.time_constant == 0:
            return reading
        before, total, weight = self._faces.get(face, (time, np.zeros_like(reading), 0.0))
        kept = math.exp(-(time - before) / self.time_constant)
        total, weight = total * kept + reading, weight * kept + 1
        self._faces[face] = time, total, weight
        mean: Float64 = total / weight
        return mean

    def forget(self, time: float) -> None:
        """Let go of faces that were last seen so long before `time` that it no longer counts."""
        if len(self._faces) > 1:
            last = time - _FORGOTTEN * self.time_constant
            self._faces = {face: state for face, state in self._faces.items() if state[0] >= last}
