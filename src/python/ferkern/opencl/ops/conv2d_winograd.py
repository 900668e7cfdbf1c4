"""Winograd's minimal filtering on a device: ``conv2d_winograd.cl`` and ``conv2d_product.cl``, launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferkern.opencl.device import Device
from ferkern.opencl.memory import empty
from ferkern.opencl.ops.conv2d_direct import take
from ferkern.opencl.ops.conv2d_run import WinogradRunWay, serves
from ferkern.opencl.ops.conv2d_tuning import Tuning, by_rule, grouped
from ferkern.opencl.ops.plan import Shape, with_images
from ferkern.opencl.program import build

__all__ = ["FILE", "Winograd2Plan", "Winograd4Plan", "WinogradPlan"]

FILE = "conv2d_winograd.cl"
PRODUCT = "conv2d_product.cl"


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
        self.tuning = t = tuning or by_rule(device.info, oc, tiles, 1)
        self._pitch = -(-tiles // t.lanes) * t.lanes
        self._size = tiles_y * m + 2, tiles_x * m + 2
        self._blocks = -(-oc // t.tile)
        self.sizes = {
            "transformed weights": 4 * self._points * self._blocks * t.tile * ic,
            "padded x": 4 * n * ic * self._size[0] * self._size[1],
            "transformed x": 4 * ic * self._points * self._pitch,
            "products": 4 * oc * self._points * self._pitch,
        }
        self._program = build(device, FILE, {"FK_M": m})
        self._product = build(device, PRODUCT, t.defines())
        self._across = min(tiles_x, 32) if t.interleave else 1
        self._buffers: dict[str, Any] = {}
        self._bias: Any | None = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._buffers = {name: empty(self._device, size) for name, size in self.sizes.items()}
        self._bias = weights.get("b")
        size = (self._ic, self._blocks * self.tuning.tile)
        to = self._buffers["transformed weights"]
        tile = np.int32(self.tuning.tile)
        self._program.launch("winograd_weights", size, (16, 4), self._shape, tile, weights["w"], to)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._buffers, "load() comes before run()"
        t, shape, launch = self.tuning, with_images(self._shape, images), self._program.launch
        w, padded, transformed, products = self._buffers.values()
        take(self._device, shape, images * self._ic, (1, 1), self._size, inputs[0], padded)
        pitch, tiles, lines = np.int32(self._pitch), images * self._tiles_image, images * self._lines
        sides = map(np.int32, self._size)
        size = (self._across, lines, self._ic)
        launch("winograd_inputs", size, self._group(size), shape, *sides, pitch, padded, transformed)
        size = (-(-tiles // (t.lanes * t.vecs)), self._blocks, self._points)
        counts = np.int32(self._points), np.int32(tiles), pitch
        self._product.launch(
            "winograd_product", size, t.group or self._group(size), shape, *counts, transformed, w, products
        )
        size = (self._across, lines, self._oc)
        launch("winograd_outputs", size, self._group(size), shape, pitch, products, self._bias, residual, y)

    def _group(self, size: tuple[int, ...]) -> tuple[int, ...]:
        return (self._across, 2, 2) if self.tuning.interleave else grouped(self._device.info, size)


class Winograd2Plan(WinogradPlan):
    """F(2 x 2, 3 x 3)."""

    m = 2


class Winograd4Plan(WinogradPlan):
    """F(4 x 4, 3 x 3)."""

    m = 4
