"""conv2d on bytes against exact sums, on every row of its list: not one bit may differ."""

from __future__ import annotations

import numpy as np
import pytest

import oracle_int8
from ferkern import _core
from ferkern.config import config
from fuzz_same_bits import OPS, differing_cases
from sizes import EDGES

# n, c, h, w, filters, (kh, kw), stride, padding, dilation, groups
CASES = [
    (1, 1, 1, 1, 1, (1, 1), 1, 0, 1, 1),
    (2, 3, 9, 11, 5, (3, 3), 1, 1, 1, 1),
    (1, 1, 48, 48, 32, (3, 3), 1, "same", 1, 1),
    (1, 1, 20, 20, 20, (5, 5), 1, 0, 1, 1),
    (1, 3, 33, 31, 33, (7, 7), 2, 3, 1, 1),
    (1, 2, 15, 14, 9, (3, 5), 1, 2, 2, 1),
    (1, 3, 12, 13, 9, (3, 3), 3, 1, 1, 1),
    (2, 32, 17, 13, 40, (3, 3), 2, 1, 1, 1),
    (1, 32, 14, 14, 64, (1, 1), 1, 0, 1, 1),
    (1, 16, 30, 31, 17, (1, 1), 1, 0, 1, 1),
    (1, 16, 9, 9, 17, (1, 1), 2, 0, 1, 1),
    (1, 20, 12, 12, 20, (5, 5), 1, 2, 2, 1),
    (1, 32, 8, 8, 32, (3, 3), 1, 1, 1, 2),
    (2, 64, 7, 6, 32, (3, 3), 2, (1, 0, 2, 1), 1, 2),
    (1, 6, 10, 10, 4, (3, 3), 3, 0, 1, 2),
    (1, 5, 6, 7, 9, (2, 4), (2, 1), (0, 3), (2, 1), 1),
    (1, 6, 2, 2, 3, (3, 3), 1, 4, 1, 1),
    (1, 64, 6, 6, 130, (3, 3), 1, 1, 1, 1),
    (3, 17, 5, 5, 70, (3, 3), 1, 1, 1, 1),
    (1, 8, 1, 100, 8, (1, 7), 1, "same", 3, 1),
]


