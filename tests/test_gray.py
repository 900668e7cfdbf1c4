"""Grey pictures: the same bytes as Pillow's, on every row."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ferkern import image
from ferkern.config import config
from sizes import EDGES


def expected(rgb):
    return np.asarray(Image.fromarray(np.ascontiguousarray(rgb[..., :3])).convert("L"))


@pytest.mark.op("gray")
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("width", EDGES)
def test_same_bytes_as_pillow(row, forced, guarded, rng, width, channels):
    rgb = rng.integers(0, 256, (5, width, channels), dtype=np.uint8)
    out = guarded(5, width, dtype=np.uint8)
    with forced(row):
        assert image.to_gray(rgb, out=out) is out
    np.testing.assert_array_equal(out, expected(rgb))


@pytest.mark.op("gray")
def test_every_grey_stays_itself_and_extremes_hold(row, forced):
    with forced(row):
        levels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
        np.testing.assert_array_equal(image.to_gray(levels)[0], np.arange(256))
        corners = np.array(np.meshgrid([0, 255], [0, 255], [0, 255])).reshape(3, -1).T[None].astype(np.uint8)
        np.testing.assert_array_equal(image.to_gray(np.tile(corners, (1, 5, 1))), expected(np.tile(corners, (1, 5, 1))))


@pytest.mark.op("gray")
def test_strided_input_is_read_as_it_stands(row, forced, rng):
    rgb = rng.integers(0, 256, (24, 37, 4), dtype=np.uint8)
    planes = np.ascontiguousarray(rgb.transpose(2, 0, 1)).transpose(1, 2, 0)
    views = (rgb[..., :3], rgb[::2], rgb[:, ::3], rgb[::-1, ::-1], rgb[..., 2::-1], rgb.transpose(1, 0, 2), planes)
    for view in (*views, np.asfortranarray(rgb), np.broadcast_to(rgb[:1, :1], (9, 33, 4))):
        with forced(row):
            np.testing.assert_array_equal(image.to_gray(view), expected(view))


def test_same_bits_for_every_number_of_threads(rng):
    rgb = rng.integers(0, 256, (701, 997, 3), dtype=np.uint8)
    for threads in (1, 2, 3, 7):
        with config(threads=threads):
            np.testing.assert_array_equal(image.to_gray(rgb), expected(rgb))


def test_a_picture_twenty_thousand_pixels_wide(rng):
    rgb = rng.integers(0, 256, (3, 20_000, 3), dtype=np.uint8)
    np.testing.assert_array_equal(image.to_gray(rgb), expected(rgb))


@pytest.mark.parametrize(
    ("rgb", "options", "error", "match"),
    [
        (np.zeros((4, 4, 3)), {}, TypeError, "rgb must be uint8, is float64"),
        (np.zeros((4, 4), np.uint8), {}, ValueError, r"rgb must have 3 dimensions, has 2: shape \[4, 4\]"),
        (np.zeros((4, 4, 2), np.uint8), {}, ValueError, "3 channels .* or 4 .*, has 2"),
        (np.zeros((0, 4, 3), np.uint8), {}, ValueError, r"at least one pixel, its shape is \[0, 4, 3\]"),
        (np.zeros((4, 4, 3), np.uint8), {"out": np.zeros((4, 5), np.uint8)}, ValueError, "axis 1 must be 4"),
        (np.zeros((4, 4, 3), np.uint8), {"out": np.zeros((4, 4))}, TypeError, "out must be uint8"),
    ],
    ids=lambda v: str(v)[:30].replace("\n", ""),
)
def test_wrong_input(rgb, options, error, match):
    with pytest.raises(error, match=match):
        image.to_gray(rgb, **options)


def test_out_must_not_be_the_input():
    rgb = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="out must not share memory with rgb"):
        image.to_gray(rgb, out=rgb.reshape(-1)[:16].reshape(4, 4))
