"""Convolution on bytes on an OpenCL device: ND-range and tuning parameters of ``kernels/opencl/conv2d_int8.cl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkern import _core
from ferkern.opencl.device import Device
from ferkern.opencl.memory import empty
from ferkern.opencl.ops import int8
from ferkern.opencl.ops.plan import Plan, Shape, with_images

if TYPE_CHECKING:
    import numpy.typing as npt

    from ferkern.nn._types import Float32, Padding, Pair
    from ferkern.opencl.ops.int8 import UInt8

__all__ = ["PLANS", "DirectPlan", "Tuning", "conv2d_int8", "tuning"]

FILE = "conv2d_int8.cl"


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the kernels are built and launched with."""

    dot: bool
    """Multiply by the integer dot product: FK_DOT."""
    tile: int
    """Pixels of a work item: FK_TILE."""
    interleave: bool
    """Neighbouring work items take neighbouring pixels: FK_INTERLEAVE."""
    group: tuple[int, int, int]
    """Work items of a group: along the pixels, the blocks of filters, the images."""


def tuning(device: Device, pixels: int) -> Tuning:
    """The parameters for a device and the pixels of an image."""
    dot = int8.prefers_dot_product(device)
    if device.info.kind == "cpu":
        # 8 pixels are a tenth faster than 4, but where few tiles are left for the cores, or a last one is not full.
        return Tuning(dot, tile=8 if pixels >= 128 else 4, interleave=False, group=(16, 1, 1))
    return Tuning(dot, tile=2, interleave=True, group=(64, 1, 1))


def conv2d_int8(
    x: UInt8,
    w: npt.NDArray[np.int8],
    multiplier: Float32,
    offset: Float32,
    zero_point: int,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    clip: tuple[float, float],
    residual: UInt8 | None,
    residual_multiplier: float,
    *,
    device: str,
) -> UInt8:
    """Convolution of bytes: clip(round((S multiplier + offset) + residual residual_multiplier)), the processor's bits.

    S is the sum of w (x - zero_point), exact; ``src/cpp/ops/conv2d_int8/conv2d_int8.hpp`` has the formula.

    Parameters
    ----------
    x : uint8 [N, C, H, W]
    w : int8 [O, C / groups, KH, KW]
    multiplier, offset : float32 [O]
    zero_point
        The byte that stands for 0 in `x`; pixels outside the image have it.
    stride, padding, dilation, groups
        As in `ferkern.nn.conv2d`.
    clip
        (low, high), whole numbers in 0..255.
    residual : uint8 [N, O, OH, OW], optional
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.

    Returns
    -------
    uint8 [N, O, OH, OW]

    Raises
    ------
    TypeError, ValueError
        An array is of another dtype; sizes or numbers do not fit.
    DeviceError
        The device is missing, or its memory is too small.
    """
    shape = _core.conv2d_int8_shape(
        x, w, multiplier, offset, zero_point, stride, padding, dilation, groups, clip, residual, residual_multiplier
    )
    n, oc, oh, ow = (int(shape[name]) for name in ("n", "oc", "oh", "ow"))
    y = np.empty((n, int8.blocks(oc), oh, ow, int8.BLOCK), np.uint8)
    other = None if residual is None else int8.to_blocks(residual)
    weights: dict[str, npt.NDArray[Any]] = {"w": w, "multiplier": multiplier, "offset": offset}
    int8.run_plan("conv2d_int8", PLANS, shape, [int8.to_blocks(x)], y, weights=weights, residual=other, device=device)
    return int8.from_blocks(y, oc)


class DirectPlan:
    """Register tiles of pixels and 16 filters, over packed weights and, where windows leave it, a padded image."""

    def __init__(self, device: Device, shape: Shape) -> None:
        s = {name: int(shape[name]) for name in shape.dtype.names or ()}
        self._device = device
        self._shape = shape
        self._pixels = s["oh"] * s["ow"]
        self._tuning = t = tuning(device, self._pixels)
        whole = s["ic"] // s["groups"] % int8.BLOCK == 0 and s["oc"] // s["groups"] % int8.BLOCK == 0
        groups = s["groups"] if whole else 1
        self._blocks = groups * int8.blocks(s["oc"] // groups)
        self._steps = s["kh"] * s["kw"] * -(-(s["ic"] // groups) // 4)
        self._height = (s["oh"] - 1) * s["stride_h"] + (s["kh"] - 1) * s["dilation_h"] + 1
        self._width = (s["ow"] - 1) * s["stride_w"] + (s["kw"] - 1) * s["dilation_w"] + 1
        self._planes = int8.blocks(s["ic"])
        self._padded_size = 0
        leaves = self._height > s["ih"] or self._width > s["iw"]
        if s["pad_top"] > 0 or s["pad_left"] > 0 or leaves:
            self._padded_size = int8.BLOCK * s["n"] * self._planes * self._height * self._width
        else:
            self._height, self._width = s["ih"], s["iw"]
        self.sizes = {
            "packed weights": self._blocks * int8.weight_bytes(self._steps),
            "multipliers and offsets": 12 * self._blocks * int8.BLOCK,
            "padded x": self._padded_size,
        }
        self._program = int8.program(device, FILE, dot=t.dot, FK_TILE=t.tile, FK_INTERLEAVE=int(t.interleave))
        self._weights: tuple[Any, Any] | None = None
        self._padded: Any = None

    def load(self, weights: Mapping[str, Any]) -> None:
        packed, channels = (empty(self._device, size) for size in list(self.sizes.values())[:2])
        s, launch, w = self._shape, self._program.launch, weights["w"]
        launch("conv2d_int8_pack", (int8.BLOCK, self._steps, self._blocks), (int8.BLOCK, 1, 1), s, w, packed)
        rest = w, weights["multiplier"], weights["offset"], channels
        launch("conv2d_int8_channels", (int8.BLOCK, self._blocks), (int8.BLOCK, 1), s, *rest)
        self._weights = packed, channels
        if self._padded_size:
            self._padded = empty(self._device, self._padded_size)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._weights is not None, "load() comes before run()"
        s, t, launch, x = with_images(self._shape, images), self._tuning, self._program.launch, inputs[0]
        sides = np.int32(self._height), np.int32(self._width)
        if self._padded_size:
            size = (self._width, self._height, images * self._planes)
            launch("conv2d_int8_pad", size, (16, 4, 1), s, *sides, x, self._padded)
            x = self._padded
        size = (-(-self._pixels // t.tile), self._blocks, images)
        launch("conv2d_int8_direct", size, t.group, s, *sides, x, *self._weights, residual, y)


# A kernel of the list in src/cpp/ops/conv2d_int8/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"conv2d_int8_direct": DirectPlan}
