"""Winograd's kernels on every OpenCL device: within their bound, chosen where they pay, no further spread than said."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import winograd
from ferkern import _core, nn
from ferkern.config import config
from ferkern.opencl import find
from ferkern.opencl.memory import download, upload
from ferkern.opencl.ops.conv2d import PLANS
from ferkern.registry import kernels

pytestmark = pytest.mark.slow

ROWS = [row.name for row in kernels("conv2d") if row.isa == "opencl" and row.name.startswith("winograd")]


def resolved(x, w, padding):
    return _core.conv2d_shape(x, w, None, 1, padding, 1, 1, None, None)


def chosen(n: int, c: int, size: int, o: int) -> str:
    x, w = np.broadcast_to(np.float32(0), (n, c, size, size)), np.broadcast_to(np.float32(0), (o, c, 3, 3))
    return _core.device_kernel("conv2d", resolved(x, w, 1), "opencl")[0]


def test_both_forms_are_there():
    assert ROWS == ["winograd4", "winograd2"]


def test_within_the_bound_on_random_cases(cl_device, rng):
    worst = dict.fromkeys(ROWS, 0.0)
    for _ in range(300):
        row = ROWS[rng.integers(len(ROWS))]
        n, c, h, w, o = (int(v) for v in rng.integers(1, (3, 20, 30, 30, 20)))
        padding = tuple(int(v) for v in rng.integers(0, 4, 4))
        if h + padding[0] + padding[1] < 3 or w + padding[2] + padding[3] < 3:
            continue
        x = (rng.standard_normal((n, c, h, w)) * 10.0 ** rng.integers(-4, 5)).astype(np.float32)
        weights, b = rng.standard_normal((o, c, 3, 3)).astype(np.float32), rng.standard_normal(o).astype(np.float32)
        with config(kernel=row):
            y = nn.conv2d(x, weights, b, padding=padding, device=cl_device)
        error = np.abs(y - oracle.conv2d(x, weights, b, padding=padding))
        share = (error / winograd.bound(row, x, weights, b, padding=padding, device=True)).max()
        assert share <= 1, (row, x.shape, weights.shape, padding)
        worst[row] = max(worst[row], float(share))
    # A bound that is never approached would let a wrong kernel pass.
    assert all(share > 1e-3 for share in worst.values()), worst


def test_chosen_by_work():
    assert chosen(1, 64, 56, 64) == "winograd4"
    assert chosen(8, 128, 6, 128) == "winograd2"  # 4 x 4 tiles would cover 64 pixels of 36
    assert chosen(1, 1, 48, 32) == "direct"  # one channel: the transforms cost more than they save
    assert chosen(1, 4, 8, 4) == "direct"  # four launches for nothing


@pytest.mark.parametrize("row", ROWS)
def test_numbers_that_are_not_finite_stay_in_their_tile(cl_device, row, rng):
    m, _ = winograd.FORMS[row]
    x = rng.standard_normal((2, 3, 16, 16)).astype(np.float32)
    x[0, 0, 0, 0] = np.inf
    w = rng.standard_normal((2, 3, 3, 3)).astype(np.float32)
    with config(kernel=row):
        y = nn.conv2d(x, w, padding=1, device=cl_device)
    reached = -(-2 // m) * m  # the tiles of the outputs that see it
    assert not np.isfinite(y[0, :, :2, :2]).any()
    assert np.isfinite(y[0, :, reached:]).all()
    assert np.isfinite(y[0, :, :, reached:]).all()
    assert np.isfinite(y[1]).all()


@pytest.mark.parametrize("row", [*ROWS, "direct"])
def test_part_of_a_planned_batch(cl_device, row, rng):
    """A plan for three images run on two: the same bits, and the third image's place untouched."""
    device = find(cl_device)
    x, w = rng.standard_normal((3, 5, 13, 9)).astype(np.float32), rng.standard_normal((7, 5, 3, 3)).astype(np.float32)
    shape = resolved(x, w, 1)
    with config(kernel=row):
        _, function = _core.device_kernel("conv2d", shape, "opencl")
    plan = PLANS[function](device, shape)
    plan.load({"w": upload(device, w)})
    results = []
    for images in (3, 2):
        y = np.full((3, 7, 13, 9), 77, np.float32)
        there = upload(device, y)
        plan.run([upload(device, x[:images])], None, there, images)
        download(device, there, y)
        results.append(y)
    np.testing.assert_array_equal(results[0][:2], results[1][:2])
    assert (results[1][2] == 77).all()


@pytest.mark.parametrize("row", [*ROWS, "direct"])
def test_the_residual_may_be_the_output(cl_device, row, rng):
    """Tiles at the end of a row begin earlier than they are due: what they store again must not be added twice."""
    device = find(cl_device)
    x, w = rng.standard_normal((1, 4, 9, 23)).astype(np.float32), rng.standard_normal((6, 4, 3, 3)).astype(np.float32)
    residual = rng.standard_normal((1, 6, 9, 23)).astype(np.float32)
    shape = resolved(x, w, 1)
    with config(kernel=row):
        _, function = _core.device_kernel("conv2d", shape, "opencl")
    plan = PLANS[function](device, shape)
    plan.load({"w": upload(device, w)})
    apart, y = upload(device, np.zeros_like(residual)), upload(device, residual)
    plan.run([upload(device, x)], upload(device, residual), apart, 1)
    plan.run([upload(device, x)], y, y, 1)
    results = np.empty_like(residual), np.empty_like(residual)
    download(device, apart, results[0])
    download(device, y, results[1])
    np.testing.assert_array_equal(*results)
