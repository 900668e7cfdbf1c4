"""The border to Python: what is taken as it stands, what is refused, and that the message says why."""

from __future__ import annotations

import ctypes
import re

import numpy as np
import pytest

from ferkern import image, linalg, nn
from ferkern.models import build

X = np.arange(2 * 3 * 6 * 7, dtype=np.float32).reshape(2, 3, 6, 7) / 100
W = np.arange(4 * 3 * 3 * 3, dtype=np.float32).reshape(4, 3, 3, 3) / 50
Y = nn.conv2d(X, W)
FILTERS = nn.binarize(W - 1)

# One call for each kind of array that crosses: (name of the argument, dtype, an array that fits, the call)
CALLS = {
    "conv2d x": ("x", "float32", X, lambda a: nn.conv2d(a, W)),
    "conv2d w": ("w", "float32", W, lambda a: nn.conv2d(X, a)),
    "conv2d b": ("b", "float32", np.arange(4, dtype=np.float32), lambda a: nn.conv2d(X, W, a)),
    "binary_conv2d x": ("x", "float32", X - 1, lambda a: nn.binary_conv2d(a, FILTERS)),
    "binarize w": ("w", "float32", W - 1, lambda a: nn.binarize(a).weights()),
    "sign_bits": ("x", "float32", X - 1, lambda a: nn.sign_bits(a).bits),
    "to_gray": ("rgb", "uint8", np.arange(60, dtype=np.uint8).reshape(4, 5, 3), image.to_gray),
    "resize": ("image", "uint8 or float32", X[0, 0], lambda a: image.resize(a, (3, 2))),
    "warp": ("image", "uint8 or float32", X[0, 0], lambda a: image.warp(a, image.similarity(1.5), (3, 2))),
}
WRONG = ["float64", "float16", "int8", "int64", "uint16", "bool", "complex64", "object", "U3", "datetime64[s]"]
every_call = pytest.mark.parametrize("call", CALLS)


@every_call
@pytest.mark.parametrize("dtype", WRONG)
def test_another_dtype_is_refused_not_cast(call, dtype):
    name, expected, good, f = CALLS[call]
    wrong = np.zeros(good.shape, dtype)
    with pytest.raises(TypeError, match=rf"^{name} must be {expected}, is {re.escape(wrong.dtype.name)}; pass"):
        f(wrong)


@every_call
def test_foreign_byte_order_is_refused(call):
    name, _, good, f = CALLS[call]
    if good.dtype == np.uint8:
        return  # one byte has no order
    with pytest.raises(TypeError, match=rf"{name} must be .*, is float32 of foreign byte order; pass {name}\.astype"):
        f(good.astype(">f4"))
    np.testing.assert_array_equal(f(good.astype(">f4").astype("float32")), f(good))


@every_call
def test_records_are_refused_their_fields_too_where_they_do_not_line_up(call):
    name, _, good, f = CALLS[call]
    records = np.zeros(good.shape, [("tag", "u1"), ("value", good.dtype)])
    records["value"] = good
    with pytest.raises(TypeError, match=f"{name} must be"):
        f(records)
    if good.itemsize == 1:
        np.testing.assert_array_equal(f(records["value"]), f(good))
    else:
        with pytest.raises(
            ValueError, match=rf"{name}: the stride of axis 0 is \d+ bytes, not a multiple of the item size 4"
        ):
            f(records["value"])
    aligned = np.zeros(good.shape, np.dtype([("tag", "u1"), ("value", good.dtype)], align=True))
    aligned["value"] = good
    np.testing.assert_array_equal(f(aligned["value"]), f(good))


@every_call
def test_unaligned_memory_is_refused(call):
    name, _, good, f = CALLS[call]
    if good.itemsize == 1:
        return
    memory = np.zeros(good.nbytes + 1, np.uint8)
    off = memory[1:].view(good.dtype).reshape(good.shape)
    off[...] = good
    assert not off.flags.aligned
    with pytest.raises(
        ValueError, match=rf"{name}: its memory is not aligned to items of 4 bytes; pass {name}\.copy\(\)"
    ):
        f(off)
    np.testing.assert_array_equal(f(off.copy()), f(good))


@every_call
def test_masked_arrays_are_refused(call):
    name, _, good, f = CALLS[call]
    with pytest.raises(TypeError, match=rf"{name} is a masked array; pass {name}\.filled"):
        f(np.ma.masked_array(good, mask=np.ones(good.shape, bool)))


class Own(np.ndarray):
    """A subclass that adds nothing."""


