"""Tracked points on an OpenCL device: the ND-range and the tuning parameters of ``kernels/opencl/flow_lk.cl``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import Device, DeviceInfo, find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.plan import Shape
from ferkern.opencl.ops.pyramid import Frame, Pyramid, pyramid_on
from ferkern.opencl.program import build

__all__ = ["Tuning", "track", "tuning"]

Float32: TypeAlias = npt.NDArray[np.float32]

FILE = "flow_lk.cl"
MOST_TEMPLATE_BYTES = 64 << 20
"""Of the windows of one launch, where local memory does not hold them: points beyond wait for the next launch."""
TRACK = np.dtype([("points", "f4", 2), ("residual", "f4"), ("error", "f4"), ("status", "i4"), ("iterations", "i4")])
"""``fk_track`` in ``flow_lk.cl``."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the kernel is built and launched with."""

    lanes: int
    """Columns of a work item's strip: FK_LANES."""
    group: int
    """Work items for a point: FK_GROUP."""
    local: bool
    """The window's template stands in local memory: FK_TEMPLATE_LOCAL."""
    template_bytes: int
    """Of a point."""

    def defines(self) -> dict[str, int]:
        return {"FK_LANES": self.lanes, "FK_GROUP": self.group, "FK_TEMPLATE_LOCAL": int(self.local)}


def tuning(info: DeviceInfo, window: int) -> Tuning:
    """The parameters for a device and the side of a window."""
    # A CPU's work item is a loop over vectors; alone in its group it needs no barrier.
    lanes, group = (8, 1) if info.kind == "cpu" else (1, 64)
    template = 3 * 4 * window * -(-window // lanes) * lanes
    # 8 sums of each work item stand in local memory, too.
    return Tuning(lanes, group, template + 8 * 4 * group <= info.local_bytes, template)


def track(
    prev: Frame | Pyramid | _core.Pyramid,
    next: Frame | Pyramid | _core.Pyramid,
    pts: Float32,
    guess: Float32 | None,
    window: int,
    levels: int,
    iterations: int,
    epsilon: float,
    min_eigenvalue: float,
    backward: bool,
    device: str,
) -> tuple[Float32, npt.NDArray[np.bool_], Float32, Float32 | None, npt.NDArray[np.int32], int]:
    """`ferkern.flow.track` on a device: the fields of `ferkern.flow.Track` in their order.

    Frames and points are copied to the device, levels and both ways computed there, and one array comes back.
    """
    target = find(device)
    first, second = pyramid_on(target, prev, "prev"), pyramid_on(target, next, "next")
    shape, points, start = _core.flow_lk_shape(
        first.record, second.record, pts, guess, window, levels, iterations, epsilon, min_eigenvalue
    )
    found = np.empty(int(shape["points"]), TRACK)
    if len(found) > 0:
        for pyramid in (first, second):
            pyramid.build(int(shape["levels"]))
        _launch(target, shape, first, second, points, start, backward, found)
    fields = [np.ascontiguousarray(found[name]) for name in ("points", "residual", "error", "iterations")]
    error = fields[2] if backward else None
    return fields[0], found["status"] != 0, fields[1], error, fields[3], int(shape["levels"])


def _launch(
    device: Device,
    shape: Shape,
    prev: Pyramid,
    next: Pyramid,
    points: Float32,
    guess: Float32 | None,
    backward: bool,
    found: npt.NDArray[np.void],
) -> None:
    _, function = _core.device_kernel("flow_lk", shape, "opencl")
    how = tuning(device.info, int(shape["window"]))
    program = build(device, FILE, {"FK_FLOAT": int(shape["frame"]["is_float"]), **how.defines()})
    batch = len(found) if how.local else max(1, min(len(found), MOST_TEMPLATE_BYTES // how.template_bytes))
    sizes = {"pts": points.nbytes, "guess": 0 if guess is None else guess.nbytes, "the tracks": found.nbytes}
    check_sizes(device, sizes if how.local else sizes | {"the windows' templates": batch * how.template_bytes})
    memory: Any = device.cl.LocalMemory(how.template_bytes) if how.local else empty(device, batch * how.template_bytes)
    starts = upload(device, points), None if guess is None else upload(device, guess)
    tracks = empty(device, found.nbytes)
    pictures = prev.frame, prev.levels, next.frame, next.levels
    for begin in range(0, len(found), batch):
        end = min(begin + batch, len(found))
        range_ = np.int32(begin), np.int32(end), np.int32(backward)
        size = ((end - begin) * how.group,)
        program.launch(function, size, (how.group,), shape, *range_, *pictures, *starts, memory, tracks)
    download(device, tracks, found)
