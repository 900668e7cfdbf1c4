"""Buffers on a device, created and copied plainly, checked against the device's memory before anything is allocated."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ferkern.opencl.device import Device
from ferkern.opencl.errors import DeviceError

__all__ = ["check_sizes", "download", "empty", "upload"]

Float32 = npt.NDArray[np.float32]


def check_sizes(device: Device, sizes: dict[str, int]) -> None:
    """Refuses what the device's memory cannot hold.

    Parameters
    ----------
    sizes
        What each buffer is → its bytes; all are alive at the same time.

    Raises
    ------
    DeviceError
        A buffer exceeds the largest allocation, or all together exceed the memory (cause ``"limit"``).
    """
    info = device.info
    for name, size in sizes.items():
        if size > info.allocation_bytes:
            raise DeviceError(
                "limit",
                f"{name} takes {size:,} bytes, {info} allocates at most {info.allocation_bytes:,} in one piece",
                "use smaller batches",
            )
    total = sum(sizes.values())
    if total > info.memory_bytes:
        parts = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        raise DeviceError(
            "limit", f"{total:,} bytes are needed ({parts}), {info} has {info.memory_bytes:,}", "use smaller batches"
        )


def upload(device: Device, array: Float32) -> Any:
    """A buffer with a copy of a C-contiguous array; the array may be changed as soon as this returns."""
    flags = device.cl.mem_flags
    return device.cl.Buffer(device.context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=array)


def empty(device: Device, size: int) -> Any:
    """A buffer of `size` bytes with undefined content."""
    return device.cl.Buffer(device.context, device.cl.mem_flags.READ_WRITE, size)


def download(device: Device, buffer: Any, out: Float32) -> None:
    """Copies a buffer into a C-contiguous array, after all that was queued before; waits for it."""
    device.cl.enqueue_copy(device.queue, out, buffer, is_blocking=True)
