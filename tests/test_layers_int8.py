"""Depthwise, dense, pools, sums, tables, concatenation, float32 to bytes and back: not one bit may differ."""

from __future__ import annotations

import numpy as np
import pytest

import oracle_int8
from ferkern import _core
from ferkern.config import config
from sizes import EDGES

# n, c, h, w, (kh, kw), stride, padding, dilation
DEPTHWISE = [
    (1, 1, 1, 1, (1, 1), 1, 0, 1),
    (2, 20, 9, 11, (3, 3), 1, 1, 1),
    (1, 32, 12, 16, (3, 3), 2, "same", 1),
    (1, 33, 7, 8, (3, 3), 2, (0, 1, 0, 1), 1),
    (1, 16, 10, 10, (5, 5), 1, 2, 1),
    (1, 16, 11, 13, (5, 5), 2, 2, 1),
    (1, 17, 9, 9, (2, 2), 1, 0, 1),
    (1, 5, 9, 9, (4, 4), 1, 1, 1),
    (1, 18, 12, 11, (3, 3), 1, 2, 2),
    (1, 16, 6, 40, (1, 7), 1, (0, 3), 1),
    (1, 16, 40, 6, (7, 1), 3, (3, 0), 1),
    (1, 3, 2, 2, (3, 3), 1, 4, 1),
    (1, 16, 9, 10, (3, 3), (1, 2), 1, (2, 1)),
]


def depthwise_arguments(rng, c, k):
    weights = rng.integers(-128, 128, (c, 1, *k), np.int8)
    multiplier = (rng.uniform(0.5, 2.0, c) / 74 / np.sqrt(k[0] * k[1])).astype(np.float32)
    return weights, multiplier, rng.uniform(80, 170, c).astype(np.float32)


def depthwise_expected(x, w, multiplier, offset, zero_point, clip=(0.0, 255.0), **options):
    sums = oracle_int8.conv2d_sums(x, w, zero_point, groups=x.shape[1], **options)
    return oracle_int8.requantized(sums, multiplier, offset, clip)


@pytest.mark.op("depthwise_int8")
@pytest.mark.parametrize("case", DEPTHWISE, ids=str)
def test_depthwise(row, forced, rng, case):
    n, c, h, w, k, stride, padding, dilation = case
    x = rng.integers(0, 256, (n, c, h, w), np.uint8)
    weights, multiplier, offset = depthwise_arguments(rng, c, k)
    if row.name == "quads" and dilation not in (1, (2, 1)):
        with pytest.raises(ValueError, match="no kernel named 'quads'"), forced(row):
            _core.depthwise_conv2d_int8(x, weights, multiplier, offset, 0, stride, padding, dilation, (0, 255))
        return
    for zero_point in (0, 93, 255):
        expected = depthwise_expected(
            x, weights, multiplier, offset, zero_point, (3.0, 250.0), stride=stride, padding=padding, dilation=dilation
        )
        with forced(row):
            y = _core.depthwise_conv2d_int8(
                x, weights, multiplier, offset, zero_point, stride, padding, dilation, (3.0, 250.0)
            )
        np.testing.assert_array_equal(y, expected)


@pytest.mark.op("depthwise_int8")
@pytest.mark.parametrize("size", EDGES)
def test_depthwise_edge_sizes(row, forced, rng, size):
    for c, h, w in ((size, 4, 5), (3, size, 4), (3, 4, size)):
        for stride in (1, 2):
            x = rng.integers(0, 256, (2, c, h, w), np.uint8)
            weights, multiplier, offset = depthwise_arguments(rng, c, (3, 3))
            with forced(row):
                y = _core.depthwise_conv2d_int8(x, weights, multiplier, offset, 9, stride, 1, 1, (0, 255))
            expected = depthwise_expected(x, weights, multiplier, offset, 9, stride=stride, padding=1)
            np.testing.assert_array_equal(y, expected)


@pytest.mark.op("depthwise_int8")
def test_depthwise_extremes_do_not_saturate(row, forced):
    x = np.full((1, 32, 9, 9), 255, np.uint8)
    for weight in (-128, 127):
        w = np.full((32, 1, 3, 3), weight, np.int8)
        multiplier, offset = np.full(32, 1e-4, np.float32), np.full(32, 128, np.float32)
        with forced(row):
            y = _core.depthwise_conv2d_int8(x, w, multiplier, offset, 0, 1, 1, 1, (0, 255))
        np.testing.assert_array_equal(y, depthwise_expected(x, w, multiplier, offset, 0, padding=1))


