"""Local response normalisation and concatenation against the oracle, on every row of their lists, at the edges."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import tolerance
from ferkern import nn
from ferkern.config import config
from sizes import EDGES


def bound(x, expected, size, alpha, beta, k):
    """x d^-beta: the sum of size squares and the multiply-add put (size + 4) u on d; the product 1 u more."""
    d = x / oracle.local_response_norm(x, size, alpha=alpha, beta=1, k=k)
    tiny = 2 * np.finfo(np.float32).tiny
    return np.abs(expected) * (tolerance.power(d, beta, (size + 4) * tolerance.EPS) + 2 * tolerance.EPS) + tiny


@pytest.mark.op("local_response_norm")
@pytest.mark.parametrize("size", EDGES)
def test_local_response_norm_edge_sizes(row, forced, guarded, rng, size):
    for shape, window in (((2, size, 3, 3), 5), ((1, 3, size, 2), 4), ((1, 17, 1, size), 3), ((1, 9, 2, 2), size)):
        x = rng.standard_normal(shape).astype(np.float32)
        out = guarded(*shape)
        options = {"alpha": 0.5, "beta": 0.75, "k": 2.0}
        with forced(row):
            assert nn.local_response_norm(x, window, **options, out=out) is out
        expected = oracle.local_response_norm(x, window, **options)
        assert (np.abs(out - expected) <= bound(x, expected, window, **options)).all()


@pytest.mark.op("local_response_norm")
@pytest.mark.parametrize(
    "options",
    [
        {"alpha": 1e-4, "beta": 0.75, "k": 1.0},
        {"alpha": 1e-4, "beta": 0.75, "k": 2.0},
        {"alpha": 3.0, "beta": 0.5, "k": 0.01},
        {"alpha": 1e5, "beta": 1.0, "k": 1e-3},
        {"alpha": 1.0, "beta": 0.0, "k": 1.0},
        {"alpha": 0.0, "beta": 2.5, "k": 7.0},
    ],
    ids=str,
)
def test_local_response_norm_parameters(row, forced, rng, options):
    x = (10 * rng.standard_normal((2, 21, 5, 6))).astype(np.float32)
    with forced(row):
        y = nn.local_response_norm(x, 5, **options)
    expected = oracle.local_response_norm(x, 5, **options)
    assert (np.abs(y - expected) <= bound(x, expected, 5, **options)).all()


@pytest.mark.op("local_response_norm")
def test_nan_and_infinity_stay_in_their_window(row, forced, rng):
    x = rng.standard_normal((1, 20, 3, 3)).astype(np.float32)
    x[0, 8, 1, 1] = np.nan
    x[0, 3, 0, 0] = np.inf
    with forced(row):
        y = nn.local_response_norm(x, 3, alpha=1.0)
    assert np.isnan(y[0, 7:10, 1, 1]).all()
    assert np.isnan(y[0, 3, 0, 0])
    assert (y[0, [2, 4], 0, 0] == 0).all()
    assert np.isnan(y).sum() == 4


@pytest.mark.op("concat")
@pytest.mark.parametrize("size", EDGES)
def test_concat(row, forced, guarded, rng, size):
    for channels, h, w in (
        ((size,), 2, 3),
        ((size, 3), 3, 1),
        ((3, size, 1), 2, 2),
        ((16, 16, size), 1, 5),
        ((5, 2), size, 3),
    ):
        xs = [rng.standard_normal((2, c, h, w)).astype(np.float32) for c in channels]
        out = guarded(2, sum(channels), h, w)
        with forced(row):
            assert nn.concat(xs, out=out) is out
        np.testing.assert_array_equal(out, np.concatenate(xs, axis=1))


def test_concat_copies_nan_and_infinity():
    x = np.full((1, 5, 2, 2), np.nan, np.float32)
    y = np.full((1, 6, 2, 2), -np.inf, np.float32)
    np.testing.assert_array_equal(nn.concat((x, y)), np.concatenate((x, y), axis=1))


def test_same_bits_for_every_number_of_threads(rng):
    x = rng.standard_normal((3, 33, 41, 39)).astype(np.float32)
    results = []
    for threads in (1, 2, 3, 7):
        with config(threads=threads):
            results.append([nn.local_response_norm(x), nn.concat([x, x[:, :5], x])])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_strided_input_is_read_as_it_stands(rng):
    x = rng.standard_normal((2, 6, 10, 12)).astype(np.float32)
    for view in (x[:, ::2], x[:, :, ::-1], x[..., ::3], x.transpose(0, 1, 3, 2), x[::-1]):
        np.testing.assert_array_equal(nn.local_response_norm(view), nn.local_response_norm(view.copy()))
        np.testing.assert_array_equal(nn.concat([view, view]), np.concatenate([view, view], axis=1))


Z = np.zeros((2, 3, 4, 5), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: nn.local_response_norm(Z[0]), ValueError, "x must have 4 dimensions, has 3"),
        (lambda: nn.local_response_norm(Z.astype(np.float64)), TypeError, "x must be float32"),
        (lambda: nn.local_response_norm(Z[:, :0]), ValueError, "x must hold at least one value"),
        (lambda: nn.local_response_norm(Z, 0), ValueError, "size must be from 1 to 65536, is 0"),
        (lambda: nn.local_response_norm(Z, alpha=-1), ValueError, "alpha must be finite and not negative, is -1"),
        (lambda: nn.local_response_norm(Z, beta=float("inf")), ValueError, "beta must be finite and not negative"),
        (lambda: nn.local_response_norm(Z, k=0), ValueError, "k must be finite and positive, is 0"),
        (lambda: nn.local_response_norm(Z, out=Z), ValueError, "out must not share memory with x"),
        (lambda: nn.concat([]), ValueError, "concat needs at least one array"),
        (lambda: nn.concat([Z, Z[..., 1:]]), ValueError, r"xs\[1\] has shape \[2, 3, 4, 4\], all but the channels"),
        (lambda: nn.concat([Z, Z.astype(np.float16)]), TypeError, r"xs\[1\] must be float32, is float16"),
        (lambda: nn.concat([Z, Z[:, :0]]), ValueError, r"xs\[1\] must hold at least one value"),
        (lambda: nn.concat([Z, Z[0]]), ValueError, r"xs\[1\] must have 4 dimensions, has 3"),
        (lambda: nn.concat([Z], out=Z), ValueError, r"out must not share memory with xs\[0\]"),
    ],
)
def test_wrong_input(call, error, match):
    with pytest.raises(error, match=match):
        call()
