"""Convolution on an OpenCL device: the ND-range and the tuning parameters of ``kernels/opencl/conv2d.cl``.

Arguments are judged by the same C++ ``infer()`` as on the processor; the Shape it fills goes to the kernels as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import Device, DeviceInfo, find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.plan import Plan, Shape, with_images
from ferkern.opencl.program import build

__all__ = ["PLANS", "DirectPlan", "ReferencePlan", "Tuning", "conv2d", "tuning"]

Float32 = npt.NDArray[np.float32]
FILE = "conv2d.cl"


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a device kernel is built and launched with."""

    lanes: int
    """Filters of a work item: FK_LANES."""
    tile: int
    """Pixels of a work item: FK_TILE."""
    interleave: bool
    """Neighbouring work items take neighbouring pixels: FK_INTERLEAVE."""
    group: tuple[int, int, int]
    """Work items of a group: along a row, over rows, over blocks of filters."""

    def defines(self) -> dict[str, int]:
        return {"FK_LANES": self.lanes, "FK_TILE": self.tile, "FK_INTERLEAVE": int(self.interleave)}


@dataclass(frozen=True, slots=True)
class _Extent:
    """The image that windows slide over: rows x cols outputs from xh x xw pixels."""

    rows: int
    cols: int
    xh: int
    xw: int
    padded: bool


def conv2d(
    x: Float32,
    w: Float32,
    b: Float32 | None = None,
    *,
    residual: Float32 | None = None,
    stride: int | tuple[int, int] = 1,
    padding: str | int | tuple[int, int] | tuple[int, int, int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "opencl",
) -> Float32:
    """`ferkern.nn.conv2d` on a device, with an optional residual.

    The arrays are copied to the device and the result back. Strided arrays are made dense for the transfer.

    Parameters
    ----------
    residual : float32 [N, O, OH, OW], optional
        Added before the activation.
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.
    x, w, b, stride, padding, dilation, groups, activation, alpha, out
        As in `ferkern.nn.conv2d`.

    Raises
    ------
    TypeError, ValueError
        As in `ferkern.nn.conv2d`.
    DeviceError
        The device is missing, or its memory is too small.
    """
    target = find(device)
    shape = _core.conv2d_shape(x, w, b, stride, padding, dilation, groups, activation, alpha)
    dims = [int(shape[name]) for name in ("n", "oc", "oh", "ow")]
    y = _core.device_output(out, dims, {"x": x, "w": w, "b": b, "residual": residual})
    arrays = {
        "x": _core.dense_float32(x, "x", None),
        "w": _core.dense_float32(w, "w", None),
        "b": None if b is None else _core.dense_float32(b, "b", None),
        "residual": None if residual is None else _core.dense_float32(residual, "residual", dims),
    }
    _, function = _core.device_kernel("conv2d", shape, "opencl")
    plan = PLANS[function](target, shape)
    sizes = {name: array.nbytes for name, array in arrays.items() if array is not None}
    check_sizes(target, sizes | {"the result": y.nbytes} | plan.sizes)
    buffers = {name: None if array is None else upload(target, array) for name, array in arrays.items()}
    result = empty(target, y.nbytes)
    plan.load({name: buffers[name] for name in ("w", "b")})
    plan.run([buffers["x"]], buffers["residual"], result, dims[0])
    download(target, result, y)
    return y


def tuning(info: DeviceInfo, filters: int, cols: int) -> Tuning:
    """The parameters for a device, a number of filters in a group and the pixels of a row."""
    if info.kind == "cpu":
        # 12 vectors of 16 sums: one AVX-512 register each. 6 where 12 would calculate more pixels past the row's end.
        lanes = next((n for n in (1, 4, 8) if filters <= n), 16)
        tile = 6 if -(-cols // 6) * 6 < -(-cols // 12) * 12 else 12
        return Tuning(lanes=lanes, tile=tile, interleave=False, group=(4, 4, 1))
    lanes = next((n for n in (1, 4) if filters <= n), 8)
    return Tuning(lanes=lanes, tile=4, interleave=True, group=(16, 4, 1))


class ReferencePlan:
    """One work item for each output."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._program = build(device, FILE, {})
        self._weights: tuple[Any, Any | None] | None = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._weights = weights["w"], weights.get("b")

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._weights is not None, "load() comes before run()"
        s = with_images(self._shape, images)
        size = (int(s["ow"]), int(s["oh"]), images * int(s["oc"]))
        self._program.launch("conv2d_reference", size, (16, 4, 1), s, inputs[0], *self._weights, residual, y)


class DirectPlan:
    """Register tiles over packed weights and, where windows leave the image, a padded copy of it."""

    def __init__(self, device: Device, shape: Shape) -> None:
        oc, ic, groups, n = (int(shape[name]) for name in ("oc", "ic", "groups", "n"))
        self._device = device
        self._shape = shape
        self._channels = ic
        self._extent = _extent(shape)
        self._tuning = tuning(device.info, oc // groups, self._extent.cols)
        self._blocks = groups * -(-(oc // groups) // self._tuning.lanes)
        self._terms = ic // groups * int(shape["kh"]) * int(shape["kw"])
        self.sizes = {"packed weights": 4 * self._blocks * (1 + self._terms) * self._tuning.lanes}
        if self._extent.padded:
            self.sizes["padded x"] = 4 * n * ic * self._extent.xh * self._extent.xw
        self._program = build(device, FILE, self._tuning.defines())
        self._packed: Any = None
        self._padded: Any = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._packed = empty(self._device, self.sizes["packed weights"])
        size = (1 + self._terms, self._blocks)
        self._program.launch("conv2d_pack", size, (64, 1), self._shape, weights["w"], weights.get("b"), self._packed)
        if self._extent.padded:
            self._padded = empty(self._device, self.sizes["padded x"])

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._packed is not None, "load() comes before run()"
        e, launch, shape = self._extent, self._program.launch, with_images(self._shape, images)
        sides = np.int32(e.xh), np.int32(e.xw)
        (x,) = inputs
        if e.padded:
            launch("conv2d_pad", (e.xw, e.xh, images * self._channels), (16, 4, 1), shape, *sides, x, self._padded)
            x = self._padded
        size = (-(-e.cols // self._tuning.tile), e.rows, images * self._blocks)
        counts = np.int32(e.rows), np.int32(e.cols)
        launch("conv2d_direct", size, self._tuning.group, shape, *counts, *sides, x, self._packed, residual, y)


# A kernel of the list in src/cpp/ops/conv2d/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"conv2d_direct": DirectPlan, "conv2d_reference": ReferencePlan}


def _extent(shape: Shape) -> _Extent:
    """As the plan on the processor: pad only where windows leave the image; whole images under 1 x 1 are one row."""
    s = {name: int(shape[name]) for name in shape.dtype.names or () if name != "alpha"}
    height = (s["oh"] - 1) * s["stride_h"] + (s["kh"] - 1) * s["dilation_h"] + 1
    width = (s["ow"] - 1) * s["stride_w"] + (s["kw"] - 1) * s["dilation_w"] + 1
    if s["pad_top"] > 0 or s["pad_left"] > 0 or height > s["ih"] or width > s["iw"]:
        return _Extent(s["oh"], s["ow"], height, width, padded=True)
    if s["kh"] == s["kw"] == s["stride_h"] == s["stride_w"] == 1:
        return _Extent(1, s["oh"] * s["ow"], 1, s["ih"] * s["iw"], padded=False)
    return _Extent(s["oh"], s["ow"], s["ih"], s["iw"], padded=False)
