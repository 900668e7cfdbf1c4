"""Flow fields: Horn and Schunck's method and warping against the oracle, files, error and colours."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle_flow_dense
from ferkern import flow, image
from ferkern.config import config
from ferkern.errors import ModelError
from textures import textured


def field(rng, height, width, size=5.0):
    return rng.uniform(-size, size, (height, width, 2)).astype(np.float32)


@pytest.mark.op("flow_hs")
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 5), (15, 33), (40, 16), (31, 70)])
def test_horn_schunck_is_the_oracles(rng, row, forced, dtype, shape):
    a, b = (rng.uniform(0, 255, shape).astype(dtype) for _ in range(2))
    for iterations in (0, 1, 30):
        expected = oracle_flow_dense.horn_schunck(a, b, alpha=7.0, iterations=iterations)
        with forced(row):
            found = flow.horn_schunck(a, b, alpha=7.0, iterations=iterations)
        # A step does not enlarge an error; it adds some ten roundings of values of this size.
        bound = (iterations + 1) * 20 * 2**-24 * max(1.0, np.abs(expected).max()) * 10
        np.testing.assert_allclose(found, expected, atol=bound)


@pytest.mark.op("flow_hs")
def test_horn_schunck_finds_small_motions(rng, row, forced):
    world = textured(rng, 100, 120, smooth=3)
    a, b = (image.warp(world, image.similarity(1, 0, (10 + x, 10 + y)), (80, 100)) for x, y in ((0, 0), (0.4, -0.3)))
    with forced(row):
        found = flow.horn_schunck(a, b, alpha=3.0, iterations=300)
    assert flow.endpoint_error(found, np.broadcast_to(np.float32([-0.4, 0.3]), found.shape)) < 0.12


@pytest.mark.op("flow_hs")
def test_horn_schunck_same_bits_for_every_number_of_threads(rng, row):
    a, b = (textured(rng, 190, 300, dtype=np.uint8) for _ in range(2))
    results = []
    for threads in (1, 2, 3, 7):
        with config(isa=row.isa, kernel=row.name, exact=True, threads=threads):
            results.append(flow.horn_schunck(a, b, iterations=9))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


WRONG_FRAMES = [
    ({"alpha": 0.0}, "alpha must be above 0 and at most 1e6, is 0"),
    ({"iterations": -1}, "iterations must be from 0 to 1000000, is -1"),
    ({"white": np.inf}, "white must be finite and above 0, is inf"),
    ({"next": np.zeros((4, 6), np.uint8)}, r"same shape, are \[4, 5\] and \[4, 6\]"),
    ({"next": np.zeros((4, 10), np.uint8)[:, ::2]}, "next: pixels of a row must stand together, they are 2"),
]


@pytest.mark.parametrize(("change", "match"), WRONG_FRAMES)
def test_horn_schunck_refuses_wrong_input(change, match):
    call = {"prev": np.zeros((4, 5), np.uint8), "next": np.zeros((4, 5), np.uint8), **change}
    with pytest.raises(ValueError, match=match):
        flow.horn_schunck(call.pop("prev"), call.pop("next"), **call)


@pytest.mark.op("flow_warp")
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (9, 16), (12, 31), (6, 33, 3), (5, 17, 1), (4, 8, 5)])
@pytest.mark.parametrize("border", ["constant", "replicate"])
def test_warp_is_the_oracles(rng, row, forced, guarded, dtype, shape, border):
    x = rng.uniform(0, 255, shape).astype(dtype)
    motion = field(rng, *shape[:2], 4)
    motion[0, 0] = 3e9, 0
    motion[-1, -1] = 0, np.nan
    with forced(row):
        out = guarded(*shape, dtype=dtype)
        assert flow.warp(x, motion, border=border, fill=9, out=out) is out
    planes = x.reshape(*shape[:2], -1)
    expected = np.stack(
        [oracle_flow_dense.warp(planes[..., c], motion, border, 9) for c in range(planes.shape[2])], axis=-1
    ).reshape(shape)
    # Places are rounded to float32 (below 64 pixels: 4e-6), by the slope of at most 255 a pixel; bytes to half a level.
    np.testing.assert_allclose(out, expected, atol=0.51 if dtype == np.uint8 else 5e-3)
    with config(isa="scalar", kernel="reference", exact=True):
        np.testing.assert_array_equal(out, flow.warp(x, motion, border=border, fill=9))


def test_warp_by_nothing_is_the_picture_and_reads_it_as_it_stands(rng):
    x = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    still = np.zeros((20, 30, 2), np.float32)
    for view in (x, x[::-1], x[:, ::-1], x[..., ::-1], np.repeat(x, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(flow.warp(view, still), view)
    shift = np.broadcast_to(np.float32([2, -1]), (20, 30, 2)).copy()
    moved = flow.warp(x, shift, fill=5)
    np.testing.assert_array_equal(moved[1:, :-2], x[:-1, 2:])
    assert (moved[0] == 5).all()
    assert (moved[:, -2:] == 5).all()
    hole = x[..., 0].astype(np.float32)
    hole[3, 4] = np.nan
    np.testing.assert_array_equal(flow.warp(hole, still), hole)  # neighbours of weight 0 are not seen


def test_warp_by_the_flow_brings_the_second_frame_onto_the_first(rng):
    world = textured(rng, 120, 140, smooth=2)
    a, b = (image.warp(world, image.similarity(1, 0, (20 + x, 20 + y)), (80, 100)) for x, y in ((0, 0), (3.5, -2)))
    back = flow.warp(b, flow.dense(a, b, "medium"))
    assert np.abs(back - a)[8:-8, 8:-8].mean() < 0.1 * np.abs(b - a)[8:-8, 8:-8].mean()


WRONG_IMAGE = [
    ({"image": np.zeros((4, 5))}, TypeError, "image must be uint8 or float32, is float64"),
    ({"flow": np.zeros((4, 5, 2))}, TypeError, "flow must be float32, is float64"),
    (
        {"flow": np.zeros((4, 6, 2), np.float32)},
        ValueError,
        r"flow must have the shape \[4, 5, 2\] .*, has \[4, 6, 2\]",
    ),
    ({"flow": np.zeros((4, 5, 4), np.float32)[..., ::2]}, ValueError, "flow must be C-contiguous"),
    ({"image": np.zeros((0, 5), np.uint8)}, ValueError, r"image must have from 1 .*, its shape is \[0, 5, 1\]"),
    ({"border": "wrap"}, ValueError, "unknown border 'wrap'; known: constant, replicate"),
    ({"fill": 256}, ValueError, "fill must be from 0 to 255, is 256"),
    ({"out": np.zeros((4, 5), np.float32)}, TypeError, "out must be uint8, is float32"),
]


@pytest.mark.parametrize(("change", "error", "match"), WRONG_IMAGE)
def test_warp_refuses_wrong_input(change, error, match):
    call = {"image": np.zeros((4, 5), np.uint8), "flow": np.zeros((4, 5, 2), np.float32), **change}
    with pytest.raises(error, match=match):
        flow.warp(call.pop("image"), call.pop("flow"), **call)


def test_flo_goes_round(rng, tmp_path):
    motion = field(rng, 13, 7)
    flow.write_flo(tmp_path / "a.flo", motion)
    np.testing.assert_array_equal(flow.read_flo(tmp_path / "a.flo"), motion)
    np.testing.assert_array_equal(cv2.readOpticalFlow(str(tmp_path / "a.flo")), motion)
    cv2.writeOpticalFlow(str(tmp_path / "b.flo"), motion)
    assert (tmp_path / "a.flo").read_bytes() == (tmp_path / "b.flo").read_bytes()
    motion[2, 3] = np.nan
    motion[4, 5] = 2e9, 1
    flow.write_flo(str(tmp_path / "a.flo"), motion[::-1])
    assert (cv2.readOpticalFlow(str(tmp_path / "a.flo"))[[10, 8], [3, 5]] == 1e10).all()
    back = flow.read_flo(str(tmp_path / "a.flo"))[::-1]
    assert np.isnan(back[[2, 4], [3, 5]]).all()
    assert np.isnan(back).sum() == 4


@pytest.mark.dataset
def test_flo_of_middlebury(data):
    truth = flow.read_flo(data / "flow" / "RubberWhale" / "flow10.flo")
    assert truth.shape == (388, 584, 2)
    unknown = np.isnan(truth).any(axis=2)
    assert 0 < unknown.mean() < 0.05
    assert np.abs(truth[~unknown]).max() < 6
    assert flow.endpoint_error(truth, truth) == 0


GOOD = struct.pack("<4sii", b"PIEH", 3, 2) + bytes(48)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "has 0 bytes, a .flo file begins with 12"),
        (GOOD[:11], "has 11 bytes"),
        (b"HEIP" + GOOD[4:], "begins with b'HEIP', a .flo file with b'PIEH'"),
        (GOOD[:-1], "has 59 bytes, 3 x 2 pixels need 60"),
        (GOOD + b"\0", "has 61 bytes, 3 x 2 pixels need 60"),
        (struct.pack("<4sii", b"PIEH", 0, 2), "says 0 x 2 pixels"),
        (struct.pack("<4sii", b"PIEH", -3, -2) + bytes(48), "says -3 x -2 pixels"),
        (struct.pack("<4sii", b"PIEH", 2**30, 2**30) + bytes(48), "says 1073741824 x 1073741824 pixels"),
    ],
)
def test_damaged_flo(tmp_path, content, match):
    (tmp_path / "x.flo").write_bytes(content)
    with pytest.raises(ModelError, match=match):
        flow.read_flo(tmp_path / "x.flo")


@given(content=st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.flo"
    for data in (content, GOOD[:8] + content):
        path.write_bytes(data)
        try:
            assert flow.read_flo(path).shape[2] == 2
        except ModelError as error:
            assert str(path) in str(error)  # noqa: PT017


def test_no_flo_at_all(tmp_path):
    with pytest.raises(FileNotFoundError):
        flow.read_flo(tmp_path / "none.flo")
    for wrong, error in ((np.zeros((2, 3, 2)), TypeError), (np.zeros((2, 3), np.float32), ValueError)):
        with pytest.raises(error, match="flow must"):
            flow.write_flo(tmp_path / "x.flo", wrong)
    assert not (tmp_path / "x.flo").exists()


def test_endpoint_error_leaves_out_what_is_unknown():
    truth = np.zeros((2, 2, 2), np.float32)
    found = truth + np.float32([3, 4])
    assert flow.endpoint_error(found, truth) == 5
    truth[0, 0] = np.nan
    truth[0, 1, 1] = 1e10
    found[0] = 77
    found[1, 1] = 0
    assert flow.endpoint_error(found, truth) == 2.5
    with pytest.raises(ValueError, match="truth is unknown everywhere"):
        flow.endpoint_error(found, np.full_like(truth, np.inf))
    with pytest.raises(ValueError, match=r"same shape, are \[2, 2, 2\] and \[1, 2, 2\]"):
        flow.endpoint_error(found, truth[:1])
    with pytest.raises(TypeError, match="truth must be float32, is float64"):
        flow.endpoint_error(found, truth.astype(float))


def test_colors():
    motion = np.float32([[[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1], [np.nan, 0], [2, 0], [0.5, 0]]])
    found = flow.to_color(motion, largest=1.0)[0]
    assert found.dtype == np.uint8
    assert found[0].tolist() == [255, 255, 255]
    red, down, left, up = found[1:5].astype(int)
    assert red[0] == 255
    assert red[1:].max() < 20
    assert down[0] > 200  # yellow
    assert down[1] > 200
    assert down[2] == 0
    assert left[0] == 0  # between cyan and blue
    assert left[2] == 255
    assert up[2] == 255  # violet
    assert 0 < up[0] < 255
    assert up[1] == 0
    assert found[5].tolist() == [0, 0, 0]
    assert found[6, 0] == 191  # too fast: darker by a quarter
    assert found[7].tolist() == [255, 127, 127] or abs(int(found[7, 1]) - 127) < 12
    own = flow.to_color(motion[:, :2])
    np.testing.assert_array_equal(own[0], found[:2])
    np.testing.assert_array_equal(flow.to_color(np.zeros((2, 2, 2), np.float32)), 255)
    with pytest.raises(ValueError, match="largest must be finite and above 0, is 0"):
        flow.to_color(motion, largest=0)


def test_color_wheel():
    wheel = flow.color_wheel(101)
    assert wheel.shape == (101, 101, 3)
    assert (wheel[50, 50] == 255).all()
    assert (wheel[0, 0] == 255).all()
    assert wheel[50, 99, 0] == 255
    assert wheel[50, 99, 1] < 30
    with pytest.raises(ValueError, match="size must be at least 3, is 2"):
        flow.color_wheel(2)
