"""The plain loops and the register tiles of ``kernels/opencl/conv2d.cl`` and ``conv2d_direct.cl``, launched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferkern.opencl.device import Device
from ferkern.opencl.memory import empty
from ferkern.opencl.ops.conv2d_bands import BandWay, band_of
from ferkern.opencl.ops.conv2d_run import DirectRunWay, serves_strides
from ferkern.opencl.ops.conv2d_tiles import TileWay, serves_tiles
from ferkern.opencl.ops.conv2d_tuning import Tuning, by_rule, cost, grouped, native_lanes, pointwise
from ferkern.opencl.ops.plan import Shape, with_images
from ferkern.opencl.ops.window import PlainConvolution
from ferkern.opencl.program import build

__all__ = ["DIRECT", "FILE", "DirectPlan", "Extent", "ReferencePlan", "extents", "in_bands", "take"]

FILE = "conv2d.cl"
DIRECT = "conv2d_direct.cl"
_FEW = 64 * 1024  # bytes of weights
_PART = 40.0  # multiply-adds of vectors in the time that storing a part of one takes


@dataclass(frozen=True, slots=True)
class Extent:
    """The positions that windows are moved to, and the image below them: th x tw pixels of each phase."""

    rows: int
    cols: int
    wide: int
    """Positions for each row of the output; `cols` of rows that go through several."""
    ow: int
    """Positions of `wide` that are outputs."""
    phases: tuple[int, int]
    th: int
    tw: int
    copied: bool
    """The image is copied: with zeros around it, or its phases apart."""


class ReferencePlan(PlainConvolution):
    """One work item for each output."""

    FILE = FILE
    KERNEL = "conv2d_reference"


class DirectPlan:
    """The definition's sums: local tiles on a GPU; on a CPU strides in runs, the rest in vectors of pixels."""

    def __init__(self, device: Device, shape: Shape, tuning: Tuning | None = None) -> None:
        self._way: DirectRunWay | BandWay | PixelWay | TileWay
        bands = tuning is None and _suits_bands(shape, native_lanes(device.info))
        if serves_tiles(device, shape, tuning):
            self._way = TileWay(device, shape, tuning)
        elif serves_strides(device, shape, tuning) and not bands:
            self._way = DirectRunWay(device, shape, 1, tuning)
        else:
            self._way = in_bands(device, shape, tuning) or PixelWay(device, shape, tuning)
        self.tuning, self.sizes = self._way.tuning, self._way.sizes

    def load(self, weights: Mapping[str, Any]) -> None:
        self._way.load(weights)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        self._way.run(inputs, residual, y, images)


