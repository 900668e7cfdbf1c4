"""Pooling against the oracle, on every row of its lists, at the edges."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import tolerance
from ferkern import nn
from ferkern.config import config
from sizes import EDGES

KINDS = {"max": nn.max_pool2d, "average": nn.avg_pool2d, "l2": nn.l2_pool2d}

# n, c, h, w, size, stride, padding
CASES = [
    (1, 1, 1, 1, 1, 1, 0),
    (2, 20, 44, 44, 2, None, 0),
    (1, 17, 23, 25, 3, 2, 1),
    (1, 16, 24, 24, 3, 2, "same"),
    (3, 5, 9, 14, (2, 3), (1, 2), (0, 1, 2, 1)),
    (1, 33, 7, 7, 7, 1, 0),
    (1, 8, 5, 40, (5, 1), (1, 1), 0),
    (1, 4, 3, 3, 5, 1, 4),
    (2, 3, 12, 11, 3, 5, 2),
    (1, 2, 10, 10, (2, 2), (3, 4), "valid"),
]


def bound(x, size, kind, expected, **options):
    terms = int(np.prod(oracle.pair(size)))
    if kind == "max":
        return np.zeros_like(expected)
    return tolerance.dot(terms, oracle.pool2d(np.abs(x), size, kind=kind, **options))


@pytest.mark.op("pool")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_oracle(row, forced, guarded, rng, kind, case):
    n, c, h, w, size, stride, padding = case
    x = rng.standard_normal((n, c, h, w)).astype(np.float32)
    for include in (False, True) if kind == "average" else (None,):
        options = {"stride": stride, "padding": padding}
        if include is not None:
            options["count_include_pad"] = include
        expected = oracle.pool2d(x, size, kind=kind, **options)
        out = guarded(*expected.shape)
        with forced(row):
            assert KINDS[kind](x, size, **options, out=out) is out
        assert (np.abs(out - expected) <= bound(x, size, kind, expected, **options)).all()


@pytest.mark.op("pool")
@pytest.mark.parametrize("size", EDGES)
def test_edge_sizes(row, forced, rng, size):
    for shape in ((1, size, 3, 4), (1, 2, size, 3), (1, 2, 3, size)):
        x = rng.standard_normal(shape).astype(np.float32)
        for kind, function in KINDS.items():
            expected = oracle.pool2d(x, 2, kind=kind, stride=1, padding=1)
            with forced(row):
                y = function(x, 2, stride=1, padding=1)
            assert (np.abs(y - expected) <= bound(x, 2, kind, expected, stride=1, padding=1)).all()


@pytest.mark.op("pool")
def test_nan_spreads_to_the_windows_that_hold_it(row, forced, rng):
    x = rng.standard_normal((1, 5, 9, 9)).astype(np.float32)
    x[0, :, 4, 4] = np.nan
    x[0, 2, 0, 0] = -np.inf
    for function in KINDS.values():
        with forced(row):
            y = function(x, 3, stride=1, padding=1)
        nan = np.isnan(y)
        assert nan[0, :, 3:6, 3:6].all()
        assert nan.sum() == 5 * 9


@pytest.mark.op("pool")
def test_padding_never_wins_the_maximum(row, forced):
    with forced(row):
        y = nn.max_pool2d(np.full((1, 3, 4, 4), -5, np.float32), 3, stride=1, padding=2)
    assert (y == -5).all()


@pytest.mark.op("global_pool")
@pytest.mark.parametrize("size", EDGES)
def test_global_pools(row, forced, guarded, rng, size):
    for shape in ((2, size, 3, 5), (1, 3, size, 1), (2, 17, 2, size)):
        x = rng.standard_normal(shape).astype(np.float32)
        most, mean = guarded(*shape[:2]), guarded(*shape[:2])
        with forced(row):
            nn.global_max_pool(x, out=most)
            nn.global_avg_pool(x, out=mean)
        np.testing.assert_array_equal(most, x.max(axis=(2, 3)))
        expected = x.astype(np.float64).mean(axis=(2, 3))
        assert (np.abs(mean - expected) <= tolerance.dot(shape[2] * shape[3], np.abs(x).mean(axis=(2, 3)))).all()


@pytest.mark.op("global_pool")
@pytest.mark.parametrize("at", [0, 1, 5, 8])
def test_global_pools_pass_nan_on(row, forced, at):
    x = np.arange(2 * 5 * 9, dtype=np.float32).reshape(2, 5, 3, 3)
    x[1, 2].flat[at] = np.nan
    with forced(row):
        results = nn.global_max_pool(x), nn.global_avg_pool(x)
    for y in results:
        assert np.isnan(y[1, 2])
        assert np.isnan(y).sum() == 1


def test_same_bits_for_every_number_of_threads(rng):
    x = rng.standard_normal((3, 33, 61, 59)).astype(np.float32)
    results = []
    for threads in (1, 2, 3, 7):
        with config(threads=threads):
            pools = [f(x, 3, stride=2, padding=1) for f in KINDS.values()]
            results.append([*pools, nn.global_avg_pool(x), nn.global_max_pool(x)])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_strided_input_is_read_as_it_stands(rng):
    x = rng.standard_normal((2, 6, 10, 12)).astype(np.float32)
    for view in (x[:, ::2], x[:, :, ::-1], x[..., ::3], x.transpose(0, 1, 3, 2), x[::-1]):
        for f in (*KINDS.values(),):
            np.testing.assert_array_equal(f(view, 2), f(view.copy(), 2))
        np.testing.assert_array_equal(nn.global_avg_pool(view), nn.global_avg_pool(view.copy()))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"x": np.zeros((1, 3, 8, 8))}, TypeError, "x must be float32, is float64"),
        ({"x": np.zeros((3, 8, 8), np.float32)}, ValueError, r"x must have 4 dimensions, has 3: shape \[3, 8, 8\]"),
        ({"x": np.zeros((0, 3, 8, 8), np.float32)}, ValueError, "x must hold at least one value"),
        ({"size": 0}, ValueError, "window height must be at least 1, is 0"),
        ({"size": 9}, ValueError, r"no output height: input 8 \+ padding 0 \+ 0"),
        ({"size": (1, 2, 3)}, ValueError, "size must be a number or two"),
        ({"stride": 0}, ValueError, "stride along the height must be at least 1, is 0"),
        ({"padding": 2}, ValueError, r"padding \(2, 2, 2, 2\) must be smaller than the window \(2, 2\)"),
        ({"padding": -1}, ValueError, "must not be negative"),
        ({"out": np.zeros((1, 3, 4, 5), np.float32)}, ValueError, r"out has shape \[1, 3, 4, 5\], axis 3 must be 4"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_wrong_input(change, error, match):
    call = {"x": np.zeros((1, 3, 8, 8), np.float32), "size": 2, **change}
    x, size = call.pop("x"), call.pop("size")
    for function in KINDS.values():
        with pytest.raises(error, match=match):
            function(x, size, **call)


def test_wrong_input_of_global_pools():
    with pytest.raises(ValueError, match="x must hold at least one value"):
        nn.global_avg_pool(np.zeros((1, 3, 0, 8), np.float32))
    with pytest.raises(TypeError, match="x must be float32"):
        nn.global_max_pool(np.zeros((1, 3, 8, 8)))
    with pytest.raises(ValueError, match=r"out has shape \[3, 1\], axis 0 must be 1"):
        nn.global_max_pool(np.zeros((1, 3, 8, 8), np.float32), out=np.zeros((3, 1), np.float32))


def test_out_must_not_be_the_input():
    x = np.zeros((1, 3, 8, 8), np.float32)
    with pytest.raises(ValueError, match="out must not share memory with x"):
        nn.max_pool2d(x, 1, out=x)
