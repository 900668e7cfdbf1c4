"""Functions of one byte, as tables, on an OpenCL device: how ``kernels/opencl/lookup_int8.cl`` is launched."""

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
    from ferkern.opencl.ops.int8 import UInt8

__all__ = ["PLANS", "FlatPlan", "lookup_int8"]

FILE = "lookup_int8.cl"


def lookup_int8(x: UInt8, table: UInt8, *, device: str) -> UInt8:
    """table[x] for bytes.

    Parameters
    ----------
    x : uint8
    table : uint8 [256]
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.

    Returns
    -------
    uint8 of x's shape

    Raises
    ------
    DeviceError
        The device is missing, or its memory is too small.
    """
    shape = _core.lookup_int8_shape(x.size)
    size = int(shape["size"])
    y = np.empty(size, np.uint8)
    int8.run_plan("lookup_int8", PLANS, shape, [np.resize(x, size)], y, weights={"table": table}, device=device)
    return y[: x.size].reshape(x.shape)


class FlatPlan:
    """One work item for 16 bytes."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes = {"packed table": 256}
        self._device = device
        self._shape = shape
        self._program = int8.program(device, FILE)
        self._table: Any = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._table = empty(self._device, 256)
        self._program.launch("lookup_int8_pack", (256,), (64,), weights["table"], self._table)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._table is not None, "load() comes before run()"
        s = with_images(self._shape, images)
        size = images * int(s["size"]) // int8.BLOCK
        self._program.launch("lookup_int8_flat", (size,), (64,), s, inputs[0], self._table, y)


# A kernel of the list in src/cpp/ops/lookup_int8/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"lookup_int8_flat": FlatPlan}
