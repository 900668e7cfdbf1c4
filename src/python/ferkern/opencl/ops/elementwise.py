"""Pointwise functions and sums on an OpenCL device: how ``kernels/opencl/elementwise.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.ops.layer import Float32, call
from ferkern.opencl.ops.plan import Plan, Shape, with_images
from ferkern.opencl.program import build

__all__ = ["PLANS", "FlatPlan", "activate", "add"]

FILE = "elementwise.cl"


def activate(
    x: Float32, kind: str, *, alpha: float | None = None, out: Float32 | None = None, device: str = "opencl"
) -> Float32:
    """`ferkern.nn.activate` on a device; arguments, result and errors are those, and DeviceError."""
    target = find(device)
    shape = _core.activate_shape(x, kind, alpha)
    return _call(target, shape, {"x": x}, out)


def add(
    x1: Float32,
    x2: Float32,
    *,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "opencl",
) -> Float32:
    """`ferkern.nn.add` on a device; arguments, result and errors are those, and DeviceError."""
    target = find(device)
    shape = _core.add_shape(x1, x2, activation, alpha)
    return _call(target, shape, {"x1": x1, "x2": x2}, out)


def _call(target: Device, shape: Shape, inputs: dict[str, Float32], out: Float32 | None) -> Float32:
    return call("elementwise", PLANS, target, shape, inputs=inputs, weights={}, out=out, out_may_be_input=True)


class FlatPlan:
    """One work item for a vector of numbers; one input or two (a residual counts as the second)."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._lanes = 16 if device.info.kind == "cpu" else 4
        self._group = 16 if device.info.kind == "cpu" else 128
        self._program = build(device, FILE, {"FK_LANES": self._lanes})

    def load(self, weights: Mapping[str, Any]) -> None:
        pass

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        s = with_images(self._shape, images)
        size = -(-images * int(s["size"]) // self._lanes)
        a, b = (*inputs, residual)[:2]
        self._program.launch("elementwise_flat", (size,), (self._group,), s, a, b, y)


# A kernel of the list in src/cpp/ops/elementwise/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"elementwise_flat": FlatPlan}
