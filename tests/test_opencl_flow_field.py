"""Horn and Schunck's method and sampling along a field on every OpenCL device; what all kernels of flow are told."""

from __future__ import annotations

import numpy as np
import pytest

import oracle_flow_dense
from ferkern import _core, flow
from ferkern.opencl import find
from ferkern.opencl.program import read_source
from ferkern.registry import last_kernel
from test_flow_field import WRONG_FRAMES, WRONG_IMAGE, field

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow

DTYPES = [np.uint8, np.float32]


@pytest.mark.parametrize("dtype", DTYPES)
def test_horn_schunck_is_the_oracles(cl_device, rng, guarded, dtype):
    for shape in ((1, 1), (1, 9), (7, 5), (15, 33), (40, 16), (31, 70), (9, 140)):
        a, b = (rng.uniform(0, 255, shape).astype(dtype) for _ in range(2))
        for iterations in (0, 1, 30):
            expected = oracle_flow_dense.horn_schunck(a, b, alpha=7.0, iterations=iterations)
            out = guarded(*shape, 2)
            flow.horn_schunck(a, b, alpha=7.0, iterations=iterations, out=out, device=cl_device)
            # As in test_flow_field.
            bound = (iterations + 1) * 20 * 2**-24 * max(1.0, np.abs(expected).max()) * 10
            np.testing.assert_allclose(out, expected, atol=bound)
    assert last_kernel() == "flow_hs:pixels:opencl"


def test_horn_schunck_reads_frames_of_any_strides(cl_device, rng):
    a, b = (rng.integers(0, 256, (20, 30), np.uint8) for _ in range(2))
    expected = flow.horn_schunck(a, b, iterations=5, device=cl_device)
    found = flow.horn_schunck(
        a[::-1].copy()[::-1], np.pad(b, ((0, 0), (3, 4)))[:, 3:-4], iterations=5, device=cl_device
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_warp_has_the_processors_bits(cl_device, rng, guarded, dtype):
    for shape in ((1, 1), (7, 5), (9, 16), (12, 31), (6, 33, 3), (5, 17, 1), (4, 8, 5), (40, 150, 2)):
        x = rng.uniform(0, 255, shape).astype(dtype)
        motion = field(rng, *shape[:2], 4)
        motion[0, 0] = 3e9, 0
        motion[-1, -1] = 0, np.nan
        motion[shape[0] // 2] = rng.integers(-3, 4, (shape[1], 2))
        for border in ("constant", "replicate"):
            expected = flow.warp(x, motion, border=border, fill=9)
            out = guarded(*shape, dtype=dtype)
            assert flow.warp(x, motion, border=border, fill=9, out=out, device=cl_device) is out
            np.testing.assert_array_equal(out, expected)
    assert last_kernel() == "flow_warp:pixels:opencl"


def test_warp_reads_the_picture_as_it_stands(cl_device, rng):
    x = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    still = np.zeros((20, 30, 2), np.float32)
    for view in (x, x[::-1], x[:, ::-1], x[..., ::-1], np.repeat(x, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(flow.warp(view, still, device=cl_device), view)
    hole = x[..., 0].astype(np.float32)
    hole[3, 4], hole[5, 6] = np.nan, np.inf
    np.testing.assert_array_equal(flow.warp(hole, still, device=cl_device), hole)  # neighbours of weight 0 are not seen


@pytest.mark.parametrize(("change", "match"), WRONG_FRAMES)
def test_horn_schunck_refuses_wrong_input_in_the_same_words(cl_device, change, match):
    messages = []
    for device in ("cpu", cl_device):
        call = {"prev": np.zeros((4, 5), np.uint8), "next": np.zeros((4, 5), np.uint8), **change}
        with pytest.raises(ValueError, match=match) as caught:
            flow.horn_schunck(call.pop("prev"), call.pop("next"), **call, device=device)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(("change", "error", "match"), WRONG_IMAGE)
def test_warp_refuses_wrong_input_in_the_same_words(cl_device, change, error, match):
    messages = []
    for device in ("cpu", cl_device):
        call = {"image": np.zeros((4, 5), np.uint8), "flow": np.zeros((4, 5, 2), np.float32), **change}
        with pytest.raises(error, match=match) as caught:
            flow.warp(call.pop("image"), call.pop("flow"), **call, device=device)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def shapes():
    a, points = np.zeros((40, 50), np.uint8), np.zeros((3, 2), np.float32)
    pyramid = _core.pyramid_shape(a, "frame")
    dis = _core.flow_dis_shape(a, a, 1, 3, 5, 2, 6, 21.0, 6.0, 11.0, 255.0, None)[0]
    return {
        "pyramid": pyramid,
        "flow_lk": _core.flow_lk_shape(pyramid, pyramid, points, None, 9, 1, 17, 0.25, 0.5)[0],
        "flow_dis": dis,
        "flow_refine": np.asarray(dis["refine"]),
        "flow_hs": _core.flow_hs_shape(a, a, 3.0, 7, 255.0, None)[0],
        "corners": _core.corners_shape(a, 5, 0.1, 3.0, 7)[0],
        "flow_warp": _core.flow_warp_shape(a, np.zeros((40, 50, 2), np.float32), "replicate", 7.0, None)[0],
    }


@pytest.mark.parametrize("op", ["pyramid", "flow_lk", "flow_dis", "flow_refine", "flow_hs", "flow_warp", "corners"])
def test_both_compilers_lay_out_the_same_struct(cl_device, op):
    """The device writes back the words of the struct as its own compiler sees them; each field stands in one."""
    shape = shapes()[op]
    count = shape.dtype.itemsize // 4
    source = (
        read_source(f"fk_{op}.h")
        + f"""
        __kernel void look(const fk_{op}_shape given, __global int* out) {{
            fk_{op}_shape s = given;
            out[0] = (int)sizeof(fk_{op}_shape);
            for (int i = 0; i < {count}; ++i) {{
                out[1 + i] = ((__private int*)&s)[i];
            }}
        }}"""
    )
    target = find(cl_device)
    cl = target.cl
    found = np.zeros(1 + count, np.int32)
    buffer = cl.Buffer(target.context, cl.mem_flags.WRITE_ONLY, found.nbytes)
    kernel = cl.Kernel(cl.Program(target.context, source).build(), "look")
    kernel.set_args(shape, buffer)
    cl.enqueue_nd_range_kernel(target.stream.queue, kernel, (1,), None)
    cl.enqueue_copy(target.stream.queue, found, buffer)
    assert found[0] == shape.dtype.itemsize
    assert found[1:].tobytes() == shape.tobytes()
    name, function = _core.device_kernel(op, shape, "opencl")
    assert f"{op}:{name}:opencl" == last_kernel()
    assert f"{function}(" in read_source(f"{op}.cl")
    flops, read, written = _core.device_cost(op, shape)
    assert flops > 0
    assert read > 0
    assert written > 0
