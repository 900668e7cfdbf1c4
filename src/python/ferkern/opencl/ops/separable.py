"""Depthwise-separable convolution on an OpenCL device: ``kernels/opencl/separable.cl``, or the halves' own kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferkern import _core
from ferkern.config import config
from ferkern.opencl.device import Device, DeviceInfo, find
from ferkern.opencl.memory import empty
from ferkern.opencl.ops import depthwise
from ferkern.opencl.ops.conv2d_direct import DirectPlan
from ferkern.opencl.ops.conv2d_tiles import serves_tiles
from ferkern.opencl.ops.layer import Float32, call
from ferkern.opencl.ops.plan import Plan, Shape
from ferkern.opencl.ops.window import window_tuning
from ferkern.opencl.program import build

__all__ = ["PLANS", "FusedPlan", "HalvesPlan", "Tuning", "depthwise_separable", "preferred", "tuning"]

FILE = "separable.cl"


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the fused kernel is built and launched with."""

    lanes: int
    """Numbers of a vector: FK_LANES."""
    tile: int
    """Vectors of filters for as many pixels, or of pixels for as many filters: FK_TILE."""
    interleave: bool
    """Work items of a group share a region, each with a tile of sums of its own: FK_INTERLEAVE."""
    group: tuple[int, int]
    """Work items of a group: over a region's pixels, over blocks of filters; powers of two."""
    filters: int
    """Filters of a block."""
    blocks: int
    """Blocks of filters of a work item."""
    rows: int
    """Height of a region."""
    columns: int
    """Width of a region."""
    pixels: int
    """Those of a region, in whole steps."""
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
    return call("separable", PLANS, target, shape, preferred, inputs={"x": x}, weights=weights, dims=dims, out=out)


def tuning(info: DeviceInfo, shape: Shape) -> Tuning:
    """The parameters for a device and a shape."""
    plain = _on_cpu(info, shape) if info.kind == "cpu" else None
    return plain or _on_gpu(shape)


