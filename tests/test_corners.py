"""Corners against the oracle, the plain reference and OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import oracle_flow
from ferkern import flow
from ferkern.config import config
from textures import textured

DTYPES = [np.uint8, np.float32]
A = np.zeros((50, 60), np.uint8)


@pytest.mark.op("corners")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("block", [1, 2, 3, 6])
def test_corners_are_the_oracles(rng, row, forced, dtype, block):
    """Whole numbers in: products and sums are exact, and the order of the strengths is the oracle's."""
    for height, width in [(3, 3), (4, 50), (17, 33), (40, 37), (33, 64), (49, 16)]:
        x = rng.integers(0, 256, (height, width)).astype(dtype)
        with forced(row):
            y = flow.corners(x, 15, quality=0.05, min_distance=4.5, block=block)
        expected = oracle_flow.corners(x, 15, 0.05, 4.5, block)
        if block > 1:
            np.testing.assert_array_equal(y, expected)
        else:  # a matrix of rank 1: its smaller eigenvalue is rounding
            assert len(y) <= 15


@pytest.mark.op("corners")
@pytest.mark.parametrize("block", [3, 5])
def test_corners_are_opencvs(photo, row, forced, block):
    expected = cv2.goodFeaturesToTrack(photo, 150, 0.01, 9, blockSize=block)[:, 0]
    with forced(row):
        y = flow.corners(photo, 150, quality=0.01, min_distance=9, block=block)
    assert y.shape == (150, 2)
    assert len({tuple(p) for p in y} & {tuple(p) for p in expected}) >= 147


def test_corners_keep_their_distance_and_their_order(rng):
    x = textured(rng, 200, 260, dtype=np.uint8)
    many = flow.corners(x, 10_000, quality=0, min_distance=0)
    assert len({tuple(p) for p in many}) == len(many) > 100
    strength = oracle_flow.eigenvalues(x, 3)[many[:, 1].astype(int), many[:, 0].astype(int)]
    assert (np.diff(strength) <= 1e-3).all()
    few = flow.corners(x, 10_000, quality=0.3, min_distance=20)
    apart = np.linalg.norm(few[:, None] - few[None], axis=2) + 1e9 * np.eye(len(few))
    assert apart.min() >= 20
    np.testing.assert_array_equal(few[:3], flow.corners(x, 3, quality=0.3, min_distance=20))
    np.testing.assert_array_equal(
        few, flow.corners(np.ascontiguousarray(x[::-1])[::-1], 10_000, quality=0.3, min_distance=20)
    )


def test_corners_have_the_same_bits_for_every_number_of_threads(rng):
    x = textured(rng, 200, 260)
    results = []
    for threads in (1, 2, 3, 7):
        with config(threads=threads):
            results.append(flow.corners(x, 500, min_distance=3))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_corners_of_a_checkerboard():
    x = np.kron(np.indices((5, 6)).sum(axis=0) % 2, np.ones((16, 16))).astype(np.uint8) * 200
    y = flow.corners(x, 100, quality=0.5, min_distance=5)
    assert len(y) == 4 * 5
    assert np.abs((y + 0.5) % 16 - 16 * (((y + 0.5) % 16) > 8)).max() <= 1


WRONG = [
    ({"gray": A.astype(np.int32)}, TypeError, "gray must be uint8 or float32, is int32"),
    ({"gray": A[:, :0]}, ValueError, r"gray must hold at least one pixel, its shape is \[50, 0\]"),
    ({"gray": A[:, ::2]}, ValueError, "gray: pixels of a row must stand together, they are 2 elements apart"),
    ({"count": 0}, ValueError, "count must be at least 1, is 0"),
    ({"quality": 1.5}, ValueError, "quality must be from 0 to 1, is 1.5"),
    ({"quality": np.nan}, ValueError, "quality must be from 0 to 1, is nan"),
    ({"min_distance": -1}, ValueError, "min_distance must be finite and not below 0, is -1"),
    ({"block": 32}, ValueError, "block must be from 1 to 31, is 32"),
]


@pytest.mark.parametrize(("change", "error", "match"), WRONG, ids=lambda v: str(v)[:40].replace("\n", ""))
def test_wrong_input_for_corners(change, error, match):
    call = {"gray": A, "count": 5, **change}
    with pytest.raises(error, match=match):
        flow.corners(call.pop("gray"), call.pop("count"), **call)
