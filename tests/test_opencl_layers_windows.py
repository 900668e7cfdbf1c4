"""Depthwise convolution and pools on every OpenCL device, every kernel: against the oracle and the processor."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import test_depthwise
import test_pool
import tolerance
from ferkern import nn
from ferkern.registry import last_kernel
from opencl_layers import ACTIVATIONS, DIVISION, ROOT, activated, close, device_rows, names_of, on_device, views
from sizes import EDGES

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow

DEPTHWISE = device_rows("depthwise")
POOL = device_rows("pool")
KINDS = test_pool.KINDS


def pool_bound(x, size, kind, expected, **options):
    """The sum's bound, and the device's division or root."""
    own = {"max": 0, "average": DIVISION, "l2": ROOT}[kind]
    return test_pool.bound(x, size, kind, expected, **options) + own * tolerance.EPS * np.abs(expected)


@pytest.mark.parametrize("row", DEPTHWISE, ids=names_of(DEPTHWISE))
@pytest.mark.parametrize("case", test_depthwise.CASES, ids=str)
def test_depthwise_against_oracle_and_processor(cl_device, row, guarded, rng, case):
    stride, padding, dilation = case[6:]
    x, w, b = test_depthwise.make(rng, case)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    expected, bound = oracle.depthwise_conv2d(x, w, b, **options), test_depthwise.bound(x, w, b, **options)
    out = guarded(*expected.shape)
    with on_device(row):
        assert nn.depthwise_conv2d(x, w, b, **options, out=out, device=cl_device) is out
    assert close(out, expected, bound)
    assert close(out, nn.depthwise_conv2d(x, w, b, **options), 2 * bound)


@pytest.mark.parametrize("row", DEPTHWISE, ids=names_of(DEPTHWISE))
@pytest.mark.parametrize("size", EDGES)
def test_depthwise_edge_sizes(cl_device, row, rng, size):
    for c, h, w in ((size, 3, 4), (2, size, 3), (2, 3, size)):
        x, weights, b = test_depthwise.make(rng, (1, c, h, w, 1, (3, 3)))
        for options in ({"padding": 1}, {"padding": "same", "stride": 2}):
            with on_device(row):
                y = nn.depthwise_conv2d(x, weights, b, **options, device=cl_device)
            bound = test_depthwise.bound(x, weights, b, **options)
            assert close(y, oracle.depthwise_conv2d(x, weights, b, **options), bound)


@pytest.mark.parametrize("row", DEPTHWISE, ids=names_of(DEPTHWISE))
@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_depthwise_activations(cl_device, row, rng, kind):
    x, w, b = test_depthwise.make(rng, (1, 7, 6, 6, 1, (3, 3)))
    expected = oracle.depthwise_conv2d(x, w, b, activation=kind)
    with on_device(row):
        y = nn.depthwise_conv2d(x, w, b, activation=kind, device=cl_device)
    assert close(y, expected, activated(expected, test_depthwise.bound(x, w, b), kind))


@pytest.mark.parametrize("row", DEPTHWISE, ids=names_of(DEPTHWISE))
def test_depthwise_nan_and_infinity_as_on_the_processor(cl_device, row, rng):
    x, w, b = test_depthwise.make(rng, (1, 5, 9, 20, 1, (3, 3)))
    x[0, 0, 0, 0], x[0, 1, 8, 19], x[0, 2, 4, 4] = np.nan, np.inf, -np.inf
    w[3, 0, 0, 0], w[4, 0, 2, 2] = np.inf, np.nan  # meet no value where the window leaves the image
    for activation in (None, "relu", "sigmoid"):
        expected = nn.depthwise_conv2d(x, w, b, padding=1, activation=activation)
        with on_device(row):
            y = nn.depthwise_conv2d(x, w, b, padding=1, activation=activation, device=cl_device)
        np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
        np.testing.assert_array_equal(np.isposinf(y), np.isposinf(expected))
        np.testing.assert_array_equal(np.isneginf(y), np.isneginf(expected))


@pytest.mark.parametrize("row", POOL, ids=names_of(POOL))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", test_pool.CASES, ids=str)
def test_pools_against_oracle_and_processor(cl_device, row, guarded, rng, kind, case):
    n, c, h, w, size, stride, padding = case
    x = rng.standard_normal((n, c, h, w)).astype(np.float32)
    for include in (False, True) if kind == "average" else (None,):
        options = {"stride": stride, "padding": padding}
        if include is not None:
            options["count_include_pad"] = include
        expected = oracle.pool2d(x, size, kind=kind, **options)
        bound = pool_bound(x, size, kind, expected, **options)
        out = guarded(*expected.shape)
        with on_device(row):
            assert KINDS[kind](x, size, **options, out=out, device=cl_device) is out
        assert close(out, expected, bound)
        assert close(out, KINDS[kind](x, size, **options), 2 * bound)


@pytest.mark.parametrize("row", POOL, ids=names_of(POOL))
@pytest.mark.parametrize("size", EDGES)
def test_pool_edge_sizes(cl_device, row, rng, size):
    for shape in ((1, size, 3, 4), (1, 2, size, 3), (1, 2, 3, size)):
        x = rng.standard_normal(shape).astype(np.float32)
        for kind, function in KINDS.items():
            expected = oracle.pool2d(x, 2, kind=kind, stride=1, padding=1)
            with on_device(row):
                y = function(x, 2, stride=1, padding=1, device=cl_device)
            assert close(y, expected, pool_bound(x, 2, kind, expected, stride=1, padding=1))


@pytest.mark.parametrize("row", POOL, ids=names_of(POOL))
def test_pools_pass_nan_on_and_padding_never_wins(cl_device, row, rng):
    x = rng.standard_normal((1, 5, 9, 9)).astype(np.float32)
    x[0, :, 4, 4] = np.nan
    x[0, 2, 0, 0] = -np.inf
    for function in KINDS.values():
        expected = function(x, 3, stride=1, padding=1)
        with on_device(row):
            y = function(x, 3, stride=1, padding=1, device=cl_device)
        np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
        np.testing.assert_array_equal(np.isinf(y), np.isinf(expected))
    with on_device(row):
        lowest = nn.max_pool2d(np.full((1, 3, 4, 4), -np.inf, np.float32), 3, stride=1, padding=2, device=cl_device)
    assert (lowest == -np.inf).all()


def test_windows_too_large_for_local_memory_are_done_by_the_plain_kernel(cl_device, rng):
    x = rng.standard_normal((1, 2, 120, 130)).astype(np.float32)
    expected = oracle.pool2d(x, 100, kind="average", stride=7)
    y = nn.avg_pool2d(x, 100, stride=7, device=cl_device)
    assert last_kernel() == "pool:reference:opencl"
    assert close(y, expected, pool_bound(x, 100, "average", expected, stride=7))
    with pytest.raises(ValueError, match="no kernel named 'direct' serves this shape on opencl"), on_device(POOL[0]):
        nn.avg_pool2d(x, 100, stride=7, device=cl_device)
    w = rng.standard_normal((2, 1, 3, 3)).astype(np.float32)
    y = nn.depthwise_conv2d(x, w, dilation=50, stride=30, device=cl_device)
    assert last_kernel() == "depthwise:reference:opencl"
    options = {"dilation": 50, "stride": 30}
    bound = test_depthwise.bound(x, w, np.zeros(2, np.float32), **options)
    assert close(y, oracle.depthwise_conv2d(x, w, **options), bound)


@pytest.mark.parametrize("stride", [1, 3])
def test_planes_of_several_groups(cl_device, rng, stride):
    """Groups of several rows and columns of tiles, tiles at every border."""
    x, w, b = test_depthwise.make(rng, (2, 3, 150, 260, 1, (5, 3)))
    options = {"padding": (2, 1), "stride": stride}
    y = nn.depthwise_conv2d(x, w, b, **options, device=cl_device)
    assert close(y, oracle.depthwise_conv2d(x, w, b, **options), test_depthwise.bound(x, w, b, **options))
    pooled = nn.max_pool2d(x, 4, padding=2, stride=stride, device=cl_device)
    np.testing.assert_array_equal(pooled, nn.max_pool2d(x, 4, padding=2, stride=stride))


@pytest.mark.parametrize("size", [*EDGES, 100])
def test_global_pools(cl_device, guarded, rng, size):
    for shape in ((2, size, 3, 5), (1, 3, size, 1), (2, 17, 2, size)):
        x = rng.standard_normal(shape).astype(np.float32)
        most, mean = guarded(*shape[:2]), guarded(*shape[:2])
        nn.global_max_pool(x, out=most, device=cl_device)
        nn.global_avg_pool(x, out=mean, device=cl_device)
        assert last_kernel() == "global_pool:whole:opencl"
        np.testing.assert_array_equal(most, x.max(axis=(2, 3)))
        expected, sizes = x.astype(np.float64).mean(axis=(2, 3)), np.abs(x).mean(axis=(2, 3))
        bound = tolerance.dot(shape[2] * shape[3], sizes) + DIVISION * tolerance.EPS * np.abs(expected)
        assert close(mean, expected, bound)


@pytest.mark.parametrize("at", [0, 1, 5, 8, 90, 98])
def test_global_pools_pass_nan_on(cl_device, at):
    x = np.arange(2 * 5 * 99, dtype=np.float32).reshape(2, 5, 9, 11)
    x[1, 2].flat[at] = np.nan
    x[0, 3] = -np.inf
    for function in (nn.global_max_pool, nn.global_avg_pool):
        y = function(x, device=cl_device)
        assert np.isnan(y[1, 2])
        assert np.isnan(y).sum() == 1
        assert y[0, 3] == -np.inf


def test_strided_input_is_made_dense_for_the_transfer(cl_device, rng):
    x, w, b = test_depthwise.make(rng, (2, 6, 10, 12, 1, (3, 3)))
    for view in views(x):
        c = view.shape[1]
        for function in (*KINDS.values(),):
            np.testing.assert_array_equal(
                function(view, 2, device=cl_device), function(view.copy(), 2, device=cl_device)
            )
        np.testing.assert_array_equal(
            nn.global_avg_pool(view, device=cl_device), nn.global_avg_pool(view.copy(), device=cl_device)
        )
        np.testing.assert_array_equal(
            nn.depthwise_conv2d(view, w[:c, :, ::-1], b[:c][::-1], device=cl_device),
            nn.depthwise_conv2d(view.copy(), w[:c, :, ::-1].copy(), b[:c][::-1].copy(), device=cl_device),
        )
