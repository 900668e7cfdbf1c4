"""How groups share what windows over an image see: the tuning parameters of ``kernels/opencl/fk_window.h``."""

from __future__ import annotations

from dataclasses import dataclass

from ferkern.opencl.device import DeviceInfo
from ferkern.opencl.ops.plan import Shape

__all__ = ["WindowTuning", "window_tuning"]

# Bytes of a group's tiles: well inside a first-level cache on a CPU, several groups a multiprocessor on a GPU.
TILE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class WindowTuning:
    """What a kernel over windows is built and launched with."""

    lanes: int
    """Outputs of a row that a work item computes: FK_LANES."""
    rows: int
    """Rows of outputs that a work item computes: FK_ROWS."""
    interleave: bool
    """Neighbouring work items copy neighbouring pixels: FK_INTERLEAVE."""
    group: tuple[int, int, int]
    """Work items of a group: along a row, over rows, over planes."""
    tile_bytes: int
    """Local memory of a group."""

    def defines(self) -> dict[str, int]:
        return {"FK_LANES": self.lanes, "FK_ROWS": self.rows, "FK_INTERLEAVE": int(self.interleave)}

    def items(self, rows: int, columns: int, planes: int) -> tuple[int, int, int]:
        """The ND-range for so many outputs."""
        return -(-columns // self.lanes), -(-rows // self.rows), planes


def window_tuning(info: DeviceInfo, shape: Shape) -> WindowTuning:
    """The parameters for a device and windows that the op's kernels.inc found to fit in local memory."""
    s = {name: int(shape[name]) for name in ("oh", "ow", "kh", "kw", "stride_h", "stride_w")}
    names = shape.dtype.names or ()
    dilation = [int(shape[name]) if name in names else 1 for name in ("dilation_h", "dilation_w")]
    reach_h, reach_w = (s["kh"] - 1) * dilation[0] + 1, (s["kw"] - 1) * dilation[1] + 1
    cpu = info.kind == "cpu"
    lanes, rows = (8, 4) if cpu else (1, 4)

    def tile(group: tuple[int, int, int]) -> int:
        high = (group[1] * rows - 1) * s["stride_h"] + reach_h
        wide = group[0] * lanes + (reach_w - 1) // s["stride_w"]
        return 4 * high * wide * s["stride_w"] * group[2]

    across, down = -(-s["ow"] // lanes), -(-s["oh"] // rows)
    if cpu:
        # A band of a plane. Few different groups: a driver may compile a kernel again for every size of group.
        group = next(((side, 2 * side, 1) for side in (1, 2, 4) if across <= side), (16, 4, 1))
    else:
        # At most 32 x 4 items; where planes are small several of them.
        wide, high = min(_power(across), 32), min(_power(down), 4)
        group = (wide, high, max(1, min(16, 128 // (wide * high))))
    most = min(TILE_BYTES, info.local_bytes)
    while tile(group) > most and max(group) > 1:
        longest = max((2, 1, 0), key=lambda axis: group[axis])
        group = tuple((n + 1) // 2 if axis == longest else n for axis, n in enumerate(group))  # type: ignore[assignment]
    return WindowTuning(lanes=lanes, rows=rows, interleave=not cpu, group=group, tile_bytes=tile(group))


def _power(n: int) -> int:
    """The least power of two from n on."""
    return 1 << (n - 1).bit_length()
