"""Vectors of pixels from bands of rows that a work item copies for itself, for CPUs: ``conv2d_bands.cl``, launched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferkern.opencl.device import Device
from ferkern.opencl.memory import empty
from ferkern.opencl.ops.conv2d_tuning import Tuning
from ferkern.opencl.ops.plan import Shape, with_images
from ferkern.opencl.program import build

__all__ = ["BandWay", "band_of"]

FILE = "conv2d_bands.cl"
_SHARES = 3  # of a core: Intel's runtime divides six groups between two cores more evenly than two, four or eight
_BYTES = 128 * 1024  # of a band: a part of a second-level cache


def band_of(
    device: Device, shape: Shape, lanes: int, phases: tuple[int, int], extra: int, tw: int, images: int = 1
) -> int | None:
    """Rows of the output in a band, None where none fits: bands for every core, the last with a vector of outputs too.

    `extra`: rows of a phase that windows see beyond those of the outputs; `tw`: their columns; `images`: whose rows
    are divided as if they were one image's.
    """
    n, ic, oh, ow, groups = (int(shape[name]) for name in ("n", "ic", "oh", "ow", "groups"))
    if device.info.kind != "cpu" or groups > 1 or (ow < lanes and tw > ow):
        return None
    rows = images * oh
    fitting = _BYTES // (4 * ic * phases[0] * phases[1] * tw) - extra
    wanted = -(-_SHARES * device.info.compute_units // (n // images))
    least = -(-lanes // ow)  # rows of a vector of outputs
    band = min(max(-(-rows // min(wanted, rows)), least), fitting)
    filled = lanes // math.gcd(lanes, ow)  # rows of whole vectors of outputs
    if images > 1 and band > filled:
        band -= band % filled
    while least <= band < rows and 0 < rows % band < least:
        band -= 1
    return band if least <= band else None


class BandWay:
    """`tuning`: `tile` filters times `vecs` vectors of `lanes` pixels.

    `band`: rows of an image's bands; `across`: of bands that go on from one of the planned batch's images to the next.
    """

    def __init__(
        self,
        device: Device,
        shape: Shape,
        tuning: Tuning,
        band: int,
        across: int | None,
        phases: tuple[int, int],
        extra: int,
        tw: int,
    ) -> None:
        oc, ic, ow, n = (int(shape[name]) for name in ("oc", "ic", "ow", "n"))
        self._device, self._shape, self.tuning = device, shape, tuning
        self._band, self.across, self._images = band, across, n
        self._planned = self._divided(n)
        self._blocks = -(-oc // tuning.tile)
        self._terms = ic * int(shape["kh"]) * int(shape["kw"])
        floats = ic * phases[0] * phases[1] * (max(band, across or 0) + extra) * tw
        self.sizes = {
            "packed weights": 4 * self._blocks * (1 + self._terms) * tuning.tile,
            "bands": 4 * max(self._divided(images)[2] for images in (n - 1, n)) * floats,
        }
        self._program = build(device, FILE, tuning.defines(shape))
        self._buffers: dict[str, Any] = {}
        self._numbers = tuple(np.int32(number) for number in (int(tw == ow), floats, *phases, extra, tw))

    def load(self, weights: Mapping[str, Any]) -> None:
        self._buffers = {name: empty(self._device, size) for name, size in self.sizes.items()}
        size, packed = (1 + self._terms, self._blocks), self._buffers["packed weights"]
        self._program.launch("conv2d_pack", size, (64, 1), self._shape, weights["w"], weights.get("b"), packed)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._buffers, "load() comes before run()"
        shape = with_images(self._shape, images)
        rows, band, items = self._planned if images == self._images else self._divided(images)
        packed, scratch = self._buffers.values()
        arguments = (shape, rows, band, *self._numbers, inputs[0], packed, residual, scratch, y)
        self._program.launch("conv2d_bands", (items,), (1,), *arguments)

    def _divided(self, images: int) -> tuple[np.int32, np.int32, int]:
        """Rows that are divided into bands, all images' or one's, rows of a band, and work items."""
        oh = int(self._shape["oh"])
        rows, band = oh, self._band
        if self.across is not None and images == self._images:
            rows, band = images * oh, self.across
        bands = images * oh // rows * -(-rows // band)
        return np.int32(rows), np.int32(band), min(bands, _SHARES * self._device.info.compute_units)
