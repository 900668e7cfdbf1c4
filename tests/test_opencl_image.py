"""Pictures on every OpenCL device: grey, resize, warp and integral images have the processor's bits."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from ferkern import _core, image
from ferkern.config import config
from ferkern.opencl import DeviceError, find
from ferkern.opencl.ops import gray, integral, resize, warp
from ferkern.opencl.program import read_source
from ferkern.registry import kernels, last_kernel
from opencl_structs import layout_on_device
from sizes import EDGES
from test_integral import summed
from test_resize import CASES as SIZES
from test_warp import CASES as VIEWS
from test_warp import make

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow

DTYPES = [np.uint8, np.float32]
OPS = {"gray": gray, "resize": resize, "warp": warp, "integral": integral}


def same(on_device, on_processor):
    assert on_device.dtype == on_processor.dtype
    np.testing.assert_array_equal(on_device, on_processor)


@pytest.mark.parametrize("op", OPS)
def test_the_device_kernels_stand_in_the_one_list(op):
    rows = [k for k in kernels(op) if k.isa == "opencl"]
    assert rows
    assert all(row.supported for row in rows)
    gray = np.zeros((8, 64), np.uint8)
    shape = {
        "gray": lambda: _core.gray_shape(gray[..., None].repeat(3, axis=2)),
        "resize": lambda: _core.resize_shape(gray, (2, 2), "area"),
        "warp": lambda: _core.warp_shape(gray, np.eye(2, 3), (4, 4), "constant", 0, False)[0],
        "integral": lambda: _core.integral_shape(gray, True, True),
    }[op]()
    source = read_source(OPS[op].FILE)
    for row in rows:
        with config(kernel=row.name):
            name, function = _core.device_kernel(op, shape, "opencl")
        assert name == row.name
        assert last_kernel() == f"{op}:{name}:opencl"
        assert re.search(rf"__kernel[^;{{}}]*\b{function}\(", source)
    flops, read, written = _core.device_cost(op, shape)
    assert min(flops, read, written) > 0


def records():
    gray = np.zeros((5, 6), np.uint8)
    shape, _, views, count = _core.warp_shape(gray, np.array([[0.5, 2, 3], [1.5, 1, 2]]), (4, 7), "replicate", 3, True)
    rows, _, _ = _core.resize_taps(_core.resize_shape(gray, (2, 9), "area"))
    origins = _core.warp_origins(shape, np.array([[0.5, 2, 3, 1.5, 1, 2]]), views, count)
    return {
        "fk_gray_shape": _core.gray_shape(np.zeros((5, 6, 4), np.uint8)),
        "fk_resize_shape": _core.resize_shape(gray.astype(np.float32), (2, 9), "bilinear"),
        "fk_resize_taps": rows[1],
        "fk_warp_shape": shape,
        "fk_warp_view": views[0],
        "fk_warp_origin": origins[-1],
        "fk_integral_shape": _core.integral_shape(gray, True, False),
    }


@pytest.mark.parametrize("struct", records())
def test_both_compilers_lay_out_the_same_struct(cl_device, struct):
    record = np.asarray(records()[struct])
    header = f"fk_{struct.split('_')[1]}.h"
    size, offsets, content = layout_on_device(cl_device, header, struct, record)
    assert size == record.dtype.itemsize
    assert offsets == [record.dtype.fields[name][1] for name in record.dtype.names]
    assert content == record.tobytes()


def test_infer_fills_the_shapes():
    shape, _, views, count = _core.warp_shape(
        np.zeros((5, 6, 3), np.uint8), np.array([[3.0, 0, 1], [4, 0.5, 2]]), (4, 70), "replicate", 3, True
    )
    values = {name: shape[name].item() for name in shape.dtype.names}
    assert values == {"ih": 5, "iw": 6, "channels": 3, "count": 1, "oh": 4, "ow": 70, "border": 1, "fill": 3.0} | {
        "antialias": 1,
        "is_float": 0,
    }
    assert views[0].tolist() == (5, 1, 0, 3.0, 4.0)
    assert count == 4 * 2 * 5  # rows, runs of 64 columns, samples


@pytest.mark.parametrize("channels", [3, 4])
def test_gray(cl_device, guarded, rng, channels):
    for width in EDGES:
        rgb = rng.integers(0, 256, (5, width, channels), dtype=np.uint8)
        out = guarded(5, width, dtype=np.uint8)
        assert image.to_gray(rgb, out=out, device=cl_device) is out
        same(out, image.to_gray(rgb))
    levels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], channels, axis=2)
    same(image.to_gray(levels, device=cl_device)[0], np.arange(256, dtype=np.uint8))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", ["area", "bilinear"])
def test_resize(cl_device, guarded, rng, method, dtype):
    for shape, size in SIZES:
        for channels in ((), (1,), (3,)):
            x = make(rng, (*shape, *channels), dtype)
            out = guarded(*size, *channels, dtype=dtype)
            assert image.resize(x, size, method=method, out=out, device=cl_device) is out
            same(out, image.resize(x, size, method=method))


@pytest.mark.parametrize("row", ["separable", "direct"])
def test_every_row_of_resize(cl_device, rng, row):
    """Both where 201 taps are three partial sums; the fast one is not asked where few columns become one."""
    x = make(rng, (9, 603, 3), np.float32)
    expected = image.resize(x, (4, 3))
    with config(kernel=row):
        same(image.resize(x, (4, 3), device=cl_device), expected)
    assert last_kernel() == f"resize:{row}:opencl"
    image.resize(x, (4, 400), device=cl_device)
    assert last_kernel() == "resize:direct:opencl"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", EDGES)
def test_resize_at_edge_sizes(cl_device, rng, n, dtype):
    for shape, size in (((7, n), (3, 5)), ((7, 19), (5, n)), ((n, 9), (4, 9)), ((6, n, 3), (4, 2 * n))):
        x = make(rng, shape, dtype)
        for method in ("area", "bilinear"):
            same(image.resize(x, size, method=method, device=cl_device), image.resize(x, size, method=method))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("border", ["constant", "replicate"])
def test_warp(cl_device, guarded, rng, border, dtype):
    for matrix, size in VIEWS.values():
        for antialias in (False, True):
            x = make(rng, (40, 53), dtype)
            out = guarded(*size, dtype=dtype)
            options = {"border": border, "fill": 9, "antialias": antialias}
            assert image.warp(x, matrix, size, **options, out=out, device=cl_device) is out
            same(out, image.warp(x, matrix, size, **options))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", EDGES)
def test_warp_at_edge_sizes(cl_device, rng, n, dtype):
    matrix = image.similarity(0.9, 0.3, (-0.5, 0.4))
    for shape, size in (((7, n), (5, 6)), ((n, 7), (5, 6)), ((9, 9), (3, n)), ((9, 9), (n, 3)), ((8, 9, 3), (2, n))):
        x = make(rng, shape, dtype)
        same(image.warp(x, matrix, size, device=cl_device), image.warp(x, matrix, size))


def test_many_views_of_one_picture(cl_device, rng):
    """Each with as many samples as its own matrix asks for."""
    x = make(rng, (60, 70, 3), np.uint8)
    matrices = np.stack([image.similarity(1 + k / 3, k, (k, 2 * k)) for k in range(9)])
    options = {"border": "replicate", "antialias": True}
    same(image.warp(x, matrices, (24, 130), **options, device=cl_device), image.warp(x, matrices, (24, 130), **options))
    assert image.warp(x, matrices[:0], (5, 6), device=cl_device).shape == (0, 5, 6, 3)


def test_a_device_without_float64_gets_its_origins_from_the_processor(cl_device, rng, monkeypatch):
    device = find(cl_device)
    assert device.info.fp64, "or this test shows nothing"
    x, matrix = make(rng, (40, 53), np.uint8), image.similarity(2.6, 0.4, (-9, 3))
    expected = image.warp(x, matrix, (33, 150), antialias=True)
    asked = []
    monkeypatch.setattr(device, "info", replace(device.info, fp64=False))
    origins = _core.warp_origins
    monkeypatch.setattr(_core, "warp_origins", lambda *a: asked.append(len(a)) or origins(*a))
    same(image.warp(x, matrix, (33, 150), antialias=True, device=cl_device), expected)
    assert asked


@pytest.mark.parametrize("height", [1, 2, 17])
def test_integral_images(cl_device, rng, height):
    for width in (1, 7, 8, 9, 15, 16, 17, 31, 33, 97):
        x = rng.integers(0, 256, (height, width), dtype=np.uint8)
        plain, full = (
            image.integral(x, device=cl_device),
            image.integral(x, squared=True, tilted=True, device=cl_device),
        )
        expected = image.integral(x, squared=True, tilted=True)
        assert plain.squared is None
        assert plain.tilted is None
        same(plain.sum, expected.sum)
        same(full.sum, expected.sum)
        same(full.squared, expected.squared)
        same(full.tilted, expected.tilted)


def test_integral_images_as_a_gpu_makes_them(cl_device, rng, monkeypatch):
    """A group along each row and the tilted sums' edge, bands down the columns."""
    monkeypatch.setattr(integral, "tuning", lambda info: integral.Tuning(group=16, band=8))
    for shape in ((8, 64), (9, 65), (41, 63), (16, 200)):
        x = rng.integers(0, 256, shape, dtype=np.uint8)
        found = image.integral(x, squared=True, tilted=True, device=cl_device)
        same(found.tilted, image.integral(x, tilted=True).tilted)
        same(found.sum, summed(x).astype(np.int32))
        same(found.squared, summed(x.astype(np.int64) ** 2))


