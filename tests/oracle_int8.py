"""Layers on bytes in NumPy: sums in int64, then the float32 operations that the contract names, one rounding each."""

from __future__ import annotations

import numpy as np

import oracle


def requantized(sums, multiplier, offset, clip, residual=None, residual_multiplier=0.0):
    """clip(round((S m + o) + r f)); `multiplier` and `offset` follow axis 1."""
    assert np.abs(sums).max(initial=0) < 2**31, "a sum leaves int32: not a case for these layers"
    along = (1, -1) + (1,) * (sums.ndim - 2)
    v = sums.astype(np.int32).astype(np.float32) * multiplier.reshape(along)
    v = v + offset.reshape(along)
    if residual is not None:
        v = v + residual.astype(np.float32) * np.float32(residual_multiplier)
    return np.rint(np.clip(v, np.float32(clip[0]), np.float32(clip[1]))).astype(np.uint8)


def conv2d_sums(x, w, zero_point, *, stride=1, padding=0, dilation=1, groups=1):
    """Exact sums of (x - z) w: the float64 oracle's, whose numbers stay below 2^53."""
    y = oracle.conv2d(x.astype(np.float64) - zero_point, w.astype(np.float64), stride=stride, padding=padding,
                      dilation=dilation, groups=groups)  # fmt: skip
    sums = np.rint(y).astype(np.int64)
    np.testing.assert_array_equal(sums, y)
    return sums


def to_bytes(x, scale, zero_point):
    v = x * (np.float32(1) / np.float32(scale)) + np.float32(zero_point)
    v = np.where(np.isnan(v), np.float32(0), v)
    return np.rint(np.clip(v, np.float32(0), np.float32(255))).astype(np.uint8)


def to_floats(q, scale, zero_point):
    return (q.astype(np.int32) - zero_point).astype(np.float32) * np.float32(scale)


def pool(x, size, stride, pads, *, average, count_include_pad=False, x_means=(1.0, 0), y_means=(1.0, 0)):
    if not average:
        return oracle.windows(x.astype(np.float64), size, stride, (1, 1), pads, -1.0).max(axis=(4, 5)).astype(np.uint8)
    seen = oracle.windows(x.astype(np.float64) - x_means[1], size, stride, (1, 1), pads, 0.0).sum(axis=(4, 5))
    inside = oracle.windows(np.ones(x.shape), size, stride, (1, 1), pads, 0.0).sum(axis=(4, 5))
    count = np.full_like(inside, size[0] * size[1]) if count_include_pad else inside
    ratio = np.float32(x_means[0]) / np.float32(y_means[0])
    v = seen.astype(np.int32).astype(np.float32) * (ratio / count.astype(np.float32)) + np.float32(y_means[1])
    return np.rint(np.clip(v, np.float32(0), np.float32(255))).astype(np.uint8)


def add(a, b, a_means, b_means, y_means, clip):
    (sa, za), (sb, zb), (sy, zy) = ((float(np.float32(s)), z) for s, z in (a_means, b_means, y_means))
    offset = np.float32(zy - sa / sy * za - sb / sy * zb)
    v = (a.astype(np.float32) * np.float32(sa / sy) + offset) + b.astype(np.float32) * np.float32(sb / sy)
    return np.rint(np.clip(v, np.float32(clip[0]), np.float32(clip[1]))).astype(np.uint8)
