"""Depthwise convolution on an OpenCL device: how ``kernels/opencl/depthwise.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.ops.layer import Float32, call
from ferkern.opencl.ops.plan import Plan, Shape, with_images
from ferkern.opencl.ops.window import PlainConvolution, window_tuning
from ferkern.opencl.program import build

__all__ = ["PLANS", "DirectPlan", "ReferencePlan", "depthwise_conv2d"]

FILE = "depthwise.cl"


def depthwise_conv2d(
    x: Float32,
    w: Float32,
    b: Float32 | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: str | int | tuple[int, int] | tuple[int, int, int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "opencl",
) -> Float32:
    """`ferkern.nn.depthwise_conv2d` on a device; arguments, result and errors are those, and DeviceError."""
    target = find(device)
    shape = _core.depthwise_shape(x, w, b, stride, padding, dilation, activation, alpha)
    dims = [int(shape[name]) for name in ("n", "oc", "oh", "ow")]
    return call("depthwise", PLANS, target, shape, inputs={"x": x}, weights={"w": w, "b": b}, dims=dims, out=out)


class ReferencePlan(PlainConvolution):
    """One work item for each output."""

    FILE = FILE
    KERNEL = "depthwise_reference"


class DirectPlan:
    """Rows of vectors over tiles of the image in local memory."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._tuning = window_tuning(device.info, shape)
        self._program = build(device, FILE, self._tuning.defines())
        self._tile = device.cl.LocalMemory(self._tuning.tile_bytes)
        self._weights: tuple[Any, Any | None] | None = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._weights = weights["w"], weights.get("b")

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._weights is not None, "load() comes before run()"
        s, tuning = with_images(self._shape, images), self._tuning
        size = tuning.items(int(s["oh"]), int(s["ow"]), images * int(s["oc"]))
        arguments = s, np.int32(tuning.columns), inputs[0], *self._weights, residual, y, self._tile
        self._program.launch("depthwise_direct", size, tuning.group, *arguments)


# A kernel of the list in src/cpp/ops/depthwise/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"depthwise_direct": DirectPlan, "depthwise_reference": ReferencePlan}
