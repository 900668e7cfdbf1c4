"""The face cascade on an OpenCL device: the ND-ranges and tuning parameters of ``kernels/opencl/cascade.cl``.

All windows of all levels are scanned in a few launches: the picture goes up once, what was found comes down once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import Device, DeviceInfo, find
from ferkern.opencl.errors import DeviceError
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.exact import exact
from ferkern.opencl.program import Program, build

__all__ = ["DeviceCascade", "Tuning", "tuning"]

UInt8 = npt.NDArray[np.uint8]
Hits = tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]
Record = npt.NDArray[np.void]
Size = tuple[int, int]
Found = npt.NDArray[np.void]
FILE = "cascade.cl"

_FOUND = np.dtype([("window", np.int32), ("unused", np.int32), ("vote", np.float64)])  # fk_found
_EXPECTED = 4096  # found windows that are downloaded at once; more take a second download
_KEPT = 4  # sizes of pictures whose tables stay on the device
_TABLES = ("levels", "rows", "taps", "window_rows")
_LOOK = ("nodes", "trees", "stages", "leaves", "tables")


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the kernels are built and launched with."""

    group: int
    """Work items that share a row of pixels, a power of two: FK_GROUP."""
    block: tuple[int, int]
    """Work items of a group: along a row of windows or pixels, over rows."""
    listed: int
    """Work items that go over a list of windows."""
    stages: tuple[int, ...]
    """Stages after which the windows that are left are put together: first from all windows, then from a list."""


def tuning(info: DeviceInfo, lbp: bool) -> Tuning:
    """The parameters for a device, and for a cascade of LBP features or of Haar's."""
    if info.kind == "cpu":
        # A core goes along a row by itself. What windows of a list read is gathered: worth it where few are left, which
        # they are later after LBP's few nodes a stage.
        stages = (6,) if lbp else (2, 4, 8)
        return Tuning(group=1, block=(64, 1), listed=64 * 16 * info.compute_units, stages=stages)
    group = min(128, info.work_group_size)
    return Tuning(group=group, block=(32, 4), listed=64 * 16 * info.compute_units, stages=(2, 3, 5, 8, 12))


@dataclass(frozen=True, slots=True)
class _Scan:
    """The scan of pictures of one size, with what the device is told of it once."""

    native: _core.PlannedScan
    shape: Record
    tuning: Tuning
    tables: dict[str, Any]
    """Buffers with the levels, their rows and columns."""
    look: list[Any]
    """Buffers with the cascade, its corners placed for this width."""
    sizes: dict[str, int]
    """Buffers that a scan needs: what → bytes."""


