"""Layers of signs on every OpenCL device and with every device kernel: the processor's bits."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

import oracle
import tolerance
from ferkern import _core, nn
from ferkern.config import config
from ferkern.opencl import DeviceError, find
from ferkern.opencl.ops import binary as op
from ferkern.opencl.program import build, read_source
from ferkern.registry import kernels, last_kernel
from fuzz_same_bits import differing_on
from opencl_structs import layout_on_device
from test_binary import CASES, CHANNELS, exact, make
from test_binary_errors import FIVE, WRONG
from test_binary_threshold import norms

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow

ROWS = [k for k in kernels("binary") if k.isa == "opencl"]


@pytest.fixture(params=ROWS, ids=lambda r: r.name)
def row(request):
    """Runs the test with one kernel of the list and proves afterwards that it ran."""
    with config(kernel=request.param.name):
        yield request.param
    assert last_kernel() == f"binary:{request.param.name}:opencl"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_oracle(cl_device, row, guarded, rng, case):
    x, w, options = make(rng, case)
    filters = nn.binarize(w)
    b = rng.standard_normal(len(w)).astype(np.float32)
    expected = exact(oracle.sign_sums(x, w, **options), filters, b=b)
    out = guarded(*expected.shape)
    assert nn.binary_conv2d(x, filters, b, **options, out=out, device=cl_device) is out
    np.testing.assert_array_equal(out, expected)
    from_bits = nn.binary_conv2d(nn.sign_bits(x, device=cl_device), filters, **options, device=cl_device)
    np.testing.assert_array_equal(from_bits, exact(oracle.sign_sums(x, w, **options), filters))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bits_out(cl_device, row, guarded, rng, case):
    x, w, options = make(rng, case)
    filters = nn.binarize(w)
    gamma, beta, mean, variance = norms(rng, len(w))
    threshold = nn.fold_batch_norm_sign(filters, gamma, beta, mean, variance)
    y = oracle.sign_sums(x, w, **options) * filters.alpha[:, None, None].astype(np.float64)
    expected = oracle.sign(oracle.batch_norm(y, gamma, beta, mean, variance))
    out = nn.BinaryTensor(guarded(*np.moveaxis(expected, 1, 3).shape[:3], -(-len(w) // 32), dtype=np.uint32), len(w))
    packed = nn.binary_conv2d(x, filters, **options, threshold=threshold, out=out, device=cl_device)
    assert packed is out
    np.testing.assert_array_equal(packed.signs(), expected)
    past = len(w) % 32
    assert not past or not (packed.bits[..., -1] >> past).any(), "bits past the last channel"


@pytest.mark.parametrize("count", CHANNELS)
def test_channels_and_filters_around_a_word(cl_device, row, guarded, rng, count):
    for channels, filters, side in ((count, 7, 6), (40, count, 1), (33, count, 17)):
        x, w, options = make(rng, (1, channels, 2, side, filters, (1, 3), 1, (0, 1)))
        w = oracle.sign(w).astype(np.float32)  # alpha is 1: the sums themselves
        expected = oracle.sign_sums(x, w, **options)
        y = nn.binary_conv2d(x, nn.binarize(w), **options, out=guarded(*expected.shape), device=cl_device)
        np.testing.assert_array_equal(y, expected)


def test_all_signs_differ_or_none(cl_device, row):
    for c, k in ((63, 1), (64, 1), (2048, 3), (8200, 3)):
        for x_sign in (1, -1):
            x = np.full((1, c, k, k), x_sign, np.float32)
            w = np.stack([np.full((c, k, k), s, np.float32) for s in (1, -1)])
            y = nn.binary_conv2d(x, nn.binarize(w), device=cl_device)
            np.testing.assert_array_equal(y.ravel(), np.float32([x_sign, -x_sign]) * c * k * k)


@pytest.mark.parametrize("n", [1, 5, 17])
@pytest.mark.parametrize("inputs", [1, 33, 500])
@pytest.mark.parametrize("outputs", [1, 7, 65])
def test_dense(cl_device, row, guarded, rng, n, inputs, outputs):
    x = rng.standard_normal((inputs, n)).astype(np.float32).T  # not dense
    w = rng.standard_normal((outputs, inputs)).astype(np.float32)
    b = rng.standard_normal(outputs).astype(np.float32)
    filters = nn.binarize(w)
    y = nn.binary_dense(x, filters, b, out=guarded(n, outputs), device=cl_device)
    sums = (oracle.sign(x) @ oracle.sign(w).T).astype(np.float32)
    np.testing.assert_array_equal(y, sums * filters.alpha + b)


def test_signs_of_zero_nan_and_infinity(cl_device):
    values = np.float32([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1e-45, -1e-45, 1, -1])
    x = np.resize(values, (1, 70, 3, 7)).astype(np.float32)
    expected = np.resize(np.float32([1, 1, 1, 1, 1, -1, 1, -1, 1, -1]), x.shape)
    np.testing.assert_array_equal(nn.sign_bits(x, device=cl_device).signs(), expected)
    y = nn.binary_conv2d(x, nn.binarize(np.ones((2, 70, 1, 1), np.float32)), device=cl_device)
    np.testing.assert_array_equal(y[0, 0], expected[0].sum(axis=0))


@pytest.mark.parametrize("kind", ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hard_swish", "silu", "elu"])
def test_activations(cl_device, row, rng, kind):
    """Bit for bit where the processor's function is a sequence of roundings, which an exponential is not."""
    x, w, options = make(rng, (1, 5, 6, 6, 7, (3, 3), 1, 1))
    filters = nn.binarize(w / 8)
    y = nn.binary_conv2d(x, filters, **options, activation=kind, device=cl_device)
    with config(kernel=""):
        here = nn.binary_conv2d(x, filters, **options, activation=kind)
    assert last_kernel().startswith("binary:")
    plain = exact(oracle.sign_sums(x, w, **options), filters).astype(np.float64)
    assert (np.abs(y - oracle.activate(plain, kind)) <= tolerance.activation(plain, 0.0, kind)).all()
    if kind in ("relu", "relu6", "leaky_relu", "hard_swish"):
        assert y.tobytes() == here.tobytes()
    nn.binary_conv2d(x, filters, **options, device=cl_device)


