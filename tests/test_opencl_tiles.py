"""Convolution by tiles in local memory (``conv2d_tiles.cl``), a GPU's way, on every OpenCL device."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import oracle
import winograd
from ferkern import _core, nn
from ferkern.opencl import find
from ferkern.opencl.ops import conv2d as op
from ferkern.opencl.ops import tile
from ferkern.opencl.ops.conv2d_direct import DirectPlan
from ferkern.opencl.ops.conv2d_tiles import TileWay, serves_tiles
from ferkern.opencl.ops.conv2d_tuning import Tuning
from ferkern.opencl.ops.conv2d_winograd import Winograd4Plan
from ferkern.opencl.program import read_source
from test_conv2d import bound
from test_opencl_runs import through

pytestmark = pytest.mark.slow

TILES = {f"{rows} x {vecs}": Tuning(1, vecs, rows, True, (16, 16, 1), local=True) for rows, vecs in tile.TILES}
SQUARE = TILES["4 x 4"]


def in_tiles(device, shape, tuning):
    plan = DirectPlan(device, shape, tuning)
    assert isinstance(plan._way, TileWay)
    return plan


def test_every_build_option_is_one_of_the_kernels():
    text = read_source("fk_tile.h")
    for name in tile.tile_defines(SQUARE):
        assert f"#ifndef {name}\n" in text


@pytest.mark.parametrize("tuning", TILES.values(), ids=TILES)
def test_within_the_bound(cl_device, rng, tuning):
    device = find(cl_device)
    for case in range(12):
        groups = int(rng.choice([1, 1, 2, 3]))
        n, c, o = (
            int(rng.integers(1, 4)),
            groups * int(rng.integers(1, 12)),
            groups * int(rng.choice([1, 5, 16, 33, 70])),
        )
        h, width = (int(v) for v in rng.choice([1, 2, 5, 9, 16, 23], 2))
        kh, kw = int(rng.integers(1, min(h, 5) + 1)), int(rng.integers(1, min(width, 5) + 1))
        x = rng.standard_normal((n, c, h, width)).astype(np.float32)
        w = rng.standard_normal((o, c // groups, kh, kw)).astype(np.float32)
        b = rng.standard_normal(o).astype(np.float32) if case % 3 else None
        options = {
            "stride": tuple(int(v) for v in rng.integers(1, 4, 2)),
            "padding": tuple(int(v) for v in rng.integers(0, 4, 4)),
            "dilation": 1 if case % 4 else (2 if min(h, width) >= 9 else 1),
            "groups": groups,
        }
        activation = [None, "relu", "silu"][case % 3]
        shape = _core.conv2d_shape(x, w, b, *options.values(), activation, None)
        expected = oracle.conv2d(x, w, b, **options)
        residual = rng.standard_normal(expected.shape).astype(np.float32) if case % 2 else None
        allowed = bound(x, w, np.zeros(o, np.float32) if b is None else b, **options)
        if residual is not None:
            expected = expected + residual
            allowed = allowed + 2e-7 * np.abs(expected)
        if activation is not None:
            expected = oracle.activate(expected, activation)
        y = through(device, in_tiles(device, shape, tuning), shape, x, w, b, residual)
        # silu's slope is 1.1 at most, its own error a few units in the last place.
        assert (np.abs(y - expected) <= 1.1 * allowed + 1e-6 * np.abs(expected)).all(), (x.shape, w.shape, options)


def test_what_is_outside_is_a_zero_like_any_other(cl_device, rng):
    """An infinite weight over the border gives NaN there, one over the image infinity; NaN stays in its windows."""
    device = find(cl_device)
    x, w = np.ones((1, 2, 6, 6), np.float32), np.ones((17, 2, 3, 3), np.float32)
    w[3, 1, 0, 0] = np.inf
    x[0, 0, 5, 5] = np.nan
    shape = _core.conv2d_shape(x, w, None, 1, 1, 1, 1, None, None)
    y = through(device, in_tiles(device, shape, SQUARE), shape, x, w, None)
    np.testing.assert_array_equal(y, oracle.conv2d(x, w, None, padding=1))
    assert np.isnan(y[0, 3, 0]).all()
    assert np.isinf(y[0, 3, 2, 2])


def test_winograd_takes_them_on_a_gpu(cl_device, rng, monkeypatch):
    device = find(cl_device)
    monkeypatch.setattr(device, "info", dataclasses.replace(device.info, kind="gpu"))
    x = rng.standard_normal((3, 17, 13, 22)).astype(np.float32)
    for filters in (16, 15):
        w, b = rng.standard_normal((filters, 17, 3, 3)).astype(np.float32), np.zeros(filters, np.float32)
        shape = _core.conv2d_shape(x, w, b, 1, 1, 1, 1, None, None)
        plan = op.plan_of(device, shape, "winograd4")
        assert plan.tuning.local is (filters == 16)
        y = through(device, plan, shape, x, w, b)
        allowed = winograd.bound("winograd4", x, w, b, padding=1, device=True)
        assert (np.abs(y - oracle.conv2d(x, w, b, padding=1)) <= allowed).all()


@pytest.mark.parametrize(("units", "images"), [(132, 12), (8, 1)], ids=["large", "small"])
def test_a_gpu_takes_winograd_where_it_saves_more_than_its_launches(cl_device, monkeypatch, units, images):
    """64 -> 64 filters of 3 x 3 on 56 x 56 are 0.23 GFLOP an image."""
    device = find(cl_device)
    w = np.broadcast_to(np.float32(0), (64, 64, 3, 3))

    def taken(n):
        x = np.broadcast_to(np.float32(0), (n, 64, 56, 56))
        shape = _core.conv2d_shape(x, w, None, 1, 1, 1, 1, None, None)
        plan = op.preferred(device, shape) or op.by_list(device, shape)
        assert (type(plan) is DirectPlan) == (_core.last_kernel() == "conv2d:direct:opencl")
        return type(plan)

    assert taken(1) is Winograd4Plan  # a CPU device's
    info = dataclasses.replace(device.info, kind="gpu", compute_units=units, clock_mhz=1980)
    monkeypatch.setattr(device, "info", info)
    assert taken(images) is Winograd4Plan
    x = np.broadcast_to(np.float32(0), (1, 64, 14, 14))
    assert op.in_one_launch(device, _core.conv2d_shape(x, w, None, 1, 1, 1, 1, None, None))
    if images > 1:
        assert taken(1) is DirectPlan


def test_a_gpu_takes_it_and_all_its_tiles_fit(cl_device, rng, monkeypatch):
    device = find(cl_device)
    monkeypatch.setattr(device, "info", dataclasses.replace(device.info, kind="gpu", local_bytes=16 * 1024))
    tunings = list(tile.local_tiles(device.info))
    assert tunings
    assert all(2 * 4 * 8 * 16 * (t.tile + t.vecs) <= 16 * 1024 for t in tunings)
    x = rng.standard_normal((2, 5, 12, 11)).astype(np.float32)
    for filters in (16, 15):  # fewer do not fill a group
        w = rng.standard_normal((filters, 5, 3, 3)).astype(np.float32)
        shape = _core.conv2d_shape(x, w, None, 2, 1, 1, 1, None, None)
        assert serves_tiles(device, shape, None) == (filters == 16)
        b, options = rng.standard_normal(filters).astype(np.float32), {"stride": 2, "padding": 1}
        y = nn.conv2d(x, w, b, **options, device=cl_device)
        assert (np.abs(y - oracle.conv2d(x, w, b, **options)) <= bound(x, w, b, **options)).all()
    assert op.plan_of(device, shape, "direct").tuning.local is False