def _on_cpu(info: DeviceInfo, shape: Shape) -> Tuning | None:
    """All channels of a region at once, 6 filters times 2 vectors of 8 pixels; None where local memory is too small."""
    lanes, filters = 8, 6
    step = 2 * lanes
    ic, oc = (int(shape["second"][name]) for name in ("ic", "oc"))
    budget = min(info.local_bytes, 256 * 1024)
    most = (budget - 32 * 1024) // (4 * ic) // step * step
    if most < step:
        return None
    blocks = -(-oc // filters)
    rows, columns, shares = _region(shape, most, step, blocks, info.compute_units)
    pixels = -(-rows * columns // step) * step
    tile_bytes = _tile_bytes(shape["first"], rows, columns, lanes)
    if tile_bytes + 4 * ic * pixels > info.local_bytes:
        return None
    return Tuning(
        lanes=lanes,
        tile=filters,
        interleave=False,
        group=(1, 1),
        filters=filters,
        blocks=-(-blocks // shares),
        rows=rows,
        columns=columns,
        pixels=pixels,
        depth=ic,
        tile_bytes=tile_bytes,
    )


def _on_gpu(shape: Shape) -> Tuning:
    """64 pixels times 64 filters a group, 16 KiB between the halves."""
    second = shape["second"]
    oh, ow = int(second["oh"]), int(second["ow"])
    tiles, tile = 16, 4
    columns = -(-ow // -(-ow // (tiles * tile)))
    rows = min(oh, tiles * tile // columns)
    return Tuning(
        lanes=4,
        tile=tile,
        interleave=True,
        group=(tiles, 16),
        filters=4,
        blocks=1,
        rows=rows,
        columns=columns,
        pixels=rows * columns,
        depth=max(1, min(int(second["ic"]), 16 * 1024 // (4 * rows * columns))),
        tile_bytes=4,
    )


def _region(shape: Shape, most: int, step: int, blocks: int, units: int) -> tuple[int, int, int]:
    """Height and width of the regions of at most so many pixels that cost least, and how many parts filters come in.

    Regions are of whole rows, or parts of one. Counted are multiply-adds of vectors: the depthwise half takes vectors
    of ROWS rows, some to copy and store beside its window, in every part; the pointwise half whole steps of pixels.
    Parts are to occupy all units.
    """
    first, second = shape["first"], shape["second"]
    oh, ow, images = (int(second[name]) for name in ("oh", "ow", "n"))
    window = int(first["kh"]) * int(first["kw"]) + 8

    def cost(rows: int, columns: int) -> tuple[float, int, int, int]:
        regions = images * -(-oh // rows) * -(-ow // columns)
        depthwise = -(-rows // ROWS) * ROWS * -(-2 * columns // step) * window
        pointwise = -(-rows * columns // step) * 12 * blocks
        shares = 1 if regions >= units else min(-(-units // regions), max(1, blocks // 4))
        groups = regions * shares
        rounds = -(-groups // units) * units / groups
        return rounds * regions * (depthwise * shares + pointwise), rows, columns, shares

    if ow > most:
        return cost(1, -(-ow // -(-ow // most)))[1:]
    return min(cost(rows, ow) for rows in range(1, min(oh, most // ow) + 1))[1:]


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
        self._blocks = -(-self._filters // t.filters)
        self.sizes = {"packed weights": 4 * self._blocks * (1 + self._channels) * t.filters}
        self._program = build(device, FILE, t.defines())
        self._local = [device.cl.LocalMemory(size) for size in (4 * t.depth * t.pixels, t.tile_bytes)]
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
        size = self._regions * t.group[0], -(-self._blocks // t.blocks), images
        counts = (np.int32(n) for n in (t.rows, t.columns, t.group[0], t.blocks, t.depth))
        arguments = inputs[0], *self._depthwise, self._packed, residual, y, *self._local
        self._program.launch("separable_fused", size, (*t.group, 1), self._shape, *counts, *arguments)


class HalvesPlan:
    """The halves one after the other by the kernels of their own ops; weights as for `FusedPlan`."""

    def __init__(self, device: Device, shape: Shape) -> None:
        first, second = (shape[half].copy() for half in ("first", "second"))
        fits = window_tuning(device.info, first).tile_bytes <= device.info.local_bytes
        self._depthwise: Plan = (depthwise.DirectPlan if fits else depthwise.ReferencePlan)(device, first)
        self._pointwise = DirectPlan(device, second)
        self._device = device
        between = 4 * math.prod(int(first[name]) for name in ("n", "oc", "oh", "ow"))
        self.sizes = {**self._pointwise.sizes, "what lies between": between}
        self._between: Any = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._between = empty(self._device, self.sizes["what lies between"])
        for half, names in ((self._depthwise, ("w_dw", "b_dw")), (self._pointwise, ("w_pw", "b"))):
            given = {role: weights.get(name) for role, name in zip(("w", "b"), names, strict=True)}
            half.load({role: array for role, array in given.items() if array is not None})

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._between is not None, "load() comes before run()"
        self._depthwise.run(inputs, None, self._between, images)
        self._pointwise.run([self._between], residual, y, images)


def preferred(device: Device, shape: Shape) -> Plan | None:
    """The halves one after the other on a GPU whose pointwise one has local tiles; None: what the list gives.

    Fused there, a channel's sums take as many reads of memory as multiply-adds, and each group of 64 filters computes
    the depthwise half anew.
    """
    if _core.get_choice()[2] or not serves_tiles(device, shape["second"], None):
        return None
    with config(kernel="halves"):
        _core.device_kernel("separable", shape, "opencl")  # notes what runs
    return HalvesPlan(device, shape)


# A kernel of the list in src/cpp/ops/separable/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {"separable_fused": FusedPlan, "separable_halves": HalvesPlan}
