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


def sign(x) -> Float64:
    """-1 below 0, else 1: that of 0, -0 and NaN is 1."""
    return np.where(x < 0, -1.0, 1.0)


def sign_sums(x, w, **options) -> Float64:
    """Sums of sign(w) sign(x) over each window, whole numbers; outside the image stands 0."""
    return conv2d(sign(x), sign(w), **options)


def input_scale(x, size, *, stride=1, padding=0) -> Float64:
    """K of XNOR-Net: the mean magnitude over the channels, averaged over each window, with zeros outside the image."""
    mean = np.abs(x.astype(np.float64)).mean(axis=1, keepdims=True)
    return conv2d(mean, np.full((1, 1, *pair(size)), 1 / np.prod(pair(size))), stride=stride, padding=padding)


def pool2d(x, size, *, kind, stride=None, padding=0, count_include_pad=False):
    size = pair(size)
    stride = size if stride is None else pair(stride)
    pads = pad_amounts(x.shape[2:], size, stride, (1, 1), padding)
    x = x.astype(np.float64)
    if kind == "max":
        return windows(x, size, stride, (1, 1), pads, -np.inf).max(axis=(4, 5))
    if kind == "l2":
        return np.sqrt((windows(x, size, stride, (1, 1), pads, 0.0) ** 2).sum(axis=(4, 5)))
    cells = windows(np.ones_like(x), size, stride, (1, 1), pads, 1.0 if count_include_pad else 0.0).sum(axis=(4, 5))
    return windows(x, size, stride, (1, 1), pads, 0.0).sum(axis=(4, 5)) / cells


def depthwise_conv2d(x, w, b=None, **options):
    x = np.repeat(x, w.shape[0] // x.shape[1], axis=1)
    return conv2d(x, w, b, groups=x.shape[1], **options)


def gemm(a, b, bias=None, *, activation=None, alpha=None):
    c = a.astype(np.float64) @ b.astype(np.float64)
    return activate(c if bias is None else c + bias.astype(np.float64), activation, alpha)


def local_response_norm(x, size=5, *, alpha=1e-4, beta=0.75, k=1.0):
    x = x.astype(np.float64)
    padded = np.pad(x, ((0, 0), (size // 2, (size - 1) // 2), (0, 0), (0, 0))) ** 2
    sums = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1).sum(axis=-1)
    return x / (k + alpha / size * sums) ** beta


def softmax(x, axis):
    e = np.exp(x.astype(np.float64) - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def batch_norm(x, gamma, beta, mean, variance, *, epsilon=1e-5, activation=None, alpha=None):
    gamma, beta, mean, variance = (
        v.astype(np.float64).reshape(1, -1, *(1,) * (x.ndim - 2)) for v in (gamma, beta, mean, variance)
    )
    y = gamma * (x.astype(np.float64) - mean) / np.sqrt(variance + epsilon) + beta
    return activate(y, activation, alpha)


def axis_average(n_in: int, n_out: int) -> Float64:
    """[n_out, n_in]: parts of source pixels in each output pixel, every row sums to 1."""
    edges = np.arange(n_out + 1) * n_in / n_out
    pixels = np.arange(n_in)
    low = np.maximum(edges[:-1, None], pixels[None])
    high = np.minimum(edges[1:, None], pixels[None] + 1)
    return np.clip(high - low, 0, None) * n_out / n_in


def axis_bilinear(n_in: int, n_out: int) -> Float64:
    """[n_out, n_in]: weights of the two source pixels around each output centre."""
    at = np.clip((np.arange(n_out) + 0.5) * n_in / n_out - 0.5, 0, n_in - 1)
    return np.clip(1 - np.abs(at[:, None] - np.arange(n_in)[None]), 0, None)


def resize(x, size, method):
    """Float64, not rounded."""
    axis = {"area": axis_average, "bilinear": axis_bilinear}[method]
    rows, columns = axis(x.shape[0], size[0]), axis(x.shape[1], size[1])
    return np.einsum("ip,jq,pq...->ij...", rows, columns, x.astype(np.float64), optimize=True)


def warp(x, matrix, size, border="constant", fill=0.0, samples=(1, 1)):
    """Float64 [h, w], not rounded; the mean of samples = (down, across) points of each output's square."""
    x = x.astype(np.float64)
    h, w = x.shape
    offsets = [(np.arange(n) + 0.5) / n - 0.5 for n in samples]
    v = (np.arange(size[0])[:, None] + offsets[0]).ravel()[:, None]
    u = (np.arange(size[1])[:, None] + offsets[1]).ravel()[None]
    (a, b, c), (d, e, f) = np.asarray(matrix, dtype=np.float64)
    at_x, at_y = a * u + b * v + c, d * u + e * v + f
    x0, y0 = np.floor(at_x).astype(np.int64), np.floor(at_y).astype(np.int64)

    def pixel(row, column):
        value = x[np.clip(row, 0, h - 1), np.clip(column, 0, w - 1)]
        inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
        return value if border == "replicate" else np.where(inside, value, fill)

    fx, fy = at_x - x0, at_y - y0
    above = pixel(y0, x0) * (1 - fx) + pixel(y0, x0 + 1) * fx
    below = pixel(y0 + 1, x0) * (1 - fx) + pixel(y0 + 1, x0 + 1) * fx
    points = above * (1 - fy) + below * fy
    return points.reshape(size[0], samples[0], size[1], samples[1]).mean(axis=(1, 3))
