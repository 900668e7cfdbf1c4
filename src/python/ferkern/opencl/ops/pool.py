"""Pooling over windows on an OpenCL device: how ``kernels/opencl/pool.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.ops.layer import Float32, call
from ferkern.opencl.ops.plan import Plan, Shape, with_images
from ferkern.opencl.ops.window import window_tuning
from ferkern.opencl.program import build

__all__ = ["PLANS", "DirectPlan", "ReferencePlan", "pool2d"]

FILE = "pool.cl"


def pool2d(
    x: Float32,
    kind: Literal["max", "average", "l2"],
    size: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] | None = None,
    padding: str | int | tuple[int, int] | tuple[int, int, int, int] = 0,
    count_include_pad: bool = False,
    out: Float32 | None = None,
    device: str = "opencl",
) -> Float32:
    """`ferkern.nn.max_pool2d`, `avg_pool2d` or `l2_pool2d` on a device; arguments, result and errors are those, and
    DeviceError.
    """
    target = find(device)
    shape = _core.pool_shape(x, kind, size, stride, padding, count_include_pad)
    dims = [int(shape[name]) for name in ("n", "c", "oh", "ow")]
    return call("pool", PLANS, target, shape, inputs={"x": x}, weights={}, dims=dims, out=out)


class ReferencePlan:
    """One work item for each output."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._program = build(device, FILE, {})

    def load(self, weights: Mapping[str, Any]) -> None:
        pass

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert residual is None, "pooling adds nothing"
        s = with_images(self._shape, images)
        size = (int(s["ow"]), int(s["oh"]), images * int(s["c"]))
        self._program.launch("pool_reference", size, (16, 4, 1), s, inputs[0], y)


class DirectPlan:
    """Rows of vectors over tiles of the image in local memory."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._tuning = window_tuning(device.info, shape)
        self._program = build(device, FILE, self._tuning.defines())
        self._tile = device.cl.LocalMemory(self._tuning.tile_bytes)

    def load(self, weights: Mapping[str, Any]) -> None:
        pass

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert residual is None, "pooling adds nothing"
        s, tuning = with_images(self._shape, images), self._tuning
        size = tuning.items(int(s["oh"]), int(s["ow"]), images * int(s["c"]))
        self._program.launch("pool_direct", size, tuning.group, s, np.int32(tuning.columns), inputs[0], y, self._tile)


# A kernel of the list in src/cpp/ops/pool/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"pool_direct": DirectPlan, "pool_reference": ReferencePlan}