class PixelWay:
    """Register tiles over packed weights and, where there is a border or a stride, a copy of the image."""

    def __init__(self, device: Device, shape: Shape, tuning: Tuning | None) -> None:
        oc, ic, groups, n = (int(shape[name]) for name in ("oc", "ic", "groups", "n"))
        self._device = device
        self._shape = shape
        self._channels = ic
        self._extent, self.tuning = _best(device, shape, tuning)
        e = self._extent
        self._blocks = groups * -(-(oc // groups) // self.tuning.tile)
        self._terms = ic // groups * int(shape["kh"]) * int(shape["kw"])
        self.sizes = {"packed weights": 4 * self._blocks * (1 + self._terms) * self.tuning.tile}
        if e.copied:
            self.sizes["padded x"] = 4 * n * ic * e.phases[0] * e.phases[1] * e.th * e.tw
        self._program = build(device, DIRECT, self.tuning.defines(shape))
        self._packed: Any = None
        self._copy: Any = None
        numbers = (e.rows, e.cols, e.wide, e.ow, *e.phases, e.th, e.tw)
        self._numbers = tuple(np.int32(number) for number in numbers)

    def load(self, weights: Mapping[str, Any]) -> None:
        self._packed = empty(self._device, self.sizes["packed weights"])
        size = (1 + self._terms, self._blocks)
        self._program.launch("conv2d_pack", size, (64, 1), self._shape, weights["w"], weights.get("b"), self._packed)
        if self._extent.copied:
            self._copy = empty(self._device, self.sizes["padded x"])

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._packed is not None, "load() comes before run()"
        e, t, shape = self._extent, self.tuning, with_images(self._shape, images)
        (x,) = inputs
        if e.copied:
            take(self._device, shape, images * self._channels, e.phases, (e.th, e.tw), x, self._copy)
            x = self._copy
        size = (-(-e.cols // (t.lanes * t.vecs)), e.rows, images * self._blocks)
        group = t.group or grouped(self._device.info, size)
        self._program.launch("conv2d_direct", size, group, shape, *self._numbers, x, self._packed, residual, y)


def _suits_bands(shape: Shape, lanes: int) -> bool:
    """Whether bands are faster than runs where both serve strides: 1 x 1 windows whose outputs fill vectors, and few
    weights, all of which each band goes through.
    """
    outputs, weights = (math.prod(int(shape[name]) for name in names) for names in (("n", "oh", "ow"), ("oc", "ic")))
    filled = 8 * -(-outputs // lanes) * lanes <= 9 * outputs
    return pointwise(shape) and filled and 4 * weights <= _FEW


def in_bands(device: Device, shape: Shape, tuning: Tuning | None) -> BandWay | None:
    """Bands of rows, where the image would be copied first and rows of outputs are not too short for a vector."""
    extent, tuning = _best(device, shape, tuning)
    oh = int(shape["oh"])
    if not extent.copied or tuning.interleave or extent.ow < extent.wide:
        return None
    extra = extent.th - oh
    window = (extent.phases, extra, extent.tw)
    band = band_of(device, shape, tuning.lanes, *window)
    if band is None:
        return None
    n, outputs = int(shape["n"]), oh * int(shape["ow"])
    joins = n > 1 and outputs % tuning.lanes > 0 and extra == 0 and extent.tw == int(shape["ow"])
    across = band_of(device, shape, tuning.lanes, *window, n) if joins else None
    return BandWay(device, shape, tuning, band, across, *window)


def take(
    device: Device, shape: Shape, planes: int, phases: tuple[int, int], size: tuple[int, int], x: Any, to: Any
) -> None:
    """Queues the copy of an image with its zeros, its phases apart: each th x tw pixels."""
    (th, tw), every = size, planes * phases[0] * phases[1]
    cpu = device.info.kind == "cpu"
    if cpu:
        # A work item for a whole phase, unless there are too few of them to keep the cores busy.
        items = (1, 1 if every >= 16 * device.info.compute_units else th, every)
        group = grouped(device.info, items)
    else:
        items, group = (min(tw, 64), th, every), (min(tw, 64), 4, 1)
    build(device, FILE, {"FK_INTERLEAVE": int(not cpu)}).launch(
        "conv2d_take", items, group, shape, *map(np.int32, (*phases, th, tw)), x, to
    )


def extents(shape: Shape) -> list[Extent]:
    """The ways to go over an image: row by row, or as one row that goes through all of them (few pixels a row).

    The image is copied where windows leave it, or where they step over columns. 1 x 1 windows on the image as it came
    are one row, the columns of a matrix.
    """
    s = {name: int(shape[name]) for name in shape.dtype.names or () if name != "alpha"}
    height, width = (s["kh"] - 1) * s["dilation_h"], (s["kw"] - 1) * s["dilation_w"]
    reach_h = (s["oh"] - 1) * s["stride_h"] + height + 1
    reach_w = (s["ow"] - 1) * s["stride_w"] + width + 1
    leaves = s["pad_top"] > 0 or s["pad_left"] > 0 or reach_h > s["ih"] or reach_w > s["iw"]
    # Without a copy a step down is a stride of rows, which one row through all of them could not take.
    if not leaves and s["stride_h"] == s["stride_w"] == 1:
        phases, th, tw, copied = (1, 1), s["ih"], s["iw"], False
    else:
        phases = (min(s["stride_h"], height + 1), min(s["stride_w"], width + 1))
        th, tw, copied = s["oh"] + height // s["stride_h"], s["ow"] + width // s["stride_w"], True
    by_row = Extent(s["oh"], s["ow"], s["ow"], s["ow"], phases, th, tw, copied)
    if tw == s["ow"]:
        pixels = s["oh"] * s["ow"]
        return [Extent(1, pixels, pixels, pixels, phases, th, tw, copied)]
    return [by_row, Extent(1, (s["oh"] - 1) * tw + s["ow"], tw, s["ow"], phases, th, tw, copied)]


def _best(device: Device, shape: Shape, tuning: Tuning | None) -> tuple[Extent, Tuning]:
    """The way with the least work; `tuning`, where its vectors are no longer than a row."""
    filters = int(shape["oc"]) // int(shape["groups"])
    terms = int(shape["ic"]) // int(shape["groups"]) * int(shape["kh"]) * int(shape["kw"])
    ways = []
    for extent in extents(shape):
        fits = tuning is not None and tuning.lanes <= extent.cols
        chosen = tuning if tuning is not None and fits else by_rule(device.info, filters, extent.cols, extent.rows)
        work = terms * cost(chosen, filters, extent.cols, extent.rows)
        if extent.ow < extent.wide:  # vectors that reach into the next row are stored lane by lane
            work += _PART * filters * extent.cols / extent.wide
        ways.append((not fits, work, extent, chosen))
    _, _, extent, chosen = min(ways, key=lambda way: way[:2])
    return extent, chosen
