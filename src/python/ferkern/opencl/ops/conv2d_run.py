"""Runs of tiles, each a work item's way through a whole convolution on a CPU: ``conv2d_*_run.cl``, launched."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ferkern.opencl.device import Device, DeviceInfo
from ferkern.opencl.memory import empty
from ferkern.opencl.ops.conv2d_tuning import Tuning, native_lanes
from ferkern.opencl.ops.plan import Shape, with_images
from ferkern.opencl.program import build

__all__ = ["DirectRunWay", "RunWay", "WinogradRunWay", "run_tiles", "serves", "serves_strides"]

_SHARES = 4  # of a core: one that is late keeps the others waiting for a part of its work only
# Tiles x vectors of filters whose sums fit the registers. Few: each takes the device's compiler up to a second.
_WIDE_TILES = ((12, 2), (13, 2), (8, 2), (12, 1))
_NARROW_TILES = ((6, 2), (5, 2), (12, 1))
# What a channel takes beside its multiply-adds, in these: the loop, and a vector of weights from a second-level cache.
_STEP = 3.0
_STREAM = 1.5


def serves(device: Device, shape: Shape, tuning: Tuning | None) -> bool:
    """Whether a layer is taken in runs: on a CPU, whose cores have caches for them and which few items keep busy."""
    wanted = device.info.kind == "cpu" if tuning is None else tuning.runs
    lanes = native_lanes(device.info) if tuning is None else tuning.lanes
    return wanted and int(shape["groups"]) == 1 and lanes <= int(shape["ih"]) * int(shape["iw"])


def serves_strides(device: Device, shape: Shape, tuning: Tuning | None) -> bool:
    """Whether a layer is taken in runs without Winograd: where windows step over pixels, and channels fill a vector."""
    strided = int(shape["stride_h"]) > 1 or int(shape["stride_w"]) > 1
    pays = tuning is not None or (strided and int(shape["ic"]) >= native_lanes(device.info))
    return pays and serves(device, shape, tuning)


class RunWay(ABC):
    """A work item for every share of the runs.

    `tuning`: `tile` tiles of a run, `vecs` vectors of `lanes` filters.
    """

    FILE = ""
    PACK = ""
    KERNEL = ""

    def __init__(self, device: Device, shape: Shape, m: int, tuning: Tuning | None) -> None:
        oc, ic, oh, ow, n = (int(shape[name]) for name in ("oc", "ic", "oh", "ow", "n"))
        self._device, self._shape, self._m = device, shape, m
        self._tiles_image = -(-oh // m) * -(-ow // m)
        self.tuning = t = tuning or _by_rule(device, oc, n * self._tiles_image)
        self._filters = t.vecs * t.lanes
        self._channel_blocks, self._blocks = -(-ic // t.lanes), -(-oc // self._filters)
        self._plane = -(-t.tile * m * m // t.lanes) * t.lanes
        self._floats = self._scratch()
        self.sizes = {
            "packed weights": 4 * self._positions() * ic * self._blocks * self._filters,
            "whole bias": 4 * self._blocks * self._filters,
            "runs": 4 * self._items(n) * self._floats,
        }
        defines = {"FK_M": m, "FK_LANES": t.lanes, "FK_TILE": t.tile, "FK_VECS": t.vecs}
        self._program = build(device, self.FILE, defines)
        self._buffers: dict[str, Any] = {}

    def load(self, weights: Mapping[str, Any]) -> None:
        self._buffers = {name: empty(self._device, size) for name, size in self.sizes.items()}
        w, bias, _ = self._buffers.values()
        filters = self._blocks * self._filters
        size, tile = (int(self._shape["ic"]), filters), np.int32(self._filters)
        self._program.launch(self.PACK, size, (16, 4), self._shape, tile, weights["w"], w)
        self._program.launch("run_bias", (filters,), (16,), self._shape, np.int32(filters), weights.get("b"), bias)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._buffers, "load() comes before run()"
        shape, floats = with_images(self._shape, images), np.int32(self._floats)
        w, bias, scratch = self._buffers.values()
        arguments = (shape, floats, inputs[0], w, bias, residual, scratch, y)
        self._program.launch(self.KERNEL, (self._items(images),), (1,), *arguments)

    def _items(self, images: int) -> int:
        return min(-(-images * self._tiles_image // self.tuning.tile), _SHARES * self._device.info.compute_units)

    @abstractmethod
    def _positions(self) -> int:
        """Weights of a filter and a channel."""

    @abstractmethod
    def _scratch(self) -> int:
        """Floats of a work item."""


class WinogradRunWay(RunWay):
    """F(m x m, 3 x 3)."""

    FILE, PACK, KERNEL = "conv2d_winograd_run.cl", "winograd_weights", "winograd_run"

    def _positions(self) -> int:
        return (self._m + 2) ** 2

    def _scratch(self) -> int:
        t, points = self.tuning, self._positions()
        strip = (self._m + 2) * (t.tile * self._m + 2) * t.lanes
        inputs, products = points * self._channel_blocks * t.tile * t.lanes, points * t.tile * self._filters
        return strip + inputs + products + 2 * self._plane * t.lanes


class DirectRunWay(RunWay):
    """The definition's sums; m is 1, groups 1."""

    FILE, PACK, KERNEL = "conv2d_direct_run.cl", "direct_run_weights", "conv2d_direct_run"

    def _positions(self) -> int:
        return int(self._shape["kh"]) * int(self._shape["kw"])

    def _scratch(self) -> int:
        s, t = self._shape, self.tuning
        height, width = ((int(s["k" + side]) - 1) * int(s["dilation_" + side]) + 1 for side in "hw")
        strip = height * ((t.tile - 1) * int(s["stride_w"]) + width) * t.lanes
        inputs = self._positions() * self._channel_blocks * t.tile * t.lanes
        return strip + inputs + self._plane * (self._filters + t.lanes)


def run_tiles(info: DeviceInfo) -> Iterator[Tuning]:
    """The register tiles that runs are made with on a CPU."""
    lanes = native_lanes(info)
    for tile, vecs in _WIDE_TILES if lanes == 16 else _NARROW_TILES:
        yield Tuning(lanes, vecs, tile, interleave=False, group=None, runs=True)


def _by_rule(device: Device, filters: int, tiles: int) -> Tuning:
    """The register tile with the least work for the core that has most of it."""
    units = device.info.compute_units

    def most(t: Tuning) -> float:
        runs, blocks = -(-tiles // t.tile), -(-filters // (t.lanes * t.vecs))
        return -(-runs // units) * blocks * (t.tile * t.vecs + _STEP + _STREAM * t.vecs)

    return min(run_tiles(device.info), key=most)
