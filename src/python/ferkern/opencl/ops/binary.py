"""Layers of signs on an OpenCL device: the ND-range and the tuning parameters of ``kernels/opencl/binary.cl``.

Arguments are judged by the same C++ as on the processor. Sums of signs are whole numbers, so bits out are the
processor's, and so are numbers out of the activations that take no exponential.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ferkern import _core
from ferkern.opencl.device import Device, DeviceInfo, find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.plan import Shape
from ferkern.opencl.program import Program, build

if TYPE_CHECKING:
    from ferkern.nn._binary_types import BinaryFilters, Words
    from ferkern.nn._types import Float32, Padding, Pair

__all__ = ["PLANS", "DirectPlan", "Plan", "ReferencePlan", "Tuning", "numbers", "pack_signs", "signs", "tuning"]

FILE = "binary.cl"


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the kernels are built and launched with."""

    lanes: int
    """Filters of a work item: FK_LANES."""
    tile: int
    """Pixels of a work item: FK_TILE."""
    interleave: bool
    """Neighbouring work items take neighbouring pixels: FK_INTERLEAVE."""
    group: tuple[int, int, int]
    """Work items of a group: along the pixels, the filters, the images."""


def tuning(info: DeviceInfo) -> Tuning:
    """The parameters for a device."""
    if info.kind == "cpu":
        return Tuning(lanes=16, tile=4, interleave=False, group=(16, 1, 1))
    return Tuning(lanes=8, tile=2, interleave=True, group=(64, 1, 1))


class Plan(Protocol):
    """A layer of signs planned for a device: filters are loaded once, then it runs on buffers of the device.

    Windows read `x` as bits [n, xh, xw, words] with the zeros around them that `placed` gives.
    """

    sizes: dict[str, int]
    """Buffers that it needs beyond its arguments: what → bytes."""

    def __init__(self, device: Device, shape: Shape) -> None: ...

    def load(self, w: Any) -> None:
        """Takes the filters as bits [oc, kh, kw, words]."""

    def run(self, x: Any, rest: tuple[Any, ...], y: Any, *, is_signs: bool) -> None:
        """Queues the layer; `rest`: the kernel's arguments between the filters and `y`."""