@pytest.mark.parametrize("fp64", [True, False])
def test_scale_of_the_input(cl_device, rng, monkeypatch, fp64):
    """K is the processor's in double precision, and within 1 ulp in two floats, as on a device that has none."""
    target = find(cl_device)
    if fp64 and not target.info.fp64:
        pytest.skip("the device has no double precision")
    monkeypatch.setattr(
        op, "build", lambda device, file, defines: build(device, file, {**defines, "FK_FP64": int(fp64)})
    )
    for case in CASES[:9]:
        x, w, options = make(rng, case)
        filters = nn.binarize(oracle.sign(w).astype(np.float32))
        y = nn.binary_conv2d(x, filters, **options, scale_input=True, device=cl_device)
        here = nn.binary_conv2d(x, filters, **options, scale_input=True)
        if fp64:
            assert y.tobytes() == here.tobytes()
        else:
            # K off by one unit in the last place, and the product rounded once more.
            assert (np.abs(y - here) <= 2 * np.spacing(np.abs(here))).all()


def test_random_shapes_give_the_processor_s_bits(cl_device):
    assert differing_on(cl_device, "binary", count=150, seed=11) == []


def test_bits_past_the_last_channel_count_for_nothing(cl_device, row, rng):
    x, w, options = make(rng, (1, 37, 6, 6, 5, (3, 3), 1, 1))
    filters, packed = nn.binarize(w), nn.sign_bits(x, device=cl_device)
    dirty = packed.bits.copy(), filters.bits.copy()
    for bits in dirty:
        bits[..., -1] |= np.uint32(0xFFFFFFFF) << np.uint32(5)
    y = nn.binary_conv2d(
        nn.BinaryTensor(dirty[0], 37), nn.BinaryFilters(dirty[1], filters.alpha, 37), **options, device=cl_device
    )
    np.testing.assert_array_equal(y, exact(oracle.sign_sums(x, w, **options), filters))


