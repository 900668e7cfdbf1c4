"""Sums of two arrays of bytes on an OpenCL device: how ``kernels/opencl/add_int8.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkern import _core
from ferkern.opencl.device import Device
from ferkern.opencl.ops import int8
from ferkern.opencl.ops.plan import Plan, Shape, with_images

if TYPE_CHECKING:
    from ferkern.opencl.ops.int8 import UInt8

__all__ = ["PLANS", "FlatPlan", "add_int8"]

FILE = "add_int8.cl"
Meaning = tuple[float, int]


def add_int8(
    x1: UInt8,
    x2: UInt8,
    x1_means: Meaning,
    x2_means: Meaning,
    y_means: Meaning,
    clip: tuple[float, float],
    *,
    device: str,
) -> UInt8:
    """Sum of bytes of different scales, the processor's bits; ``add_int8.hpp`` has the formula.

    Parameters
    ----------
    x1, x2 : uint8, of one shape
    x1_means, x2_means, y_means
        (scale, zero point) of the two and of the result.
    clip
        (low, high), whole numbers in 0..255.
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.

    Returns
    -------
    uint8 of that shape

    Raises
    ------
    ValueError
        The scales lie too far apart, or are none.
    DeviceError
        The device is missing, or its memory is too small.
    """
    shape = _core.add_int8_shape(x1.size, x1_means, x2_means, y_means, clip)
    size = int(shape["size"])
    flat = [np.resize(x, size) for x in (x1, x2)]
    y = np.empty(size, np.uint8)
    int8.run_plan("add_int8", PLANS, shape, flat, y, device=device)
    return y[: x1.size].reshape(x1.shape)


class FlatPlan:
    """One work item for 16 bytes."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._program = int8.program(device, FILE)

    def load(self, weights: Mapping[str, Any]) -> None:
        """There are none."""

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        s = with_images(self._shape, images)
        size = images * int(s["size"]) // int8.BLOCK
        self._program.launch("add_int8_flat", (size,), (64,), s, inputs[0], inputs[1], y)


# A kernel of the list in src/cpp/ops/add_int8/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"add_int8_flat": FlatPlan}
