"""What a convolution's kernels are built and launched with, by rule; `ferkern.opencl.tune` measures instead."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ferkern.opencl.device import DeviceInfo
from ferkern.opencl.ops.plan import Shape

__all__ = ["Tuning", "by_rule", "candidates", "cost", "grouped", "native_lanes", "pointwise"]

LANES = (1, 2, 4, 8, 16)
LOCAL_SIDES = (2, 4, 8)  # filters and pixels of a work item by local tiles
# Filters x vectors of pixels of a work item whose sums, pixels and a weight fit the registers: 32 of AVX-512, 16 of
# AVX2. The rule takes one of the first four, since each takes the device's compiler up to a second.
_WIDE_TILES = ((16, 1), (8, 2), (10, 2), (12, 1), (12, 2), (6, 3), (4, 4), (5, 4))
_NARROW_TILES = ((6, 2), (5, 2), (8, 1), (10, 1), (12, 1), (4, 3), (4, 2), (3, 4))
# A GPU's threads have 255 registers at most, and more of them wait for memory where each takes fewer.
_GPU_TILES = ((8, 4), (8, 2), (4, 4), (4, 2), (8, 1), (4, 1))
# What a step of a tile's sums takes beside its multiply-adds, in multiply-adds: loop and addresses.
_STEP = 3.0
# And each vector of pixels but the first with AVX-512, whose instructions take a weight from memory for one of them.
_LOAD = 2.0


@dataclass(frozen=True, slots=True)
class Tuning:
    """A register tile: `tile` filters times `vecs` vectors of `lanes` pixels, and how work items are grouped."""

    lanes: int
    """Pixels in a vector: FK_LANES."""
    vecs: int
    """Vectors of a work item: FK_VECS."""
    tile: int
    """Filters of a work item: FK_TILE."""
    interleave: bool
    """Neighbouring work items take neighbouring vectors: FK_INTERLEAVE."""
    group: tuple[int, int, int] | None
    """Work items of a group: along a row, over rows, over blocks of filters; None: `grouped`."""
    runs: bool = False
    """The layer in runs (``conv2d_run.py``): `tile` tiles or outputs times `vecs` vectors of `lanes` filters."""
    local: bool = False
    """By tiles in local memory (``conv2d_tiles.py``): `tile` filters times `vecs` pixels of a work item."""

    def defines(self, shape: Shape | None = None) -> dict[str, int]:
        """The build options of ``conv2d_product.cl``; with a shape, of ``conv2d_direct.cl`` and ``conv2d_bands.cl``."""
        return {
            "FK_LANES": self.lanes,
            "FK_VECS": self.vecs,
            "FK_TILE": self.tile,
            "FK_INTERLEAVE": int(self.interleave),
            **({"FK_POINTWISE": 1} if shape is not None and pointwise(shape) else {}),
        }

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Tuning | None:
        """None for whatever is not the form of one, as a damaged file may hold."""
        try:
            lanes, vecs, tile, interleave = (values[name] for name in ("lanes", "vecs", "tile", "interleave"))
            group = None if values["group"] is None else tuple(values["group"])
            runs, local = values.get("runs", False), values.get("local", False)
        except (KeyError, TypeError):
            return None
        numbers = (lanes, vecs, tile, *(group or ()))
        if len(group or (1, 1, 1)) != 3 or not all(type(n) is int and 1 <= n <= 1024 for n in numbers):
            return None
        if lanes not in LANES or vecs > 8 or tile > 32 or type(interleave) is not bool:
            return None
        if type(runs) is not bool or type(local) is not bool or (runs and (lanes < 4 or local)):
            return None
        if local and not (lanes == 1 and tile in LOCAL_SIDES and vecs in LOCAL_SIDES):
            return None
        return cls(lanes, vecs, tile, interleave, group, runs, local)


def grouped(info: DeviceInfo, size: Sequence[int]) -> tuple[int, ...]:
    """Work items of a group on a CPU: as many as leave 8 groups to each core.

    A group costs 0.3 us to begin with Intel's runtime, as much as 1,000 multiply-adds of vectors. Few different sizes,
    since PoCL compiles a kernel anew for each.
    """
    count = next((n for n in (256, 64, 16, 4) if math.prod(size) >= 8 * n * info.compute_units), 1)
    group = []
    for side in size:
        along = 1
        while 2 * along <= min(count, side):
            along *= 2
        group.append(along)
        count //= along
    return tuple(group)


def by_rule(info: DeviceInfo, filters: int, cols: int, rows: int) -> Tuning:
    """The tile that computes least beyond the filters of a group and rows x cols positions.

    Parameters
    ----------
    filters
        Filters of a group.
    cols, rows
        Positions that neighbour each other, and how often there are so many; at least one lane's worth.
    """
    return min(candidates(info, cols, widths=1, tiles=4), key=lambda tuning: cost(tuning, filters, cols, rows))


def cost(tuning: Tuning, filters: int, cols: int, rows: int) -> float:
    """Multiply-adds of vectors that the tiles take for one term of the sums, the loop around them counted in."""
    items = rows * -(-cols // (tuning.lanes * tuning.vecs)) * -(-filters // tuning.tile)
    loads = _LOAD * (tuning.vecs - 1) if tuning.lanes == 16 else 0.0
    return items * (tuning.tile * tuning.vecs + _STEP + loads)


def pointwise(shape: Shape) -> bool:
    """Windows of 1 x 1."""
    return int(shape["kh"]) == int(shape["kw"]) == 1


def native_lanes(info: DeviceInfo) -> int:
    """Floats of the vectors that kernels for a CPU are written in."""
    return min(max(info.vector_width, 4), 16)


def candidates(info: DeviceInfo, cols: int, widths: int = 2, tiles: int = 8) -> Iterator[Tuning]:
    """What is worth trying on a device for rows of `cols` positions: the first `tiles` tiles of the first `widths`."""
    if info.kind != "cpu":
        width = next((n for n in (64, 32) if n <= cols), 16)
        for tile, vecs in _GPU_TILES[:tiles]:
            yield Tuning(lanes=1, vecs=vecs, tile=tile, interleave=True, group=(width, 256 // width, 1))
        return
    native = native_lanes(info)
    shapes = (_WIDE_TILES if native == 16 else _NARROW_TILES)[:tiles]
    fitting = [n for n in (native, 4, 1) if n <= cols]
    for lanes in fitting[:widths]:
        for tile, vecs in shapes:
            if vecs == 1 or lanes * (vecs - 1) < cols:
                yield Tuning(lanes=lanes, vecs=vecs, tile=tile, interleave=False, group=None)