class DeviceCascade:
    """A cascade whose windows are judged on a device, with the processor's votes to the last bit.

    Any thread may scan; scans of one cascade follow each other.

    Parameters
    ----------
    cascade
        As the processor has it.
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.

    Raises
    ------
    DeviceError
        The device is missing, or has no float64 (cause ``"feature"``).
    """

    def __init__(self, cascade: _core.Cascade, device: str) -> None:
        self._cascade = cascade
        self._device: Device = find(device)
        info = self._device.info
        if not info.fp64:
            raise DeviceError(
                "feature", f"{info} has no float64, in which a cascade's votes are counted", 'use device="cpu"'
            )
        self._lock = threading.Lock()
        self._scans: OrderedDict[Hashable, _Scan] = OrderedDict()

    def scan(self, gray: UInt8, scale_factor: float, min_size: Size, max_size: Size, step: int) -> Hits:
        """Every window that passes all stages: arguments, results and their order as on the processor.

        Parameters
        ----------
        gray : uint8 [H, W]
            Rows may be strided, pixels of a row must stand together.
        scale_factor
            Ratio of the sizes that are looked for one after the other, above 1.
        min_size, max_size
            (width, height) of the smallest and largest window, pixels; 0: no limit.
        step
            Pixels of a level from a window to the next; 0: two below scale 2, then one.

        Returns
        -------
        int32 [n, 7], float64 [n] : x, y, width, height, level, x and y in the level; the last stage's vote.

        Raises
        ------
        TypeError, ValueError
            As on the processor, or the picture is too large for positions of 32 bits.
        DeviceError
            The device's memory is too small.
        """
        with self._lock:
            scan = self._planned(gray, scale_factor, min_size, max_size, step)
            found = self._run(scan, gray) if int(scan.shape["windows"]) else np.zeros(0, _FOUND)
        found = found[np.argsort(found["window"])]
        windows, votes = np.ascontiguousarray(found["window"]), np.ascontiguousarray(found["vote"])
        return scan.native.hits(self._cascade, windows, votes)

    def _planned(self, gray: UInt8, scale_factor: float, min_size: Size, max_size: Size, step: int) -> _Scan:
        key = (np.shape(gray), scale_factor, tuple(min_size), tuple(max_size), step)
        scan = self._scans.get(key)
        if scan is not None:
            scan.native.check(gray)
            self._scans.move_to_end(key)
            return scan
        native = _core.PlannedScan(self._cascade, gray, scale_factor, min_size, max_size, step)
        shape = native.shape()
        tuned = tuning(self._device.info, bool(shape["lbp"]))
        tables, look, sizes = {}, [], _sizes(shape)
        if int(shape["windows"]):
            check_sizes(self._device, sizes)
            tables = {name: upload(self._device, getattr(native, name)()) for name in _TABLES}
            look = self._look(int(shape["stride"]))
        scan = self._scans[key] = _Scan(native, shape, tuned, tables, look, sizes)
        if len(self._scans) > _KEPT:
            self._scans.popitem(last=False)
        return scan

    def _look(self, stride: int) -> list[Any]:
        """The cascade on the device, for planes with lines of `stride` elements."""
        known = next((scan.look for scan in self._scans.values() if int(scan.shape["stride"]) == stride), None)
        if known is not None:
            return known
        tables = _core.cascade_program(self._cascade, stride)
        return [upload(self._device, table) if table.size else None for table in (tables[name] for name in _LOOK)]

    def _run(self, scan: _Scan, gray: UInt8) -> Found:
        """What was found, in any order."""
        _core.device_kernel("cascade", scan.shape, "opencl")  # noted as the one that ran
        device, shape = self._device, scan.shape
        defines = {"FK_LBP": int(shape["lbp"]), "FK_STUMPS": int(shape["stumps"]), "FK_GROUP": scan.tuning.group}
        program = build(device, FILE, exact(device) | defines)
        buffers = {name: empty(device, size) for name, size in scan.sizes.items() if name != "gray"}
        buffers["gray"] = upload(device, _core.dense_picture(gray, "gray"))
        self._images(program, scan, buffers)
        images = [buffers["sums"], buffers.get("squares"), buffers.get("tilted")]
        look = [*scan.look, *images]
        bounds = _bounds(scan.tuning.stages, int(shape["stages"]))
        program.launch(
            "cascade_clear", (len(bounds),), (64,), buffers["counts"], np.int32(len(bounds)), buffers["found"]
        )
        self._first(program, scan, look, buffers, max(bounds[0], 1))
        for number in range(len(bounds) - 1):
            self._stages(program, scan, look, buffers, bounds, number, 1 + _EXPECTED)
        found = np.empty(1 + _EXPECTED, _FOUND)
        download(device, buffers["found"], found)
        count = int(found["window"][0])
        if count > _EXPECTED:
            # The last list is still there: its stages are asked again, into a larger buffer.
            check_sizes(device, scan.sizes | {"found": _FOUND.itemsize * (1 + count)})
            found = np.empty(1 + count, _FOUND)
            buffers["found"] = empty(device, found.nbytes)
            program.launch("cascade_clear", (1,), (64,), buffers["counts"], np.int32(0), buffers["found"])
            self._stages(program, scan, look, buffers, bounds, len(bounds) - 2, 1 + count)
            download(device, buffers["found"], found)
        return found[1 : 1 + count]

    def _images(self, program: Program, scan: _Scan, buffers: dict[str, Any]) -> None:
        """The levels and their integral images."""
        shape, block, launch = scan.shape, scan.tuning.block, program.launch
        levels, rows, taps = (scan.tables[name] for name in ("levels", "rows", "taps"))
        pixels, sums, squares = buffers["pixels"], buffers["sums"], buffers.get("squares")
        count, widest, highest = int(shape["levels"]), int(shape["widest"]), int(shape["highest"])
        launch(
            "cascade_pixels", (widest, int(shape["rows"])), block, shape, levels, rows, taps, buffers["gray"], pixels
        )
        group = scan.tuning.group
        launch("cascade_row_sums", (group, int(shape["rows"])), (group, 1), shape, levels, rows, pixels, sums, squares)
        launch("cascade_column_sums", (widest + 1, count), (64, 1), shape, levels, sums, squares)
        if "tilted" in buffers:
            diagonals, tilted = buffers["diagonals"], buffers["tilted"]
            launch("cascade_diagonals", (widest + highest - 1, count), (64, 1), shape, levels, pixels, diagonals)
            launch("cascade_edge", (group, count), (group, 1), shape, levels, diagonals, tilted)
            launch("cascade_triangles", (widest + highest + 1, count), (64, 1), shape, levels, diagonals, tilted)

    def _first(self, program: Program, scan: _Scan, look: list[Any], buffers: dict[str, Any], end: int) -> None:
        """The stages before `end` for all windows; those that are visited go on the first list."""
        shape, first, block = scan.shape, buffers["first"], scan.tuning.block
        levels, rows = scan.tables["levels"], scan.tables["window_rows"]
        size = (int(shape["pitch"]), int(shape["window_rows"]))
        program.launch(
            "cascade_first", size, block, shape, levels, rows, *look, np.int32(end), first, buffers.get("votes")
        )
        program.launch("cascade_visit", size, block, shape, levels, rows, first, buffers["counts"], buffers["list 0"])

    def _stages(
        self,
        program: Program,
        scan: _Scan,
        look: list[Any],
        buffers: dict[str, Any],
        bounds: list[int],
        number: int,
        capacity: int,
    ) -> None:
        """A group of stages, from one list to the next or to what was found."""
        program.launch(
            "cascade_stages",
            (scan.tuning.listed,),
            (64,),
            scan.shape,
            scan.tables["levels"],
            scan.tables["window_rows"],
            *look,
            np.int32(bounds[number]),
            np.int32(bounds[number + 1]),
            buffers["counts"],
            np.int32(number),
            buffers[f"list {number % 2}"],
            buffers[f"list {(number + 1) % 2}"],
            buffers.get("votes"),
            buffers["found"],
            np.int32(capacity),
        )


def _bounds(wanted: tuple[int, ...], stages: int) -> list[int]:
    """The stages at which lists begin, and the last one's end.

    A cascade of one stage is asked it again for the list, since its votes are written there.
    """
    if stages == 1:
        return [0, 1]
    between = [stage for stage in wanted if 0 < stage < stages]
    return [*(between or [1]), stages]


def _sizes(shape: Record) -> dict[str, int]:
    """What a scan needs on the device, bytes."""
    plane, windows = int(shape["stride"]) * int(shape["lines"]), int(shape["windows"])
    sizes = {
        "gray": int(shape["height"]) * int(shape["width"]),
        "pixels": plane,
        "sums": 4 * plane,
        "first": int(shape["window_rows"]) * int(shape["pitch"]),
        "list 0": 4 * windows,
        "list 1": 4 * windows,
        "counts": 4 * (1 + int(shape["stages"])),
        "found": _FOUND.itemsize * (1 + _EXPECTED),
    }
    if not int(shape["lbp"]):
        sizes["squares"] = 4 * plane
    if int(shape["tilted"]):
        sizes |= {"diagonals": 4 * plane, "tilted": 4 * plane}
    if int(shape["cumulative"]):
        sizes["votes"] = 8 * sizes["first"]
    return sizes
