"""Winograd's minimal filtering on a device: ``conv2d_winograd.cl`` and ``conv2d_product.cl``, launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferkern.opencl.device import Device
from ferkern.opencl.memory import empty
from ferkern.opencl.ops.conv2d_direct import take
from ferkern.opencl.ops.conv2d_run import WinogradRunWay, serves
from ferkern.opencl.ops.conv2d_tiles import serves_tiles
from ferkern.opencl.ops.conv2d_tuning import Tuning, by_rule, grouped
from ferkern.opencl.ops.plan import Shape, with_images
from ferkern.opencl.ops.tile import GROUP, groups_of, padded, tile_by_rule, tile_defines
from ferkern.opencl.program import build

__all__ = ["FILE", "Winograd2Plan", "Winograd4Plan", "WinogradPlan"]

FILE = "conv2d_winograd.cl"
PRODUCT = "conv2d_product.cl"
TILES = "conv2d_winograd_tiles.cl"


class WinogradPlan:
    """F(m x m, 3 x 3): on a CPU in runs of tiles, elsewhere for all tiles at once."""

    m = 0

    def __init__(self, device: Device, shape: Shape, tuning: Tuning | None = None) -> None:
        self._way: WinogradRunWay | StagedWay
        if serves(device, shape, tuning):
            self._way = WinogradRunWay(device, shape, self.m, tuning)
        else:
            self._way = StagedWay(device, shape, self.m, tuning)
        self.tuning, self.sizes = self._way.tuning, self._way.sizes

    def load(self, weights: Mapping[str, Any]) -> None:
        self._way.load(weights)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        self._way.run(inputs, residual, y, images)


class StagedWay:
    """Inputs, matrix products and outputs of all tiles of a batch, each in a kernel of its own."""

    def __init__(self, device: Device, shape: Shape, m: int, tuning: Tuning | None) -> None:
        oc, ic, oh, ow, n = (int(shape[name]) for name in ("oc", "ic", "oh", "ow", "n"))
        self._device, self._shape = device, shape
        self._ic, self._oc = ic, oc
        tiles_y, tiles_x = -(-oh // m), -(-ow // m)
        self._lines, self._tiles_image = tiles_y, tiles_y * tiles_x
        self._points = (m + 2) ** 2
        tiles = n * self._tiles_image
        kind = TileProduct if serves_tiles(device, shape, tuning) else RegisterProduct
        self._product = kind(device, shape, self._points, tiles, tuning)
        self.tuning = t = self._product.tuning
        self._pitch = -(-tiles // self._product.together) * self._product.together
        self._size = tiles_y * m + 2, tiles_x * m + 2
        self.sizes = {
            "transformed weights": 4 * self._points * self._product.filters * ic,
            "padded x": 4 * n * ic * self._size[0] * self._size[1],
            "transformed x": 4 * ic * self._points * self._pitch,
            "products": 4 * oc * self._points * self._pitch,
        }
        self._program = build(device, FILE, {"FK_M": m})
        self._across = min(tiles_x, 32) if t.interleave else 1
        self._buffers: dict[str, Any] = {}
        self._bias: Any | None = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._buffers = {name: empty(self._device, size) for name, size in self.sizes.items()}
        self._bias = weights.get("b")
        size = (self._ic, self._product.filters)
        to = self._buffers["transformed weights"]
        tile = np.int32(self._product.block)
        self._program.launch("winograd_weights", size, (16, 4), self._shape, tile, weights["w"], to)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._buffers, "load() comes before run()"
        shape, launch = with_images(self._shape, images), self._program.launch
        w, copied, transformed, products = self._buffers.values()
        take(self._device, shape, images * self._ic, (1, 1), self._size, inputs[0], copied)
        pitch, tiles, lines = np.int32(self._pitch), images * self._tiles_image, images * self._lines
        sides = map(np.int32, self._size)
        size = (self._across, lines, self._ic)
        launch("winograd_inputs", size, self._group(size), shape, *sides, pitch, copied, transformed)
        self._product.run(shape, tiles, self._pitch, transformed, w, products)
        size = (self._across, lines, self._oc)
        launch("winograd_outputs", size, self._group(size), shape, pitch, products, self._bias, residual, y)

    def _group(self, size: tuple[int, ...]) -> tuple[int, ...]:
        return (self._across, 2, 2) if self.tuning.interleave else grouped(self._device.info, size)


class RegisterProduct:
    """The products of all points in register tiles: ``conv2d_product.cl``."""

    def __init__(self, device: Device, shape: Shape, points: int, tiles: int, tuning: Tuning | None) -> None:
        self._device, self._points, oc = device, points, int(shape["oc"])
        self.tuning = t = tuning or by_rule(device.info, oc, tiles, 1)
        self.together = t.lanes
        """Tiles of the image that are loaded at once."""
        self.block = t.tile
        """Transformed weights lie in blocks of so many filters."""
        self.filters = -(-oc // t.tile) * t.tile
        self._program = build(device, PRODUCT, t.defines())

    def run(self, shape: Shape, tiles: int, pitch: int, inputs: Any, weights: Any, products: Any) -> None:
        t = self.tuning
        size = (-(-tiles // (t.lanes * t.vecs)), self.filters // t.tile, self._points)
        counts = map(np.int32, (self._points, tiles, pitch))
        group = t.group or grouped(self._device.info, size)
        self._program.launch("winograd_product", size, group, shape, *counts, inputs, weights, products)


class TileProduct:
    """The same by tiles in local memory: ``conv2d_winograd_tiles.cl``."""

    def __init__(self, device: Device, shape: Shape, points: int, tiles: int, tuning: Tuning | None) -> None:
        self._points = points
        self.tuning = t = tuning or tile_by_rule(device.info, int(shape["oc"]), tiles, points)
        self.together = 4
        self.filters = self.block = padded(int(shape["oc"]), t)
        self._program = build(device, TILES, tile_defines(t))

    def run(self, shape: Shape, tiles: int, pitch: int, inputs: Any, weights: Any, products: Any) -> None:
        size = groups_of(self.filters, tiles, self._points, self.tuning)
        numbers = map(np.int32, (self._points, pitch, self.filters))
        self._program.launch("winograd_tiles", size, GROUP, shape, *numbers, inputs, weights, products)


class Winograd2Plan(WinogradPlan):
    """F(2 x 2, 3 x 3)."""

    m = 2


class Winograd4Plan(WinogradPlan):
    """F(4 x 4, 3 x 3)."""

    m = 4
