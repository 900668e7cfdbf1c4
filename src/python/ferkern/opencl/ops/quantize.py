"""Between float32 and bytes on an OpenCL device: how ``kernels/opencl/quantize.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkern import _core
from ferkern.opencl.device import Device
from ferkern.opencl.ops import int8
from ferkern.opencl.ops.plan import Plan, Shape, with_images

if TYPE_CHECKING:
    from ferkern.nn._types import Float32
    from ferkern.opencl.ops.int8 import UInt8

__all__ = ["PLANS", "BytesPlan", "FloatsPlan", "dequantize", "quantize"]

FILE = "quantize.cl"
Meaning = tuple[float, int]


def quantize(x: Float32, means: Meaning, *, device: str) -> UInt8:
    """clip(round(x / scale + zero_point), 0, 255), the processor's bits; ``quantize.hpp`` has the order of roundings.

    Numbers below the normal ones count as 0 on devices that have no others.

    Parameters
    ----------
    x : float32 [N, C, H, W]
        NaN becomes 0.
    means
        (scale, zero point)
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.

    Returns
    -------
    uint8 [N, C, H, W]

    Raises
    ------
    TypeError, ValueError
        `x` is not float32 or empty; the scale is not positive and finite, the zero point no byte.
    DeviceError
        The device is missing, or its memory is too small.
    """
    dims = _core.float_shape(x, "x", 4)
    shape = _core.quantize_shape(dims, means, False)
    n, c, h, w = dims
    y = np.empty((n, int8.blocks(c), h, w, int8.BLOCK), np.uint8)
    int8.run_plan("quantize", PLANS, shape, [_core.dense_float32(x, "x", None)], y, device=device)
    return int8.from_blocks(y, c)


def dequantize(x: UInt8, means: Meaning, *, device: str) -> Float32:
    """(x - zero_point) scale.

    Parameters
    ----------
    x : uint8 [N, C, H, W]
    means, device
        As in `quantize`.

    Returns
    -------
    float32 [N, C, H, W]

    Raises
    ------
    ValueError, DeviceError
        As in `quantize`.
    """
    shape = _core.quantize_shape(x.shape, means, True)
    y = np.empty(x.shape, np.float32)
    int8.run_plan("quantize", PLANS, shape, [int8.to_blocks(x)], y, device=device)
    return y


class BytesPlan:
    """One work item for a pixel of 16 channels."""

    kernel = "quantize"

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._program = int8.program(device, FILE)

    def load(self, weights: Mapping[str, Any]) -> None:
        """There are none."""

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        s = with_images(self._shape, images)
        size = (int(s["pixels"]), int8.blocks(int(s["channels"])), images)
        self._program.launch(self.kernel, size, (64, 1, 1), s, inputs[0], y)


class FloatsPlan(BytesPlan):
    """The way back."""

    kernel = "dequantize"


# A kernel of the list in src/cpp/ops/quantize/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"quantize": BytesPlan, "dequantize": FloatsPlan}
