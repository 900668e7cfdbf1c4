"""Buffers on a device, created and copied plainly, checked against the device's memory before anything is allocated."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ferkern.opencl.device import Device, guarded
from ferkern.opencl.errors import DeviceError

__all__ = ["Pinned", "allocated", "check_sizes", "copy", "download", "empty", "upload"]

Array = npt.NDArray[Any]


def check_sizes(device: Device, sizes: dict[str, int], budget: int | None = None) -> None:
    """Refuses what the device's memory cannot hold.

    Parameters
    ----------
    sizes
        What each buffer is → its bytes; all are alive at the same time.
    budget
        Bytes that they may take together; None: what the device has.

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
    most = info.memory_bytes if budget is None else min(budget, info.memory_bytes)
    if total > most:
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:8]
        parts = ", ".join(f"{name} {size:,}" for name, size in largest) + (", ..." if len(sizes) > 8 else "")
        limit = f"{info} has {most:,}" if most == info.memory_bytes else f"the budget is {most:,}"
        raise DeviceError("limit", f"{total:,} bytes are needed ({parts}), {limit}", "use smaller batches")


def allocated(device: Device, size: int) -> int:
    """Bytes that a buffer of `size` bytes really takes: sizes are rounded up, by 1/16 at most, to be used again."""
    pool = device.stream.pool
    return int(pool.alloc_size(pool.bin_number(max(size, 1))))


def upload(device: Device, array: Array, buffer: Any = None) -> Any:
    """A buffer with a copy of a C-contiguous array; the array may be changed as soon as this returns.

    With `buffer`, one that is there already and large enough.
    """
    if buffer is None:
        buffer = empty(device, array.nbytes)
    begin = perf_counter()
    with guarded(device, f"take {array.nbytes:,} bytes"):
        stream = device.stream
        event = device.cl.enqueue_copy(stream.queue, buffer, array, is_blocking=True)
        if stream.timeline is not None:
            stream.timeline.command("host to device", "upload", event, array.nbytes, begin)
            stream.timeline.waited(begin)
    return buffer


def empty(device: Device, size: int) -> Any:
    """A buffer of at least `size` bytes with undefined content; it is used again when nobody refers to it any more."""
    with guarded(device, f"allocate {size:,} bytes"):
        pool = device.stream.pool
        buffer = pool.allocate(max(size, 1))
    device.peak_bytes = max(device.peak_bytes, pool.active_bytes)
    return buffer


def download(device: Device, buffer: Any, out: Array) -> None:
    """Copies a buffer into a C-contiguous array, after all that was queued before; waits for it."""
    begin = perf_counter()
    with guarded(device, f"give {out.nbytes:,} bytes back"):
        stream = device.stream
        if device.info.kind == "cpu":
            # A thread of the host that waits for a queue computes beside the driver's, one that waits for a copy sleeps
            # (Intel's runtime, two cores: fer_small with eight images 6.9 -> 4.3 ms).
            stream.queue.finish()
        event = device.cl.enqueue_copy(stream.queue, out, buffer, is_blocking=True)
        if stream.timeline is not None:
            stream.timeline.command("device to host", "download", event, out.nbytes, begin)
            stream.timeline.waited(begin)


def copy(device: Device, buffer: Any, to: Any, size: int) -> None:
    """Queues a copy of `size` bytes from a buffer to another of the device."""
    with guarded(device, f"copy {size:,} bytes"):
        stream = device.stream
        event = device.cl.enqueue_copy(stream.queue, to, buffer, byte_count=size)
        if stream.timeline is not None:
            stream.timeline.command("kernel", "copy", event, size)


class Pinned:
    """Memory of the host that the driver allocated, mapped for good.

    Copies between it and a GPU go on by themselves. Those of other memory pass through such memory of the driver's own,
    piece by piece, and the host waits: of a copy back even for the kernel before it.
    """

    def __init__(self, device: Device, size: int) -> None:
        cl, queue = device.cl, device.stream.queue
        self._device = device
        with guarded(device, f"pin {size:,} bytes of the host's memory"):
            buffer = cl.Buffer(device.context, cl.mem_flags.READ_WRITE | cl.mem_flags.ALLOC_HOST_PTR, max(size, 1))
            flags = cl.map_flags.READ | cl.map_flags.WRITE
            self._bytes, _ = cl.enqueue_map_buffer(queue, buffer, flags, 0, (max(size, 1),), np.uint8, is_blocking=True)

    def like(self, array: Array) -> Array:
        """An array of that shape and type at its beginning."""
        view: Array = self._bytes[: array.nbytes].view(array.dtype).reshape(array.shape)
        return view

    def release(self) -> None:
        """Gives it back; no command may still use it."""
        with guarded(self._device, "free the host's memory"):
            self._bytes.base.release(self._device.stream.queue)
