"""Layers on bytes on every OpenCL device: exact sums, the processor's bits."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

import oracle_int8
from ferkern import _core
from ferkern.opencl import DeviceError, find
from ferkern.opencl.ops import (  # fmt: skip
    add_int8,
    concat_int8,
    conv2d_int8,
    dense_int8,
    depthwise_int8,
    int8,
    lookup_int8,
    pool_int8,
    quantize,
)
from ferkern.opencl.program import read_source
from ferkern.registry import kernels, last_kernel
from fuzz_same_bits import OPS, differing_on
from opencl_structs import layout_on_device
from sizes import EDGES
from test_conv2d_int8 import CASES, WRONG, expected_of, make
from test_conv2d_int8 import call as on_the_processor
from test_layers_int8 import DEPTHWISE, dense_case, depthwise_arguments, depthwise_expected

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow

MODULES = {
    "conv2d_int8": conv2d_int8,
    "depthwise_int8": depthwise_int8,
    "dense_int8": dense_int8,
    "pool_int8": pool_int8,
    "add_int8": add_int8,
    "lookup_int8": lookup_int8,
    "concat_int8": concat_int8,
    "quantize": quantize,
}


@pytest.fixture
def forms(cl_device, monkeypatch):
    """Goes through the forms of multiplication that the device has, whichever it would choose; True: dot product."""

    def each():
        for dot in (False, True) if int8.has_dot_product(find(cl_device)) else (False,):
            monkeypatch.setattr(int8, "prefers_dot_product", lambda device, dot=dot: dot)
            yield dot

    return each


def convolve(x, w, multiplier, offset, zero_point, *, stride=1, padding=0, dilation=1, groups=1, clip=(0.0, 255.0),
             residual=None, residual_multiplier=0.0, device):  # fmt: skip
    y = conv2d_int8.conv2d_int8(x, w, multiplier, offset, zero_point, stride, padding, dilation, groups, clip, residual,
                                residual_multiplier, device=device)  # fmt: skip
    assert last_kernel() == "conv2d_int8:direct:opencl"
    return y


@pytest.mark.parametrize("case", CASES, ids=str)
def test_conv2d(cl_device, forms, rng, case):
    stride, padding, dilation, groups = case[6:]
    x, w, multiplier, offset = make(rng, case)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    for zero_point in (0, 131):
        expected = expected_of(x, w, multiplier, offset, zero_point, **options)
        for dot in forms():
            y = convolve(x, w, multiplier, offset, zero_point, **options, device=cl_device)
            np.testing.assert_array_equal(y, expected, err_msg=f"dot product: {dot}")


@pytest.mark.parametrize("size", EDGES)
def test_conv2d_edge_sizes(cl_device, rng, size):
    for c, h, w, o in ((size, 3, 4, 2), (2, size, 3, 3), (2, 3, size, 3), (3, 4, 5, size)):
        x, weights, multiplier, offset = make(rng, (1, c, h, w, o, (3, 3), 1, 1, 1, 1))
        y = convolve(x, weights, multiplier, offset, 7, padding=1, device=cl_device)
        np.testing.assert_array_equal(y, expected_of(x, weights, multiplier, offset, 7, padding=1))


@pytest.mark.parametrize(("tile", "interleave"), [(1, False), (3, True)])
def test_conv2d_every_width_of_a_tile(cl_device, rng, monkeypatch, tile, interleave):
    """1 to 3 blocks of filters, with a residual and a clip; pixels side by side and across a group, as on a GPU."""
    chosen = conv2d_int8.Tuning(False, tile, interleave=interleave, group=(4, 1, 1))
    monkeypatch.setattr(conv2d_int8, "tuning", lambda device, pixels: chosen)
    for width in (1, 2, 3, 5, 11, 12, 13, 30):
        for filters, k, padding in ((16, 1, 0), (40, 3, 1)):
            x, w, multiplier, offset = make(rng, (2, 20, 2, width, filters, (k, k), 1, padding, 1, 1))
            residual = rng.integers(0, 256, (2, filters, 2, width), np.uint8)
            options = {"padding": padding, "residual": residual, "residual_multiplier": 0.37, "clip": (12.0, 240.0)}
            y = convolve(x, w, multiplier, offset, 100, **options, device=cl_device)
            np.testing.assert_array_equal(y, expected_of(x, w, multiplier, offset, 100, **options))


@pytest.mark.parametrize(("byte", "weight"), [(255, -128), (255, 127), (0, -128), (255, None)])
def test_extremes_do_not_saturate(cl_device, forms, byte, weight):
    """The largest products everywhere, and of alternating signs: what saturating instructions get wrong."""
    x = np.full((1, 80, 5, 6), byte, np.uint8)
    w = np.empty((33, 80, 3, 3), np.int8)
    w[...] = np.where(np.arange(80) % 2, 127, -128)[None, :, None, None] if weight is None else weight
    multiplier, offset = np.full(33, 1e-5, np.float32), np.full(33, 128, np.float32)
    for zero_point in (0, 255):
        expected = expected_of(x, w, multiplier, offset, zero_point, padding=1)
        for dot in forms():
            y = convolve(x, w, multiplier, offset, zero_point, padding=1, device=cl_device)
            np.testing.assert_array_equal(y, expected, err_msg=f"dot product: {dot}")


def test_the_longest_sum(cl_device, forms):
    """65,536 products of 255 and -128 are -2,139,095,040; a sum that passes beyond int32 on its way comes back."""
    w = np.full((2, 65536, 1, 1), -128, np.int8)
    w[1, ::2] = 127
    multiplier, offset = np.full(2, 1e-7, np.float32), np.full(2, 230, np.float32)
    for byte, zero_point in ((255, 0), (0, 255), (255, 255)):
        x = np.full((1, 65536, 1, 2), byte, np.uint8)
        expected = expected_of(x, w, multiplier, offset, zero_point)
        features, rows = x[..., 0].reshape(1, -1), w.reshape(2, -1)
        for dot in forms():
            y = convolve(x, w, multiplier, offset, zero_point, device=cl_device)
            np.testing.assert_array_equal(y, expected, err_msg=f"dot product: {dot}")
            rest = multiplier, offset, zero_point, (0.0, 255.0), False
            y = dense_int8.dense_int8(features, rows, *rest, device=cl_device)
            np.testing.assert_array_equal(y, expected[..., 0, 0], err_msg=f"dot product: {dot}")


def test_ties_are_rounded_to_even(cl_device):
    x = np.arange(6, dtype=np.uint8).reshape(1, 1, 1, 6)
    half = np.full(1, 0.5, np.float32)
    y = convolve(x, np.ones((1, 1, 1, 1), np.int8), half, np.zeros(1, np.float32), 0, device=cl_device)
    np.testing.assert_array_equal(y.ravel(), [0, 0, 1, 2, 2, 2])


@pytest.mark.parametrize("case", DEPTHWISE, ids=str)
def test_depthwise(cl_device, rng, case):
    n, c, h, w, k, stride, padding, dilation = case
    x = rng.integers(0, 256, (n, c, h, w), np.uint8)
    weights, multiplier, offset = depthwise_arguments(rng, c, k)
    for zero_point in (0, 93, 255):
        y = depthwise_int8.depthwise_conv2d_int8(
            x, weights, multiplier, offset, zero_point, stride, padding, dilation, (3.0, 250.0), device=cl_device
        )
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        expected = depthwise_expected(x, weights, multiplier, offset, zero_point, (3.0, 250.0), **options)
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("split", [1, 8])
@pytest.mark.parametrize(
    ("shape", "out"),
    [((1, 1), 1), ((1, 300), 7), ((5, 500), 300), ((3, 17), 129), ((4, 20, 3, 3), 33), ((1, 2100), 65)],
)
def test_dense(cl_device, forms, rng, monkeypatch, split, shape, out):
    """By one work item, and by a group that shares out the sum."""
    x, w, multiplier, offset, sums = dense_case(rng, shape, out)
    for dot in forms():
        chosen = dense_int8.Tuning(dot, tile=2, split=split)
        monkeypatch.setattr(dense_int8, "tuning", lambda device, chosen=chosen: chosen)
        y = dense_int8.dense_int8(x, w, multiplier, offset, 77, (5.0, 251.0), False, device=cl_device)
        floats = dense_int8.dense_int8(x, w, multiplier, offset, 77, (-1e9, 1e9), True, device=cl_device)
        np.testing.assert_array_equal(y, oracle_int8.requantized(sums, multiplier, offset, (5.0, 251.0)))
        np.testing.assert_array_equal(floats, sums.astype(np.int32).astype(np.float32) * multiplier + offset)


def test_dense_without_a_clip(cl_device, rng):
    """The last layer of a network: infinite limits, and a lower one alone."""
    x, w, multiplier, offset, _ = dense_case(rng, (3, 40), 20)
    for clip in ((-np.inf, np.inf), (0.0, np.inf), (0.0, 6.0)):
        here = _core.dense_int8(x, w, multiplier, offset - 128, 77, clip, True)
        there = dense_int8.dense_int8(x, w, multiplier, offset - 128, 77, clip, True, device=cl_device)
        np.testing.assert_array_equal(there, here)


@pytest.mark.parametrize("size", EDGES)
def test_pools_sums_and_tables_of_edge_sizes(cl_device, rng, size):
    means = ((0.031, 90), (0.017, 201), (0.041, 77))
    x = rng.integers(0, 256, (2, size, 5, 7), np.uint8)
    for average, pad in ((False, False), (True, False), (True, True)):
        y = pool_int8.pool2d_int8(x, (3, 2), (2, 1), (1, 0, 1, 0), average, pad, *means[:2], device=cl_device)
        expected = oracle_int8.pool(
            x, (3, 2), (2, 1), (1, 0, 1, 0), average=average, count_include_pad=pad, x_means=means[0], y_means=means[1]
        )
        np.testing.assert_array_equal(y, expected)
    y = add_int8.add_int8(x, x[::-1], *means, (77.0, 223.0), device=cl_device)
    np.testing.assert_array_equal(y, oracle_int8.add(x, x[::-1], *means, (77.0, 223.0)))
    table = rng.integers(0, 256, 256, np.uint8)
    np.testing.assert_array_equal(lookup_int8.lookup_int8(x, table, device=cl_device), table[x])


@pytest.mark.parametrize("channels", [(16, 32), (16, 5), (5, 16), (3, 7, 40), (32, 16, 1), (1,)])
def test_concat(cl_device, rng, channels):
    xs = [rng.integers(0, 256, (3, c, 4, 5), np.uint8) for c in channels]
    np.testing.assert_array_equal(concat_int8.concat_int8(xs, device=cl_device), np.concatenate(xs, axis=1))


@pytest.mark.parametrize("channels", EDGES)
def test_quantize_and_back(cl_device, rng, channels):
    x = (rng.standard_normal((2, channels, 3, 5)) * 4).astype(np.float32)
    x.flat[:4] = (np.nan, np.inf, -np.inf, 1e30)
    q = rng.integers(0, 256, x.shape, np.uint8)
    means = (0.043, 121)
    np.testing.assert_array_equal(quantize.quantize(x, means, device=cl_device), oracle_int8.to_bytes(x, *means))
    back = quantize.dequantize(q, means, device=cl_device)
    np.testing.assert_array_equal(back, oracle_int8.to_floats(q, *means))


@pytest.mark.parametrize("op", [op for op in OPS if op == "quantize" or op.endswith("_int8")])
def test_random_shapes_give_the_processor_s_bits(cl_device, op):
    assert differing_on(cl_device, op, count=60, seed=13) == []


@pytest.mark.parametrize(("change", "error", "match"), WRONG, ids=lambda v: str(v)[:40])
def test_wrong_input_gets_the_same_message(cl_device, change, error, match):
    arguments = {
        "x": np.zeros((1, 4, 8, 8), np.uint8), "w": np.zeros((5, 4, 3, 3), np.int8),
        "multiplier": np.ones(5, np.float32), "offset": np.zeros(5, np.float32), "zero_point": 0, **change,
    }  # fmt: skip
    messages = []
    for call in (on_the_processor, lambda **given: convolve(**given, device=cl_device)):
        with pytest.raises(error, match=match) as caught:
            call(**arguments)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_memory_is_checked_before_anything_is_allocated(cl_device, monkeypatch, rng):
    target = find(cl_device)
    monkeypatch.setattr(target, "info", dataclasses.replace(target.info, allocation_bytes=1000))
    x, w, multiplier, offset = make(rng, CASES[2])
    with pytest.raises(DeviceError, match=r"input 0 takes 36,864 bytes, .* at most 1,000"):
        convolve(x, w, multiplier, offset, 0, device=cl_device)


@pytest.mark.parametrize("op", MODULES)
def test_the_device_kernels_stand_in_the_one_list(op):
    rows = [row.name for row in kernels(op) if row.isa == "opencl"]
    module = MODULES[op]
    assert len(rows) == len(module.PLANS)
    source = read_source(module.FILE)
    for function in module.PLANS:
        assert re.search(rf"__kernel[^;{{}}]*\b{function}\(", source)


X, W, V = np.zeros((2, 6, 5, 4), np.uint8), np.zeros((4, 3, 3, 2), np.int8), np.ones(4, np.float32)
CLIP, MEANS = (3.0, 250.0), ((0.5, 7), (0.25, 8), (2.0, 9))
RECORDS = {
    "fk_conv2d_int8_shape": lambda: _core.conv2d_int8_shape(
        X, W, V, V, 5, (1, 2), (1, 0, 2, 1), 1, 2, CLIP, None, 0.375
    ),
    "fk_dense_int8_shape": lambda: _core.dense_int8_shape(X, np.zeros((4, 120), np.int8), V, V, 5, CLIP, True),
    "fk_pool_int8_shape": lambda: _core.pool_int8_shape(X, (2, 3), (1, 2), (1, 0, 2, 1), True, True, *MEANS[:2]),
    "fk_add_int8_shape": lambda: _core.add_int8_shape(33, *MEANS, CLIP),
    "fk_lookup_int8_shape": lambda: _core.lookup_int8_shape(33),
    "fk_concat_int8_shape": lambda: _core.concat_int8_shapes([X[:, :5], X])[1],
    "fk_quantize_shape": lambda: _core.quantize_shape(X.shape, MEANS[1], True),
}


@pytest.mark.parametrize("struct", RECORDS)
def test_both_compilers_lay_out_the_same_struct(cl_device, struct):
    record = RECORDS[struct]()
    size, offsets, content = layout_on_device(cl_device, "fk_int8_shapes.h", struct, record)
    assert size == record.dtype.itemsize
    assert offsets == [record.dtype.fields[name][1] for name in record.dtype.names]
    assert content == record.tobytes()


def test_what_the_shapes_hold():
    found = {struct: make().item() for struct, make in RECORDS.items()}
    assert found == {
        "fk_conv2d_int8_shape": (2, 6, 5, 4, 4, 4, 3, 3, 2, 1, 2, 1, 2, 1, 1, 2, 5, 0.375, 3.0, 250.0),
        "fk_dense_int8_shape": (2, 6, 20, 4, 1, 5, 3.0, 250.0),
        "fk_pool_int8_shape": (2, 6, 5, 4, 5, 3, 2, 3, 1, 2, 1, 2, 1, 1, 7, 2.0, 8.0),
        "fk_add_int8_shape": (1, 48, 0.25, 0.125, 9 - 0.25 * 7 - 0.125 * 8, 3.0, 250.0),
        "fk_lookup_int8_shape": (1, 48),
        "fk_concat_int8_shape": (2, 20, 11, 6, 5),
        "fk_quantize_shape": (2, 6, 20, 1, 8, 0.25, 4.0),
    }


def test_cost_is_the_processor_s():
    x, w = np.zeros((2, 6, 5, 4), np.uint8), np.zeros((4, 3, 3, 2), np.int8)
    ones = np.ones(4, np.float32)
    shape = _core.conv2d_int8_shape(x, w, ones, ones, 0, 1, 0, 1, 2, (0.0, 255.0), None, 0.0)
    flops, read, written = _core.device_cost("conv2d_int8", shape)
    assert (flops, read, written) == (2 * 2 * 4 * 9 * 18, x.size + w.size + 12 * 4, 2 * 4 * 9)