def dense_case(rng, shape, out):
    x = rng.integers(0, 256, shape, np.uint8)
    terms = int(np.prod(shape[1:]))
    w = rng.integers(-128, 128, (out, terms), np.int8)
    multiplier = (rng.uniform(0.5, 2.0, out) * 64 / (7400 * np.sqrt(terms))).astype(np.float32)
    sums = (x.reshape(shape[0], -1).astype(np.int64) - 77) @ w.T.astype(np.int64)
    return x, w, multiplier, rng.uniform(80, 170, out).astype(np.float32), sums


@pytest.mark.op("dense_int8")
@pytest.mark.parametrize(
    ("shape", "out"),
    [
        ((1, 1), 1),
        ((1, 300), 7),
        ((2, 500), 300),
        ((3, 17), 129),
        ((7, 64), 40),
        ((4, 20, 3, 3), 33),
        ((1, 32, 2, 5), 260),
    ],
)
def test_dense(row, forced, rng, shape, out):
    x, w, multiplier, offset, sums = dense_case(rng, shape, out)
    with forced(row):
        y = _core.dense_int8(x, w, multiplier, offset, 77, (5.0, 251.0), False)
        floats = _core.dense_int8(x, w, multiplier, offset, 77, (-1e9, 1e9), True)
    np.testing.assert_array_equal(y, oracle_int8.requantized(sums, multiplier, offset, (5.0, 251.0)))
    np.testing.assert_array_equal(floats, sums.astype(np.int32).astype(np.float32) * multiplier + offset)


@pytest.mark.op("dense_int8")
@pytest.mark.parametrize("size", EDGES)
def test_dense_edge_sizes(row, forced, rng, size):
    for shape, out in (((size, 5), 3), ((2, size), 3), ((2, 5), size)):
        x, w, multiplier, offset, sums = dense_case(rng, shape, out)
        with forced(row):
            y = _core.dense_int8(x, w, multiplier, offset, 77, (0.0, 255.0), False)
        np.testing.assert_array_equal(y, oracle_int8.requantized(sums, multiplier, offset, (0.0, 255.0)))


