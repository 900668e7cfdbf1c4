"""Pooling over whole planes on an OpenCL device: how ``kernels/opencl/global_pool.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.ops.layer import Float32, call
from ferkern.opencl.ops.plan import Plan, Shape, with_images
from ferkern.opencl.ops.team import team_for
from ferkern.opencl.program import build

__all__ = ["PLANS", "WholePlan", "global_pool"]

FILE = "global_pool.cl"


def global_pool(x: Float32, average: bool, *, out: Float32 | None = None, device: str = "opencl") -> Float32:
    """`ferkern.nn.global_avg_pool` or `global_max_pool` on a device; arguments, result and errors are those, and
    DeviceError.
    """
    target = find(device)
    shape = _core.global_pool_shape(x, average)
    dims = [int(shape[name]) for name in ("n", "c")]
    return call("global_pool", PLANS, target, shape, inputs={"x": x}, weights={}, dims=dims, out=out)


class WholePlan:
    """A team of work items for each plane."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._team = team_for(device.info, int(shape["ih"]) * int(shape["iw"]))
        lanes = 8 if device.info.kind == "cpu" else 1
        self._program = build(device, FILE, {"FK_LANES": lanes} | self._team.defines())
        self._shared = device.cl.LocalMemory(self._team.local_bytes)

    def load(self, weights: Mapping[str, Any]) -> None:
        pass

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert residual is None, "pooling adds nothing"
        s, team = with_images(self._shape, images), self._team
        size = team.items, images * int(s["c"])
        self._program.launch("global_pool_whole", size, team.group, s, inputs[0], y, self._shared)


# A kernel of the list in src/cpp/ops/global_pool/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"global_pool_whole": WholePlan}
