"""Concatenation on an OpenCL device: how ``kernels/opencl/concat.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.ops.layer import Float32, call
from ferkern.opencl.ops.plan import Plan, Shape, with_images
from ferkern.opencl.program import build

__all__ = ["PLANS", "CopyPlan", "concat"]

FILE = "concat.cl"


def concat(xs: Sequence[Float32], *, out: Float32 | None = None, device: str = "opencl") -> Float32:
    """`ferkern.nn.concat` on a device, of at most 64 arrays; arguments, result and errors as there, and DeviceError."""
    target = find(device)
    shape = _core.concat_shape(xs)
    dims = [int(shape[name]) for name in ("n", "c", "ih", "iw")]
    inputs = {f"xs[{t}]": x for t, x in enumerate(xs)}
    return call("concat", PLANS, target, shape, inputs=inputs, weights={}, dims=dims, out=out)


class CopyPlan:
    """One launch for each input, one work item for a vector of numbers."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._lanes = 16 if device.info.kind == "cpu" else 4
        self._program = build(device, FILE, {"FK_LANES": self._lanes})

    def load(self, weights: Mapping[str, Any]) -> None:
        pass

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert residual is None, "concatenation adds nothing"
        s = with_images(self._shape, images)
        pixels = int(s["ih"]) * int(s["iw"])
        first = 0
        for x, channels in zip(inputs, s["channels"][: int(s["inputs"])].tolist(), strict=True):
            size = -(-channels * pixels // self._lanes), images
            self._program.launch("concat_copy", size, (64, 1), s, np.int32(channels), np.int32(first), x, y)
            first += channels


# A kernel of the list in src/cpp/ops/concat/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"concat_copy": CopyPlan}