@every_call
def test_any_strides_order_and_kind_of_host_array(call):
    _, _, good, f = CALLS[call]
    expected = f(good)
    read_only = good.copy()
    read_only.flags.writeable = False
    padded = np.zeros([2 * n + 1 for n in good.shape], good.dtype)[tuple(slice(1, None, 2) for _ in good.shape)]
    padded[...] = good
    backwards = good[(slice(None, None, -1),) * good.ndim].copy()[(slice(None, None, -1),) * good.ndim]
    for view in (
        np.asfortranarray(good),
        read_only,
        padded,
        backwards,
        good.copy().view(Own),
        good.reshape(good.shape),
    ):
        np.testing.assert_array_equal(f(view), expected)
    flat = np.full_like(good, 3)
    np.testing.assert_array_equal(f(np.broadcast_to(good.dtype.type(3), good.shape)), f(flat))


class Interface:
    """Nothing but `__array_interface__`."""

    def __init__(self, array):
        self.kept = array
        self.__array_interface__ = array.__array_interface__


class Capsule:
    """Nothing but host DLPack."""

    def __init__(self, array):
        self.kept = array

    def __dlpack__(self, **options):
        return self.kept.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.kept.__dlpack_device__()


class Elsewhere(Capsule):
    """DLPack on another device."""

    def __dlpack__(self, **options):
        raise BufferError("the memory is not the host's")

    def __dlpack_device__(self):
        return (2, 0)


@every_call
@pytest.mark.parametrize("wrap", [Interface, Capsule])
def test_foreign_arrays_are_read_where_they_are(call, wrap):
    _, _, good, f = CALLS[call]
    strided = good.repeat(2, axis=-1)[..., ::2]
    for array in (good, strided):
        np.testing.assert_array_equal(f(wrap(array)), f(good))


@every_call
def test_memory_of_another_device_is_refused(call):
    name, _, good, f = CALLS[call]
    with pytest.raises(TypeError, match=f"{name} offers DLPack, but not in the memory of the host"):
        f(Elsewhere(good))


@every_call
@pytest.mark.parametrize("thing", [[[1.0, 2.0]], 3, 2.5, "x", b"abc", {}, (ctypes.c_float * 4)(), object()], ids=repr)
def test_other_things_are_refused_by_name(call, thing):
    name, _, _, f = CALLS[call]
    with pytest.raises(TypeError, match=f"^{name} must be a NumPy array .*, is {type(thing).__name__}$"):
        f(thing)


@every_call
def test_none_and_no_dimensions_and_no_elements(call):
    name, _, good, f = CALLS[call]
    if call != "conv2d b":
        with pytest.raises(TypeError, match=f"{name} must be a NumPy array .*, is NoneType"):
            f(None)
    with pytest.raises(ValueError, match=rf"{name} must have .* dimensions, has 0: shape \[\]"):
        f(np.zeros((), good.dtype))
    with pytest.raises(ValueError, match=rf"{name} must have .* dimensions, has 6"):
        f(np.zeros((1,) * 6, good.dtype))
    for axis in range(good.ndim):
        empty = np.take(good, [], axis=axis)
        with pytest.raises(ValueError, match=r"\d"):
            f(empty)


