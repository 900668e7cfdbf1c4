"""The meaning of every op in NumPy float64, written independently of the C++."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def activate(x: Float64, kind: str | None, alpha: float | None = None) -> Float64:
    match kind:
        case None | "none":
            return x
        case "relu":
            return np.maximum(x, 0)
        case "relu6":
            return np.clip(x, 0, 6)
        case "leaky_relu":
            return np.where(x < 0, (0.01 if alpha is None else alpha) * x, x)
        case "sigmoid":
            return 1 / (1 + np.exp(-x))
        case "tanh":
            return np.tanh(x)
        case "hard_swish":
            return x * np.clip(x + 3, 0, 6) / 6
        case "silu":
            return x / (1 + np.exp(-x))
        case "elu":
            return np.where(x < 0, (1.0 if alpha is None else alpha) * np.expm1(np.minimum(x, 0)), x)
    raise AssertionError(kind)


def pad_amounts(size, kernel, stride, dilation, padding):
    """(top, bottom, left, right) for an image of `size` (height, width)."""
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        sides = []
        for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
            total = max((math.ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0)
            sides += [total // 2, total - total // 2]
        return tuple(sides)
    if isinstance(padding, int):
        return (padding,) * 4
    if len(padding) == 2:
        return (padding[0], padding[0], padding[1], padding[1])
    return tuple(padding)


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def windows(x: Float64, kernel, stride, dilation, pads, fill: float) -> Float64:
    """[N, C, OH, OW, KH, KW]: what each output pixel sees."""
    top, bottom, left, right = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1, activation=None, alpha=None):
    x, w = x.astype(np.float64), w.astype(np.float64)
    stride, dilation = pair(stride), pair(dilation)
    pads = pad_amounts(x.shape[2:], w.shape[2:], stride, dilation, padding)
    parts = []
    for xg, wg in zip(np.split(x, groups, axis=1), np.split(w, groups, axis=0), strict=True):
        seen = windows(xg, w.shape[2:], stride, dilation, pads, 0.0)
        parts.append(np.einsum("nchwpq,ocpq->nohw", seen, wg))
    y = np.concatenate(parts, axis=1)
    if b is not None:
        y += b.astype(np.float64)[None, :, None, None]
    return activate(y, activation, alpha)
