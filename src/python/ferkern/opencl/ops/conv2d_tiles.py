"""Convolution as a product by tiles in local memory, as GPUs have it: ``kernels/opencl/conv2d_tiles.cl``, launched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferkern.opencl.device import Device
from ferkern.opencl.memory import empty
from ferkern.opencl.ops.conv2d_tuning import Tuning
from ferkern.opencl.ops.plan import Shape, with_images
from ferkern.opencl.ops.tile import DEPTH, GROUP, SIDE, groups_of, local_tiles, padded, tile_by_rule, tile_defines
from ferkern.opencl.program import build

__all__ = ["TileWay", "serves_tiles"]

FILE = "conv2d_tiles.cl"


def serves_tiles(device: Device, shape: Shape, tuning: Tuning | None) -> bool:
    """Whether a layer is taken in local tiles: on what is no CPU, where filters fill a group's smallest side."""
    image, outputs = (
        math.prod(int(shape[name]) for name in names) for names in (("ic", "ih", "iw"), ("n", "oh", "ow"))
    )
    if max(image, outputs) >= 2**31 - SIDE * 8:  # taps are 32-bit distances, pixels of the batch 32-bit numbers
        return False
    if tuning is not None:
        return tuning.local
    wide = int(shape["oc"]) // int(shape["groups"]) >= SIDE
    return device.info.kind != "cpu" and wide and next(local_tiles(device.info), None) is not None


class TileWay:
    """Weights side by side, the images as they came: nothing is copied but a group's tiles."""

    def __init__(self, device: Device, shape: Shape, tuning: Tuning | None) -> None:
        ic, kh, kw, self._groups = (int(shape[name]) for name in ("ic", "kh", "kw", "groups"))
        self._device, self._shape = device, shape
        filters, self._pixels = int(shape["oc"]) // self._groups, int(shape["oh"]) * int(shape["ow"])
        pixels = int(shape["n"]) * self._pixels
        self.tuning = t = tuning or tile_by_rule(device.info, filters, pixels, self._groups)
        self._terms = -(-ic // self._groups * kh * kw // DEPTH) * DEPTH
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