def test_bright_pictures_and_strided_rows(cl_device):
    x = np.full((300, 1000), 255, np.uint8)
    found = image.integral(x[:, 3:901], squared=True, device=cl_device)
    assert found.sum[-1, -1] == 300 * 898 * 255
    assert found.squared[-1, -1] == 300 * 898 * 255**2


def test_strided_input_is_made_dense_for_the_transfer(cl_device, rng):
    x = make(rng, (40, 42, 4), np.uint8)
    matrix = image.similarity(0.7, 0.2, (2, 3))
    views = (x[..., :3], x[::-1, ::-1], x[::2, ::3], x.transpose(1, 0, 2), np.asfortranarray(x))
    for view in (*views, np.broadcast_to(x[:1, :1], x.shape)):
        same(image.to_gray(view, device=cl_device), image.to_gray(view))
        same(image.resize(view, (11, 17), device=cl_device), image.resize(view, (11, 17)))
        same(image.warp(view, matrix, (9, 35), device=cl_device), image.warp(view, matrix, (9, 35)))
    same(
        image.warp(x, matrix.astype(np.float32), (9, 35), device=cl_device), image.warp(x, np.float32(matrix), (9, 35))
    )


def test_infinity_and_nan_as_on_the_processor(cl_device):
    x = np.zeros((9, 40), np.float32)
    x[3, 7], x[5, 20] = np.nan, np.inf
    for size in ((4, 20), (18, 7)):
        for method in ("area", "bilinear"):
            same(image.resize(x, size, method=method, device=cl_device), image.resize(x, size, method=method))
    for matrix in (np.eye(2, 3), image.similarity(1, 0, (0.5, 0))):
        same(image.warp(x, matrix, (9, 40), device=cl_device), image.warp(x, matrix, (9, 40)))


