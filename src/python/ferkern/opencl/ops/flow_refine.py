"""Variational refinement on an OpenCL device: the ND-range of ``kernels/opencl/flow_refine.cl``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ferkern import _core
from ferkern.opencl.device import Device, DeviceInfo
from ferkern.opencl.ops.plan import Shape
from ferkern.opencl.program import build

__all__ = ["BORDER", "Planes", "Refinement", "pixel_group"]

FILE = "flow_refine.cl"
BORDER = 16
"""Pixels around a plane: FK_BORDER in the kernels."""
SYSTEM_PLANES = 9
"""FK_PLANES in ``flow_refine.cl``."""
SIDE = 8
"""FK_SIDE in ``flow_refine.cl``."""


def pixel_group(info: DeviceInfo) -> tuple[int, int]:
    """Work items of a group for kernels of one work item a pixel: columns, rows."""
    return (64, 16) if info.kind == "cpu" else (32, 8)


@dataclass(frozen=True, slots=True)
class Planes:
    """A level of both frames on the device: float32, `BORDER` copies of the outermost pixels on all sides."""

    height: int
    width: int
    prev: Any
    next: Any

    @property
    def row(self) -> int:
        """Floats from a row to the next."""
        return row_of(self.width)


def row_of(width: int) -> int:
    return -(-(width + 2 * BORDER) // 16) * 16


def _cols(width: int) -> int:
    """Places for the unknowns of every second pixel of a row: fk_cols in ``flow_refine.cl``."""
    return -(-((width + 1) // 2) // SIDE) * SIDE + 2 * SIDE


class Refinement:
    """The steps for pictures of up to height x width pixels; `shape` is the record of op ``flow_refine``."""

    def __init__(self, device: Device, shape: Shape, height: int, width: int) -> None:
        _, self._relax = _core.device_kernel("flow_refine", shape, "opencl")
        self._device = device
        self._shape = shape.copy()
        self._group = pixel_group(device.info)
        # Vectors on a CPU, in groups too narrow for a compiler to make others across work items.
        self._lanes, self._vectors = (8, (8, 8)) if device.info.kind == "cpu" else (1, self._group)
        self._program = build(device, FILE, {"FK_LANES": self._lanes})
        plane = 4 * height * width
        system = SYSTEM_PLANES * 4 * (height + 2) * 2 * _cols(width)
        self.sizes = {"mean": plane, "difference": plane, "smoothness": plane, "the equations": system}
        """Buffers that it needs: what → bytes."""
        self._buffers: tuple[Any, ...] = ()

    def load(self, buffers: tuple[Any, ...]) -> None:
        """Takes buffers of `sizes`, in that order."""
        self._buffers = buffers

    def run(self, level: Planes, flow: Any, steps: int) -> None:
        """Queues `steps` linearisations with their sweeps; `flow`, float32 [H, W, 2], is replaced."""
        mean, difference, smoothness, system = self._buffers
        shape = self._shape
        shape["height"], shape["width"] = level.height, level.width
        size = level.width, level.height

        def launch(name: str, *arguments: Any) -> None:
            self._program.launch(name, size, self._group, shape, *arguments)

        half = -(-(level.width + 1) // (2 * self._lanes)), level.height
        places = _cols(level.width) // self._lanes, 2 * (level.height + 2)
        for _ in range(steps):
            launch("flow_refine_warp", np.int32(level.row), level.prev, level.next, flow, mean, difference)
            launch("flow_refine_smooth", flow, smoothness)
            arguments = shape, mean, difference, flow, smoothness, system
            self._program.launch("flow_refine_system", places, self._vectors, *arguments)
            for half_sweep in range(2 * int(shape["sweeps"])):
                self._program.launch(self._relax, half, self._group, shape, np.int32(half_sweep), system)
            launch("flow_refine_merge", system, flow)
