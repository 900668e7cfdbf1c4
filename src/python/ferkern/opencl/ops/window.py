"""How groups share what windows over an image see: the tuning parameters of ``kernels/opencl/fk_window.h``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ferkern.opencl.device import Device, DeviceInfo
from ferkern.opencl.ops.plan import Shape, with_images
from ferkern.opencl.program import build

__all__ = ["PlainConvolution", "WindowTuning", "window_tuning"]

# Bytes of a group's tiles: well inside a first-level cache on a CPU, several groups a multiprocessor on a GPU.
TILE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class WindowTuning:
    """What a kernel over windows is built and launched with."""

    lanes: int
    """Outputs of a row that a work item computes at once: FK_LANES."""
    rows: int
    """Rows of outputs that a work item computes: FK_ROWS."""
    interleave: bool
    """Neighbouring work items copy neighbouring pixels: FK_INTERLEAVE."""
    group: tuple[int, int, int]
    """Work items of a group: along a row, over rows, over planes."""
    columns: int
    """Columns of outputs of a group."""
    tile_bytes: int
    """Local memory of a group."""

    def defines(self) -> dict[str, int]:
        return {"FK_LANES": self.lanes, "FK_ROWS": self.rows, "FK_INTERLEAVE": int(self.interleave)}

    def items(self, rows: int, columns: int, planes: int) -> tuple[int, int, int]:
        """The ND-range for so many outputs."""
        return -(-columns // self.columns) * self.group[0], -(-rows // self.rows), planes


def window_tuning(info: DeviceInfo, shape: Shape) -> WindowTuning:
    """The parameters for a device and windows that the op's kernels.inc found to fit in local memory."""
    s = {name: int(shape[name]) for name in ("oh", "ow", "kh", "kw", "stride_h", "stride_w")}
    names = shape.dtype.names or ()
    dilation = [int(shape[name]) if name in names else 1 for name in ("dilation_h", "dilation_w")]
    reach_h, reach_w = (s["kh"] - 1) * dilation[0] + 1, (s["kw"] - 1) * dilation[1] + 1
    cpu = info.kind == "cpu"
    lanes, rows = (8, 4) if cpu else (1, 4)

    def tile(high: int, columns: int, planes: int) -> int:
        height = (high * rows - 1) * s["stride_h"] + reach_h
        width = columns + (reach_w - 1) // s["stride_w"]
        return 4 * height * width * s["stride_w"] * planes

    if cpu:
        # Bands of whole rows. One size of group: a driver may compile a kernel again for every other one.
        wide, high, planes, columns = 1, 4, 1, min(-(-s["ow"] // lanes) * lanes, 128)
    else:
        # At most 32 x 4 items; where planes are small several of them.
        wide, high = min(_power(s["ow"]), 32), min(_power(-(-s["oh"] // rows)), 4)
        planes, columns = max(1, min(16, 128 // (wide * high))), wide
    most = min(TILE_BYTES, info.local_bytes)
    while tile(high, columns, planes) > most and max(high, planes, columns // lanes) > 1:
        if planes > 1:
            planes //= 2
        elif columns > lanes and columns // lanes >= high:
            columns = -(-columns // (2 * lanes)) * lanes
            wide = columns if wide > 1 else 1
        else:
            high //= 2
    return WindowTuning(
        lanes=lanes,
        rows=rows,
        interleave=not cpu,
        group=(wide, high, planes),
        columns=columns,
        tile_bytes=tile(high, columns, planes),
    )


def _power(n: int) -> int:
    """The least power of two from n on."""
    return 1 << (n - 1).bit_length()


class PlainConvolution:
    """The plain loops of a convolution: one work item for each output."""

    FILE: ClassVar[str]
    KERNEL: ClassVar[str]

    def __init__(self, device: Device, shape: Shape) -> None:
        self.sizes: dict[str, int] = {}
        self._shape = shape
        self._program = build(device, self.FILE, {})
        self._weights: tuple[Any, Any | None] | None = None

    def load(self, weights: Mapping[str, Any]) -> None:
        self._weights = weights["w"], weights.get("b")

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        assert self._weights is not None, "load() comes before run()"
        s = with_images(self._shape, images)
        size = (int(s["ow"]), int(s["oh"]), images * int(s["oc"]))
        self._program.launch(self.KERNEL, size, (16, 4, 1), s, inputs[0], *self._weights, residual, y)
