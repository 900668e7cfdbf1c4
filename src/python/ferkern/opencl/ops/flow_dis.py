"""Dense inverse search on OpenCL devices: ND-range and tuning parameters of ``kernels/opencl/flow_dis.cl``."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.flow_refine import BORDER, Planes, Refinement, pixel_group, row_of
from ferkern.opencl.ops.plan import Shape
from ferkern.opencl.ops.pyramid import Frame
from ferkern.opencl.program import build

__all__ = ["Search", "dense", "refine"]

Float32: TypeAlias = npt.NDArray[np.float32]

FILE = "flow_dis.cl"
PATCH = 8
"""Pixels of a patch along a side: FK_PATCH in ``flow_dis.cl``."""
OUTPUTS = 8
"""Pixels of a work item of the pyramid: FK_OUTPUTS in ``flow_dis.cl``."""


def dense(
    prev: Frame,
    next: Frame,
    finest: int,
    stride: int,
    iterations: int,
    refinements: int,
    sweeps: int,
    alpha: float,
    delta: float,
    gamma: float,
    white: float,
    out: Float32 | None,
    *,
    device: str,
) -> Float32:
    """`ferkern.flow.dense` on a device: the frames go there, the flow comes back, all between stays."""
    target = find(device)
    shape, *frames, y = _core.flow_dis_shape(
        prev, next, finest, stride, iterations, refinements, sweeps, alpha, delta, gamma, white, out
    )
    search = Search(target, shape)
    check_sizes(target, search.sizes | {"prev": frames[0].nbytes, "next": frames[1].nbytes, "the result": y.nbytes})
    download(target, search.run(upload(target, frames[0]), upload(target, frames[1])), y)
    return y


def refine(
    prev: Frame,
    next: Frame,
    flow: Float32,
    refinements: int,
    sweeps: int,
    alpha: float,
    delta: float,
    gamma: float,
    white: float,
    out: Float32 | None,
    *,
    device: str,
) -> Float32:
    """`ferkern.flow.refine` on a device."""
    target = find(device)
    shape, *frames, known, y = _core.flow_refine_shape(
        prev, next, flow, refinements, sweeps, alpha, delta, gamma, white, out
    )
    search = Search(target, shape)
    check_sizes(target, search.sizes | {"prev": frames[0].nbytes, "next": frames[1].nbytes, "flow": known.nbytes})
    found = upload(target, known)
    search.improve(upload(target, frames[0]), upload(target, frames[1]), found)
    download(target, found, y)
    return y


class Search:
    """The search for a shape on a device; frames are dense, on the device."""

    def __init__(self, device: Device, shape: Shape) -> None:
        _, self._search = _core.device_kernel("flow_dis", shape, "opencl")
        self._device = device
        self._shape = shape
        numbers = ("height", "width", "coarsest", "finest", "stride", "refinements")
        self._height, self._width, self._coarsest, self._finest, self._stride, self._steps = (
            int(shape[name]) for name in numbers
        )
        # Runs of pixels with the same patches are as long as the stride.
        defines = {"FK_FLOAT": int(shape["is_float"]), "FK_RUN": 4 if self._stride <= 4 else 8}
        self._program = build(device, FILE, defines)
        self._group = pixel_group(device.info)
        # Of kernels that are vectors already: too narrow for a compiler to make others across work items.
        self._vectors = (8, 8) if device.info.kind == "cpu" else (32, 2)
        self._first = 0 if self._finest == 0 else 1
        planes = [_plane_bytes(*self._size(level)) for level in range(self._first, self._coarsest + 1)]
        height, width = self._size(self._finest)
        self._refinement = Refinement(device, shape["refine"], height, width) if self._steps > 0 else None
        self.sizes = {
            "the levels": 2 * sum(planes),
            "flows": 2 * 8 * height * width,
            "motions of patches": 8 * _patches(height, self._stride) * _patches(width, self._stride),
            **(self._refinement.sizes if self._refinement else {}),
        }
        """Buffers that it needs beyond frames and result: what → bytes."""

    def run(self, prev: Any, next: Any) -> Any:
        """Queues everything; returns the flow, float32 [H, W, 2]."""
        levels = self._build(prev, next)
        self._prepare()
        motions = empty(self._device, self.sizes["motions of patches"])
        coarse: tuple[Any, int, int] = (None, 0, 0)
        for index in range(self._coarsest, self._finest - 1, -1):
            level = levels[index]
            flow = empty(self._device, 8 * level.height * level.width)
            self._search_level(level, coarse, motions, flow)
            if self._refinement is not None:
                self._refinement.run(level, flow, self._steps)
            coarse = flow, level.height, level.width
        if self._finest == 0:
            return coarse[0]
        result = empty(self._device, 8 * self._height * self._width)
        flow, height, width = coarse
        size = self._width, self._height
        sides = np.int32(height), np.int32(width)
        self._program.launch("flow_dis_expand", size, self._group, self._shape, *sides, flow, result)
        return result

    def improve(self, prev: Any, next: Any, flow: Any) -> None:
        """Queues the refinements of the full resolution alone; `flow` is replaced."""
        level = self._build(prev, next)[0]
        self._prepare()
        if self._refinement is not None:
            self._refinement.run(level, flow, self._steps)

    def _size(self, level: int) -> tuple[int, int]:
        height, width = self._height, self._width
        for _ in range(level):
            height, width = (height + 1) // 2, (width + 1) // 2
        return height, width

    def _prepare(self) -> None:
        if self._refinement is not None:
            self._refinement.load(tuple(empty(self._device, size) for size in self._refinement.sizes.values()))

    def _build(self, prev: Any, next: Any) -> dict[int, Planes]:
        """Levels of both frames, those that are not needed apart."""
        levels: dict[int, Planes] = {}
        for index in range(self._first, self._coarsest + 1):
            height, width = self._size(index)
            before = levels.get(index - 1)
            sources = (prev, next) if before is None else (before.prev, before.next)
            planes = [empty(self._device, _plane_bytes(height, width)) for _ in sources]
            for source, plane in zip(sources, planes, strict=True):
                self._build_level(index, source, plane)
            levels[index] = Planes(height, width, *planes)
        return levels

    def _build_level(self, index: int, source: Any, plane: Any) -> None:
        height, width = self._size(index)
        row = np.int32(row_of(width))
        rows = height + 2 * BORDER
        if index == 0:
            size = width + 2 * BORDER, rows
            self._program.launch("flow_dis_convert", size, self._group, self._shape, row, source, plane)
            return
        above_height, above_width = self._size(index - 1)
        if index == self._first:
            name, scale, above_row, origin = "flow_dis_halve_frame", float(self._shape["scale"]), above_width, 0
        else:
            above_row = row_of(above_width)
            name, scale, origin = "flow_dis_halve", 1.0, BORDER * above_row + BORDER
        numbers = origin, above_row, above_height, above_width
        size = -(-(width + 2 * BORDER) // OUTPUTS), rows
        self._program.launch(name, size, self._vectors, source, *map(np.int32, numbers), np.float32(scale), plane, row)

    def _search_level(self, level: Planes, coarse: tuple[Any, int, int], motions: Any, flow: Any) -> None:
        down, across = _patches(level.height, self._stride), _patches(level.width, self._stride)
        sizes = level.height, level.width, level.row, across, down
        numbers = [np.int32(n) for n in sizes]
        above, *above_sides = coarse
        sides = [np.int32(n) for n in above_sides]
        frames = level.prev, level.next
        launch = self._program.launch
        launch(self._search, (across, down), self._vectors, self._shape, *numbers, *frames, above, *sides, motions)
        size = -(-level.width // self._stride), level.height
        launch("flow_dis_blend", size, self._vectors, self._shape, *numbers, *frames, motions, flow)


def _plane_bytes(height: int, width: int) -> int:
    # A row more: vectors may reach behind the last one.
    return 4 * (height + 2 * BORDER + 1) * row_of(width)


def _patches(n: int, stride: int) -> int:
    """Patches along an axis: the last one reaches its end."""
    return 1 if n <= PATCH else -(-(n - PATCH) // stride) + 1
