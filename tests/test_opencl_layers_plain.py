"""Activations, sums, softmax, normalisations and concatenation on every OpenCL device: against oracle and processor."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import test_channels
import tolerance
from ferkern import nn
from ferkern.registry import last_kernel
from opencl_layers import DIVISION, EXPONENTIAL, POWER, ROOT, activated, close, device_rows, names_of, on_device, views
from sizes import EDGES
from test_pointwise import ACTIVATIONS, WIDE, batch_norm_bound, softmax_input, statistics

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow

TINY = float(np.finfo(np.float32).tiny)
BATCH_NORM = device_rows("batch_norm")


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations(cl_device, guarded, kind):
    x = WIDE.astype(np.float32)
    with np.errstate(over="ignore"):
        expected = oracle.activate(x.astype(np.float64), kind)
    out = guarded(x.size)
    assert nn.activate(x, kind, out=out, device=cl_device) is out
    assert last_kernel() == "elementwise:flat:opencl"
    assert close(out, expected, activated(expected, (2 + DIVISION) * tolerance.EPS * np.abs(expected) + TINY, kind))
    assert close(out, nn.activate(x, kind), 2 * activated(expected, 7 * tolerance.EPS * np.abs(expected) + TINY, kind))


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_nan_and_infinity_pass_as_on_the_processor(cl_device, kind):
    x = np.array([np.nan, 1.0, np.inf, -1.0, -np.inf] * 9, np.float32)
    y, expected = nn.activate(x, kind, device=cl_device), nn.activate(x, kind)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(y), np.isinf(expected))


@pytest.mark.parametrize("size", [*EDGES, 16 * 1024 - 1, 16 * 1024 + 1])
def test_add(cl_device, guarded, rng, size):
    a, b = rng.standard_normal((2, size)).astype(np.float32)
    out = guarded(size)
    nn.add(a, b, out=out, device=cl_device)
    np.testing.assert_array_equal(out, a + b)
    np.testing.assert_array_equal(nn.add(a, b, activation="relu", device=cl_device), np.maximum(a + b, 0))


def test_in_place_and_alpha(cl_device, rng):
    x, y = rng.standard_normal((2, 3, 5, 7)).astype(np.float32)
    total = x + y
    assert nn.add(x, y, out=y, device=cl_device) is y
    np.testing.assert_array_equal(y, total)
    expected = np.where(x < 0, x * np.float32(0.25), x)
    assert nn.activate(x, "leaky_relu", alpha=0.25, out=x, device=cl_device) is x
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("size", [*EDGES, 1000])
def test_softmax(cl_device, guarded, rng, size):
    for shape, axis in (((3, size), 1), ((2, size, 3, 4), 1), ((2, 3, size), -1), ((size, 4), 0), ((size,), 0)):
        x = softmax_input(rng, shape)
        out = guarded(*shape)
        assert nn.softmax(x, axis=axis, out=out, device=cl_device) is out
        assert last_kernel() == "softmax:rows:opencl"
        expected = oracle.softmax(x, axis)
        # The exponential above and below the line, and the division, with the device's own roundings.
        bound = tolerance.softmax(x, expected, axis) + (2 * EXPONENTIAL + DIVISION) * tolerance.EPS * expected
        assert close(out, expected, bound)
        assert close(out, nn.softmax(x, axis=axis), 2 * bound)


@pytest.mark.parametrize("width", [19, 190])
def test_softmax_of_large_and_odd_values_as_on_the_processor(cl_device, width):
    x = np.full((8, width), -3.0, np.float32)
    x[0], x[1, 5] = 1e30, 1e30
    x[2, 3], x[3, 18], x[7, 0] = np.nan, np.nan, np.nan
    x[4, 2], x[5, 1:], x[6] = np.inf, -np.inf, -np.inf
    for view in (x, np.ascontiguousarray(x.T)):
        axis = 1 if view is x else 0
        y, expected = nn.softmax(view, axis=axis, device=cl_device), nn.softmax(view, axis=axis)
        np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2 * TINY)


def device_batch_norm_bound(x, gamma, beta, mean, variance, epsilon):
    """Scale and shift from float32: a root, a division and a sum more in the scale, a rounding more in the shift."""
    shape = (1, -1, *(1,) * (x.ndim - 2))
    scale = np.abs(gamma / np.sqrt(variance.astype(np.float64) + epsilon))
    factor = (ROOT + DIVISION + 1) * tolerance.EPS * scale
    more = np.abs(x) * factor.reshape(shape) + (np.abs(mean) * factor).reshape(shape)
    return batch_norm_bound(x, gamma, beta, mean, variance, epsilon) + 1.01 * more


@pytest.mark.parametrize("row", BATCH_NORM, ids=names_of(BATCH_NORM))
@pytest.mark.parametrize("size", EDGES)
def test_batch_norm(cl_device, row, guarded, rng, size):
    for shape in ((2, size, 3, 3), (1, 3, size, 2), (2, 17, 1, size), (3, size)):
        x = rng.standard_normal(shape).astype(np.float32)
        values = statistics(rng, shape[1])
        if row.name == "features" and any(side > 1 for side in shape[2:]):
            with pytest.raises(ValueError, match="no kernel named 'features'"), on_device(row):
                nn.batch_norm(x, *values, device=cl_device)
            continue
        out = guarded(*shape)
        with on_device(row):
            assert nn.batch_norm(x, *values, epsilon=1e-3, out=out, device=cl_device) is out
            clipped = nn.batch_norm(x, *values, epsilon=1e-3, activation="relu", device=cl_device)
        bound = device_batch_norm_bound(x, *values, 1e-3)
        assert close(out, oracle.batch_norm(x, *values, epsilon=1e-3), bound)
        assert close(out, nn.batch_norm(x, *values, epsilon=1e-3), 2 * bound)
        np.testing.assert_array_equal(clipped, np.maximum(out, 0))


def lrn_bound(x, expected, size, **options):
    """The power with the device's own roundings, and the division of alpha."""
    own = (POWER + options["beta"] * (DIVISION + 1)) * tolerance.EPS * np.abs(expected)
    return test_channels.bound(x, expected, size, **options) + own


