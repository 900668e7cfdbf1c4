"""Local response normalisation on an OpenCL device: how ``kernels/opencl/local_response_norm.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.ops.layer import Float32, call
from ferkern.opencl.ops.plan import Plan, Shape, with_images
from ferkern.opencl.program import build

__all__ = ["PLANS", "DirectPlan", "local_response_norm"]

FILE = "local_response_norm.cl"


def local_response_norm(
    x: Float32,
    size: int = 5,
    *,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    out: Float32 | None = None,
    device: str = "opencl",
) -> Float32:
    """`ferkern.nn.local_response_norm` on a device; arguments, result and errors are those, and DeviceError."""
    target = find(device)
    shape = _core.local_response_norm_shape(x, size, alpha, beta, k)
    return call("local_response_norm", PLANS, target, shape, inputs={"x": x}, weights={}, out=out)


class DirectPlan:
    """One work item for each number."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._program = build(device, FILE, {})

    def load(self, weights: Mapping[str, Any]) -> None:
        pass

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert residual is None, "local response normalisation adds nothing"
        s = with_images(self._shape, images)
        size = int(s["ih"]) * int(s["iw"]), int(s["c"]), images
        self._program.launch("local_response_norm_direct", size, (64, 1, 1), s, inputs[0], y)


# A kernel of the list in src/cpp/ops/local_response_norm/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"local_response_norm_direct": DirectPlan}
