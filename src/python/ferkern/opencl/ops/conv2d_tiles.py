"""Convolution as a product by tiles in local memory, as GPUs have it: ``kernels/opencl/conv2d_tiles.cl``, launched."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ferkern.opencl.device import Device, DeviceInfo
from ferkern.opencl.memory import empty
from ferkern.opencl.ops.conv2d_tuning import Tuning
from ferkern.opencl.ops.plan import Shape, with_images
from ferkern.opencl.program import build

__all__ = [
    "GROUP",
    "TileWay",
    "groups_of",
    "local_tiles",
    "padded",
    "serves_tiles",
    "tile_by_rule",
    "tile_defines",
]

FILE = "conv2d_tiles.cl"
_SIDE = 16  # work items of a group, along both dimensions
GROUP = (_SIDE, _SIDE, 1)
_DEPTH = 8
# Filters x pixels of a work item. More of both read less from local memory for each product; with fewer a small layer
# has groups for all multiprocessors.
_TILES = ((8, 8), (8, 4), (4, 8), (4, 4), (2, 4), (2, 2))
# What a term takes a work item beside its products, in these: reads of local memory, four bytes each, and its copies.
_READ = 0.5


def serves_tiles(device: Device, shape: Shape, tuning: Tuning | None) -> bool:
    """Whether a layer is taken in local tiles: on what is no CPU, where filters fill a group's smallest side."""
    image, outputs = (
        math.prod(int(shape[name]) for name in names) for names in (("ic", "ih", "iw"), ("n", "oh", "ow"))
    )
    if max(image, outputs) >= 2**31 - _SIDE * 8:  # taps are 32-bit distances, pixels of the batch 32-bit numbers
        return False
    if tuning is not None:
        return tuning.local
    wide = int(shape["oc"]) // int(shape["groups"]) >= _SIDE
    return device.info.kind != "cpu" and wide and next(local_tiles(device.info), None) is not None


def local_tiles(info: DeviceInfo) -> Iterator[Tuning]:
    """The tiles of a work item that are worth trying on a device."""
    for tile, vecs in _TILES:
        if 2 * 4 * _DEPTH * _SIDE * (tile + vecs) <= info.local_bytes and info.work_group_size >= _SIDE * _SIDE:
            yield Tuning(1, vecs, tile, interleave=True, group=GROUP, local=True)


class TileWay:
    """Weights side by side, the images as they came: nothing is copied but a group's tiles."""

    def __init__(self, device: Device, shape: Shape, tuning: Tuning | None) -> None:
        ic, kh, kw, self._groups = (int(shape[name]) for name in ("ic", "kh", "kw", "groups"))
        self._device, self._shape = device, shape
        filters, self._pixels = int(shape["oc"]) // self._groups, int(shape["oh"]) * int(shape["ow"])
        pixels = int(shape["n"]) * self._pixels
        self.tuning = t = tuning or tile_by_rule(device.info, filters, pixels, self._groups)
        self._terms = -(-ic // self._groups * kh * kw // _DEPTH) * _DEPTH
        self._width = padded(filters, t)
        self.sizes = {"packed weights": 4 * self._groups * self._terms * self._width, "taps": 16 * self._terms}
        self._program = build(device, FILE, tile_defines(t))
        self._packed: Any = None
        self._taps: Any = None
        self._bias: Any = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._packed = empty(self._device, self.sizes["packed weights"])
        self._taps = empty(self._device, self.sizes["taps"])
        self._bias = weights.get("b")
        size, width = (self._width, self._groups * self._terms), np.int32(self._width)
        self._program.launch("tiles_weights", size, (16, 4), self._shape, width, weights["w"], self._packed)
        self._program.launch("tiles_taps", (self._terms,), (64,), self._shape, self._taps)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._packed is not None, "load() comes before run()"
        shape = with_images(self._shape, images)
        size = groups_of(self._width, images * self._pixels, self._groups, self.tuning)
        buffers = (inputs[0], self._packed, self._taps, self._bias, residual, y)
        self._program.launch("conv2d_tiles", size, GROUP, shape, np.int32(self._width), *buffers)


def padded(rows: int, tuning: Tuning) -> int:
    """Rows of whole groups."""
    return -(-rows // (_SIDE * tuning.tile)) * _SIDE * tuning.tile


def groups_of(rows: int, columns: int, products: int, tuning: Tuning) -> tuple[int, int, int]:
    """Work items for products of `rows`, already padded, by `columns`."""
    return -(-columns // tuning.vecs), rows // tuning.tile, products


def tile_defines(tuning: Tuning) -> dict[str, int]:
    """The build options of ``fk_tile.h``."""
    return {"FK_TILE": tuning.tile, "FK_VECS": tuning.vecs, "FK_DEPTH": _DEPTH}


def tile_by_rule(info: DeviceInfo, rows: int, columns: int, products: int) -> Tuning:
    """The tile with the least work for the multiprocessor that has most of it."""

    def most(t: Tuning) -> float:
        groups = products * -(-rows // (_SIDE * t.tile)) * -(-columns // (_SIDE * t.vecs))
        return -(-groups // info.compute_units) * (t.tile * t.vecs + _READ * (t.tile + t.vecs))

    return min(local_tiles(info), key=most)