@pytest.mark.parametrize("size", EDGES)
def test_local_response_norm(cl_device, guarded, rng, size):
    for shape, window in (((2, size, 3, 3), 5), ((1, 3, size, 2), 4), ((1, 17, 1, size), 3), ((1, 9, 2, 2), size)):
        x = rng.standard_normal(shape).astype(np.float32)
        out = guarded(*shape)
        options = {"alpha": 0.5, "beta": 0.75, "k": 2.0}
        assert nn.local_response_norm(x, window, **options, out=out, device=cl_device) is out
        assert last_kernel() == "local_response_norm:direct:opencl"
        expected = oracle.local_response_norm(x, window, **options)
        assert close(out, expected, lrn_bound(x, expected, window, **options))
        assert close(out, nn.local_response_norm(x, window, **options), 2 * lrn_bound(x, expected, window, **options))


@pytest.mark.parametrize(
    ("alpha", "beta", "k"), [(1e-4, 0.75, 1.0), (3.0, 0.5, 0.01), (1e5, 1.0, 1e-3), (1.0, 0.0, 1.0)]
)
def test_local_response_norm_parameters(cl_device, rng, alpha, beta, k):
    x = (10 * rng.standard_normal((2, 21, 5, 6))).astype(np.float32)
    options = {"alpha": alpha, "beta": beta, "k": k}
    expected = oracle.local_response_norm(x, 5, **options)
    y = nn.local_response_norm(x, 5, **options, device=cl_device)
    assert close(y, expected, lrn_bound(x, expected, 5, **options))


def test_local_response_norm_of_odd_values_as_on_the_processor(cl_device, rng):
    x = rng.standard_normal((1, 20, 3, 3)).astype(np.float32)
    x[0, 8, 1, 1], x[0, 3, 0, 0] = np.nan, np.inf
    y, expected = nn.local_response_norm(x, 3, alpha=1.0, device=cl_device), nn.local_response_norm(x, 3, alpha=1.0)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    assert (y[0, [2, 4], 0, 0] == 0).all()


@pytest.mark.parametrize("size", EDGES)
def test_concat(cl_device, guarded, rng, size):
    for channels, h, w in (((size,), 2, 3), ((size, 3), 3, 1), ((3, size, 1), 2, 2), ((16, 16, size), 1, 5)):
        xs = [rng.standard_normal((2, c, h, w)).astype(np.float32) for c in channels]
        out = guarded(2, sum(channels), h, w)
        assert nn.concat(xs, out=out, device=cl_device) is out
        np.testing.assert_array_equal(out, np.concatenate(xs, axis=1))


def test_concat_of_many(cl_device):
    xs = [np.full((2, 1 + t % 3, 2, 1), (np.nan, np.inf, t)[t % 3], np.float32) for t in range(64)]
    np.testing.assert_array_equal(nn.concat(xs, device=cl_device), np.concatenate(xs, axis=1))
    with pytest.raises(ValueError, match="concat on a device takes at most 64 arrays, there are 65"):
        nn.concat([*xs, xs[0]], device=cl_device)


def test_strided_input_is_made_dense_for_the_transfer(cl_device, rng):
    x = rng.standard_normal((2, 6, 10, 12)).astype(np.float32)
    for view in views(x):
        values = [np.repeat(v, 2)[::2] for v in statistics(rng, view.shape[1])]
        dense = view.copy()
        calls = [
            lambda v: nn.activate(v, "tanh", device=cl_device),
            lambda v: nn.add(v, v, device=cl_device),
            lambda v: nn.softmax(v, device=cl_device),
            lambda v: nn.softmax(v, axis=2, device=cl_device),
            lambda v: nn.batch_norm(v, *values, device=cl_device),  # noqa: B023
            lambda v: nn.local_response_norm(v, device=cl_device),
            lambda v: nn.concat([v, v], device=cl_device),
        ]
        for call in calls:
            np.testing.assert_array_equal(call(view), call(dense))
