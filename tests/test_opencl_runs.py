"""Convolutions in runs (``conv2d_*_run.cl``) and by the kernels that they stand for, on every OpenCL device."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import winograd
from ferkern import _core
from ferkern.opencl import find
from ferkern.opencl.memory import download, upload
from ferkern.opencl.ops.conv2d_direct import DirectPlan, in_bands
from ferkern.opencl.ops.conv2d_run import native_lanes, run_tiles, serves, serves_strides
from ferkern.opencl.ops.conv2d_tuning import Tuning
from ferkern.opencl.ops.conv2d_winograd import Winograd2Plan, Winograd4Plan
from test_conv2d import bound as direct_bound

pytestmark = pytest.mark.slow

STAGED = Tuning(lanes=1, vecs=2, tile=4, interleave=True, group=(16, 4, 1))
"""As a GPU has it."""


def shape_of(x, w, b, options):
    o = {"stride": 1, "padding": 0, "dilation": 1, **options}
    return _core.conv2d_shape(x, w, b, o["stride"], o["padding"], o["dilation"], 1, "relu", None)


def through(device, plan, shape, x, w, b, residual=None, in_place=False):
    """relu(convolution + residual) of a plan; what it does not store stays NaN."""
    dims = [int(shape[name]) for name in ("n", "oc", "oh", "ow")]
    plan.load({"w": upload(device, w), "b": None if b is None else upload(device, b)})
    y = np.full(dims, np.nan, np.float32)
    there = upload(device, residual if in_place else y)
    other = there if in_place else None if residual is None else upload(device, residual)
    plan.run([upload(device, x)], other, there, dims[0])
    download(device, there, y)
    return y


def random_case(rng, window=None):
    """Sizes around those of vectors and runs."""
    n, o = int(rng.integers(1, 4)), int(rng.choice([1, 7, 16, 17, 32, 33]))
    c = int(rng.choice([1, 3, 8, 15, 16, 17, 33]))
    h, w = (int(v) for v in rng.choice([4, 5, 6, 7, 11, 12, 13, 16, 17, 24, 33], 2))
    kh, kw = window or (int(v) for v in rng.integers(1, 4, 2))
    x = rng.standard_normal((n, c, h, w)).astype(np.float32)
    return x, rng.standard_normal((o, c, kh, kw)).astype(np.float32), rng.standard_normal(o).astype(np.float32)


def random_options(rng):
    return {
        "stride": tuple(int(v) for v in rng.integers(1, 4, 2)),
        "padding": tuple(int(v) for v in rng.integers(0, 3, 4)),
        "dilation": int(rng.integers(1, 3)),
    }


def test_strides_within_the_bound(cl_device, rng):
    device, ran = find(cl_device), 0
    for case in range(80):
        x, w, b = random_case(rng)
        options = random_options(rng)
        shape = shape_of(x, w, b, options)
        tuning = list(run_tiles(device.info))[case % 3]
        if not serves_strides(device, shape, tuning):
            continue
        ran += 1
        y = through(device, DirectPlan(device, shape, tuning), shape, x, w, b)
        expected = np.maximum(oracle.conv2d(x, w, b, **options), 0)
        assert (np.abs(y - expected) <= direct_bound(x, w, b, **options)).all(), (x.shape, w.shape, options, tuning)
    assert ran > 50


@pytest.mark.parametrize("plan", [Winograd4Plan, Winograd2Plan], ids=["winograd4", "winograd2"])
@pytest.mark.parametrize("way", ["runs", "staged", "staged, 8 x 4 in local tiles", "staged, 2 x 2 in local tiles"])
def test_winograd_within_the_bound(cl_device, rng, plan, way):
    """Every way on every device, whichever it takes itself."""
    device, worst = find(cl_device), 0.0
    tuning = {
        "runs": next(run_tiles(device.info)),
        "staged": STAGED,
        "staged, 8 x 4 in local tiles": Tuning(1, 4, 8, True, (16, 16, 1), local=True),
        "staged, 2 x 2 in local tiles": Tuning(1, 2, 2, True, (16, 16, 1), local=True),
    }[way]
    for _ in range(25):
        x, w, b = random_case(rng, (3, 3))
        padding = tuple(int(v) for v in rng.integers(0, 3, 4))
        shape = shape_of(x, w, b, {"padding": padding})
        y = through(device, plan(device, shape, tuning), shape, x, w, b)
        expected = np.maximum(oracle.conv2d(x, w, b, padding=padding), 0)
        bound = winograd.bound(f"winograd{plan.m}", x, w, b, padding=padding, device=True)
        worst = max(worst, float((np.abs(y - expected) / bound).max()))
    assert 1e-3 < worst <= 1


@pytest.mark.parametrize("plan", [DirectPlan, Winograd4Plan], ids=["direct", "winograd4"])
@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in place"])
def test_the_residual(cl_device, rng, plan, in_place):
    """Added once and before the activation, also where it is the output: rows of 6, 11 and 23 outputs, images of 13."""
    device = find(cl_device)
    tuning = next(run_tiles(device.info))
    stride = 2 if plan is DirectPlan else 1
    for size in (12, 22, 46, 26):
        x, w, b = (
            rng.standard_normal(d).astype(np.float32) for d in ((2, 17, 6, size // (3 - stride)), (19, 17, 3, 3), 19)
        )
        shape = shape_of(x, w, b, {"padding": 1, "stride": stride})
        without = oracle.conv2d(x, w, b, padding=1, stride=stride)
        residual = rng.standard_normal(without.shape).astype(np.float32)
        y = through(device, plan(device, shape, tuning), shape, x, w, b, residual, in_place)
        np.testing.assert_allclose(y, np.maximum(without + residual, 0), atol=2e-3)


def test_without_bias_and_part_of_a_batch(cl_device, rng):
    device = find(cl_device)
    x, w, _ = random_case(rng, (3, 3))
    x = rng.standard_normal((5, x.shape[1], 12, 12)).astype(np.float32)
    shape = shape_of(x, w, None, {"padding": 1, "stride": 2})
    plan = DirectPlan(device, shape, next(run_tiles(device.info)))
    whole = through(device, plan, shape, x, w, None)
    expected = oracle.conv2d(x, w, None, padding=1, stride=2)
    np.testing.assert_allclose(whole, np.maximum(expected, 0), atol=1e-3)
    y = np.full_like(whole, 77)
    there = upload(device, y)
    plan.run([upload(device, x)], None, there, 3)
    download(device, there, y)
    np.testing.assert_array_equal(y[:3], whole[:3])
    assert (y[3:] == 77).all()


def test_taken_where_they_pay(cl_device):
    """By themselves on a CPU alone, for channels that fill a vector, in images that hold one."""
    device = find(cl_device)
    lanes = native_lanes(device.info)
    own = device.info.kind == "cpu"

    def zeros(*dims):
        return np.broadcast_to(np.float32(0), dims)

    def strided(c, size, stride=2, groups=1):
        x, w = zeros(1, c, size, size), zeros(4 * groups, c // groups, 1, 1)
        return serves_strides(device, _core.conv2d_shape(x, w, None, stride, 0, 1, groups, None, None), None)

    assert strided(lanes, 24) is own
    assert not strided(lanes - 1, 24)
    assert not strided(lanes, 24, stride=1)
    assert not strided(2 * lanes, 24, groups=2)
    assert not strided(lanes, 1)
    shape = shape_of(zeros(1, 3, 4, 4), zeros(2, 3, 3, 3), None, {})
    assert serves(device, shape, None) is own
    assert not serves(device, shape, STAGED)
    assert not serves(device, shape_of(zeros(1, 3, 3, 1), zeros(2, 3, 3, 3), None, {"padding": 1}), None)


def test_bands_within_the_bound(cl_device, rng):
    """Rows that a band does not divide, borders, phases, tiles that filters do not fill; a CPU alone takes bands."""
    device, ran = find(cl_device), 0
    for _ in range(40):
        x, w, b = random_case(rng)
        options = random_options(rng)
        try:
            shape = shape_of(x, w, b, options)
        except ValueError:  # the window is larger than the image
            continue
        plan = in_bands(device, shape, None)
        if plan is None:
            continue
        ran += 1
        y = through(device, plan, shape, x, w, b)
        expected = np.maximum(oracle.conv2d(x, w, b, **options), 0)
        assert (np.abs(y - expected) <= direct_bound(x, w, b, **options)).all(), (x.shape, w.shape, options)
        residual = rng.standard_normal(expected.shape).astype(np.float32)
        y = through(device, plan, shape, x, w, b, residual, in_place=True)
        expected = np.maximum(oracle.conv2d(x, w, b, **options) + residual, 0)
        np.testing.assert_allclose(y, expected, atol=1e-3)
    assert ran > 10 or device.info.kind != "cpu"


@pytest.mark.parametrize("even", [0, 1], ids=["ends on a pixel taken", "on one left out"])
def test_bands_of_every_second_pixel_in_rows_of_any_length(cl_device, rng, even):
    """Copied in vectors, the last of which begin where others have been already."""
    device, lengths = find(cl_device), set()
    for ow in range(1, 27):
        x = rng.standard_normal((1, 3, 32, 2 * ow - 1 + even)).astype(np.float32)
        w, b = rng.standard_normal((5, 3, 1, 1)).astype(np.float32), np.zeros(5, np.float32)
        shape = shape_of(x, w, b, {"stride": 2})
        plan = in_bands(device, shape, None)
        if plan is None:
            continue
        lengths.add(ow)
        y = through(device, plan, shape, x, w, b)
        expected = np.maximum(oracle.conv2d(x, w, b, stride=2), 0)
        assert (np.abs(y - expected) <= direct_bound(x, w, b, stride=2)).all(), ow
    assert lengths >= {4, 5, 8, 9, 11, 12, 13, 16, 17, 20, 25} or device.info.kind != "cpu", lengths


@pytest.mark.parametrize("size", [9, 10, 12, 13], ids="{0} pixels".format)
@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in place"])
def test_bands_across_images(cl_device, rng, size, in_place):
    """Images whose outputs do not fill vectors are joined; a part of the planned batch is not."""
    device, joined = find(cl_device), 0
    for n in range(2, 10):
        x = rng.standard_normal((n, 7, size, size)).astype(np.float32)
        w, b = rng.standard_normal((19, 7, 1, 1)).astype(np.float32), rng.standard_normal(19).astype(np.float32)
        shape = shape_of(x, w, b, {"stride": 2})
        plan = in_bands(device, shape, None)
        if plan is None:
            continue
        joined += plan.across is not None
        without = oracle.conv2d(x, w, b, stride=2)
        residual = rng.standard_normal(without.shape).astype(np.float32) if in_place else None
        y = through(device, plan, shape, x, w, b, residual, in_place)
        expected = np.maximum(without if residual is None else without + residual, 0)
        np.testing.assert_allclose(y, expected, atol=1e-4)
        there = upload(device, np.full_like(y, 77) if residual is None else residual)
        plan.run([upload(device, x)], there if in_place else None, there, n - 1)
        part = np.empty_like(y)
        download(device, there, part)
        np.testing.assert_allclose(part[:-1], expected[:-1], atol=1e-4)
        np.testing.assert_array_equal(part[-1], 77 if residual is None else residual[-1])
    assert joined > 3 or device.info.kind != "cpu"


def test_windows_beside_each_other_leave_no_rows_to_share(cl_device, rng):
    """2 x 2 pixels in steps of 2: joined over images like single ones; 3 x 1 in steps of 1 see rows of others."""
    device = find(cl_device)
    for kernel, stride, size, joins in (((2, 2), 2, (12, 12), True), ((3, 1), 1, (6, 6), False)):
        x = rng.standard_normal((4, 5, *size)).astype(np.float32)
        w, b = rng.standard_normal((17, 5, *kernel)).astype(np.float32), np.zeros(17, np.float32)
        options = {"stride": stride, "padding": ((kernel[0] - 1) // 2, 0)}
        shape = shape_of(x, w, b, options)
        plan = in_bands(device, shape, None)
        if device.info.kind != "cpu":
            assert plan is None
            continue
        assert (plan.across is not None) is joins
        y = through(device, plan, shape, x, w, b)
        expected = np.maximum(oracle.conv2d(x, w, b, **options), 0)
        assert (np.abs(y - expected) <= direct_bound(x, w, b, **options)).all(), kernel
