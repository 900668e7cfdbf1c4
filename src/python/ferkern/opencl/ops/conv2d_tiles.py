"""Convolution as a product by tiles in local memory, as GPUs have it: ``kernels/opencl/conv2d_tiles.cl``, launched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ferkern.opencl.device import Device, DeviceInfo
from ferkern.opencl.memory import empty
from ferkern.opencl.ops.conv2d_tuning import Tuning
from ferkern.opencl.ops.plan import Shape, with_images
from ferkern.opencl.program import build

__all__ = ["TileWay", "local_tiles", "serves_tiles"]

FILE = "conv2d_tiles.cl"
_SIDE = 16  # work items of a group, along both dimensions
_DEPTH = 8
# Filters x pixels of a work item. More of both read less from local memory for each product; with fewer a small layer
# has groups for all multiprocessors.
_TILES = ((8, 8), (8, 4), (4, 8), (4, 4), (2, 4), (2, 2))
# What a term takes a work item beside its products, in these: reads of local memory, four bytes each.
_READ = 0.5


def serves_tiles(device: Device, shape: Shape, tuning: Tuning | None) -> bool:
    """Whether a layer is taken in local tiles: on what is no CPU, where filters fill a group's smallest side."""
    if int(shape["ic"]) * int(shape["ih"]) * int(shape["iw"]) >= 2**31:  # taps are 32-bit distances
        return False
    if tuning is not None:
        return tuning.local
    return device.info.kind != "cpu" and int(shape["oc"]) // int(shape["groups"]) >= _SIDE


def local_tiles(info: DeviceInfo) -> Iterator[Tuning]:
    """The tiles of a work item that are worth trying on a device."""
    for tile, vecs in _TILES:
        if 4 * sum(_floats(tile, vecs)) <= info.local_bytes:
            yield Tuning(1, vecs, tile, interleave=True, group=(_SIDE, _SIDE, 1), local=True)


class TileWay:
    """Weights side by side, the image as it came: nothing is copied but a group's tiles."""

    def __init__(self, device: Device, shape: Shape, tuning: Tuning | None) -> None:
        ic, kh, kw, self._groups = (int(shape[name]) for name in ("ic", "kh", "kw", "groups"))
        self._device, self._shape = device, shape
        self._filters, self._pixels = int(shape["oc"]) // self._groups, int(shape["oh"]) * int(shape["ow"])
        self.tuning = t = tuning or _by_rule(device.info, self._filters, self._pixels, int(shape["n"]) * self._groups)
        self._terms = ic // self._groups * kh * kw
        self._width = -(-self._filters // t.tile) * t.tile
        self.sizes = {"packed weights": 4 * self._groups * self._terms * self._width, "taps": 16 * self._terms}
        self._program = build(device, FILE, {"FK_TILE": t.tile, "FK_VECS": t.vecs, "FK_DEPTH": _DEPTH})
        self._tiles = [device.cl.LocalMemory(4 * floats) for floats in _floats(t.tile, t.vecs, t.group)]
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
        t, shape = self.tuning, with_images(self._shape, images)
        size = (-(-self._pixels // t.vecs), -(-self._filters // t.tile), images * self._groups)
        buffers = (inputs[0], self._packed, self._taps, self._bias, residual, y)
        assert t.group is not None
        self._program.launch("conv2d_tiles", size, t.group, shape, np.int32(self._width), *buffers, *self._tiles)


def _floats(tile: int, vecs: int, group: tuple[int, int, int] | None = None) -> tuple[int, int]:
    """Local memory of a group: weights and pixels."""
    across, along, _ = group or (_SIDE, _SIDE, 1)
    return _DEPTH * along * tile, _DEPTH * across * vecs


def _by_rule(info: DeviceInfo, filters: int, pixels: int, images: int) -> Tuning:
    """The tile with the least work for the multiprocessor that has most of it."""

    def most(t: Tuning) -> float:
        groups = images * -(-filters // (_SIDE * t.tile)) * -(-pixels // (_SIDE * t.vecs))
        return -(-groups // info.compute_units) * (t.tile * t.vecs + _READ * (t.tile + t.vecs))

    return min(local_tiles(info), key=most)