@pytest.mark.op("pool_int8")
@pytest.mark.parametrize(
    ("shape", "size", "stride", "pads"),
    [
        ((2, 20, 9, 11), (2, 2), (2, 2), (0, 0, 0, 0)),
        ((1, 16, 13, 12), (3, 3), (2, 2), (1, 1, 1, 1)),
        ((1, 33, 12, 13), (3, 3), (2, 2), (0, 1, 0, 1)),
        ((1, 7, 5, 40), (3, 2), (1, 3), (1, 0, 1, 0)),
        ((1, 5, 6, 7), (6, 7), (6, 7), (0, 0, 0, 0)),
        ((1, 1, 1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    ],
)
def test_pools(row, forced, rng, shape, size, stride, pads):
    x = rng.integers(0, 256, shape, np.uint8)
    means = ((0.031, 90), (0.017, 201))
    for average, pad in ((False, False), (True, False), (True, True)):
        with forced(row):
            y = _core.pool2d_int8(x, size, stride, pads, average, pad, *means)
        expected = oracle_int8.pool(
            x, size, stride, pads, average=average, count_include_pad=pad, x_means=means[0], y_means=means[1]
        )
        np.testing.assert_array_equal(y, expected)


@pytest.mark.op("add_int8")
@pytest.mark.parametrize("size", EDGES)
def test_add(row, forced, rng, size):
    a, b = rng.integers(0, 256, (2, 3, size), np.uint8)
    means = ((0.02, 3), (0.05, 131), (0.041, 77))
    for clip in ((0.0, 255.0), (77.0, 223.0)):
        with forced(row):
            y = _core.add_int8(a, b, *means, clip)
        np.testing.assert_array_equal(y, oracle_int8.add(a, b, *means, clip))


@pytest.mark.op("lookup_int8")
@pytest.mark.parametrize("size", [1, 15, 16, 17, 63, 64, 65, 1000])
def test_lookup(row, forced, rng, size):
    x = rng.integers(0, 256, size, np.uint8)
    table = rng.integers(0, 256, 256, np.uint8)
    with forced(row):
        y = _core.lookup_int8(x, table)
    np.testing.assert_array_equal(y, table[x])


@pytest.mark.op("concat_int8")
@pytest.mark.parametrize("channels", [(16, 32), (16, 5), (5, 16), (3, 7, 40), (32, 16, 1), (1,)])
def test_concat(row, forced, rng, channels):
    xs = [rng.integers(0, 256, (3, c, 4, 5), np.uint8) for c in channels]
    if row.name == "planes" and any(c % 16 for c in channels[:-1]):
        with pytest.raises(ValueError, match="no kernel named 'planes'"), forced(row):
            _core.concat_int8(xs)
        return
    with forced(row):
        y = _core.concat_int8(xs)
    np.testing.assert_array_equal(y, np.concatenate(xs, axis=1))


@pytest.mark.op("quantize")
@pytest.mark.parametrize("channels", EDGES)
def test_quantize_and_back(row, forced, rng, channels):
    x = (rng.standard_normal((2, channels, 3, 5)) * 4).astype(np.float32)
    x.flat[:4] = (np.nan, np.inf, -np.inf, 1e30)
    q = rng.integers(0, 256, x.shape, np.uint8)
    means = (0.043, 121)
    lanes = {"avx2": 8, "avx512": 16}.get(row.isa)
    for block in (0, 1, 4, 8, 16):
        if lanes is not None and block not in (0, lanes):
            continue
        with forced(row):
            there = _core.quantize(x, means, block)
            back = _core.dequantize(q, means, block)
        np.testing.assert_array_equal(there, oracle_int8.to_bytes(x, *means))
        np.testing.assert_array_equal(back, oracle_int8.to_floats(q, *means))


def test_same_bits_for_every_number_of_threads(rng):
    x = rng.integers(0, 256, (2, 70, 60, 61), np.uint8)
    weights, multiplier, offset = depthwise_arguments(rng, 70, (3, 3))
    features, w, m, o, _ = dense_case(rng, (3, 3000), 500)
    results = []
    for threads in (1, 2, 3, 7):
        with config(threads=threads):
            results.append(
                [
                    _core.depthwise_conv2d_int8(x, weights, multiplier, offset, 5, 1, 1, 1, (0, 255)),
                    _core.dense_int8(features, w, m, o, 77, (0, 255), False),
                    _core.pool2d_int8(x, 3, 2, 1, True, False, (1.0, 5), (1.0, 6)),
                    _core.add_int8(x, x[::-1], (1.0, 5), (1.0, 6), (2.0, 7), (0, 255)),
                    _core.lookup_int8(x, np.arange(256, dtype=np.uint8)[::-1].copy()),
                    _core.concat_int8([x, x[:, :16]]),
                    _core.quantize(x.astype(np.float32), (0.7, 3), 16),
                ]
            )
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_wrong_input():
    x = np.zeros((1, 4, 8, 8), np.uint8)
    ones, zeros = np.ones(4, np.float32), np.zeros(4, np.float32)
    with pytest.raises(ValueError, match="w has 8 filters, expected one for each of the 4 channels"):
        _core.depthwise_conv2d_int8(x, np.zeros((8, 1, 3, 3), np.int8), ones, zeros, 0, 1, 0, 1, (0, 255))
    with pytest.raises(ValueError, match=r"w \[3, 5\] takes 5 inputs, x has 4 x 64 = 256"):
        _core.dense_int8(x, np.zeros((3, 5), np.int8), ones[:3], zeros[:3], 0, (0, 255), False)
    with pytest.raises(ValueError, match="65537 products may leave int32"):
        _core.dense_int8(
            np.zeros((1, 65537), np.uint8), np.zeros((1, 65537), np.int8), ones[:1], zeros[:1], 0, (0, 255), False
        )
    with pytest.raises(ValueError, match="scale must be positive and finite, is 0"):
        _core.add_int8(x, x, (0.0, 0), (1.0, 0), (1.0, 0), (0, 255))
    with pytest.raises(ValueError, match="scale must be positive and finite, is nan"):
        _core.quantize(x.astype(np.float32), (float("nan"), 0), 0)
    with pytest.raises(ValueError, match="zero_point must be from 0 to 255, is -1"):
        _core.dequantize(x, (1.0, -1), 0)
    with pytest.raises(ValueError, match="table has 255 values"):
        _core.lookup_int8(x, np.zeros(255, np.uint8))
    with pytest.raises(ValueError, match=r"x1 has shape \[1, 4, 8, 8\], x2 \[1, 4, 8, 7\]"):
        _core.add_int8(x, x[..., :7], (1.0, 0), (1.0, 0), (1.0, 0), (0, 255))
    with pytest.raises(ValueError, match=r"padding .* must be smaller than the window"):
        _core.pool2d_int8(x, 2, 2, 2, True, False, (1.0, 0), (1.0, 0))
