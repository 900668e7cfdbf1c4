"""Winograd's minimal filtering in magnitudes: what the rounding errors of the kernels are multiples of."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

import oracle
import tolerance

Float64 = NDArray[np.float64]

# Kernel's name: m and the side of the window.
FORMS = {"winograd2": (2, 3), "winograd4": (4, 3), "winograd2_5x5": (2, 5)}
# By the side of a tile's inputs: points of the transforms, infinity apart; what a weight's value there is divided by;
# B^T (Lavin and Gray 2016, sections 4.1 and 4.3).
POINTS = {4: (0, 1, -1), 6: (0, 1, -1, 2, -2)}
DIVISORS = {4: (1, 2, 2), 6: (4, -6, -6, 24, 24)}
INPUT = {
    4: np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], float),
    6: np.array(
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


def transforms(m: int, k: int) -> tuple[Float64, Float64, Float64]:
    """A^T, G and B^T of F(m, k): powers of the points, and infinity, which the highest power alone sees."""
    side = m + k - 1
    powers = np.vander(POINTS[side], max(m, k), increasing=True).astype(float)
    output = np.column_stack([powers[:, :m].T, np.eye(m)[-1]])
    if side == 4:
        output[-1, -1] = -1  # with this B^T the point at infinity carries the other sign
    weight = np.vstack([powers[:, :k] / np.array(DIVISORS[side])[:, None], np.eye(k)[-1]])
    return output, weight, INPUT[side]


def fits(name: str, kernel, stride, dilation, groups) -> bool:
    """Whether a convolution is one that a Winograd row serves."""
    _, k = FORMS[name]
    return tuple(kernel) == (k, k) and oracle.pair(stride) == (1, 1) and oracle.pair(dilation) == (1, 1) and groups == 1


def tiled(x, w, m: int, *, padding, magnitude: bool) -> Float64:
    """The convolution in tiles of m x m outputs, in float64; with `magnitude`, of magnitudes throughout."""
    k = w.shape[2]
    side = m + k - 1
    part = np.abs if magnitude else np.asarray
    a, g, b = (part(t) for t in transforms(m, k))
    x, w = part(x.astype(np.float64)), part(w.astype(np.float64))
    top, bottom, left, right = oracle.pad_amounts(x.shape[2:], (k, k), (1, 1), (1, 1), padding)
    oh, ow = x.shape[2] + top + bottom - k + 1, x.shape[3] + left + right - k + 1
    tiles_y, tiles_x = math.ceil(oh / m), math.ceil(ow / m)
    below, beside = tiles_y * m + k - 1 - x.shape[2] - top, tiles_x * m + k - 1 - x.shape[3] - left
    x = np.pad(x, ((0, 0), (0, 0), (top, max(below, 0)), (left, max(beside, 0))))
    d = np.lib.stride_tricks.sliding_window_view(x, (side, side), (2, 3))[:, :, ::m, ::m][:, :, :tiles_y, :tiles_x]
    u = np.einsum("pr,ocrs,qs->ocpq", g, w, g)
    v = np.einsum("pr,ncyxrs,qs->ncyxpq", b, d, b)
    y = np.einsum("ip,noyxpq,jq->noyixj", a, np.einsum("ocpq,ncyxpq->noyxpq", u, v, optimize=True), a, optimize=True)
    return y.reshape(len(x), len(w), tiles_y * m, tiles_x * m)[:, :, :oh, :ow]


def bound(name: str, x, w, b, *, padding, device: bool = False):
    """|error| <= gamma_n A^T [ sum_c (|G| |g| |G|^T) . (|B|^T |d| |B|) ] A + the bias in magnitudes (Higham, sec. 3.1).

    Roundings that a term can meet: 1 of the transformed weight, 3 in each of two lines of B^T (without a fused
    multiply-add), ic + 1 in the sum, 4 in each of two lines of A^T, 2 for bias and residual: ic + 18. A device has
    weights transformed in float32: 4 in each of two lines of G (sums, constant, product) for the one: ic + 25.
    """
    magnitude = tiled(x, w, FORMS[name][0], padding=padding, magnitude=True)
    if b is not None:
        magnitude = magnitude + np.abs(b.astype(np.float64))[:, None, None]
    return tolerance.dot(x.shape[1] + (23 if device else 16), magnitude)
