"""Integral images on an OpenCL device: the ND-ranges and tuning parameters of ``kernels/opencl/integral.cl``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import DeviceInfo, find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.program import Program, build

__all__ = ["Sums", "Tuning", "integral", "tuning"]

UInt8 = npt.NDArray[np.uint8]
Sums = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64] | None, npt.NDArray[np.int32] | None]
FILE = "integral.cl"


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the kernels are built with."""

    group: int
    """Work items that share a row, a power of two: FK_GROUP."""
    band: int
    """Rows of a band, whose columns are summed by themselves: FK_BAND."""

    def defines(self) -> dict[str, int]:
        return {"FK_GROUP": self.group, "FK_BAND": self.band}


def tuning(info: DeviceInfo) -> Tuning:
    """The parameters for a device."""
    if info.kind == "cpu":
        # A core goes along a row by itself; bands would read every sum twice.
        return Tuning(group=1, band=1 << 24)
    return Tuning(group=128, band=32)


def integral(gray: UInt8, *, squared: bool = False, tilted: bool = False, device: str = "opencl") -> Sums:
    """`ferkern.image.integral` on a device: the same numbers, as (sum, squared or None, tilted or None).

    Parameters
    ----------
    gray, squared, tilted
        As in `ferkern.image.integral`.
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.

    Raises
    ------
    TypeError, ValueError
        As in `ferkern.image.integral`.
    DeviceError
        The device is missing, or its memory is too small.
    """
    target = find(device)
    shape = _core.integral_shape(gray, squared, tilted)
    height, width = int(shape["height"]), int(shape["width"])
    x: UInt8 = _core.dense_picture(gray, "gray")
    sums = np.empty((height + 1, width + 1), np.int32)
    squares = np.empty(sums.shape, np.int64) if squared else None
    triangles = np.empty(sums.shape, np.int32) if tilted else None
    _, function = _core.device_kernel("integral", shape, "opencl")
    tuned = tuning(target.info)
    bands = -(-height // tuned.band)
    sizes = {"gray": x.nbytes, "sums": sums.nbytes}
    sizes["sums of bands"] = 8 * bands * (width + 1)
    if squares is not None:
        sizes["sums of squares"] = squares.nbytes
    if triangles is not None:
        sizes |= {"tilted sums": triangles.nbytes, "sums along diagonals": 4 * height * width}
    check_sizes(target, sizes)
    program = build(target, FILE, tuned.defines())
    pixels = upload(target, x)
    buffers: dict[str, Any] = {name: empty(target, size) for name, size in sizes.items() if name != "gray"}
    rows = (tuned.group, height)
    program.launch(function, rows, (tuned.group, 1), shape, pixels, buffers["sums"], buffers.get("sums of squares"))
    _columns(program, shape, "sum", bands, buffers["sums of bands"], buffers["sums"])
    if squares is not None:
        _columns(program, shape, "square", bands, buffers["sums of bands"], buffers["sums of squares"])
        download(target, buffers["sums of squares"], squares)
    if triangles is not None:
        _triangles(program, shape, tuned.group, pixels, buffers["sums along diagonals"], buffers["tilted sums"])
        download(target, buffers["tilted sums"], triangles)
    download(target, buffers["sums"], sums)
    return sums, squares, triangles


def _columns(program: Program, shape: npt.NDArray[np.void], suffix: str, bands: int, scratch: Any, sums: Any) -> None:
    """Sums along rows become sums over everything above, too."""
    columns = int(shape["width"]) + 1
    if bands > 1:
        program.launch(f"integral_bands_{suffix}", (columns, bands), (64, 1), shape, sums, scratch)
        program.launch(f"integral_offsets_{suffix}", (columns,), (64,), shape, np.int32(bands), scratch)
    above = scratch if bands > 1 else None
    program.launch(f"integral_columns_{suffix}", (columns, bands), (64, 1), shape, above, sums)


def _triangles(
    program: Program, shape: npt.NDArray[np.void], group: int, pixels: Any, diagonals: Any, tilted: Any
) -> None:
    around = int(shape["height"]) + int(shape["width"])
    program.launch("integral_diagonals", (around - 1,), (64,), shape, pixels, diagonals)
    program.launch("integral_edge", (group,), (group,), shape, diagonals, tilted)
    program.launch("integral_triangles", (around + 1,), (64,), shape, diagonals, tilted)
