"""Integral images against sums in NumPy, and OpenCV's for the tilted ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ferkern.image import integral


def summed(values: np.ndarray) -> np.ndarray:
    out = np.zeros((values.shape[0] + 1, values.shape[1] + 1), np.int64)
    out[1:, 1:] = values.astype(np.int64).cumsum(0).cumsum(1)
    return out


@pytest.mark.op("integral")
@pytest.mark.parametrize("height", [1, 2, 17])
@pytest.mark.parametrize("width", [1, 7, 8, 9, 15, 16, 17, 31, 33, 97])
def test_sums(height, width, row, forced, rng):
    gray = rng.integers(0, 256, (height, width), dtype=np.uint8)
    with forced(row):
        plain, full = integral(gray), integral(gray, squared=True, tilted=True)
    np.testing.assert_array_equal(plain.sum, summed(gray))
    assert plain.squared is None
    assert plain.tilted is None
    np.testing.assert_array_equal(full.sum, plain.sum)
    np.testing.assert_array_equal(full.squared, summed(gray.astype(np.int64) ** 2))
    np.testing.assert_array_equal(full.tilted, cv2.integral3(gray)[2])
    assert (full.sum.dtype, full.squared.dtype, full.tilted.dtype) == (np.int32, np.int64, np.int32)


@pytest.mark.op("integral")
def test_bright_pictures_and_strided_rows(row, forced, rng):
    gray = np.full((300, 1000), 255, np.uint8)
    with forced(row):
        found = integral(gray[:, 3:901], squared=True)
    assert found.sum[-1, -1] == 300 * 898 * 255
    assert found.squared[-1, -1] == 300 * 898 * 255**2


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="3000 x 3000 pixels"):
        integral(np.broadcast_to(np.zeros(3000, np.uint8), (3000, 3000)))
    with pytest.raises(ValueError, match="must hold a pixel"):
        integral(np.zeros((0, 4), np.uint8))
    with pytest.raises(ValueError, match="must stand together"):
        integral(np.zeros((8, 8), np.uint8)[:, ::2])
    with pytest.raises(TypeError, match="gray"):
        integral(np.zeros((8, 8), np.float32))
