"""Corners on every OpenCL device, against the processor's and the oracle."""

from __future__ import annotations

import numpy as np
import pytest

import oracle_flow
from ferkern import flow
from ferkern.opencl.ops.corners import eigenvalues
from ferkern.registry import last_kernel
from test_corners import DTYPES, WRONG, A
from textures import textured

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("dtype", DTYPES)
def test_corners_are_the_oracles(cl_device, rng, dtype):
    """Whole numbers in: products and sums are exact, and the order of the strengths is the oracle's."""
    for block in (2, 3, 6):
        for height, width in ((3, 3), (4, 50), (17, 33), (40, 37), (33, 64), (49, 16)):
            x = rng.integers(0, 256, (height, width)).astype(dtype)
            y = flow.corners(x, 15, quality=0.05, min_distance=4.5, block=block, device=cl_device)
            np.testing.assert_array_equal(y, oracle_flow.corners(x, 15, 0.05, 4.5, block))
    assert last_kernel() == "corners:pixels:opencl"


def test_eigenvalues_of_fractions(cl_device, rng):
    for shape in ((1, 1), (1, 9), (2, 5), (31, 70)):
        x = rng.uniform(0, 255, shape).astype(np.float32)
        for block in (1, 3, 31):
            found = eigenvalues(x, 1, 0.01, 10, block, device=cl_device)
            expected = oracle_flow.eigenvalues(x, block)
            # block^2 roundings in each of three sums of terms of at most (4 * 255)^2 / 64, and their differences.
            np.testing.assert_allclose(found, expected, atol=(block**2 + 10) * 2**-24 * 4 * 1020**2 / 64)


def test_corners_are_the_processors_on_a_photograph(cl_device, photo, rng):
    expected = flow.corners(photo, 300, min_distance=5)
    np.testing.assert_array_equal(flow.corners(photo, 300, min_distance=5, device=cl_device), expected)
    flipped = np.ascontiguousarray(photo[::-1])[::-1]
    np.testing.assert_array_equal(flow.corners(flipped, 300, min_distance=5, device=cl_device), expected)
    x = textured(rng, 120, 160)
    all_of_them = flow.corners(x, 10_000, quality=0, min_distance=0, device=cl_device)
    assert (
        len({tuple(p) for p in all_of_them} ^ {tuple(p) for p in flow.corners(x, 10_000, quality=0, min_distance=0)})
        < 3
    )


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (9, 2)])
def test_no_corners_in_small_or_grey_pictures(cl_device, shape, rng):
    assert flow.corners(rng.uniform(0, 255, shape).astype(np.float32), 5, device=cl_device).shape == (0, 2)
    assert flow.corners(A, 5, device=cl_device).shape == (0, 2)


@pytest.mark.parametrize(("change", "error", "match"), WRONG, ids=lambda v: str(v)[:40].replace("\n", ""))
def test_wrong_input_gets_the_same_message(cl_device, change, error, match):
    messages = []
    for device in ("cpu", cl_device):
        call = {"gray": A, "count": 5, **change}
        with pytest.raises(error, match=match) as caught:
            flow.corners(call.pop("gray"), call.pop("count"), **call, device=device)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
