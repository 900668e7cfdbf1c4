"""The layers' kernels with a GPU's tuning parameters, on whatever device there is: teams, coalesced copies."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import oracle
import test_depthwise
import tolerance
from ferkern import _core, nn
from ferkern.linalg import gemm
from ferkern.opencl import find
from ferkern.opencl.ops.tile import TILES
from ferkern.opencl.ops.window import window_tuning
from opencl_layers import DIVISION, EXPONENTIAL, close
from test_gemm import bound, make
from test_opencl_layers_plain import device_batch_norm_bound
from test_opencl_layers_windows import KINDS, pool_bound
from test_pointwise import softmax_input, statistics

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow


@pytest.fixture
def as_gpu(cl_device, monkeypatch):
    """The device string; the layers take the device for a GPU with the local memory that every device has."""
    target = find(cl_device)
    monkeypatch.setattr(target, "info", dataclasses.replace(target.info, kind="gpu", local_bytes=32 * 1024))
    return cl_device


@pytest.mark.parametrize("size", [(1, 3, 3), (5, 7, 7), (3, 20, 33), (2, 70, 75)], ids=str)
def test_windows(as_gpu, guarded, rng, size):
    c, h, w = size
    x, weights, b = test_depthwise.make(rng, (2, c, h, w, 1, (3, 3)))
    for options in ({"padding": 1}, {"padding": 2, "stride": (3, 2), "dilation": (1, 2)}):
        expected = oracle.depthwise_conv2d(x, weights, b, **options)
        out = guarded(*expected.shape)
        nn.depthwise_conv2d(x, weights, b, **options, out=out, device=as_gpu)
        assert close(out, expected, test_depthwise.bound(x, weights, b, **options))
    for kind, function in KINDS.items():
        expected = oracle.pool2d(x, 3, kind=kind, stride=2, padding=1)
        y = function(x, 3, stride=2, padding=1, device=as_gpu)
        assert close(y, expected, pool_bound(x, 3, kind, expected, stride=2, padding=1))


def test_groups_stay_within_local_memory(cl_device):
    x = np.zeros((1, 40, 200, 200), np.float32)
    for kind in ("gpu", "cpu"):
        info = dataclasses.replace(find(cl_device).info, kind=kind, local_bytes=32 * 1024)
        for size, stride in ((1, 1), (2, 2), (7, 4), (3, 5), (60, 1)):
            shape = _core.pool_shape(x, "max", size, stride, 0, False)
            assert _core.device_kernel("pool", shape, "opencl")[0] == "direct"
            tuning = window_tuning(info, shape)
            assert tuning.tile_bytes <= info.local_bytes
            assert all(side & (side - 1) == 0 for side in tuning.group)
            assert max(tuning.group) <= 32


@pytest.mark.parametrize("pixels", [1, 31, 49, 1000, 3000])
def test_teams_pool_whole_planes(as_gpu, rng, pixels):
    x = rng.standard_normal((3, 7, 1, pixels)).astype(np.float32)
    x[1, 2, 0, pixels // 2] = np.nan
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(nn.global_max_pool(x, device=as_gpu), x.max(axis=(2, 3)))
    mean, expected = nn.global_avg_pool(x, device=as_gpu), x.astype(np.float64).mean(axis=(2, 3))
    error = tolerance.dot(pixels, np.abs(x).mean(axis=(2, 3))) + DIVISION * tolerance.EPS * np.abs(expected)
    assert (np.isnan(mean) == np.isnan(expected)).all()
    assert np.isnan(mean).sum() == 1
    assert (np.isnan(expected) | (np.abs(mean - expected) <= error)).all()


@pytest.mark.parametrize("shape", [(3, 7), (5, 100), (2, 2000), (3, 40, 5, 6)], ids=str)
def test_teams_make_probabilities(as_gpu, rng, shape):
    x = softmax_input(rng, shape)
    expected = oracle.softmax(x, 1)
    error = tolerance.softmax(x, expected, 1) + (2 * EXPONENTIAL + DIVISION) * tolerance.EPS * expected
    assert close(nn.softmax(x, device=as_gpu), expected, error)


@pytest.mark.parametrize("n", [1, 3, 5, 40])
@pytest.mark.parametrize("sizes", [(5, 3), (37, 130), (1500, 9), (1500, 24)], ids=str)
def test_dense(as_gpu, guarded, rng, n, sizes):
    inputs, outputs = sizes
    x, wt, b = make(rng, n, outputs, inputs)
    y = guarded(n, outputs)
    nn.dense(x, np.ascontiguousarray(wt.T), b, activation="relu", out=y, device=as_gpu)
    assert close(y, oracle.gemm(x, wt, b, activation="relu"), bound(x, wt, b))


@pytest.mark.parametrize(
    "sizes", [(1, 1, 1), (64, 64, 16), (65, 67, 33), (30, 200, 100), (16, 17, 1), (300, 260, 9)], ids=str
)
@pytest.mark.parametrize("tile", [None, *TILES], ids=str)
def test_gemm(as_gpu, guarded, rng, monkeypatch, sizes, tile):
    """By the tile of the rule and by each, small products by whole groups."""
    if tile is not None:
        monkeypatch.setattr("ferkern.opencl.ops.tile.TILES", (tile,))
    a, b, bias = make(rng, *sizes)
    out = guarded(*sizes[:2])
    gemm(a, b, bias=bias, out=out, device=as_gpu)
    assert close(out, oracle.gemm(a, b, bias), bound(a, b, bias))
    np.testing.assert_array_equal(gemm(a, b.T, bias=bias, transpose_b=True, device=as_gpu), out)


def test_vectors_of_four(as_gpu, guarded, rng):
    x, y = rng.standard_normal((2, 2, 5, 3, 7)).astype(np.float32)
    out = guarded(2, 5, 3, 7)
    nn.add(x, y, activation="relu", out=out, device=as_gpu)
    np.testing.assert_array_equal(out, np.maximum(x + y, 0))
    joined = guarded(2, 8, 3, 7)
    nn.concat([x, y[:, :3]], out=joined, device=as_gpu)
    np.testing.assert_array_equal(joined, np.concatenate([x, y[:, :3]], axis=1))
    values = statistics(rng, 5)
    nn.batch_norm(x, *values, out=out, device=as_gpu)
    assert close(out, oracle.batch_norm(x, *values), device_batch_norm_bound(x, *values, 1e-5))