def test_binary_weights_with_float_inputs(cl_device, rng):
    x, w, options = make(rng, (2, 33, 9, 8, 20, (3, 3), 1, 1))
    filters = nn.binarize(w)
    y = nn.binary_weight_conv2d(x, filters, **options, device=cl_device)
    expected = oracle.conv2d(x, filters.weights(), **options)
    magnitude = oracle.conv2d(np.abs(x), np.abs(filters.weights()), **options)
    assert (np.abs(y - expected) <= tolerance.dot(w[0].size, magnitude)).all()


@pytest.mark.parametrize(("change", "error", "match"), WRONG, ids=lambda v: str(v)[:40])
def test_wrong_input_gets_the_same_message(cl_device, change, error, match):
    call = {"x": np.zeros((1, 3, 8, 8), np.float32), "filters": FIVE, **change}
    x, filters, b = call.pop("x"), call.pop("filters"), call.pop("b", None)
    messages = []
    for where in ("cpu", cl_device):
        with pytest.raises(error, match=match) as caught:
            nn.binary_conv2d(x, filters, b, **call, device=where)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_wrong_thresholds_get_the_same_message(cl_device):
    x = np.zeros((1, 3, 8, 8), np.float32)
    for at_least, direction in (
        (np.zeros(4, np.int32), np.ones(4, np.int32)),
        (np.zeros(5, np.int32), np.zeros(5, np.int32)),
    ):
        messages = []
        for where in ("cpu", cl_device):
            with pytest.raises(ValueError, match=r"at_least has 4 values|direction\[0\] must be 1 or -1") as caught:
                nn.binary_conv2d(x, FIVE, threshold=nn.SignThreshold(at_least, direction), device=where)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


def test_memory_is_checked_before_anything_is_allocated(cl_device, monkeypatch):
    target = find(cl_device)
    monkeypatch.setattr(target, "info", dataclasses.replace(target.info, allocation_bytes=1000))
    x = np.zeros((1, 3, 8, 16), np.float32)
    with pytest.raises(DeviceError, match=r"x takes 1,536 bytes, .* at most 1,000"):
        nn.binary_conv2d(x, FIVE, device=cl_device)
    with pytest.raises(DeviceError, match=r"x takes 1,536 bytes"):
        nn.sign_bits(x, device=cl_device)


def test_both_compilers_lay_out_the_same_struct(cl_device):
    shape = _core.binary_shape(FIVE.bits, FIVE.alpha, 3, (2, 3, 8, 9), (1, 2), (1, 0, 2, 1))
    size, offsets, content = layout_on_device(cl_device, "fk_binary.h", "fk_binary_shape", shape)
    assert size == shape.dtype.itemsize
    assert offsets == [shape.dtype.fields[name][1] for name in shape.dtype.names]
    assert content == shape.tobytes()
    assert shape.item() == (2, 3, 8, 9, 5, 7, 5, 3, 3, 1, 2, 1, 2)


def test_the_device_kernels_stand_in_the_one_list():
    assert [row.name for row in ROWS] == ["direct", "reference"]
    source = read_source(op.FILE)
    shape = _core.binary_shape(FIVE.bits, FIVE.alpha, 3, (1, 3, 8, 8), 1, 0)
    for row in ROWS:
        with config(kernel=row.name):
            name, function = _core.device_kernel("binary", shape, "opencl")
        assert name == row.name
        assert function in op.PLANS
        for kernel in (function, f"{function}_signs"):
            assert re.search(rf"__kernel[^;{{}}]*\b{kernel}\(", source)
    assert _core.device_cost("binary", shape)[0] == 2 * 5 * 36 * 27
