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


def softmax(x, y, axis):
    """Relative error of e^(x - m) / sum: the rounded difference moves the exponent by |x - m| u, the exponential adds
    4 u, the sum of n positive terms n u more, the division 1; whatever falls below the normal numbers may become 0.
    """
    depth = np.max(x, axis=axis, keepdims=True).astype(np.float64) - x
    # The sum is off by no more than its worst term that matters: e^-d d <= 1 / e.
    return (np.minimum(depth, 104) + 1 + 8 + x.shape[axis]) * EPS * y + 2 * np.finfo(np.float32).tiny


def power(d, beta, d_error):
    """Relative error of d^-beta computed as e^(-beta ln d), for a d with relative error `d_error`: beta d_error from d;
    ln d off by 4 u of itself and by 2 u of 1, and rounded once more by the product with beta; 4 u for the exponential.
    """
    return beta * (d_error + (5 * np.abs(np.log(d)) + 2) * EPS) + 4 * EPS


def svd(dtype, r, serial=0):
    """Residual (as a share of the largest value) and orthogonality of a singular value decomposition, entry by entry.

    Orthogonal transformations are backward stable with a modest multiple of r e (Higham, section 19.3: c m n u for all
    of a factorisation's columns together, where sqrt(r) times a few u is what happens): ten times, as
    ferkern.linalg.svd says. The constant 10 beside r is for small ones, whose sweeps and reflections have a least
    number of roundings. `serial`: terms of the plain row's longest sum, one after the other: a norm is off by up to
    as many halves of e.
    """
    return float(np.finfo(dtype).eps) * (10 * (r + 10) + serial / 2)
