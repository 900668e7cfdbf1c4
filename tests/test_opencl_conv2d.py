"""conv2d on every OpenCL device and with every device kernel, against the oracle and bounds of the processor."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager

import numpy as np
import pytest

import oracle
import tolerance
import winograd
from ferkern import _core, nn
from ferkern.config import config
from ferkern.opencl import find
from ferkern.opencl.ops import conv2d as op
from ferkern.opencl.ops.conv2d_direct import DIRECT, FILE, DirectPlan, ReferencePlan
from ferkern.opencl.program import read_source
from ferkern.registry import kernels, last_kernel
from sizes import EDGES
from test_conv2d import CASES, WRONG, make
from test_conv2d import bound as direct_bound

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow

ROWS = [k for k in kernels("conv2d") if k.isa == "opencl"]


@pytest.fixture(params=ROWS, ids=lambda r: r.name)
def row(request):
    """A kernel of the list."""
    return request.param


@contextmanager
def only(row):
    """Runs one kernel of the list and proves afterwards that it ran."""
    with config(kernel=row.name):
        yield
    assert last_kernel() == f"conv2d:{row.name}:opencl"


def refuses(row, window, stride=1, dilation=1, groups=1):
    """Whether a row is one that does not serve such a convolution."""
    return row.name in winograd.FORMS and not winograd.fits(row.name, window, stride, dilation, groups)


def bound(x, w, b, row=None, **options):
    """As on the processor; Winograd's where a row of it may run."""
    fits = winograd.fits("winograd4", w.shape[2:], *(options.get(o, 1) for o in ("stride", "dilation", "groups")))
    names = [row.name] if row is not None else ["direct", "winograd4"] if fits else ["direct"]
    padding = options.get("padding", 0)
    bounds = [winograd.bound(n, x, w, b, padding=padding, device=True) for n in names if n in winograd.FORMS]
    return np.max([*bounds, direct_bound(x, w, b, **options)], axis=0) if len(bounds) < len(names) else bounds[0]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_oracle(cl_device, row, guarded, rng, case):
    stride, padding, dilation, groups = case[6:]
    x, w, b = make(rng, case)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if refuses(row, w.shape[2:], stride, dilation, groups):
        with config(kernel=row.name), pytest.raises(ValueError, match=f"no kernel named '{row.name}'"):
            nn.conv2d(x, w, b, **options, device=cl_device)
        return
    expected = oracle.conv2d(x, w, b, **options)
    out = guarded(*expected.shape)
    with only(row):
        y = nn.conv2d(x, w, b, **options, out=out, device=cl_device)
    assert y is out
    assert (np.abs(y - expected) <= bound(x, w, b, row, **options)).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_the_processor(cl_device, rng, case):
    stride, padding, dilation, groups = case[6:]
    x, w, b = make(rng, case)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    difference = np.abs(nn.conv2d(x, w, b, **options, device=cl_device) - nn.conv2d(x, w, b, **options))
    assert (difference <= 2 * bound(x, w, b, **options)).all()


@pytest.mark.parametrize("size", EDGES)
def test_edge_sizes(cl_device, row, rng, size):
    for c, h, w, o in ((size, 3, 4, 2), (2, size, 3, 3), (2, 3, size, 3), (3, 4, 5, size)):
        x, weights, b = make(rng, (1, c, h, w, o, (3, 3), 1, 1, 1, 1))
        for padding in (1, (2, 1, 0, 3)):
            with only(row):
                y = nn.conv2d(x, weights, b, padding=padding, device=cl_device)
            expected = oracle.conv2d(x, weights, b, padding=padding)
            assert (np.abs(y - expected) <= bound(x, weights, b, row, padding=padding)).all()
        if h == 4 and not refuses(row, (1, 1)):
            with only(row):
                inner = nn.conv2d(x, weights[:, :, :1, :1], b, device=cl_device)  # one row of pixels
            expected = oracle.conv2d(x, weights[:, :, :1, :1], b)
            assert (np.abs(inner - expected) <= bound(x, weights[:, :, :1, :1], b, row)).all()


@pytest.mark.parametrize("groups", [2, 5, 10])
def test_groups_of_any_size(cl_device, rng, groups):
    """Blocks of filters do not span groups: 20 filters in groups of 10, 4 and 2."""
    x, w, b = make(rng, (2, 10, 7, 9, 20, (3, 2), 1, 1, 1, groups))
    y = nn.conv2d(x, w, b, padding=1, groups=groups, device=cl_device)
    expected = oracle.conv2d(x, w, b, padding=1, groups=groups)
    assert (np.abs(y - expected) <= bound(x, w, b, padding=1, groups=groups)).all()


