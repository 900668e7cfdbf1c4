"""Fully connected layers on bytes on an OpenCL device: how ``kernels/opencl/dense_int8.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkern import _core
from ferkern.opencl.device import Device
from ferkern.opencl.memory import empty
from ferkern.opencl.ops import int8
from ferkern.opencl.ops.plan import Plan, Shape, with_images

if TYPE_CHECKING:
    import numpy.typing as npt

    from ferkern.nn._types import Float32
    from ferkern.opencl.ops.int8 import UInt8

__all__ = ["PLANS", "DirectPlan", "Tuning", "dense_int8", "tuning"]

FILE = "dense_int8.cl"


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the kernels are built and launched with."""

    dot: bool
    """Multiply by the integer dot product: FK_DOT."""
    tile: int
    """Rows of x of a work group: FK_TILE."""
    split: int
    """Work items that share out a sum: FK_SPLIT."""


def tuning(device: Device) -> Tuning:
    """The parameters for a device."""
    dot = int8.prefers_dot_product(device)
    return Tuning(dot, tile=4, split=1) if device.info.kind == "cpu" else Tuning(dot, tile=2, split=64)


def dense_int8(
    x: UInt8,
    w: npt.NDArray[np.int8],
    multiplier: Float32,
    offset: Float32,
    zero_point: int,
    clip: tuple[float, float],
    floats: bool,
    *,
    device: str,
) -> npt.NDArray[Any]:
    """Fully connected layer on bytes, the processor's bits; ``dense_int8.hpp`` has the formula.

    Parameters
    ----------
    x : uint8 [N, C] or [N, C, H, W]
    w : int8 [O, C H W]
    multiplier, offset : float32 [O]
    zero_point, clip, device
        As in `ferkern.opencl.ops.conv2d_int8.conv2d_int8`; for floats, `clip` may be any numbers.
    floats
        Whether the result is float32, not rounded.

    Returns
    -------
    uint8 or float32 [N, O]

    Raises
    ------
    TypeError, ValueError, DeviceError
        As there.
    """
    shape = _core.dense_int8_shape(x, w, multiplier, offset, zero_point, clip, floats)
    n, out = int(shape["n"]), int(shape["out"])
    dims = (n, out) if floats else (n, int8.blocks(out), int8.BLOCK)
    y: npt.NDArray[Any] = np.empty(dims, np.float32 if floats else np.uint8)
    weights: dict[str, npt.NDArray[Any]] = {"w": w, "multiplier": multiplier, "offset": offset}
    int8.run_plan("dense_int8", PLANS, shape, [int8.to_blocks(x)], y, weights=weights, device=device)
    return y if floats else int8.from_blocks(y, out)


class DirectPlan:
    """A work group for some rows of x and 16 outputs."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self._device = device
        self._shape = shape
        self._tuning = t = tuning(device)
        self._blocks = int8.blocks(int(shape["out"]))
        self._steps = 4 * int8.blocks(int(shape["channels"])) * int(shape["pixels"])
        self.sizes = {
            "packed weights": self._blocks * int8.weight_bytes(self._steps),
            "multipliers and offsets": 12 * self._blocks * int8.BLOCK,
        }
        self._program = int8.program(device, FILE, dot=t.dot, FK_TILE=t.tile, FK_SPLIT=t.split)
        self._weights: tuple[Any, Any] | None = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._weights = packed, channels = tuple(empty(self._device, size) for size in self.sizes.values())
        s, launch, w = self._shape, self._program.launch, weights["w"]
        launch("dense_int8_pack", (int8.BLOCK, self._steps, self._blocks), (int8.BLOCK, 1, 1), s, w, packed)
        rest = w, weights["multiplier"], weights["offset"], channels
        launch("dense_int8_channels", (int8.BLOCK, self._blocks), (int8.BLOCK, 1), s, *rest)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._weights is not None, "load() comes before run()"
        assert residual is None, "a fully connected layer on bytes adds none"
        s, t = with_images(self._shape, images), self._tuning
        size = (t.split, self._blocks, -(-images // t.tile))
        self._program.launch("dense_int8_direct", size, (t.split, 1, 1), s, inputs[0], *self._weights, y)


# A kernel of the list in src/cpp/ops/dense_int8/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"dense_int8_direct": DirectPlan}
