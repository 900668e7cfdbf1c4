"""Matrix products on an OpenCL device: how ``kernels/opencl/gemm.cl`` is launched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ferkern import _core
from ferkern.opencl.device import Device, DeviceInfo, find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.layer import Float32
from ferkern.opencl.ops.plan import Shape
from ferkern.opencl.ops.tile import GROUP, SIDE, groups_of, local_tiles, padded, tile_by_rule, tile_defines
from ferkern.opencl.program import build

__all__ = ["PRODUCTS", "BlockedProduct", "ReferenceProduct", "Tuning", "gemm", "tuning"]

FILE = "gemm.cl"
TILES = "gemm_tiles.cl"


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the blocked kernel is built and launched with."""

    lanes: int
    """Columns of a work item: FK_LANES."""
    tile: int
    """Rows of a work item: FK_TILE."""
    depth: int
    """How far along k local memory reaches: FK_DEPTH, a power of two."""
    interleave: bool
    """Neighbouring work items copy neighbouring numbers: FK_INTERLEAVE."""
    group: tuple[int, int]
    """Work items of a group: over columns, over rows."""

    def defines(self) -> dict[str, int]:
        sizes = {"FK_LANES": self.lanes, "FK_TILE": self.tile, "FK_DEPTH": self.depth}
        return sizes | {"FK_INTERLEAVE": int(self.interleave)}

    def local_floats(self) -> tuple[int, int]:
        """Of a's tile and of b's, whose lines may be one longer than its columns."""
        return self.group[1] * self.tile * self.depth, (self.group[0] * self.lanes + 1) * self.depth


def tuning(info: DeviceInfo) -> Tuning:
    """The parameters for a device: on a CPU tiles of a group for its second-level cache, on a GPU 9 KiB."""
    if info.kind == "cpu":
        # 512 x 512 x 512 on two threads: groups of 2 x 4 items and a depth of 64 take 1,800 us, these 1,600.
        chosen = Tuning(lanes=16, tile=6, depth=128, interleave=False, group=(4, 6))
    else:
        chosen = Tuning(lanes=4, tile=4, depth=16, interleave=True, group=(16, 16))
    while 4 * sum(chosen.local_floats()) > info.local_bytes and chosen.depth > 1:
        chosen = replace(chosen, depth=chosen.depth // 2)
    return chosen


def gemm(
    a: Float32,
    b: Float32,
    *,
    bias: Float32 | None = None,
    transpose_b: bool = False,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "opencl",
) -> Float32:
    """`ferkern.linalg.gemm` on a device; arguments, result and errors are those, and DeviceError."""
    target = find(device)
    shape = _core.gemm_shape(a, b, bias, transpose_b, activation, alpha)
    given = {"a": a, "b": b} | ({} if bias is None else {"bias": bias})
    c = _core.device_output(out, [int(shape["m"]), int(shape["n"])], given)
    arrays = {name: _core.dense_float32(array, name, None) for name, array in given.items()}
    _, function = _core.device_kernel("gemm", shape, "opencl")
    product = PRODUCTS[function](target, shape)
    check_sizes(target, {name: array.nbytes for name, array in arrays.items()} | {"the result": c.nbytes})
    buffers = {name: upload(target, array) for name, array in arrays.items()}
    result = empty(target, c.nbytes)
    product.run(buffers["a"], buffers["b"], buffers.get("bias"), result, shape)
    download(target, result, c)
    return c


class BlockedProduct:
    """Register tiles over tiles of both sides in local memory."""

    def __init__(self, device: Device, shape: Shape, *, bfloat16: bool = False) -> None:
        sides = min(int(shape["m"]), int(shape["n"]))
        fits = next(local_tiles(device.info), None) is not None
        # Lines of a step are told apart by 32-bit distances.
        tiles = device.info.kind != "cpu" and sides >= SIDE and fits and max(int(shape["k"]), int(shape["n"])) < 2**24
        self._way = (TileProduct if tiles else GroupProduct)(device, shape, bfloat16)

    def run(self, a: Any, b: Any, bias: Any | None, c: Any, shape: Shape) -> None:
        """Queues c = act(a b + bias); `shape` may have fewer rows than that of the plan."""
        self._way.run(a, b, bias, c, shape)


class TileProduct:
    """As GPUs have it: ``gemm_tiles.cl``."""

    def __init__(self, device: Device, shape: Shape, bfloat16: bool) -> None:
        self._tuning = tile_by_rule(device.info, int(shape["m"]), int(shape["n"]), 1)
        self._program = build(
            device,
            TILES,
            tile_defines(self._tuning) | {"FK_TRANSPOSED": int(shape["transposed"]), "FK_BFLOAT16": int(bfloat16)},
        )

    def run(self, a: Any, b: Any, bias: Any | None, c: Any, shape: Shape) -> None:
        size = groups_of(padded(int(shape["m"]), self._tuning), int(shape["n"]), 1, self._tuning)
        self._program.launch("gemm_tiles", size, GROUP, shape, a, b, bias, c)


class GroupProduct:
    """A group's numbers copied, then multiplied: ``gemm_blocked``."""

    def __init__(self, device: Device, shape: Shape, bfloat16: bool) -> None:
        self._tuning = tuning(device.info)
        self._program = build(device, FILE, self._tuning.defines() | {"FK_BFLOAT16": int(bfloat16)})
        self._tiles = [device.cl.LocalMemory(4 * floats) for floats in self._tuning.local_floats()]

    def run(self, a: Any, b: Any, bias: Any | None, c: Any, shape: Shape) -> None:
        t = self._tuning
        size = -(-int(shape["n"]) // t.lanes), -(-int(shape["m"]) // t.tile)
        self._program.launch("gemm_blocked", size, t.group, shape, a, b, bias, c, *self._tiles)


class ReferenceProduct:
    """One work item for each number of the result."""

    def __init__(self, device: Device, shape: Shape, *, bfloat16: bool = False) -> None:
        self._program = build(device, FILE, {"FK_BFLOAT16": int(bfloat16)})

    def run(self, a: Any, b: Any, bias: Any | None, c: Any, shape: Shape) -> None:
        """Queues c = act(a b + bias)."""
        self._program.launch("gemm_reference", (int(shape["n"]), int(shape["m"])), (16, 4), shape, a, b, bias, c)


# A kernel of the list in src/cpp/ops/gemm/kernels.inc, by its function → how it is run.
PRODUCTS: dict[str, type[BlockedProduct] | type[ReferenceProduct]] = {
    "gemm_blocked": BlockedProduct,
    "gemm_reference": ReferenceProduct,
}
