"""Vectors of pixels from bands of rows that a work item copies for itself, for CPUs: ``conv2d_bands.cl``, launched."""

from __future__ import annotations

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
_SHARES = 2  # of a core
_BYTES = 128 * 1024  # of a band: a part of a second-level cache


def band_of(device: Device, shape: Shape, lanes: int, phases: tuple[int, int], extra: int, tw: int) -> int | None:
    """Rows of the output in a band, None where none fits: bands for every core, the last with a vector of outputs too.

    `extra`: rows of a phase that windows see beyond those of the outputs; `tw`: their columns.
    """
    n, ic, oh, ow, groups = (int(shape[name]) for name in ("n", "ic", "oh", "ow", "groups"))
    if device.info.kind != "cpu" or groups > 1 or (ow < lanes and tw > ow):
        return None
    fitting = _BYTES // (4 * ic * phases[0] * phases[1] * tw) - extra
    wanted = -(-_SHARES * device.info.compute_units // n)
    band = min(-(-oh // min(wanted, oh)), fitting)
    least = -(-lanes // ow)  # rows of a vector of outputs
    while least <= band < oh and 0 < oh % band < least:
        band -= 1
    return band if least <= band else None


class BandWay:
    """`tuning`: `tile` filters times `vecs` vectors of `lanes` pixels."""

    def __init__(
        self, device: Device, shape: Shape, tuning: Tuning, band: int, phases: tuple[int, int], extra: int, tw: int
    ) -> None:
        oc, ic, oh, ow, n = (int(shape[name]) for name in ("oc", "ic", "oh", "ow", "n"))
        self._device, self._shape, self.tuning = device, shape, tuning
        self._bands = -(-oh // band)
        self._blocks = -(-oc // tuning.tile)
        self._terms = ic * int(shape["kh"]) * int(shape["kw"])
        floats = ic * phases[0] * phases[1] * (band + extra) * tw
        self.sizes = {
            "packed weights": 4 * self._blocks * (1 + self._terms) * tuning.tile,
            "bands": 4 * self._items(n) * floats,
        }
        self._program = build(device, FILE, tuning.defines(shape))
        self._buffers: dict[str, Any] = {}
        numbers = (band, self._bands, int(tw == ow), floats, *phases, band + extra, tw)
        self._numbers = tuple(np.int32(number) for number in numbers)

    def load(self, weights: Mapping[str, Any]) -> None:
        self._buffers = {name: empty(self._device, size) for name, size in self.sizes.items()}
        size, packed = (1 + self._terms, self._blocks), self._buffers["packed weights"]
        self._program.launch("conv2d_pack", size, (64, 1), self._shape, weights["w"], weights.get("b"), packed)

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._buffers, "load() comes before run()"
        shape = with_images(self._shape, images)
        packed, scratch = self._buffers.values()
        arguments = (shape, *self._numbers, inputs[0], packed, residual, scratch, y)
        self._program.launch("conv2d_bands", (self._items(images),), (1,), *arguments)

    def _items(self, images: int) -> int:
        return min(images * self._bands, _SHARES * self._device.info.compute_units)
