"""Winograd's minimal filtering in magnitudes: what the rounding errors of the kernels are multiples of."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

import oracle
import tolerance

Float64 = NDArray[np.float64]

# Lavin and Gray 2016, sections 4.1 and 4.3: A^T, G and B^T by m.
OUTPUT = {
    2: np.array([[1, 1, 1, 0], [0, 1, -1, -1]], float),
    4: np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], float),
}
WEIGHT = {
    2: np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]),
    4: np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24,
}
INPUT = {
    2: np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], float),
    4: np.array(
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ],
        float,
    ),
}


def fits(kernel, stride, dilation, groups) -> bool:
    """Whether a convolution is one that Winograd's rows serve."""
    return tuple(kernel) == (3, 3) and oracle.pair(stride) == (1, 1) and oracle.pair(dilation) == (1, 1) and groups == 1


def tiled(x, w, m: int, *, padding, magnitude: bool) -> Float64:
    """The convolution in tiles of m x m outputs, in float64; with `magnitude`, of magnitudes throughout."""
    part = np.abs if magnitude else np.asarray
    a, g, b = (part(t[m]) for t in (OUTPUT, WEIGHT, INPUT))
    x, w = part(x.astype(np.float64)), part(w.astype(np.float64))
    top, bottom, left, right = oracle.pad_amounts(x.shape[2:], (3, 3), (1, 1), (1, 1), padding)
    oh, ow = x.shape[2] + top + bottom - 2, x.shape[3] + left + right - 2
    tiles_y, tiles_x = math.ceil(oh / m), math.ceil(ow / m)
    below, beside = tiles_y * m + 2 - x.shape[2] - top, tiles_x * m + 2 - x.shape[3] - left
    x = np.pad(x, ((0, 0), (0, 0), (top, max(below, 0)), (left, max(beside, 0))))
    d = np.lib.stride_tricks.sliding_window_view(x, (m + 2, m + 2), (2, 3))[:, :, ::m, ::m][:, :, :tiles_y, :tiles_x]
    u = np.einsum("pr,ocrs,qs->ocpq", g, w, g)
    v = np.einsum("pr,ncyxrs,qs->ncyxpq", b, d, b)
    y = np.einsum("ip,noyxpq,jq->noyixj", a, np.einsum("ocpq,ncyxpq->noyxpq", u, v, optimize=True), a, optimize=True)
    return y.reshape(len(x), len(w), tiles_y * m, tiles_x * m)[:, :, :oh, :ow]


def bound(x, w, b, *, m: int, padding):
    """|error| <= gamma_n A^T [ sum_c (|G| |g| |G|^T) . (|B|^T |d| |B|) ] A + the bias in magnitudes (Higham, sec. 3.1).

    Roundings that a term can meet: 1 of the transformed weight, 3 in each of two lines of B^T (without a fused
    multiply-add), ic + 1 in the sum, 4 in each of two lines of A^T, 2 for bias and residual: ic + 18.
    """
    magnitude = tiled(x, w, m, padding=padding, magnitude=True)
    if b is not None:
        magnitude = magnitude + np.abs(b.astype(np.float64))[:, None, None]
    return tolerance.dot(x.shape[1] + 16, magnitude)
