"""Concatenation of bytes on an OpenCL device, piece by piece: how ``kernels/opencl/concat_int8.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops import int8
from ferkern.opencl.ops.plan import Plan, Shape, with_images

if TYPE_CHECKING:
    from ferkern.opencl.ops.int8 import UInt8

__all__ = ["PLANS", "PiecePlan", "concat_int8"]

FILE = "concat_int8.cl"


def concat_int8(xs: Sequence[UInt8], *, device: str) -> UInt8:
    """Channels of several images of bytes behind each other.

    Parameters
    ----------
    xs : uint8 [N, C, H, W], each of its own C
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.

    Returns
    -------
    uint8 [N, sum of C, H, W]

    Raises
    ------
    TypeError, ValueError
        An array is not uint8; shapes do not fit.
    DeviceError
        The device is missing, or its memory is too small.
    """
    shapes = _core.concat_int8_shapes(xs)
    target = find(device)
    n, c = int(shapes[0]["n"]), int(shapes[0]["c"])
    pieces = [int8.to_blocks(x) for x in xs]
    y = np.empty((n, int8.blocks(c), *xs[0].shape[2:], int8.BLOCK), np.uint8)
    check_sizes(target, {f"xs[{i}]": piece.nbytes for i, piece in enumerate(pieces)} | {"the result": y.nbytes})
    result = empty(target, y.nbytes)
    there = [upload(target, piece) for piece in pieces]
    for shape, piece_there in zip(shapes, there, strict=True):
        _, function = _core.device_kernel("concat_int8", shape, "opencl")
        PLANS[function](target, shape).run([piece_there], None, result, n)
    download(target, result, y)
    return int8.from_blocks(y, c)


class PiecePlan:
    """One work item for a pixel of 16 channels of a piece."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._program = int8.program(device, FILE)

    def load(self, weights: Mapping[str, Any]) -> None:
        """There are none."""

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        s = with_images(self._shape, images)
        size = (int(s["pixels"]), int8.blocks(int(s["channels"])), images)
        self._program.launch("concat_int8_piece", size, (64, 1, 1), s, inputs[0], y)


# A kernel of the list in src/cpp/ops/concat_int8/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"concat_int8_piece": PiecePlan}
