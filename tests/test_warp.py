"""Affine views against the oracle and the plain reference, and the matrices that describe them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import oracle
import tolerance
from ferkern import image
from ferkern.config import config
from sizes import EDGES

DTYPES = [np.uint8, np.float32]
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
# matrix, (height, width) for a picture of 40 x 53
CASES = {
    "identity": (IDENTITY, (40, 53)),
    "whole shift": (image.similarity(1, 0, (3, -2)), (30, 30)),
    "part of a pixel": (image.similarity(1, 0, (0.25, 0.75)), (39, 52)),
    "turn": (image.similarity(0.8, 0.6, (10, 3)), (25, 31)),
    "enlarge": (image.similarity(0.13, -2.5, (30, 20)), (64, 129)),
    "reduce": (image.similarity(4.5, 0.1, (-3, -3)), (11, 13)),
    "far outside": (image.similarity(1, 0, (5000, -9000)), (9, 17)),
    "shear": (np.array([[1.0, 0.5, -4], [0.2, 0.7, 3]]), (33, 70)),
    "mirror": (np.array([[-1.0, 0, 52], [0, 1, 0]]), (40, 53)),
    "one point": (np.array([[0.0, 0, 7.5], [0, 0, 3.25]]), (3, 5)),
}


def make(rng, shape, dtype):
    if dtype == np.uint8:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.standard_normal(shape).astype(np.float32)


def bound(x, matrix, fill=0.0):
    """Coordinates: steps of at most 64 from an exact origin, each of the float32 roundings relative to 64 |step| + 1,
    times the steepest slope (the range of values, on both axes); the blend: 10 roundings of the largest value.
    """
    top = float(max(np.abs(x).max(), abs(fill)))
    reach = 64 * np.abs(matrix[:, 0]).sum() + 2
    return tolerance.EPS * (4 * reach * 2 * top + 12 * top)


@pytest.mark.op("warp")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("border", ["constant", "replicate"])
@pytest.mark.parametrize("name", CASES)
def test_against_oracle(row, forced, guarded, rng, name, border, dtype):
    matrix, size = CASES[name]
    x = make(rng, (40, 53), dtype)
    out = guarded(*size, dtype=dtype)
    with forced(row):
        assert image.warp(x, matrix, size, border=border, fill=9, out=out) is out
    exact = oracle.warp(x, matrix, size, border, 9.0)
    assert (np.abs(out - exact) <= bound(x, matrix, 9) + (0.5 if dtype == np.uint8 else 0)).all()
    with config(isa="scalar", kernel="reference"):
        np.testing.assert_array_equal(out, image.warp(x, matrix, size, border=border, fill=9))


@pytest.mark.op("warp")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", EDGES)
def test_edge_sizes_give_the_same_bits_as_the_reference(row, forced, guarded, rng, n, dtype):
    matrix = image.similarity(0.9, 0.3, (-0.5, 0.4))
    for shape, size in (((7, n), (5, 6)), ((n, 7), (5, 6)), ((9, 9), (3, n)), ((9, 9), (n, 3)), ((8, 9, 3), (2, n))):
        for antialias in (False, True):
            x = make(rng, shape, dtype)
            out = guarded(*size, *shape[2:], dtype=dtype)
            with forced(row):
                image.warp(x, matrix, size, antialias=antialias, out=out)
            with config(isa="scalar", kernel="reference"):
                np.testing.assert_array_equal(out, image.warp(x, matrix, size, antialias=antialias))


@pytest.mark.op("warp")
@pytest.mark.parametrize("border", ["constant", "replicate"])
def test_antialias_is_the_mean_over_the_square(row, forced, rng, border):
    x = make(rng, (200, 230), np.float32)
    for scale, samples in ((0.5, 1), (1.0, 1), (1.5, 2), (4.0, 4), (7.2, 8)):
        matrix = image.similarity(scale, 0.4, (20, 5))
        with forced(row):
            y = image.warp(x, matrix, (24, 26), border=border, antialias=True)
        exact = oracle.warp(x, matrix, (24, 26), border, samples=(samples, samples))
        assert (np.abs(y - exact) <= bound(x, matrix) + tolerance.dot(samples**2, np.abs(x).max())).all()


@pytest.mark.op("warp")
def test_antialias_of_each_axis_by_itself_and_capped(row, forced, rng):
    x = make(rng, (100, 300), np.float32)
    matrix = np.array([[6.0, 0, 3], [0, 2, 1]])
    with forced(row):
        y = image.warp(x, matrix, (40, 40), antialias=True)
        far = image.warp(x, np.array([[100.0, 0, 50], [0, 100, 50]]), (1, 3), antialias=True)
    assert (np.abs(y - oracle.warp(x, matrix, (40, 40), samples=(2, 6))) <= bound(x, matrix) + 1e-5).all()
    exact = oracle.warp(x, np.array([[100.0, 0, 50], [0, 100, 50]]), (1, 3), samples=(32, 32))
    assert (np.abs(far - exact) <= 2e-3).all()


@pytest.mark.op("warp")
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_and_batches_are_warped_one_by_one(row, forced, rng, channels):
    x = make(rng, (60, 70, channels), np.uint8)
    matrices = np.stack([image.similarity(1 + k / 3, k, (k, 2 * k)) for k in range(9)])
    with forced(row):
        together = image.warp(x, matrices, (24, 24), border="replicate", antialias=True)
        assert together.shape == (9, 24, 24, channels)
        for k, matrix in enumerate(matrices):
            for c in range(channels):
                alone = image.warp(x[..., c], matrix, (24, 24), border="replicate", antialias=True)
                np.testing.assert_array_equal(together[k, ..., c], alone)


def test_no_matrices_no_pictures():
    assert image.warp(np.zeros((4, 4), np.uint8), np.zeros((0, 2, 3)), (5, 6)).shape == (0, 5, 6)


@pytest.mark.op("warp")
def test_strided_input_is_read_as_it_stands(row, forced, rng):
    x = make(rng, (40, 42, 3), np.float32)
    matrix = image.similarity(0.7, 0.2, (2, 3))
    for view in (x[..., 0], x[::-1, ::-1], x[..., ::-1], x[::2, ::3], x.transpose(1, 0, 2), np.asfortranarray(x)):
        with forced(row):
            np.testing.assert_array_equal(
                image.warp(view, matrix, (9, 35)), image.warp(view.copy("C"), matrix, (9, 35))
            )
    for view in (np.asfortranarray(matrix), np.ascontiguousarray(matrix[::-1])[::-1]):
        np.testing.assert_array_equal(image.warp(x, view, (9, 35)), image.warp(x, matrix, (9, 35)))


def test_float32_matrices_are_taken_as_they_are(rng):
    x = make(rng, (20, 20), np.float32)
    matrix = image.similarity(0.7, 0.2, (2, 3)).astype(np.float32)
    np.testing.assert_array_equal(image.warp(x, matrix, (9, 9)), image.warp(x, matrix.astype(np.float64), (9, 9)))


def test_same_bits_for_every_number_of_threads(rng):
    x = make(rng, (300, 300), np.float32)
    matrices = np.stack([image.similarity(0.9, k / 10, (30, 20)) for k in range(5)])
    results = []
    for threads in (1, 2, 3, 7):
        with config(threads=threads):
            results.append(image.warp(x, matrices, (177, 211), antialias=True))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_positions_stay_exact_in_a_picture_twenty_thousand_pixels_wide(rng):
    x = make(rng, (4, 20_000), np.float32)
    matrix = image.similarity(1, 0, (19_800 + 1 / 64, 0.5))
    y = image.warp(x, matrix, (3, 150))
    assert (np.abs(y - oracle.warp(x, matrix, (3, 150))) <= bound(x, matrix)).all()


@pytest.mark.op("warp")
def test_infinity_and_nan_stay_where_they_belong(row, forced):
    x = np.zeros((9, 40), np.float32)
    x[3, 7], x[5, 20] = np.nan, np.inf
    with forced(row):
        np.testing.assert_array_equal(image.warp(x, IDENTITY, (9, 40)), x)
        y = image.warp(x, image.similarity(1, 0, (0.5, 0)), (9, 40))
    assert np.argwhere(np.isnan(y)).tolist() == [[3, 6], [3, 7]]
    assert np.argwhere(np.isinf(y)).tolist() == [[5, 19], [5, 20]]


X = np.zeros((8, 9), np.uint8)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"image": X.astype(np.float64)}, TypeError, "image must be uint8 or float32, is float64"),
        ({"image": X[:, :0]}, ValueError, "at least one pixel"),
        ({"matrix": IDENTITY.astype(np.int64)}, TypeError, "matrix must be float64 or float32, is int64"),
        ({"matrix": np.eye(3)}, ValueError, r"shape \[2, 3\] or \[K, 2, 3\], has \[3, 3\]"),
        ({"matrix": np.zeros(6)}, ValueError, r"has \[6\]"),
        ({"matrix": IDENTITY * np.nan}, ValueError, "matrix 0 has the entry nan in row 0, column 0"),
        (
            {"matrix": np.stack([IDENTITY, np.add(IDENTITY, [0, 0, np.inf])])},
            ValueError,
            "matrix 1 .* inf in row 0, column 2",
        ),
        ({"matrix": IDENTITY * 1e9}, ValueError, "scales go up to 32768"),
        ({"size": (0, 1)}, ValueError, r"at least \(1, 1\), is \(0, 1\)"),
        ({"border": "wrap"}, ValueError, "unknown border 'wrap'; known: constant, replicate"),
        ({"fill": 256}, ValueError, "fill must be from 0 to 255, is 256"),
        ({"fill": math.nan}, ValueError, "fill must be from 0 to 255, is nan"),
        ({"image": X.astype(np.float32), "fill": math.inf}, ValueError, "fill must be finite"),
        ({"out": np.zeros((1, 4, 4), np.uint8)}, ValueError, "out must have 2 dimensions"),
    ],
    ids=lambda v: str(v)[:40].replace("\n", ""),
)
def test_wrong_input(change, error, match):
    call = {"image": X, "matrix": IDENTITY, "size": (4, 4), **change}
    with pytest.raises(error, match=match):
        image.warp(call.pop("image"), call.pop("matrix"), call.pop("size"), **call)


def test_fit_finds_the_similarity_that_made_the_points(rng):
    for _ in range(20):
        matrix = image.similarity(rng.uniform(0.1, 9), rng.uniform(-4, 4), tuple(rng.uniform(-99, 99, 2)))
        points = rng.uniform(-50, 200, (68, 2))
        np.testing.assert_allclose(
            image.fit_similarity(points, points @ matrix[:, :2].T + matrix[:, 2]), matrix, atol=1e-9
        )


def test_fit_is_the_least_squares_solution(rng):
    """The same minimum as the linear least-squares problem in (a, b, x, y) that defines it."""
    p, q = rng.standard_normal((30, 2)), rng.standard_normal((30, 2))
    a = np.zeros((60, 4))
    a[0::2] = np.column_stack([p[:, 0], -p[:, 1], np.ones(30), np.zeros(30)])
    a[1::2] = np.column_stack([p[:, 1], p[:, 0], np.zeros(30), np.ones(30)])
    s, t, x, y = np.linalg.lstsq(a, q.ravel(), rcond=None)[0]
    np.testing.assert_allclose(image.fit_similarity(p, q), [[s, -t, x], [t, s, y]], atol=1e-12)


def test_fit_never_mirrors(rng):
    p = rng.standard_normal((10, 2))
    matrix = image.fit_similarity(p, p * [-1, 1])
    assert np.linalg.det(matrix[:, :2]) >= 0


@pytest.mark.parametrize(
    ("p", "q", "match"),
    [
        (np.zeros((3, 2)), np.zeros((4, 2)), r"are \[3, 2\] and \[4, 2\]"),
        (np.zeros((1, 2)), np.zeros((1, 2)), "N at least 2"),
        (np.zeros((5, 3, 2)), np.zeros((4, 3, 2)), r"are \[5, 3, 2\] and \[4, 3, 2\]"),
        (np.zeros(2), np.zeros(2), r"are \[2\] and \[2\]"),
        (np.full((3, 2), 7.1), np.ones((3, 2)), "source points coincide"),
        (np.array([[0, 0], [np.nan, 1]]), np.ones((2, 2)), "must be finite"),
    ],
)
def test_fit_of_wrong_points(p, q, match):
    with pytest.raises(ValueError, match=match):
        image.fit_similarity(p, q)


def test_matrices(rng):
    matrix = image.similarity(2, math.pi / 2, (10, 20), center=(3, 4))
    np.testing.assert_allclose(matrix @ [3, 4, 1], [13, 24])
    np.testing.assert_allclose(matrix @ [4, 4, 1], [13, 26], atol=1e-12)
    many = np.stack([image.similarity(s, s, (s, 1)) for s in (0.5, 1, 2)])
    for one, back in zip(many, image.invert(many), strict=True):
        np.testing.assert_allclose(back @ [*(one @ [5, 6, 1]), 1], [5, 6])
    with pytest.raises(ValueError, match="cannot be inverted"):
        image.invert(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"shape \[\.\.\., 2, 3\], has \[3, 3\]"):
        image.invert(np.eye(3))
    with pytest.raises(ValueError, match="scale above 0; scale is 0"):
        image.similarity(0)
