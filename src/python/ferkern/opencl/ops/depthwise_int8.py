"""Depthwise convolution on bytes on an OpenCL device: how ``kernels/opencl/depthwise_int8.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

__all__ = ["PLANS", "DirectPlan", "depthwise_conv2d_int8"]

FILE = "depthwise_int8.cl"


def depthwise_conv2d_int8(
    x: UInt8,
    w: npt.NDArray[np.int8],
    multiplier: Float32,
    offset: Float32,
    zero_point: int,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    clip: tuple[float, float],
    *,
    device: str,
) -> UInt8:
    """Depthwise convolution of bytes, the processor's bits; ``depthwise_int8.hpp`` has the formula.

    Parameters
    ----------
    x : uint8 [N, C, H, W]
    w : int8 [C, 1, KH, KW]
    multiplier, offset : float32 [C]
    zero_point, stride, padding, dilation, clip, device
        As in `ferkern.opencl.ops.conv2d_int8.conv2d_int8`.

    Returns
    -------
    uint8 [N, C, OH, OW]

    Raises
    ------
    TypeError, ValueError, DeviceError
        As there.
    """
    shape = _core.depthwise_int8_shape(x, w, multiplier, offset, zero_point, stride, padding, dilation, clip)
    n, oc, oh, ow = (int(shape[name]) for name in ("n", "oc", "oh", "ow"))
    y = np.empty((n, int8.blocks(oc), oh, ow, int8.BLOCK), np.uint8)
    weights: dict[str, npt.NDArray[Any]] = {"w": w, "multiplier": multiplier, "offset": offset}
    int8.run_plan("depthwise_int8", PLANS, shape, [int8.to_blocks(x)], y, weights=weights, device=device)
    return int8.from_blocks(y, oc)


class DirectPlan:
    """One work item for a pixel of 16 channels."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self._device = device
        self._shape = shape
        self._blocks = int8.blocks(int(shape["oc"]))
        self.sizes = {
            "packed weights": int8.BLOCK * self._blocks * int(shape["kh"]) * int(shape["kw"]),
            "multipliers and offsets": 12 * int8.BLOCK * self._blocks,
        }
        self._program = int8.program(device, FILE)
        self._weights: tuple[Any, ...] | None = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._weights = tuple(empty(self._device, size) for size in self.sizes.values())
        given = (weights[role] for role in ("w", "multiplier", "offset"))
        size = (int8.BLOCK, self._blocks)
        self._program.launch("depthwise_int8_pack", size, (int8.BLOCK, 1), self._shape, *given, *self._weights)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._weights is not None, "load() comes before run()"
        assert residual is None, "a depthwise convolution of bytes adds none"
        s = with_images(self._shape, images)
        size = (int(s["ow"]), int(s["oh"]), images * self._blocks)
        self._program.launch("depthwise_int8_direct", size, (16, 4, 1), s, inputs[0], *self._weights, y)


# A kernel of the list in src/cpp/ops/depthwise_int8/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"depthwise_int8_direct": DirectPlan}