def make(rng, case):
    """Bytes and weights over their whole range, and a requantisation that spreads the sums over 0..255."""
    n, c, h, w, o, k, *_, groups = case
    x = rng.integers(0, 256, (n, c, h, w), np.uint8)
    weights = rng.integers(-128, 128, (o, c // groups, *k), np.int8)
    spread = 100.0 * 74.0 * np.sqrt(weights[0].size)
    multiplier = (rng.uniform(0.5, 2.0, o) * 64 / spread).astype(np.float32)
    return x, weights, multiplier, rng.uniform(80, 170, o).astype(np.float32)


def call(x, w, multiplier, offset, zero_point, *, stride=1, padding=0, dilation=1, groups=1, clip=(0.0, 255.0),
         residual=None, residual_multiplier=0.0, planar=None):  # fmt: skip
    planar = x.shape[1] < 4 and groups == 1 if planar is None else planar
    return _core.conv2d_int8(x, w, multiplier, offset, zero_point, stride, padding, dilation, groups, clip, residual,
                             residual_multiplier, planar)  # fmt: skip


def expected_of(x, w, multiplier, offset, zero_point, *, clip=(0.0, 255.0), residual=None, residual_multiplier=0.0,
                **options):  # fmt: skip
    sums = oracle_int8.conv2d_sums(x, w, zero_point, **options)
    return oracle_int8.requantized(sums, multiplier, offset, clip, residual, residual_multiplier)


@pytest.mark.op("conv2d_int8")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_oracle(row, forced, rng, case):
    stride, padding, dilation, groups = case[6:]
    x, w, multiplier, offset = make(rng, case)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    for zero_point in (0, 131, 255):
        expected = expected_of(x, w, multiplier, offset, zero_point, **options)
        for planar in (False, True) if case[1] < 4 else (False,):
            with forced(row):
                y = call(x, w, multiplier, offset, zero_point, planar=planar, **options)
            np.testing.assert_array_equal(y, expected)


@pytest.mark.op("conv2d_int8")
@pytest.mark.parametrize("size", EDGES)
def test_edge_sizes(row, forced, rng, size):
    for c, h, w, o in ((size, 3, 4, 2), (2, size, 3, 3), (2, 3, size, 3), (5, 3, size, 18), (3, 4, 5, size)):
        x, weights, multiplier, offset = make(rng, (1, c, h, w, o, (3, 3), 1, 1, 1, 1))
        with forced(row):
            y = call(x, weights, multiplier, offset, 7, padding=1)
        np.testing.assert_array_equal(y, expected_of(x, weights, multiplier, offset, 7, padding=1))


@pytest.mark.op("conv2d_int8")
@pytest.mark.parametrize("width", range(1, 32))
def test_every_width_of_a_tile(row, forced, rng, width):
    """1 to 5 blocks of filters, flat and not, with a residual."""
    for filters in (16, 40, 80):
        for k, padding in ((1, 0), (3, 1)):
            x, w, multiplier, offset = make(rng, (1, 20, 2, width, filters, (k, k), 1, padding, 1, 1))
            residual = rng.integers(0, 256, (1, filters, 2, width), np.uint8)
            options = {"padding": padding, "residual": residual, "residual_multiplier": 0.37, "clip": (12.0, 240.0)}
            with forced(row):
                y = call(x, w, multiplier, offset, 100, **options)
            np.testing.assert_array_equal(y, expected_of(x, w, multiplier, offset, 100, **options))


@pytest.mark.op("conv2d_int8")
@pytest.mark.parametrize(("byte", "weight"), [(255, -128), (255, 127), (0, -128), (255, None)])
def test_extremes_do_not_saturate(row, forced, byte, weight):
    """The largest products everywhere, and of alternating signs: what saturating instructions get wrong."""
    x = np.full((1, 64, 5, 6), byte, np.uint8)
    w = np.empty((33, 64, 3, 3), np.int8)
    w[...] = np.where(np.arange(64) % 2, 127, -128)[None, :, None, None] if weight is None else weight
    multiplier, offset = np.full(33, 1e-5, np.float32), np.full(33, 128, np.float32)
    for zero_point in (0, 255):
        with forced(row):
            y = call(x, w, multiplier, offset, zero_point, padding=1)
        np.testing.assert_array_equal(y, expected_of(x, w, multiplier, offset, zero_point, padding=1))


@pytest.mark.op("conv2d_int8")
def test_the_longest_sum(row, forced, rng):
    """65,536 products of 255 and -128 are -2,139,095,040; a sum that passes beyond int32 on its way comes back."""
    w = np.full((2, 65536, 1, 1), -128, np.int8)
    w[1, ::2] = 127
    multiplier, offset = np.full(2, 1e-7, np.float32), np.full(2, 230, np.float32)
    for byte, zero_point in ((255, 0), (0, 255), (255, 255)):
        x = np.full((1, 65536, 1, 2), byte, np.uint8)
        with forced(row):
            y = call(x, w, multiplier, offset, zero_point)
        np.testing.assert_array_equal(y, expected_of(x, w, multiplier, offset, zero_point))


@pytest.mark.op("conv2d_int8")
def test_ties_are_rounded_to_even(row, forced):
    x = np.arange(6, dtype=np.uint8).reshape(1, 1, 1, 6)
    half = np.full(1, 0.5, np.float32)
    with forced(row):
        y = call(x, np.ones((1, 1, 1, 1), np.int8), half, np.zeros(1, np.float32), 0)
    np.testing.assert_array_equal(y.ravel(), [0, 0, 1, 2, 2, 2])


def test_same_bits_for_every_number_of_threads(rng):
    # Cut by rows, by runs of pixels, and by filters (weights larger than the image), the last with an odd block.
    for case in (
        (3, 33, 29, 31, 50, (3, 3), 1, 1, 1, 1),
        (1, 64, 30, 30, 64, (1, 1), 1, 0, 1, 1),
        (1, 96, 7, 7, 210, (3, 3), 1, 1, 1, 1),
        (2, 192, 5, 9, 130, (1, 1), 1, 0, 1, 1),
        (1, 128, 6, 6, 256, (3, 3), 1, 1, 1, 2),
    ):
        x, w, multiplier, offset = make(rng, case)
        results = []
        for threads in (1, 2, 3, 7):
            with config(threads=threads):
                results.append(call(x, w, multiplier, offset, 50, padding=case[7], groups=case[9]))
        for other in results[1:]:
            np.testing.assert_array_equal(results[0], other)


@pytest.mark.slow
@pytest.mark.parametrize("op", [op for op in OPS if op == "quantize" or op.endswith("_int8")])
def test_random_shapes_give_the_same_bits_on_every_row(op):
    """A sample of what `nox -s same_bits` runs in full."""
    assert differing_cases(op, count=150, seed=7) == []


# change of the call, error, message
WRONG = [
    ({"x": np.zeros((1, 4, 8, 8), np.int8)}, TypeError, "x must be uint8, is int8"),
    ({"w": np.zeros((5, 4, 3, 3), np.uint8)}, TypeError, "w must be int8, is uint8"),
    ({"x": np.zeros((0, 4, 8, 8), np.uint8)}, ValueError, "x must hold at least one value"),
    ({"w": np.zeros((5, 3, 3, 3), np.int8)}, ValueError, "w has 3 input channels, expected .* 4 / 1 = 4"),
    ({"multiplier": np.zeros(4, np.float32)}, ValueError, "multiplier has 4 values, expected one for each"),
    ({"offset": np.full(5, np.nan, np.float32)}, ValueError, r"offset\[0\] = nan is not finite"),
    ({"multiplier": np.full(5, np.inf, np.float32)}, ValueError, r"multiplier\[0\] = inf is not finite"),
    ({"zero_point": 256}, ValueError, "zero_point must be from 0 to 255, is 256"),
    ({"clip": (0.0, 256.0)}, ValueError, "low, high must be whole numbers"),
    ({"clip": (9.0, 8.0)}, ValueError, "low, high must be whole numbers"),
    ({"residual": np.zeros((1, 5, 6, 5), np.uint8)}, ValueError, r"residual has shape \[1, 5, 6, 5\]"),
    ({"x": np.zeros((1, 65537, 1, 1), np.uint8), "w": np.zeros((5, 65537, 1, 1), np.int8)}, ValueError,
     "65537 products may leave int32"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "error", "match"), WRONG, ids=lambda v: str(v)[:40])
def test_wrong_input(change, error, match):
    arguments = {
        "x": np.zeros((1, 4, 8, 8), np.uint8), "w": np.zeros((5, 4, 3, 3), np.int8),
        "multiplier": np.ones(5, np.float32), "offset": np.zeros(5, np.float32), "zero_point": 0, **change,
    }  # fmt: skip
    with pytest.raises(error, match=match):
        call(**arguments)
