"""Depthwise-separable convolution on an OpenCL device: how ``kernels/opencl/separable.cl`` is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferkern import _core
from ferkern.opencl.device import Device, DeviceInfo, find
from ferkern.opencl.memory import empty
from ferkern.opencl.ops.layer import Float32, call
from ferkern.opencl.ops.plan import Plan, Shape
from ferkern.opencl.program import build

__all__ = ["PLANS", "FusedPlan", "Tuning", "depthwise_separable", "tuning"]

FILE = "separable.cl"


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the fused kernel is built and launched with."""

    lanes: int
    """Filters of a work item: FK_LANES."""
    tile: int
    """Pixels of a work item: FK_TILE."""
    interleave: bool
    """All work items of a group compute the depthwise half: FK_INTERLEAVE."""
    tiles: int
    """Work items that share a region's pixels, a power of two."""
    blocks: int
    """Work items that share the filters, a power of two."""
    rows: int
    """Height of a region."""
    columns: int
    """Width of a region."""
    depth: int
    """Channels between the halves at a time."""
    tile_bytes: int
    """Local memory for a tile of the image, beside that for what lies between the halves."""

    def defines(self) -> dict[str, int]:
        sizes = {"FK_LANES": self.lanes, "FK_TILE": self.tile, "FK_ROWS": ROWS}
        return sizes | {"FK_INTERLEAVE": int(self.interleave)}


# Rows of the depthwise half that a vector of weights serves.
ROWS = 4


def depthwise_separable(
    x: Float32,
    w_dw: Float32,
    w_pw: Float32,
    b: Float32 | None = None,
    *,
    b_dw: Float32 | None = None,
    stride: int | tuple[int, int] = 1,
    padding: str | int | tuple[int, int] | tuple[int, int, int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    activation_dw: str | None = None,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "opencl",
) -> Float32:
    """`ferkern.nn.depthwise_separable` on a device; arguments, result and errors are those, and DeviceError."""
    target = find(device)
    shape = _core.separable_shape(x, w_dw, w_pw, b, b_dw, stride, padding, dilation, activation_dw, activation, alpha)
    dims = [int(shape["second"][name]) for name in ("n", "oc", "oh", "ow")]
    weights = {"w_dw": w_dw, "b_dw": b_dw, "w_pw": w_pw, "b": b}
    return call("separable", PLANS, target, shape, inputs={"x": x}, weights=weights, dims=dims, out=out)


def tuning(info: DeviceInfo, shape: Shape) -> Tuning:
    """The parameters for a device and a shape."""
    first, second = shape["first"], shape["second"]
    oh, ow, oc, n = (int(second[name]) for name in ("oh", "ow", "oc", "n"))
    cpu = info.kind == "cpu"
    # A CPU: 14 vectors of 8 sums, and 36 KiB of a cache. A GPU: 64 pixels times 64 filters a group, 16 KiB.
    lanes, tile, tiles, blocks, budget = (8, 14, 4, 32, 36 * 1024) if cpu else (4, 4, 16, 16, 16 * 1024)
    columns = -(-ow // -(-ow // (tiles * tile)))
    rows = min(oh, tiles * tile // columns)
    tile_bytes = _tile_bytes(first, rows, columns, lanes)
    interleave = not cpu or tile_bytes + budget > info.local_bytes
    regions = n * -(-oh // rows) * -(-ow // columns)
    wanted = -(-oc // lanes)
    # Fewer filters a group where there would be too few groups for all compute units, though those that share a region
    # all compute its depthwise half. Two sizes only: a driver may compile a kernel again for every size of group.
    if wanted <= 4 or regions * -(-wanted // blocks) < info.compute_units * (2 if cpu else 1):
        blocks = 4
    return Tuning(
        lanes=lanes,
        tile=tile,
        interleave=interleave,
        tiles=tiles,
        blocks=blocks,
        rows=rows,
        columns=columns,
        depth=max(1, min(int(second["ic"]), budget // (4 * rows * columns))),
        tile_bytes=4 if interleave else tile_bytes,
    )


def _tile_bytes(first: Shape, rows: int, columns: int, lanes: int) -> int:
    """Of the part of the image that a region's windows see, as the kernel lays it out."""
    stride_h, stride_w = int(first["stride_h"]), int(first["stride_w"])
    reach_h = (int(first["kh"]) - 1) * int(first["dilation_h"]) + 1
    reach_w = (int(first["kw"]) - 1) * int(first["dilation_w"]) + 1
    high = (-(-rows // ROWS) * ROWS - 1) * stride_h + reach_h
    wide = -(-columns // lanes) * lanes + (reach_w - 1) // stride_w
    return 4 * high * wide * stride_w


class FusedPlan:
    """Both halves in one kernel; what lies between stays in local memory.

    Weights by role: ``"w_dw"`` [c, 1, kh, kw], ``"b_dw"`` [c] of the depthwise half, ``"w_pw"`` [o, c, 1, 1], ``"b"``
    [o] of the pointwise one; the biases may be missing.
    """

    def __init__(self, device: Device, shape: Shape) -> None:
        self._device = device
        self._shape = shape
        self._tuning = t = tuning(device.info, shape)
        second = shape["second"]
        self._filters, self._channels = int(second["oc"]), int(second["ic"])
        self._regions = -(-int(second["oh"]) // t.rows) * -(-int(second["ow"]) // t.columns)
        self._blocks = -(-self._filters // t.lanes)
        self.sizes = {"packed weights": 4 * self._blocks * (1 + self._channels) * t.lanes}
        self._program = build(device, FILE, t.defines())
        self._local = [device.cl.LocalMemory(size) for size in (4 * t.depth * t.rows * t.columns, t.tile_bytes)]
        self._packed: Any = None
        self._depthwise: tuple[Any, Any | None] | None = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._depthwise = weights["w_dw"], weights.get("b_dw")
        self._packed = empty(self._device, self.sizes["packed weights"])
        size = 1 + self._channels, self._blocks
        self._program.launch(
            "separable_pack", size, (64, 1), self._shape, weights["w_pw"], weights.get("b"), self._packed
        )

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._depthwise is not None, "load() comes before run()"
        t = self._tuning
        size = self._regions * t.tiles, self._blocks, images
        counts = (np.int32(n) for n in (t.rows, t.columns, t.tiles, t.depth))
        arguments = inputs[0], *self._depthwise, self._packed, residual, y, *self._local
        self._program.launch("separable_fused", size, (t.tiles, t.blocks, 1), self._shape, *counts, *arguments)


# A kernel of the list in src/cpp/ops/separable/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"separable_fused": FusedPlan}