class ReferencePlan:
    """One work item for each number, or for each word of bits."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._program = _program(device)
        self._w: Any = None

    def load(self, w: Any) -> None:
        self._w = w

    def run(self, x: Any, rest: tuple[Any, ...], y: Any, *, is_signs: bool) -> None:
        s = self._shape
        name = "binary_reference_signs" if is_signs else "binary_reference"
        rows = _words(int(s["oc"])) if is_signs else int(s["oc"])
        size = (_pixels(s), rows, int(s["n"]))
        self._program.launch(name, size, (16, 1, 1), s, *_sides(s), x, self._w, *rest, y)


class DirectPlan:
    """Register tiles of pixels and filters, over packed filters."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self._device = device
        self._shape = shape
        self._tuning = tuning(device.info)
        self._blocks = -(-int(shape["oc"]) // self._tuning.lanes)
        self._taps = int(shape["kh"]) * int(shape["kw"])
        lane_bytes = 4 * self._blocks * self._taps * self._tuning.lanes
        self.sizes = {"packed filters": lane_bytes * _words(int(shape["c"])), "bits of their taps": lane_bytes}
        self._program = _program(device)
        self._filters: tuple[Any, Any] | None = None

    def load(self, w: Any) -> None:
        self._filters = packed, ones = tuple(empty(self._device, size) for size in self.sizes.values())
        self._program.launch("binary_filters", (self._taps, self._blocks), (16, 1), self._shape, w, packed, ones)

    def run(self, x: Any, rest: tuple[Any, ...], y: Any, *, is_signs: bool) -> None:
        assert self._filters is not None, "load() comes before run()"
        s, t = self._shape, self._tuning
        name = "binary_direct_signs" if is_signs else "binary_direct"
        rows = _words(int(s["oc"])) if is_signs else self._blocks
        size = (-(-_pixels(s) // t.tile), rows, int(s["n"]))
        self._program.launch(name, size, t.group, s, *_sides(s), x, *self._filters, *rest, y)


# A kernel of the list in src/cpp/ops/binary/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"binary_direct": DirectPlan, "binary_reference": ReferencePlan}


def pack_signs(x: Float32, device: str) -> Words:
    """`ferkern.nn.sign_bits` on a device: the bits [N, H, W, ceil(C / 32)] of x [N, C, H, W].

    Raises
    ------
    TypeError, ValueError
        As in `ferkern.nn.sign_bits`.
    DeviceError
        The device is missing, or its memory is too small.
    """
    target = find(device)
    shape = _core.binary_signs_shape(x)
    dense = _core.dense_float32(x, "x", None)
    bits = np.empty([int(shape[name]) for name in ("n", "ih", "iw")] + [_words(int(shape["c"]))], np.uint32)
    check_sizes(target, {"x": dense.nbytes, "the result": bits.nbytes})
    there = upload(target, dense)
    result = _placed(target, shape, dense, there, channels_last=False)
    download(target, result, bits)
    return bits


def numbers(
    x: Float32 | Words,
    filters: BinaryFilters,
    b: Float32 | None,
    dims: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    *,
    scale_input: bool,
    activation: str | None,
    slope: float | None,
    out: Float32 | None,
    device: str,
) -> Float32:
    """Binary layers on a device with numbers out: `ferkern.nn.binary_conv2d`, `ferkern.nn.binary_dense`.

    Parameters
    ----------
    x : float32 [N, C, H, W] (a fully connected layer's: [N, I]), or bits of it
    dims
        (N, C, H, W) as the layer sees it (a fully connected one: one column of N pixels).

    Raises
    ------
    TypeError, ValueError
        As those functions.
    DeviceError
        The device is missing, or its memory is too small.
    """
    target = find(device)
    shape = _core.binary_shape(filters.bits, filters.alpha, filters.channels, dims, stride, padding)
    given, bias, kind, alpha, y = _core.binary_numbers(
        shape, filters.is_dense, x, b, scale_input, activation, slope, out
    )
    layer = _Layer(target, shape, given, filters.bits, y)
    layer.book({"alpha": filters.alpha.nbytes, "b": 0 if bias is None else bias.nbytes})
    planes = (int(shape["ih"]) * int(shape["iw"]), _pixels(shape)) if scale_input else (0, 0)
    sizes = [4 * int(shape["n"]) * pixels for pixels in planes]
    layer.book(dict(zip(("magnitudes", "K"), sizes, strict=True)))
    layer.check()
    # Buffers are used again when nobody refers to them: names keep them until the result is there.
    x_there = upload(target, given)
    magnitudes, scale = (empty(target, size) if scale_input else None for size in sizes)
    if scale_input:
        _scale_input(target, shape, x_there, magnitudes, scale)
    rest = (
        upload(target, filters.alpha),
        None if bias is None else upload(target, bias),
        scale,
        np.int32(kind),
        np.float32(alpha),
        np.int32(filters.is_dense),
    )
    layer.run(_placed(target, shape, given, x_there, channels_last=filters.is_dense), rest, is_signs=False)
    return y


def signs(
    x: Float32 | Words,
    filters: BinaryFilters,
    dims: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    *,
    thresholds: tuple[Any, Any],
    out: Words | None,
    device: str,
) -> Words:
    """`ferkern.nn.binary_conv2d` with a threshold on a device: bits [N, OH, OW, ceil(O / 32)].

    Parameters
    ----------
    x : float32 [N, C, H, W], or bits of it
    thresholds : int32 [O], int32 [O]
        at_least and direction.

    Raises
    ------
    TypeError, ValueError
        As in `ferkern.nn.binary_conv2d`.
    DeviceError
        The device is missing, or its memory is too small.
    """
    target = find(device)
    shape = _core.binary_shape(filters.bits, filters.alpha, filters.channels, dims, stride, padding)
    given, at_least, direction, y = _core.binary_bits(shape, x, *thresholds, out)
    layer = _Layer(target, shape, given, filters.bits, y)
    layer.book({"at_least": at_least.nbytes, "direction": direction.nbytes})
    layer.check()
    x_there = upload(target, given)
    rest = (upload(target, at_least), upload(target, direction))
    layer.run(_placed(target, shape, given, x_there, channels_last=False), rest, is_signs=True)
    return y


class _Layer:
    """One call: the kernel that serves it, what it needs of the device's memory, and the way there and back."""

    def __init__(self, device: Device, shape: Shape, x: Any, bits: Words, y: Any) -> None:
        self._device, self._bits, self._y = device, bits, y
        _, function = _core.device_kernel("binary", shape, "opencl")
        self._plan = PLANS[function](device, shape)
        rows, cols = _sides(shape)
        placed = 4 * int(shape["n"]) * int(rows) * int(cols) * _words(int(shape["c"]))
        self._sizes = {"x": x.nbytes, "its bits": placed, "filters": bits.nbytes, "the result": y.nbytes}
        self._sizes |= self._plan.sizes

    def book(self, sizes: dict[str, int]) -> None:
        self._sizes |= sizes

    def check(self) -> None:
        check_sizes(self._device, self._sizes)

    def run(self, placed: Any, rest: tuple[Any, ...], *, is_signs: bool) -> None:
        result = empty(self._device, self._y.nbytes)
        filters = upload(self._device, self._bits)
        self._plan.load(filters)
        self._plan.run(placed, rest, result, is_signs=is_signs)
        download(self._device, result, self._y)


def _placed(device: Device, shape: Shape, given: Any, x: Any, *, channels_last: bool) -> Any:
    """Bits with the zeros around them that windows reach, from `x` on the device: floats or bits as `given` are."""
    rows, cols = _sides(shape)
    words = _words(int(shape["c"]))
    bits = empty(device, 4 * int(shape["n"]) * int(rows) * int(cols) * words)
    launch = _program(device).launch
    if given.dtype == np.uint32:
        size = (int(cols) * words, int(rows), int(shape["n"]))
        launch("binary_place", size, (16, 4, 1), shape, rows, cols, x, bits)
    else:
        size = (int(cols), int(rows), int(shape["n"]) * words)
        launch("binary_pack", size, (16, 4, 1), shape, rows, cols, np.int32(channels_last), x, bits)
    return bits


def _scale_input(device: Device, shape: Shape, x: Any, magnitudes: Any, scale: Any) -> None:
    """x [n, c, ih, iw] -> sums of magnitudes over the channels [n, ih, iw] -> K [n, oh, ow], all on the device."""
    n, inside = int(shape["n"]), int(shape["ih"]) * int(shape["iw"])
    launch = _program(device).launch
    launch("binary_magnitude", (inside, n), (64, 1), shape, x, magnitudes)
    launch("binary_scale", (_pixels(shape), n), (64, 1), shape, magnitudes, scale)


def _program(device: Device) -> Program:
    chosen = tuning(device.info)
    defines = {"FK_LANES": chosen.lanes, "FK_TILE": chosen.tile, "FK_INTERLEAVE": int(chosen.interleave)}
    return build(device, FILE, defines | {"FK_FP64": int(device.info.fp64)})


def _words(channels: int) -> int:
    return -(-channels // 32)


def _pixels(shape: Shape) -> int:
    return int(shape["oh"]) * int(shape["ow"])


def _sides(shape: Shape) -> tuple[np.int32, np.int32]:
    """Height and width of the image with the zeros that its windows reach; of packing alone, the image's own."""
    height = (int(shape["oh"]) - 1) * int(shape["stride_h"]) + int(shape["kh"])
    width = (int(shape["ow"]) - 1) * int(shape["stride_w"]) + int(shape["kw"])
    return np.int32(height), np.int32(width)
