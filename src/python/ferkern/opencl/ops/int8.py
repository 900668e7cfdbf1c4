"""What layers on bytes share on an OpenCL device: how they multiply, and their arrays.

Weights come to a device as whole numbers in float32 arrays, as those of other layers do; kernels pack them. Bytes are
kept in blocks of 16 channels, [n, ceil(c / 16), h, w, 16], as on the processor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.plan import Plan, Shape
from ferkern.opencl.program import Program, build

__all__ = [
    "BLOCK",
    "UInt8",
    "blocks",
    "from_blocks",
    "has_dot_product",
    "prefers_dot_product",
    "program",
    "run_plan",
    "to_blocks",
    "weight_bytes",
]

UInt8 = npt.NDArray[np.uint8]
BLOCK = 16


def has_dot_product(device: Device) -> bool:
    """Whether the device multiplies four bytes by four in one operation (cl_khr_integer_dot_product)."""
    return "cl_khr_integer_dot_product" in device.handle.extensions.split() and device.info.version.startswith(
        "OpenCL 3"
    )


def prefers_dot_product(device: Device) -> bool:
    """Whether to use it: compilers for CPUs make scalar code of it, eight times slower than plain multiplications."""
    return device.info.kind != "cpu" and has_dot_product(device)


def program(device: Device, file: str, *, dot: bool = False, **defines: int) -> Program:
    """The program in a file; `dot`: with the integer dot product, which needs OpenCL C 3."""
    return build(device, file, {"FK_DOT": int(dot), **defines}, "CL3.0" if dot else "CL1.2")


def weight_bytes(steps: int) -> int:
    """Packed weights of 16 filters, four bytes a step."""
    return steps * BLOCK * 4


def blocks(channels: int) -> int:
    """Blocks of 16 channels."""
    return -(-channels // BLOCK)


def to_blocks(x: UInt8) -> UInt8:
    """x [n, c, ...] -> [n, ceil(c / 16), ..., 16]; lanes past the last channel hold 77, which nobody may use."""
    n, c, *rest = x.shape
    whole = np.full((n, blocks(c) * BLOCK, *rest), 77, np.uint8)
    whole[:, :c] = x
    return np.ascontiguousarray(np.moveaxis(whole.reshape(n, blocks(c), BLOCK, *rest), 2, -1))


def from_blocks(y: UInt8, channels: int) -> UInt8:
    """y [n, ceil(c / 16), ..., 16] -> [n, c, ...]"""
    n, count, *rest = y.shape[:-1]
    return np.ascontiguousarray(np.moveaxis(y, -1, 2).reshape(n, count * BLOCK, *rest)[:, :channels])


def run_plan(
    op: str,
    plans: Mapping[str, type[Plan]],
    shape: Shape,
    inputs: Sequence[npt.NDArray[Any]],
    y: npt.NDArray[Any],
    *,
    weights: Mapping[str, npt.NDArray[Any]] | None = None,
    residual: UInt8 | None = None,
    device: str,
) -> None:
    """Runs one layer: arrays there, the kernel of the op's list that serves the shape, and the result into `y`.

    Raises
    ------
    DeviceError
        The device is missing, or its memory is too small.
    """
    target = find(device)
    _, function = _core.device_kernel(op, shape, "opencl")
    plan = plans[function](target, shape)
    roles = {role: np.ascontiguousarray(array, np.float32) for role, array in (weights or {}).items()}
    sizes = {f"input {i}": array.nbytes for i, array in enumerate(inputs)} | {r: a.nbytes for r, a in roles.items()}
    sizes |= {"residual": 0 if residual is None else residual.nbytes, "the result": y.nbytes}
    check_sizes(target, sizes | plan.sizes)
    given = [upload(target, array) for array in inputs]
    other = None if residual is None else upload(target, residual)
    result = empty(target, y.nbytes)
    there = {role: upload(target, array) for role, array in roles.items()}  # kept until all that reads them has ended
    plan.load(there)
    plan.run(given, other, result, int(shape["n"]))
    download(target, result, y)
