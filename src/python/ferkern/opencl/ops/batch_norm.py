"""Batch normalisation on an OpenCL device: how ``kernels/opencl/batch_norm.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.memory import empty
from ferkern.opencl.ops.layer import Float32, call
from ferkern.opencl.ops.plan import Plan, Shape, with_images
from ferkern.opencl.program import build

__all__ = ["PLANS", "FeaturesPlan", "ScalePlan", "batch_norm"]

FILE = "batch_norm.cl"


def batch_norm(
    x: Float32,
    gamma: Float32,
    beta: Float32,
    mean: Float32,
    variance: Float32,
    *,
    epsilon: float = 1e-5,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "opencl",
) -> Float32:
    """`ferkern.nn.batch_norm` on a device; arguments, result and errors are those, and DeviceError."""
    target = find(device)
    shape = _core.batch_norm_shape(x, gamma, beta, mean, variance, epsilon, activation, alpha)
    weights = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
    return call("batch_norm", PLANS, target, shape, inputs={"x": x}, weights=weights, out=out)


class ScalePlan:
    """One work item for a vector of pixels of a plane."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self._device = device
        self._shape = shape
        self._cpu = device.info.kind == "cpu"
        self._lanes = 16 if self._cpu else 1
        self._program = build(device, FILE, {"FK_LANES": self._lanes})
        self._factors: Any = None
        self.sizes = {"scale and shift": 8 * int(shape["c"])}

    def load(self, weights: Mapping[str, Any]) -> None:
        self._factors = empty(self._device, self.sizes["scale and shift"])
        statistics = [weights[role] for role in ("gamma", "beta", "mean", "variance")]
        size = (int(self._shape["c"]),)
        self._program.launch("batch_norm_fold", size, (64,), self._shape, *statistics, self._factors)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert residual is None, "batch normalisation adds nothing"
        assert self._factors is not None, "load() comes before run()"
        s = with_images(self._shape, images)
        pixels = int(s["ih"]) * int(s["iw"])
        size = -(-pixels // self._lanes), images * int(s["c"])
        group = (4, 4) if self._cpu else (min(128, 1 << (pixels - 1).bit_length()), 1)
        self._program.launch("batch_norm_scale", size, group, s, inputs[0], self._factors, y)


class FeaturesPlan(ScalePlan):
    """One work item for each number, where planes are of one pixel."""

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert residual is None, "batch normalisation adds nothing"
        assert self._factors is not None, "load() comes before run()"
        s = with_images(self._shape, images)
        size = int(s["c"]), images
        self._program.launch("batch_norm_features", size, (64, 1), s, inputs[0], self._factors, y)


# A kernel of the list in src/cpp/ops/batch_norm/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"batch_norm_features": FeaturesPlan, "batch_norm_scale": ScalePlan}