def test_a_photograph(cl_device, photo):
    same(image.resize(photo, (97, 101), device=cl_device), image.resize(photo, (97, 101)))
    matrices = np.stack([image.similarity(s, s, (200, 90)) for s in (0.3, 1.7, 5.5)])
    same(
        image.warp(photo, matrices, (48, 48), border="replicate", antialias=True, device=cl_device),
        image.warp(photo, matrices, (48, 48), border="replicate", antialias=True),
    )
    assert np.array_equal(
        image.integral(photo, tilted=True, device=cl_device).tilted, image.integral(photo, tilted=True).tilted
    )


GRAY = np.zeros((8, 9), np.uint8)
WRONG = {
    "gray dtype": (lambda **k: image.to_gray(np.zeros((4, 4, 3)), **k), TypeError, "rgb must be uint8, is float64"),
    "gray channels": (lambda **k: image.to_gray(np.zeros((4, 4, 2), np.uint8), **k), ValueError, "3 channels .* has 2"),
    "gray out": (
        lambda **k: image.to_gray(np.zeros((4, 4, 3), np.uint8), out=np.zeros((4, 5), np.uint8), **k),
        ValueError,
        "axis 1 must be 4",
    ),
    "resize dtype": (
        lambda **k: image.resize(GRAY.astype(float), (2, 2), **k),
        TypeError,
        "uint8 or float32, is float64",
    ),
    "resize size": (lambda **k: image.resize(GRAY, (0, 3), **k), ValueError, r"at least \(1, 1\), is \(0, 3\)"),
    "resize method": (
        lambda **k: image.resize(GRAY, (2, 3), method="cubic", **k),
        ValueError,
        "unknown method 'cubic'",
    ),
    "resize out": (lambda **k: image.resize(GRAY, (8, 9), out=GRAY, **k), ValueError, "share memory with image"),
    "warp matrix": (lambda **k: image.warp(GRAY, np.eye(3), (2, 2), **k), ValueError, r"has \[3, 3\]"),
    "warp nan": (lambda **k: image.warp(GRAY, np.eye(2, 3) * np.nan, (2, 2), **k), ValueError, "entry nan in row 0"),
    "warp fill": (
        lambda **k: image.warp(GRAY, np.eye(2, 3), (2, 2), fill=256, **k),
        ValueError,
        "from 0 to 255, is 256",
    ),
    "warp out": (
        lambda **k: image.warp(GRAY, np.eye(2, 3), (8, 9), out=np.zeros((8, 9), np.float32), **k),
        TypeError,
        "out must be uint8",
    ),
    "integral dtype": (lambda **k: image.integral(GRAY.astype(np.float32), **k), TypeError, "gray must be uint8"),
    "integral stride": (lambda **k: image.integral(GRAY[:, ::2], **k), ValueError, "must stand together"),
    "integral size": (
        lambda **k: image.integral(np.broadcast_to(np.zeros(3000, np.uint8), (3000, 3000)), **k),
        ValueError,
        "3000 x 3000 pixels",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_gets_the_same_message(cl_device, case):
    call, error, match = WRONG[case]
    messages = []
    for where in ("cpu", cl_device):
        with pytest.raises(error, match=match) as caught:
            call(device=where)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_what_exceeds_the_device_is_refused_before_it_is_sent(cl_device, monkeypatch):
    device = find(cl_device)
    monkeypatch.setattr(device, "info", replace(device.info, allocation_bytes=100))
    for call in (
        lambda: image.to_gray(np.zeros((9, 9, 3), np.uint8), device=cl_device),
        lambda: image.resize(np.zeros((11, 11), np.uint8), (3, 3), device=cl_device),
        lambda: image.warp(np.zeros((11, 11), np.uint8), np.eye(2, 3), (3, 3), device=cl_device),
        lambda: image.integral(np.zeros((9, 9), np.uint8), device=cl_device),
    ):
        with pytest.raises(DeviceError, match="allocates at most 100 in one piece") as caught:
            call()
        assert caught.value.cause == "limit"