@pytest.mark.parametrize("kind", ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hard_swish", "silu", "elu"])
def test_activations(cl_device, row, rng, kind):
    x, w, b = make(rng, (1, 5, 6, 6, 7, (3, 3), 1, 0, 1, 1))
    expected = oracle.conv2d(x, w, b, activation=kind)
    with only(row):
        y = nn.conv2d(x, w, b, activation=kind, device=cl_device)
    assert (np.abs(y - expected) <= tolerance.activation(expected, bound(x, w, b, row), kind)).all()


@pytest.mark.parametrize("kind", [None, "relu", "tanh"])
def test_residual_is_added_before_the_activation(cl_device, row, rng, kind):
    x, w, b = make(rng, (2, 5, 6, 7, 19, (3, 3), 1, 1, 1, 1))
    plain = oracle.conv2d(x, w, b, padding=1)
    residual = rng.standard_normal(plain.shape).astype(np.float32)
    expected = oracle.activate(plain + residual, kind)
    with only(row):
        y = op.conv2d(x, w, b, residual=residual, padding=1, activation=kind, device=cl_device)
    # One more term in each sum.
    error = bound(x, w, b, row, padding=1) + tolerance.EPS * (np.abs(plain) + np.abs(residual))
    assert (np.abs(y - expected) <= tolerance.activation(expected, error, kind)).all()
    with pytest.raises(ValueError, match=r"residual has shape \[2, 19, 6, 6\], expected \[2, 19, 6, 7\]"):
        op.conv2d(x, w, b, residual=residual[..., :6], padding=1, device=cl_device)


def test_without_bias(cl_device, row, rng):
    x, w, b = make(rng, (1, 4, 5, 6, 18, (3, 3), 1, 0, 1, 1))
    with only(row):
        np.testing.assert_array_equal(nn.conv2d(x, w, device=cl_device), nn.conv2d(x, w, 0 * b, device=cl_device))


def test_strided_input_is_made_dense_for_the_transfer(cl_device, rng):
    x, w, b = make(rng, (2, 6, 10, 12, 5, (3, 3), 1, 0, 1, 1))
    for view in (x[:, ::2], x[:, :, ::-1], x[..., ::3], x.transpose(0, 1, 3, 2), x[::-1]):
        part = w[:, : view.shape[1]]
        expected = nn.conv2d(view.copy(), part.copy(), b.copy(), device=cl_device)
        np.testing.assert_array_equal(nn.conv2d(view, part, np.repeat(b, 2)[::2], device=cl_device), expected)


@pytest.mark.parametrize(
    "activation", [None, "relu", "relu6", "leaky_relu", "elu", "hard_swish", "tanh", "sigmoid", "silu"]
)
def test_nan_and_infinity_as_on_the_processor(cl_device, row, rng, activation):
    if row.name in winograd.FORMS:
        return  # there they spread over their tile (test_opencl_winograd.py)
    x, w, b = make(rng, (1, 3, 8, 8, 5, (3, 3), 1, 1, 1, 1))
    x[0, 0, 0, 0], x[0, 1, 7, 7], x[0, 2, 4, 4] = np.nan, np.inf, -np.inf
    w[2, 0, 0, 0] = np.inf  # times the zeros of the border: NaN
    expected = nn.conv2d(x, w, b, padding=1, activation=activation)
    with only(row):
        y = nn.conv2d(x, w, b, padding=1, activation=activation, device=cl_device)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_array_equal(np.isposinf(y), np.isposinf(expected))
    np.testing.assert_array_equal(np.isneginf(y), np.isneginf(expected))


@pytest.mark.parametrize(("change", "error", "match"), WRONG, ids=lambda v: str(v)[:40])
def test_wrong_input_gets_the_same_message(cl_device, change, error, match):
    call = {"x": np.zeros((1, 3, 8, 8), np.float32), "w": np.zeros((5, 3, 3, 3), np.float32), "b": None, **change}
    x, w, b = call.pop("x"), call.pop("w"), call.pop("b")
    messages = []
    for where in ("cpu", cl_device):
        with pytest.raises(error, match=match) as caught:
            nn.conv2d(x, w, b, **call, device=where)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_out_must_not_be_the_input(cl_device):
    x, w = np.zeros((1, 3, 8, 8), np.float32), np.zeros((3, 3, 1, 1), np.float32)
    with pytest.raises(ValueError, match="out must not share memory with x"):
        nn.conv2d(x, w, out=x, device=cl_device)
    out = np.zeros_like(x)
    for name in ("w", "b", "residual"):
        inside = {"w": out.reshape(-1)[:9].reshape(w.shape), "b": out[0, 0, 0, :3], "residual": out}[name]
        with pytest.raises(ValueError, match=f"out must not share memory with {name}"):
            op.conv2d(x, **{"w": w, name: inside}, out=out, device=cl_device)


def test_the_device_kernels_stand_in_the_one_list(cl_device):
    names = ["winograd4", "winograd2", "direct", "reference"]
    assert [(row.name, row.isa) for row in ROWS] == [(name, "opencl") for name in names]
    assert all(row.supported for row in ROWS)
    source = read_source(FILE) + read_source(DIRECT)
    shape = small_shape()
    for row in ROWS[2:]:
        with config(kernel=row.name):
            name, function = _core.device_kernel("conv2d", shape, "opencl")
        assert name == row.name
        assert re.search(rf"__kernel[^;{{}}]*\b{function}\(", source)
        assert op.PLANS[function] is {"direct": DirectPlan, "reference": ReferencePlan}[name]
    nn.conv2d(np.ones((1, 1, 2, 2), np.float32), np.ones((1, 1, 1, 1), np.float32), device=cl_device)
    assert last_kernel() == "conv2d:direct:opencl"
    with config(kernel="winograd"), pytest.raises(ValueError, match=r"no kernel named 'winograd' serves .* on opencl"):
        _core.device_kernel("conv2d", shape, "opencl")


def small_shape():
    x, w = np.zeros((2, 6, 5, 4), np.float32), np.zeros((4, 3, 3, 2), np.float32)
    return _core.conv2d_shape(x, w, None, (1, 2), (1, 0, 2, 1), 1, 2, "elu", 0.5)


def test_both_compilers_lay_out_the_same_struct(cl_device):
    """The device writes back the size of the struct and the place of each field, as its own compiler sees them."""
    shape = small_shape()
    names = shape.dtype.names
    target = find(cl_device)
    lines = [f"out[{i + 1}] = (int)((__private char*)&s.{name} - (__private char*)&s);" for i, name in enumerate(names)]
    values = [f"out[{i + 1 + len(names)}] = as_int(s.{name});" for i, name in enumerate(names)]
    body = "\n".join(["out[0] = (int)sizeof(fk_conv2d_shape);", *lines, *values])
    source = read_source("fk_shapes.h") + "__kernel void look(const fk_conv2d_shape given, __global int* out) {\n"
    source += f"fk_conv2d_shape s = given;\n{body}\n}}\n"
    cl = target.cl
    found = np.zeros(1 + 2 * len(names), np.int32)
    buffer = cl.Buffer(target.context, cl.mem_flags.WRITE_ONLY, found.nbytes)
    kernel = cl.Kernel(cl.Program(target.context, source).build(), "look")
    kernel.set_args(shape, buffer)
    cl.enqueue_nd_range_kernel(target.stream.queue, kernel, (1,), None)
    cl.enqueue_copy(target.stream.queue, found, buffer)
    offsets = [shape.dtype.fields[name][1] for name in names]
    assert found[0] == shape.dtype.itemsize
    assert found[1 : 1 + len(names)].tolist() == offsets
    # Every field of 4 bytes is listed, so the offsets leave no gap.
    assert sorted(offsets) == list(range(0, shape.dtype.itemsize, 4))
    assert found[1 + len(names) :].tobytes() == shape.tobytes()


def test_infer_fills_the_shape():
    shape = small_shape()
    values = {name: shape[name].item() for name in shape.dtype.names}
    expected = {
        "n": 2,
        "ic": 6,
        "ih": 5,
        "iw": 4,
        "oc": 4,
        "oh": 4,
        "ow": 3,
        "kh": 3,
        "kw": 2,
        "stride_h": 1,
        "stride_w": 2,
    }
    expected |= {
        "pad_top": 1,
        "pad_left": 2,
        "dilation_h": 1,
        "dilation_w": 1,
        "groups": 2,
        "activation": 8,
        "alpha": 0.5,
    }
    assert values == expected
    flops, read, written = _core.device_cost("conv2d", shape)
    assert flops == 2 * (2 * 4 * 4 * 3) * 3 * 3 * 2
    assert written == 4 * 2 * 4 * 4 * 3
    assert read == 4 * (2 * 6 * 5 * 4 + 4 * 3 * 3 * 2 + 4)


def test_threads_share_a_device(cl_device, rng):
    x, w, b = make(rng, (2, 16, 20, 20, 24, (3, 3), 1, 1, 1, 1))
    inputs = [x + np.float32(i) for i in range(6)]
    expected = [nn.conv2d(one, w, b, padding=1, device=cl_device) for one in inputs]
    results = [None] * len(inputs)

    def work(i):
        for _ in range(5):
            results[i] = nn.conv2d(inputs[i], w, b, padding=1, device=cl_device)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(expected, results, strict=True):
        np.testing.assert_array_equal(one, other)
