"""Launching the kernels of ``kernels/opencl/membench.cl``: the ND-range and the tuning parameters."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ferkern.opencl.device import Device
from ferkern.opencl.program import build

__all__ = ["PASSAGES", "Passage", "Passages"]

Passage = Literal["read", "write", "copy"]
PASSAGES: tuple[Passage, ...] = ("read", "write", "copy")


class Passages:
    """The kernels, built for a device.

    On a CPU device an item goes through 16 KiB of its own in vectors of 64 bytes; with items that took turns, as a GPU
    wants them, Intel's runtime reached a quarter of that (64 MiB read: 17 and 68 GB/s).
    """

    def __init__(self, device: Device) -> None:
        cpu = device.info.kind == "cpu"
        self.lanes = 16 if cpu else 4
        self._steps = 256 if cpu else 4
        self._group = 1 if cpu else 256
        defines = {"FK_LANES": self.lanes, "FK_STEPS": self._steps, "FK_INTERLEAVE": int(not cpu)}
        self._program = build(device, "membench.cl", defines)

    def items(self, size: int) -> int:
        """Work items for `size` bytes, whole groups."""
        items = max(1, -(-size // (4 * self.lanes * self._steps)))
        return -(-items // self._group) * self._group

    def run(self, kind: Passage, size: int, *arguments: Any) -> None:
        """Queues ``read(from, sums)``, ``write(seed, to)`` or ``copy(from, to)``: uint8 [size], sums uint32 [items]."""
        self._program.launch(f"membench_{kind}", (self.items(size),), (self._group,), np.uint64(size), *arguments)
