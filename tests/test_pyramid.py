"""Pyramids against the oracle and OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import oracle_flow
from ferkern import flow
from ferkern.config import config
from sizes import EDGES
from textures import textured

DTYPES = [np.uint8, np.float32]


@pytest.mark.op("pyramid")
@pytest.mark.parametrize("dtype", DTYPES)
def test_pyramid_of_every_size(rng, row, forced, dtype):
    for height, width in [*((5, n) for n in EDGES), *((n, 6) for n in EDGES), (1, 1), (2, 2), (67, 131), (3, 200)]:
        x = rng.uniform(0, 256, (height, width)).astype(dtype)
        with forced(row):
            pyramid = flow.pyramid(x)
            levels = [pyramid.level(level) for level in range(1, 4)]
        for y in levels:
            expected = oracle_flow.halve(x)
            assert y.dtype == dtype
            # Sums of 25 positive terms, each within 10 roundings; bytes are exact.
            np.testing.assert_allclose(y, expected, rtol=0 if dtype == np.uint8 else 10 * 2.0**-24, atol=0)
            x = y


@pytest.mark.op("pyramid")
@pytest.mark.parametrize("dtype", DTYPES)
def test_pyramid_has_the_same_bits_everywhere(rng, row, dtype):
    x = rng.uniform(0, 256, (203, 317)).astype(dtype)
    with config(isa="scalar", kernel="reference", exact=True, threads=1):
        expected = flow.pyramid(x).level(2)
    for threads in (1, 2, 3, 7):
        with config(isa=row.isa, kernel=row.name, exact=True, threads=threads):
            np.testing.assert_array_equal(flow.pyramid(x).level(2), expected)


def test_pyramid_is_opencvs(photo):
    pyramid = flow.pyramid(photo)
    x = photo
    for level in range(1, 9):
        x = cv2.pyrDown(x)
        np.testing.assert_array_equal(pyramid.level(level), x)
    assert pyramid.shape == (512, 512)
    np.testing.assert_array_equal(pyramid.level(0), photo)


def test_pyramid_grows_with_what_is_asked_of_it(rng):
    """Parts that were built for points stay right when more is built around them."""
    x = textured(rng, 300, 400, dtype=np.uint8)
    pyramid = flow.pyramid(x)
    whole = [flow.pyramid(x).level(level) for level in range(4)]
    for pts in ([[350, 250]], [[40, 30]], [[200, 290]]):
        pts = np.float32(pts)
        np.testing.assert_array_equal(flow.track(pyramid, x, pts).points, flow.track(x, x, pts).points)
    for level, expected in enumerate(whole):
        np.testing.assert_array_equal(pyramid.level(level), expected)


def test_wrong_frame_for_a_pyramid():
    with pytest.raises(TypeError, match="frame must be uint8 or float32, is int64"):
        flow.pyramid(np.zeros((3, 3), np.int64))
    with pytest.raises(ValueError, match=r"frame must hold at least one pixel, its shape is \[3, 0\]"):
        flow.pyramid(np.zeros((3, 0), np.uint8))
    with pytest.raises(ValueError, match="level must be from 0 to 16, is 17"):
        flow.pyramid(np.zeros((3, 3), np.uint8)).level(17)
