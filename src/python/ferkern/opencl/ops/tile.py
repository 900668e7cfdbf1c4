"""Products of matrices by tiles in local memory, as GPUs have them: what kernels on ``fk_tile.h`` are built with."""

from __future__ import annotations

from collections.abc import Iterator

from ferkern.opencl.device import DeviceInfo
from ferkern.opencl.ops.conv2d_tuning import Tuning

__all__ = ["DEPTH", "GROUP", "SIDE", "groups_of", "local_tiles", "padded", "tile_by_rule", "tile_defines"]

SIDE = 16  # work items of a group, along both dimensions
GROUP = (SIDE, SIDE, 1)
DEPTH = 8
# Rows x columns of a work item. More of both read less from local memory for each product; with fewer a small product
# has groups for all multiprocessors.
TILES = ((8, 8), (8, 4), (4, 8), (4, 4), (2, 4), (2, 2))
# What a term takes a work item beside its products, in these: reads of local memory, four bytes each, and its copies.
_READ = 0.5


def local_tiles(info: DeviceInfo) -> Iterator[Tuning]:
    """The tiles of a work item that are worth trying on a device."""
    for tile, vecs in TILES:
        if 2 * 4 * DEPTH * (SIDE * (tile + vecs) + 8) <= info.local_bytes and info.work_group_size >= SIDE * SIDE:
            yield Tuning(1, vecs, tile, interleave=True, group=GROUP, local=True)


def padded(rows: int, tuning: Tuning) -> int:
    """Rows of whole groups."""
    return -(-rows // (SIDE * tuning.tile)) * SIDE * tuning.tile


def groups_of(rows: int, columns: int, products: int, tuning: Tuning) -> tuple[int, int, int]:
    """Work items for products of `rows`, already padded, by `columns`."""
    return -(-columns // tuning.vecs), rows // tuning.tile, products


def tile_defines(tuning: Tuning) -> dict[str, int]:
    """The build options of ``fk_tile.h``."""
    return {"FK_TILE": tuning.tile, "FK_VECS": tuning.vecs, "FK_DEPTH": DEPTH}


def tile_by_rule(info: DeviceInfo, rows: int, columns: int, products: int) -> Tuning:
    """The tile with the least work for the multiprocessor that has most of it."""

    def most(t: Tuning) -> float:
        groups = products * -(-rows // (SIDE * t.tile)) * -(-columns // (SIDE * t.vecs))
        return -(-groups // info.compute_units) * (t.tile * t.vecs + _READ * (t.tile + t.vecs))

    return min(local_tiles(info), key=most)
