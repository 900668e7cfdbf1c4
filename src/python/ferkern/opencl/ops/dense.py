"""Fully connected layers on an OpenCL device: how ``kernels/opencl/dense.cl`` and ``gemm.cl`` are launched for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.memory import empty
from ferkern.opencl.ops.gemm import BlockedProduct
from ferkern.opencl.ops.layer import Float32, call
from ferkern.opencl.ops.plan import Plan, Shape, with_images
from ferkern.opencl.ops.team import team_for
from ferkern.opencl.program import build

__all__ = ["PLANS", "GemmPlan", "MatvecPlan", "dense"]

FILE = "dense.cl"


def dense(
    x: Float32,
    w: Float32,
    b: Float32 | None = None,
    *,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "opencl",
) -> Float32:
    """`ferkern.nn.dense` on a device; arguments, result and errors are those, and DeviceError."""
    target = find(device)
    shape = _core.dense_shape(x, w, b, activation, alpha)
    dims = [int(shape["n"]), int(shape["out"])]
    return call("dense", PLANS, target, shape, inputs={"x": x}, weights={"w": w, "b": b}, dims=dims, out=out)


class _Weights:
    """The weights as the kernels read them: as they came, or rounded to bfloat16 in half the bytes."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self.bfloat16 = bool(shape["bfloat16"])
        self._device = device
        self._shape = shape
        self._count = int(shape["in"]) * int(shape["out"])
        if self.bfloat16:
            self.sizes["rounded weights"] = 2 * self._count

    def load(self, weights: Mapping[str, Any]) -> tuple[Any, Any | None]:
        """w [out, in] and b [out], which may be missing."""
        w = weights["w"]
        if self.bfloat16:
            rounded = empty(self._device, self.sizes["rounded weights"])
            program = build(self._device, FILE, {})
            program.launch("dense_bfloat16", (self._count,), (64,), self._shape, w, rounded)
            w = rounded
        return w, weights.get("b")


class MatvecPlan:
    """A team of work items for a few outputs: the weights are streamed once for up to four rows of x."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self._shape = shape
        self._packed = _Weights(device, shape)
        self.sizes = self._packed.sizes
        cpu = device.info.kind == "cpu"
        self._team = team_for(device.info, int(shape["in"]))
        self._outputs = 4 if cpu else 1
        images = next(count for count in (1, 2, 4) if count >= min(4, int(shape["n"])))
        options = {"FK_LANES": 8 if cpu else 1, "FK_OUTPUTS": self._outputs, "FK_IMAGES": images}
        self._program = build(
            device, FILE, options | self._team.defines() | {"FK_BFLOAT16": int(self._packed.bfloat16)}
        )
        self._shared = device.cl.LocalMemory(self._team.local_bytes)
        self._weights: tuple[Any, Any | None] | None = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._weights = self._packed.load(weights)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert residual is None, "dense adds nothing but its bias"
        assert self._weights is not None, "load() comes before run()"
        s, team = with_images(self._shape, images), self._team
        size = team.items, -(-int(s["out"]) // self._outputs)
        self._program.launch("dense_matvec", size, team.group, s, inputs[0], *self._weights, y, self._shared)


class GemmPlan:
    """A matrix product, for larger batches."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self._shape = shape
        self._packed = _Weights(device, shape)
        self.sizes = self._packed.sizes
        self._product = BlockedProduct(device, _core.dense_product(shape), bfloat16=self._packed.bfloat16)
        self._weights: tuple[Any, Any | None] | None = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._weights = self._packed.load(weights)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert residual is None, "dense adds nothing but its bias"
        assert self._weights is not None, "load() comes before run()"
        product = _core.dense_product(with_images(self._shape, images))
        self._product.run(inputs[0], *self._weights, y, product)


# A kernel of the list in src/cpp/ops/dense/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"dense_matvec": MatvecPlan, "gemm_blocked": GemmPlan}
