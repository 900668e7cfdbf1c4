"""Pooling of bytes on an OpenCL device: how ``kernels/opencl/pool_int8.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkern import _core
from ferkern.opencl.device import Device
from ferkern.opencl.memory import upload
from ferkern.opencl.ops import int8
from ferkern.opencl.ops.plan import Plan, Shape, with_images

if TYPE_CHECKING:
    from ferkern.nn._types import Padding, Pair
    from ferkern.opencl.ops.int8 import UInt8

__all__ = ["PLANS", "DirectPlan", "pool2d_int8"]

FILE = "pool_int8.cl"


def pool2d_int8(
    x: UInt8,
    size: Pair,
    stride: Pair | None,
    padding: Padding,
    average: bool,
    count_include_pad: bool,
    x_means: tuple[float, int],
    y_means: tuple[float, int],
    *,
    device: str,
) -> UInt8:
    """Maximum or average of bytes over windows, the processor's bits; ``pool_int8.hpp`` has the formulas.

    Parameters
    ----------
    x : uint8 [N, C, H, W]
    size, stride, padding, count_include_pad
        As in `ferkern.nn.avg_pool2d`.
    x_means, y_means
        (scale, zero point) of `x` and of the result; a maximum takes no notice of them.
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.

    Returns
    -------
    uint8 [N, C, OH, OW]

    Raises
    ------
    TypeError, ValueError
        `x` is not uint8; sizes or numbers do not fit.
    DeviceError
        The device is missing, or its memory is too small.
    """
    shape = _core.pool_int8_shape(x, size, stride, padding, average, count_include_pad, x_means, y_means)
    n, c, oh, ow = (int(shape[name]) for name in ("n", "c", "oh", "ow"))
    y = np.empty((n, int8.blocks(c), oh, ow, int8.BLOCK), np.uint8)
    int8.run_plan("pool_int8", PLANS, shape, [int8.to_blocks(x)], y, device=device)
    return int8.from_blocks(y, c)


class DirectPlan:
    """One work item for a pixel of 16 channels."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self._device = device
        self._shape = shape
        self._blocks = int8.blocks(int(shape["c"]))
        # ratio / count for each count of cells, rounded once: devices may round a division otherwise.
        counts = np.arange(int(shape["kh"]) * int(shape["kw"]) + 1 if int(shape["average"]) else 1)
        self._factors = (np.float32(shape["ratio"]) / np.maximum(counts, 1).astype(np.float32)).astype(np.float32)
        self.sizes = {"factors": self._factors.nbytes}
        self._program = int8.program(device, FILE)
        self._there: Any = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._there = upload(self._device, self._factors)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._there is not None, "load() comes before run()"
        s = with_images(self._shape, images)
        size = (int(s["ow"]), int(s["oh"]), images * self._blocks)
        self._program.launch("pool_int8_direct", size, (16, 4, 1), s, inputs[0], self._there, y)


# A kernel of the list in src/cpp/ops/pool_int8/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"pool_int8_direct": DirectPlan}
