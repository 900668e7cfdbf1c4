"""How far a float32 result may lie from the exact one, derived, by family of op."""

from __future__ import annotations

import numpy as np

EPS = float(np.finfo(np.float32).eps) / 2  # unit roundoff of float32, 2^-24


def dot(terms: int, magnitude):
    """A sum of `terms` products in any order: |error| <= gamma_n sum |a_i b_i| with gamma_n = n u / (1 - n u)
    (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1); `magnitude` is sum |a_i b_i|.

    Each term takes part in at most terms + 2 roundings (product, sums, bias).
    """
    n = terms + 2
    return n * EPS / (1 - n * EPS) * np.abs(magnitude) + np.finfo(np.float32).tiny


def activation(y, input_error, kind):
    """Error after an activation: its slope (at most 1.1 for those in use) carries the input's error on; sigmoid, tanh,
    silu and elu add their own, at most 4 ulp of 1 or of the value.
    """
    own = 0.0 if kind in (None, "none", "relu", "relu6") else 8 * EPS * np.maximum(1.0, np.abs(y))
    return 1.1 * input_error + own
