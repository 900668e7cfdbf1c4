"""Depthwise-separable convolution on every OpenCL device, both halves against the oracle and the processor."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import oracle
import tolerance
from ferkern import _core, nn
from ferkern.config import config
from ferkern.opencl import find
from ferkern.opencl.memory import download, upload
from ferkern.opencl.ops.separable import FusedPlan, HalvesPlan, tuning
from ferkern.registry import last_kernel
from opencl_layers import close
from sizes import EDGES
from test_separable import CASES, make

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow


@pytest.fixture(params=["as it is", "as a GPU"])
def device(request, cl_device, monkeypatch):
    """The device string; also with the tuning parameters and the local memory of a GPU."""
    if request.param == "as a GPU":
        target = find(cl_device)
        monkeypatch.setattr(target, "info", dataclasses.replace(target.info, kind="gpu", local_bytes=32 * 1024))
    return cl_device


def halves(x, dw, pw, b, b_dw, activation_dw="relu", **options):
    """The exact result and its bound: what the first half is off by goes through the weights of the second."""
    middle = oracle.depthwise_conv2d(x, dw, b_dw, **options, activation=activation_dw)
    expected = oracle.conv2d(middle, pw, b)
    error = tolerance.dot(dw[0].size, oracle.depthwise_conv2d(np.abs(x), np.abs(dw), np.abs(b_dw), **options))
    magnitude = oracle.conv2d(np.abs(middle), np.abs(pw), np.abs(b))
    return expected, 1.01 * (oracle.conv2d(error, np.abs(pw)) + tolerance.dot(pw[0].size, magnitude))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_oracle_and_processor(device, guarded, rng, case):
    x, dw, pw, b, b_dw = make(rng, case)
    options = {"stride": case[6], "padding": case[7], "dilation": case[8]}
    expected, bound = halves(x, dw, pw, b, b_dw, **options)
    out = guarded(*expected.shape)
    call = {"b_dw": b_dw, **options, "activation_dw": "relu"}
    assert nn.depthwise_separable(x, dw, pw, b, **call, out=out, device=device) is out
    halves_take_it = find(device).info.kind == "gpu" and len(pw) >= 16
    assert last_kernel() == ("separable:halves:opencl" if halves_take_it else "separable:fused:opencl")
    assert close(out, expected, bound)
    assert close(out, nn.depthwise_separable(x, dw, pw, b, **call), 2 * bound)


@pytest.mark.parametrize("size", EDGES)
def test_edge_sizes(device, rng, size):
    for n, c, h, w, o in ((1, size, 5, 4, 3), (2, 3, size, 7, 5), (1, 4, 5, size, 9), (1, 5, 6, 7, size)):
        x, dw, pw, b, b_dw = make(rng, (n, c, h, w, o, (3, 3)))
        expected, bound = halves(x, dw, pw, b, b_dw, activation_dw=None, padding=1)
        y = nn.depthwise_separable(x, dw, pw, b, b_dw=b_dw, padding=1, activation="relu", device=device)
        assert close(y, np.maximum(expected, 0), bound)


@pytest.mark.parametrize("sizes", [(700, 9, 9, 600), (2000, 3, 40, 5), (3600, 1, 3, 2)], ids=str)
def test_many_filters_and_channels(device, rng, sizes):
    """More filters than a group has; more channels than lie between the halves at a time, in whole rows, or at all."""
    c, h, w, o = sizes
    x, dw, pw, b, b_dw = make(rng, (1, c, h, w, o, (3, 3)))
    expected, bound = halves(x, dw, pw, b, b_dw, padding=1)
    y = nn.depthwise_separable(x, dw, pw, b, b_dw=b_dw, padding=1, activation_dw="relu", device=device)
    assert close(y, expected, bound)


def test_without_biases(device, rng):
    x, dw, pw, b, b_dw = make(rng, (1, 6, 7, 9, 5, (3, 3)))
    y = nn.depthwise_separable(x, dw, pw, padding=1, device=device)
    np.testing.assert_array_equal(y, nn.depthwise_separable(x, dw, pw, 0 * b, b_dw=0 * b_dw, padding=1, device=device))


def test_windows_too_large_for_a_tile_read_the_image_as_it_stands(cl_device, rng):
    x, dw, pw, b, b_dw = make(rng, (1, 2, 130, 260, 3, (2, 2)))
    options = {"dilation": (90, 200), "stride": (1, 3)}
    target = find(cl_device)
    shape = _core.separable_shape(x, dw, pw, b, b_dw, (1, 3), 0, (90, 200), None, None, None)
    small = dataclasses.replace(target.info, local_bytes=64 * 1024)
    assert tuning(small, shape).interleave
    expected, bound = halves(x, dw, pw, b, b_dw, activation_dw=None, **options)
    for kernel in ("fused", "halves"):
        with config(kernel=kernel):
            y = nn.depthwise_separable(x, dw, pw, b, b_dw=b_dw, **options, device=cl_device)
        assert last_kernel() == f"separable:{kernel}:opencl"
        assert close(y, expected, bound)


def test_nan_and_infinity_as_on_the_processor(device, rng):
    x, dw, pw, b, b_dw = make(rng, (1, 4, 9, 11, 5, (3, 3)))
    x[0, 0, 0, 0], x[0, 1, 8, 10], x[0, 2, 4, 4] = np.nan, np.inf, -np.inf
    dw[3, 0, 0, 0] = np.inf  # meets no value where the window leaves the image
    pw[2, 1] = 0  # times infinity: NaN
    call = {"b_dw": b_dw, "padding": 1, "activation_dw": "relu6", "activation": "relu"}
    y, expected = (
        nn.depthwise_separable(x, dw, pw, b, **call, device=device),
        nn.depthwise_separable(x, dw, pw, b, **call),
    )
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(y), np.isinf(expected))


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("way", [FusedPlan, HalvesPlan])
def test_plan_adds_a_residual_and_runs_parts_of_the_batch(device, rng, way, images):
    x, dw, pw, b, b_dw = make(rng, (3, 5, 9, 13, 19, (3, 3)))
    expected, bound = halves(x, dw, pw, b, b_dw, activation_dw=None, padding=1)
    residual = rng.standard_normal(expected.shape).astype(np.float32)
    target = find(device)
    plan = way(target, _core.separable_shape(x, dw, pw, b, b_dw, 1, 1, 1, None, "relu", None))
    weights = {"w_dw": dw, "b_dw": b_dw, "w_pw": pw, "b": b}
    plan.load({role: upload(target, array) for role, array in weights.items()})
    y = np.zeros_like(residual)
    result = upload(target, y)
    plan.run([upload(target, x)], upload(target, residual), result, images)
    download(target, result, y)
    bound += 2**-24 * (np.abs(expected) + np.abs(residual))
    assert close(y[:images], np.maximum(expected + residual, 0)[:images], bound[:images])
    assert (y[images:] == 0).all()
