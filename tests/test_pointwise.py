"""Activations, sums, softmax and batch normalisation against the oracle, on every row of their lists, at the edges."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import tolerance
from ferkern import nn
from ferkern.config import config
from sizes import EDGES

ACTIVATIONS = ["none", "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hard_swish", "silu", "elu"]
WIDE = np.concatenate([np.linspace(-30, 30, 4001), [-1e30, -200, -104, -88, 88, 200, 1e30, 0.0, -0.0, 1e-30, -1e-30]])


@pytest.mark.op("elementwise")
@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations(row, forced, guarded, kind):
    x = WIDE.astype(np.float32)
    with np.errstate(over="ignore"):
        expected = oracle.activate(x.astype(np.float64), kind)
    out = guarded(x.size)
    with forced(row):
        assert nn.activate(x, kind, out=out) is out
    # Besides its own error: one rounding of the products of the piecewise ones.
    bound = tolerance.activation(expected, 2 * tolerance.EPS * np.abs(expected), kind) + np.finfo(np.float32).tiny
    assert (np.abs(out - expected) <= bound).all()


@pytest.mark.op("elementwise")
@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_nan_and_infinity_pass(row, forced, kind):
    x = np.array([np.nan, 1.0, np.inf, -1.0] * 9, np.float32)
    with forced(row):
        y = nn.activate(x, kind)
    assert np.isnan(y[::4]).all()
    assert np.isfinite(y[1::2]).all()
    assert (y[2::4] == {"relu6": 6, "sigmoid": 1, "tanh": 1}.get(kind, np.inf)).all()


@pytest.mark.op("elementwise")
@pytest.mark.parametrize("size", [*EDGES, 16 * 1024 - 1, 16 * 1024 + 1])
def test_add(row, forced, guarded, rng, size):
    a, b = rng.standard_normal((2, size)).astype(np.float32)
    out = guarded(size)
    with forced(row):
        nn.add(a, b, out=out)
        clipped = nn.add(a, b, activation="relu")
    np.testing.assert_array_equal(out, a + b)
    np.testing.assert_array_equal(clipped, np.maximum(a + b, 0))


def test_in_place(rng):
    x = rng.standard_normal((3, 5, 7)).astype(np.float32)
    y = rng.standard_normal((3, 5, 7)).astype(np.float32)
    total = x + y
    assert nn.add(x, y, out=y) is y
    np.testing.assert_array_equal(y, total)
    expected = np.maximum(x, 0)
    assert nn.activate(x, "relu", out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_alpha(rng):
    x = rng.standard_normal(100).astype(np.float32)
    np.testing.assert_array_equal(nn.activate(x, "leaky_relu", alpha=0.25), np.where(x < 0, x * np.float32(0.25), x))
    np.testing.assert_array_less(nn.activate(x, "elu", alpha=2.0)[x < -1], -1.0)


def softmax_input(rng, shape):
    return (5 * rng.standard_normal(shape)).astype(np.float32)


@pytest.mark.op("softmax")
@pytest.mark.parametrize("size", EDGES)
def test_softmax(row, forced, guarded, rng, size):
    for shape, axis in (((3, size), 1), ((2, size, 3, 4), 1), ((2, 3, size), -1), ((size, 4), 0), ((size,), 0)):
        x = softmax_input(rng, shape)
        out = guarded(*shape)
        with forced(row):
            assert nn.softmax(x, axis=axis, out=out) is out
        expected = oracle.softmax(x, axis)
        assert (np.abs(out - expected) <= tolerance.softmax(x, expected, axis)).all()


@pytest.mark.op("softmax")
def test_softmax_of_large_and_odd_values(row, forced):
    x = np.full((6, 19), -3.0, np.float32)
    x[0] = 1e30
    x[1, 5] = 1e30
    x[2, 3] = np.nan
    x[3, 18] = np.nan
    x[4, 2] = np.inf
    x[5, 1:] = -np.inf
    with forced(row):
        y = nn.softmax(x)
    np.testing.assert_allclose(y[0], 1 / 19, rtol=1e-6)
    assert y[1, 5] == 1
    assert y[1].sum() == 1
    assert np.isnan(y[2:4]).all()
    assert np.isnan(y[4, 2])
    assert y[5, 0] == 1
    assert (y[5, 1:] < np.finfo(np.float32).tiny).all()


def statistics(rng, c):
    gamma, beta, mean = rng.standard_normal((3, c)).astype(np.float32)
    return gamma, beta, mean, rng.uniform(0.01, 3, c).astype(np.float32)


def batch_norm_bound(x, gamma, beta, mean, variance, epsilon):
    """Scale and shift are each rounded once from double, epsilon once to float; then one multiply-add."""
    shape = (1, -1, *(1,) * (x.ndim - 2))
    scale = np.abs(gamma / np.sqrt(variance.astype(np.float64) + epsilon))
    shift = np.abs(beta) + np.abs(mean) * scale
    return tolerance.dot(2, np.abs(x) * scale.reshape(shape) + shift.reshape(shape))


@pytest.mark.op("batch_norm")
@pytest.mark.parametrize("size", EDGES)
def test_batch_norm(row, forced, guarded, rng, size):
    for shape in ((2, size, 3, 3), (1, 3, size, 2), (2, 17, 1, size), (3, size)):
        x = rng.standard_normal(shape).astype(np.float32)
        values = statistics(rng, shape[1])
        if row.name == "features" and any(side > 1 for side in shape[2:]):
            with pytest.raises(ValueError, match="no kernel named 'features'"), forced(row):
                nn.batch_norm(x, *values)
            continue
        out = guarded(*shape)
        with forced(row):
            assert nn.batch_norm(x, *values, epsilon=1e-3, out=out) is out
            clipped = nn.batch_norm(x, *values, epsilon=1e-3, activation="relu")
        expected = oracle.batch_norm(x, *values, epsilon=1e-3)
        assert (np.abs(out - expected) <= batch_norm_bound(x, *values, 1e-3)).all()
        np.testing.assert_array_equal(clipped, np.maximum(out, 0))


def test_same_bits_for_every_number_of_threads(rng):
    x = rng.standard_normal((3, 33, 51, 49)).astype(np.float32)
    values = statistics(rng, 33)
    results = []
    for threads in (1, 2, 3, 7):
        with config(threads=threads):
            results.append(
                [nn.activate(x, "silu"), nn.add(x, x), nn.softmax(x, axis=3), nn.softmax(x), nn.batch_norm(x, *values)]
            )
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_strided_input_is_read_as_it_stands(rng):
    x = rng.standard_normal((2, 6, 10, 12)).astype(np.float32)
    for view in (x[:, ::2], x[:, :, ::-1], x[..., ::3], x.transpose(0, 1, 3, 2), x[::-1]):
        values = statistics(rng, view.shape[1])
        dense = view.copy()
        np.testing.assert_array_equal(nn.activate(view, "tanh"), nn.activate(dense, "tanh"))
        np.testing.assert_array_equal(nn.add(view, dense), nn.add(dense, dense))
        np.testing.assert_array_equal(nn.softmax(view), nn.softmax(dense))
        np.testing.assert_array_equal(nn.softmax(view, axis=2), nn.softmax(dense, axis=2))
        np.testing.assert_array_equal(nn.batch_norm(view, *values), nn.batch_norm(dense, *values))


Z = np.zeros((2, 3), np.float32)
V = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: nn.activate(Z, "gelu"), ValueError, "unknown activation 'gelu'; known: none, relu"),
        (lambda: nn.activate(Z.astype(np.float64), "relu"), TypeError, "x must be float32, is float64"),
        (lambda: nn.activate(Z[:0], "relu"), ValueError, "x must hold at least one value"),
        (lambda: nn.activate(Z, "elu", alpha=float("nan")), ValueError, "alpha must be finite"),
        (lambda: nn.activate(Z[1:], "relu", out=Z.reshape(-1)[2:5].reshape(1, 3)), ValueError, "share memory with x"),
        (lambda: nn.activate(Z, "relu", out=np.zeros((2, 2), np.float32)), ValueError, r"out has shape \[2, 2\]"),
        (lambda: nn.add(Z, V), ValueError, r"x1 and x2 must have the same shape: \[2, 3\] and \[3\]"),
        (lambda: nn.add(Z, None), TypeError, "x2 must be a NumPy array"),
        (lambda: nn.add(Z, Z.T), ValueError, r"same shape: \[2, 3\] and \[3, 2\]"),
        (lambda: nn.add(Z, Z.astype(np.int32)), TypeError, "x2 must be float32, is int32"),
        (lambda: nn.softmax(Z, axis=2), ValueError, "axis must be from -2 to 1, is 2"),
        (lambda: nn.softmax(Z[:, :0]), ValueError, "x must hold at least one value"),
        (lambda: nn.softmax(Z, out=Z), ValueError, "out must not share memory with x"),
        (
            lambda: nn.batch_norm(Z, V, V, V[:2], V),
            ValueError,
            "mean has 2 values, expected one for each of the 3 channels",
        ),
        (lambda: nn.batch_norm(Z, V, V, V, -V), ValueError, r"variance\[0\] \+ epsilon = -1 \+ 1e-05 must be positive"),
        (
            lambda: nn.batch_norm(Z, V, V, V, V, epsilon=-1.0),
            ValueError,
            "epsilon must be finite and not negative, is -1",
        ),
        (lambda: nn.batch_norm(Z[None], V, V, V, V), ValueError, "x must have 2 or 4 dimensions, has 3"),
    ],
)
def test_wrong_input(call, error, match):
    with pytest.raises(error, match=match):
        call()
