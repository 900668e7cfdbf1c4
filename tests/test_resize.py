"""Resize against the oracle and the plain reference, at the edges, on every row."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import tolerance
from ferkern import image
from ferkern.config import config
from sizes import EDGES

METHODS = ["area", "bilinear"]
DTYPES = [np.uint8, np.float32]
# (ih, iw) -> (oh, ow)
CASES = [
    ((1, 1), (1, 1)),
    ((1, 1), (5, 7)),
    ((9, 11), (1, 1)),
    ((48, 48), (24, 24)),
    ((48, 48), (48, 48)),
    ((37, 53), (12, 48)),
    ((17, 200), (16, 33)),
    ((12, 13), (31, 29)),
    ((100, 90), (7, 180)),
    ((300, 5), (2, 5)),
    ((2, 9001), (2, 70)),
]


def make(rng, shape, dtype):
    if dtype == np.uint8:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.standard_normal(shape).astype(np.float32)


def rounding_error(x, size, method):
    """Bound on the float32 sums: every term meets at most its column's additions, 64 and count / 64 of its row's, its
    two weights' roundings and products and the division; bilinear coordinates carry the roundings of their two weights.
    """
    rows, columns = -(-x.shape[0] // size[0]) + 2, -(-x.shape[1] // size[1]) + 2
    terms = (rows + min(columns, 64) + columns // 64 if method == "area" else 4) + 8
    return tolerance.dot(terms, oracle.resize(np.abs(x.astype(np.float64)), size, method))


def assert_close(y, x, size, method):
    exact = oracle.resize(x, size, method)
    error = rounding_error(x, size, method)
    assert y.dtype == x.dtype
    if x.dtype == np.uint8:
        assert (np.abs(y - exact) <= 0.5 + error).all()
    else:
        assert (np.abs(y - exact) <= error).all()


@pytest.mark.op("resize")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_oracle(row, forced, guarded, rng, case, method, dtype):
    shape, size = case
    x = make(rng, shape, dtype)
    out = guarded(*size, dtype=dtype)
    with forced(row):
        assert image.resize(x, size, method=method, out=out) is out
    assert_close(out, x, size, method)


@pytest.mark.op("resize")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", EDGES)
def test_edge_sizes_give_the_same_bits_as_the_reference(row, forced, guarded, rng, n, method, dtype):
    for shape, size in (((7, n), (3, 5)), ((7, 19), (5, n)), ((n, 9), (4, 9)), ((6, n, 3), (4, 2 * n))):
        x = make(rng, shape, dtype)
        out = guarded(*size, *shape[2:], dtype=dtype)
        with forced(row):
            image.resize(x, size, method=method, out=out)
        with config(isa="scalar", kernel="reference"):
            reference = image.resize(x, size, method=method)
        np.testing.assert_array_equal(out, reference)
        assert_close(out, x, size, method)


@pytest.mark.op("resize")
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("method", METHODS)
def test_channels_are_resized_one_by_one(row, forced, rng, method, channels):
    x = make(rng, (40, 61, channels), np.uint8)
    with forced(row):
        together = image.resize(x, (13, 23), method=method)
        for c in range(channels):
            alone = image.resize(np.ascontiguousarray(x[..., c]), (13, 23), method=method)
            np.testing.assert_array_equal(together[..., c], alone)


@pytest.mark.op("resize")
def test_means_of_whole_boxes_are_exact(row, forced, rng):
    """Sums of whole pixels are integers below 2^24, so the quotient is the exact mean, and halves go up."""
    for factor in (2, 3, 4, 6, 10):
        x = make(rng, (5 * factor, 37 * factor), np.uint8)
        boxes = x.reshape(5, factor, 37, factor).astype(np.int64).sum(axis=(1, 3))
        area = factor * factor
        with forced(row):
            np.testing.assert_array_equal(image.resize(x, (5, 37)), (2 * boxes + area) // (2 * area))


@pytest.mark.op("resize")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0, 1, 128, 255])
def test_flat_pictures_stay_flat(row, forced, value, method):
    for size in ((3, 5), (10, 10), (41, 77), (200, 300)):
        with forced(row):
            assert (image.resize(np.full((41, 77), value, np.uint8), size, method=method) == value).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_same_size_is_the_same_picture(rng, method):
    for dtype in DTYPES:
        x = make(rng, (31, 47), dtype)
        np.testing.assert_array_equal(image.resize(x, (31, 47), method=method), x)


@pytest.mark.op("resize")
@pytest.mark.parametrize("method", METHODS)
def test_strided_input_is_read_as_it_stands(row, forced, rng, method):
    x = make(rng, (40, 42, 3), np.float32)
    views = (x[..., 0], x[::-1, ::-1], x[..., ::-1], x[::2, ::3], x.transpose(1, 0, 2), x[..., 1].T, x[:, :, :2])
    for view in (*views, np.asfortranarray(x), np.broadcast_to(x[:1, :1], x.shape)):
        with forced(row):
            np.testing.assert_array_equal(
                image.resize(view, (11, 17), method=method), image.resize(view.copy(order="C"), (11, 17), method=method)
            )


@pytest.mark.parametrize("method", METHODS)
def test_same_bits_for_every_number_of_threads(rng, method):
    x = make(rng, (501, 703), np.float32)
    results = []
    for threads in (1, 2, 3, 7):
        with config(threads=threads):
            results.append(image.resize(x, (333, 400), method=method))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_a_picture_twenty_thousand_pixels_wide(rng):
    x = make(rng, (200, 20_000), np.uint8)
    for size in ((13, 1280), (1, 1), (300, 3)):
        assert_close(image.resize(x, size), x, size, "area")
    assert image.resize(np.full((2000, 20_000), 255, np.uint8), (1, 1))[0, 0] == 255


@pytest.mark.op("resize")
def test_infinity_and_nan_stay_where_they_belong(row, forced):
    x = np.zeros((8, 40), np.float32)
    x[2, 4], x[6, 21] = np.nan, np.inf
    with forced(row):
        half = image.resize(x, (4, 20))
        same = image.resize(x, (8, 40), method="bilinear")
    assert np.argwhere(np.isnan(half)).tolist() == [[1, 2]]
    assert np.argwhere(np.isinf(half)).tolist() == [[3, 10]]
    np.testing.assert_array_equal(same, x)


X = np.zeros((8, 9), np.uint8)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"image": X.astype(np.float64)}, TypeError, "image must be uint8 or float32, is float64; pass"),
        ({"image": X.astype(np.uint16)}, TypeError, "image must be uint8 or float32, is uint16"),
        ({"image": X[0]}, ValueError, r"image must have 2 to 3 dimensions, has 1: shape \[9\]"),
        ({"image": X[:0]}, ValueError, r"at least one pixel, its shape is \[0, 9, 1\]"),
        ({"image": "face.jpg"}, TypeError, "image must be a NumPy array"),
        ({"size": (0, 3)}, ValueError, r"at least \(1, 1\), is \(0, 3\)"),
        ({"size": (-1, 3)}, ValueError, r"at least \(1, 1\), is \(-1, 3\)"),
        ({"size": 3}, ValueError, r"size must be two numbers, \(height, width\)"),
        ({"size": (3, 4, 5)}, ValueError, "size must be two numbers"),
        ({"size": (3.0, 4)}, TypeError, "size must be an integer, is float"),
        ({"size": (1 << 40, 1)}, ValueError, "a side may be at most"),
        ({"method": "cubic"}, ValueError, "unknown method 'cubic'; known: area, bilinear"),
        ({"out": np.zeros((4, 4), np.uint8)}, ValueError, r"out has shape \[4, 4\], axis 0 must be 2"),
        ({"out": np.zeros((2, 2), np.float32)}, TypeError, "out must be uint8, is float32"),
        ({"out": X[:2, :2]}, ValueError, "out must be C-contiguous"),
    ],
    ids=lambda v: str(v)[:40].replace("\n", ""),
)
def test_wrong_input(change, error, match):
    call = {"image": X, "size": (2, 2), **change}
    with pytest.raises(error, match=match):
        image.resize(call.pop("image"), call.pop("size"), **call)


def test_out_must_not_be_the_input():
    x = np.zeros((4, 4), np.float32)
    with pytest.raises(ValueError, match="out must not share memory with image"):
        image.resize(x, (4, 4), out=x)