@pytest.mark.parametrize(
    "f",
    [
        lambda out: nn.conv2d(X, W, out=out),
        lambda out: nn.binary_conv2d(X, FILTERS, out=out),
        lambda out: image.resize(X[0, 0], (4, 5), out=out),
        lambda out: image.warp(X[0, 0], image.similarity(1), (4, 5), out=out),
    ],
    ids=["conv2d", "binary_conv2d", "resize", "warp"],
)
def test_out_is_written_in_place_or_refused(f):
    expected = f(None)
    out = np.empty_like(expected)
    assert f(out) is out
    np.testing.assert_array_equal(out, expected)
    shape = expected.shape
    read_only = np.empty_like(expected)
    read_only.flags.writeable = False
    for wrong, error, match in (
        (np.empty(shape, np.float64), TypeError, "out must be float32, is float64"),
        (np.empty(shape, ">f4"), TypeError, "out must be float32, is float32 of foreign byte order"),
        (np.empty((*shape[:-1], shape[-1] + 1), np.float32), ValueError, rf"out has shape .* must be {shape[-1]}"),
        (np.empty((1, *shape), np.float32), ValueError, "out must have .* dimensions"),
        (np.asfortranarray(expected), ValueError, "out must be C-contiguous"),
        (np.empty((*shape[:-1], 2 * shape[-1]), np.float32)[..., ::2], ValueError, "out must be C-contiguous"),
        (read_only, ValueError, "out is read-only"),
        (
            np.zeros(expected.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(shape),
            ValueError,
            "out: .* not aligned",
        ),
        ([1.0], TypeError, "out must be a NumPy array"),
    ):
        with pytest.raises(error, match=match):
            f(wrong)


def test_out_may_lie_beside_its_input_but_not_on_it():
    memory = np.zeros(200, np.float32)
    x = memory[:100].reshape(10, 10)
    x[...] = np.arange(100).reshape(10, 10)
    expected = image.resize(x.copy(), (5, 5))
    np.testing.assert_array_equal(image.resize(x, (5, 5), out=memory[100:125].reshape(5, 5)), expected)
    for begin in (0, 50, 99):
        with pytest.raises(ValueError, match="out must not share memory with image"):
            image.resize(x, (5, 5), out=memory[begin : begin + 25].reshape(5, 5))
    backwards = memory[99::-1].reshape(10, 10)
    with pytest.raises(ValueError, match="out must not share memory with image"):
        image.resize(backwards, (5, 5), out=memory[75:100].reshape(5, 5))


F = {n: np.ones(n, np.float32) for n in (1, 4, 16)}  # arrays of as many ones
MANY_INPUTS = {
    "conv2d": (
        lambda out, x, w, b: nn.conv2d(x, w, b, out=out),
        {"x": F[16].reshape(1, 4, 2, 2), "w": F[16].reshape(4, 4, 1, 1), "b": F[4]},
    ),
    "depthwise_conv2d": (
        lambda out, x, w, b: nn.depthwise_conv2d(x, w, b, out=out),
        {"x": F[16].reshape(1, 4, 2, 2), "w": F[4].reshape(4, 1, 1, 1), "b": F[4]},
    ),
    "dense": (
        lambda out, x, w, b: nn.dense(x, w, b, out=out),
        {"x": F[16].reshape(4, 4), "w": F[16].reshape(4, 4), "b": F[4]},
    ),
    "binary_conv2d": (
        lambda out, x, b: nn.binary_conv2d(x, nn.binarize(F[16].reshape(4, 4, 1, 1)), b, out=out),
        {"x": F[16].reshape(1, 4, 2, 2), "b": F[4]},
    ),
    "gemm": (
        lambda out, a, b, bias: linalg.gemm(a, b, bias=bias, out=out),
        {"a": F[16].reshape(4, 4), "b": F[16].reshape(4, 4), "bias": F[4]},
    ),
    "batch_norm": (
        lambda out, **inputs: nn.batch_norm(**inputs, out=out),
        {"x": F[16].reshape(4, 4), "gamma": F[4], "beta": F[4], "mean": F[4], "variance": F[4]},
    ),
    "warp": (
        lambda out, **inputs: image.warp(**inputs, size=(4, 4), out=out),
        {"image": F[16].reshape(4, 4), "matrix": np.float32([[1, 0, 0], [0, 1, 0]])},
    ),
}


@pytest.mark.parametrize(
    ("f", "inputs", "name"),
    [pytest.param(f, inputs, name, id=f"{op}-{name}") for op, (f, inputs) in MANY_INPUTS.items() for name in inputs],
)
def test_out_must_lie_apart_from_every_input(f, inputs, name):
    expected = f(None, **inputs)
    memory = np.zeros(64, np.float32)
    size = inputs[name].size
    inside = memory[:size].reshape(inputs[name].shape)
    inside[...] = inputs[name]
    beside = memory[size : size + expected.size].reshape(expected.shape)
    np.testing.assert_array_equal(f(beside, **{**inputs, name: inside}), expected)
    for begin in (0, size - 1):
        with pytest.raises(ValueError, match=f"out must not share memory with {name}$"):
            f(memory[begin : begin + expected.size].reshape(expected.shape), **{**inputs, name: inside})


def test_nothing_overlaps_an_empty_array():
    session = build("fer_2conv").plan()
    memory = np.zeros(1000, np.float32)
    assert session.run(memory[8:8].reshape(0, 1, 48, 48), out=memory[:0].reshape(0, 7)).shape == (0, 7)


def test_inputs_are_left_as_they_are():
    for name, _, good, f in CALLS.values():
        before = good.copy()
        f(good)
        np.testing.assert_array_equal(good, before, err_msg=name)


def test_numbers_are_checked_as_strictly_as_arrays():
    for wrong, error in ((1.0, TypeError), ("1", TypeError), (None, TypeError), (1 << 80, ValueError)):
        with pytest.raises(error, match="stride"):
            nn.conv2d(X, W, stride=wrong)
    np.testing.assert_array_equal(nn.conv2d(X, W, stride=np.int64(1)), Y)
    np.testing.assert_array_equal(nn.conv2d(X, W, stride=True), Y)  # bool is an integer in Python
    for size in (1 << 40, -(1 << 70)):
        with pytest.raises(ValueError, match=r"size|side"):
            image.resize(X[0, 0], (size, 1))
