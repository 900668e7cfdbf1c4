"""Softmax on an OpenCL device: how ``kernels/opencl/softmax.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.ops.layer import Float32, call
from ferkern.opencl.ops.plan import Plan, Shape, with_images
from ferkern.opencl.ops.team import Team, team_for
from ferkern.opencl.program import build

__all__ = ["PLANS", "RowsPlan", "softmax"]

FILE = "softmax.cl"


def softmax(x: Float32, *, axis: int = 1, out: Float32 | None = None, device: str = "opencl") -> Float32:
    """`ferkern.nn.softmax` on a device; arguments, result and errors are those, and DeviceError."""
    target = find(device)
    shape = _core.softmax_shape(x, axis)
    return call("softmax", PLANS, target, shape, inputs={"x": x}, weights={}, out=out)


class RowsPlan:
    """A team of work items for each row; one item where rows lie side by side."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._team = team_for(device.info, int(shape["size"])) if int(shape["inner"]) == 1 else Team(1, 64)
        lanes = 8 if device.info.kind == "cpu" else 1
        self._program = build(device, FILE, {"FK_LANES": lanes} | self._team.defines())
        self._shared = device.cl.LocalMemory(self._team.local_bytes)

    def load(self, weights: Mapping[str, Any]) -> None:
        pass

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert residual is None, "softmax adds nothing"
        s, team = with_images(self._shape, images), self._team
        size = team.items, images * int(s["inner"])
        self._program.launch("softmax_rows", size, team.group, s, inputs[0], y, self._shared)


# A kernel of the list in src/cpp/ops/softmax/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"softmax_rows": RowsPlan}
