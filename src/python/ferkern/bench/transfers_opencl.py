"""The ways between host and OpenCL device: copies by the driver, mappings, and what kernels reach by themselves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferkern.bench.transfers_bytes import POISON, Bytes, aligned, count_wrong, fill
from ferkern.bench.transfers_measure import Direction, Unmeasurable
from ferkern.bench.transfers_passages import Passages
from ferkern.opencl.device import Device

__all__ = [
    "BothLink",
    "BufferLink",
    "CopyLink",
    "DeviceCopyLink",
    "KernelLink",
    "MapLink",
    "MappedLink",
    "Queues",
    "refused",
]


@dataclass(slots=True)
class Queues:
    """The device with two queues of the benchmark's own: copies of both directions can run at the same time."""

    device: Device
    one: Any
    other: Any

    @classmethod
    def of(cls, device: Device, *, timed: bool = False) -> Queues:
        """`timed`: events tell when a command started and ended, which some drivers take longer for."""
        properties = device.cl.command_queue_properties.PROFILING_ENABLE if timed else 0
        one, other = (device.cl.CommandQueue(device.context, device.handle, properties) for _ in range(2))
        return cls(device, one, other)

    def buffer(self, size: int, *flags: str) -> Any:
        """A buffer of the device; `flags` are names of ``mem_flags``."""
        kinds = self.device.cl.mem_flags
        wanted = kinds.READ_WRITE
        for name in flags:
            wanted |= getattr(kinds, name)
        with refused(self.device):
            return self.device.cl.Buffer(self.device.context, wanted, size)

    def map(self, buffer: Any, size: int, *flags: str) -> Bytes:
        """Maps a whole buffer; `unmap` gives it back."""
        cl = self.device.cl
        wanted = 0
        for name in flags:
            wanted |= getattr(cl.map_flags, name)
        with refused(self.device):
            array, _ = cl.enqueue_map_buffer(self.one, buffer, wanted, 0, (size,), np.uint8, is_blocking=True)
        return array  # type: ignore[no-any-return]

    def unmap(self, array: Bytes) -> None:
        array.base.release(self.one)  # type: ignore[union-attr]
        self.one.finish()

    def put(self, buffer: Any, array: Bytes) -> None:
        self.device.cl.enqueue_copy(self.one, buffer, array, is_blocking=True)

    def get(self, array: Bytes, buffer: Any) -> None:
        self.device.cl.enqueue_copy(self.one, array, buffer, is_blocking=True)


@contextmanager
def refused(device: Device) -> Iterator[None]:
    """What a driver refuses is a reading that cannot be taken."""
    try:
        yield
    except (device.cl.Error, MemoryError) as error:
        raise Unmeasurable(f"{device.info} refuses: {error}") from error


class BufferLink:
    """One end is the host's memory, the other a buffer of the device; children say how the bytes get across."""

    def __init__(self, queues: Queues, direction: Direction) -> None:
        self.queues = queues
        self.up = direction == "host to device"
        self.size = 0
        self.seed = 0
        self.host: Bytes = np.empty(0, np.uint8)
        self.buffer: Any = None

    def clock(self) -> float:
        return time.perf_counter()

    def prepare(self, size: int, offset: int) -> None:
        self.size = size
        self.buffer = self.make_buffer(size)
        self.host = self.make_host(size, offset)

    def make_buffer(self, size: int) -> Any:
        return self.queues.buffer(size)

    def make_host(self, size: int, offset: int) -> Bytes:
        return aligned(size, offset)

    def renew(self) -> None:
        self.seed += 1
        if self.up:
            fill(self.host, self.seed)
            self.poison()
            return
        source = np.empty(self.size, np.uint8)
        fill(source, self.seed)
        self.queues.put(self.buffer, source)
        self.host.fill(POISON)

    def poison(self) -> None:
        self.queues.device.cl.enqueue_fill_buffer(self.queues.one, self.buffer, np.uint8(POISON), 0, self.size)
        self.queues.one.finish()

    def before(self) -> None:
        """Nothing."""

    def wrong(self) -> int:
        if not self.up:
            return count_wrong(self.host, self.seed)
        arrived = np.empty(self.size, np.uint8)
        self.queues.get(arrived, self.buffer)
        return count_wrong(arrived, self.seed)

    def release(self) -> None:
        self.host = np.empty(0, np.uint8)
        if self.buffer is not None:
            self.buffer.release()
            self.buffer = None


class CopyLink(BufferLink):
    """A copy that the driver is asked for; waited for by ``clFinish``, since a blocking write may return before it."""

    def __init__(self, queues: Queues, direction: Direction, *, pinned: bool) -> None:
        super().__init__(queues, direction)
        self.event: Any = None
        """Of the last copy."""
        self._pinned = pinned
        self._staging: Any = None
        self._mapped: Bytes | None = None

    def make_host(self, size: int, offset: int) -> Bytes:
        if not self._pinned:
            return aligned(size, offset)
        self._staging, self._mapped = _pinned(self.queues, size + offset)
        return self._mapped[offset:]

    def copy(self) -> None:
        cl, queue = self.queues.device.cl, self.queues.one
        ends = (self.buffer, self.host) if self.up else (self.host, self.buffer)
        self.event = cl.enqueue_copy(queue, *ends, is_blocking=False)
        queue.finish()

    def release(self) -> None:
        super().release()
        _unpin(self.queues, self._staging, self._mapped)
        self._staging = self._mapped = None


class MappedLink(BufferLink):
    """The host stores into a mapping of the device's buffer, or loads from it; map and unmap are timed, too."""

    def copy(self) -> None:
        mapped = self.queues.map(self.buffer, self.size, "WRITE_INVALIDATE_REGION" if self.up else "READ")
        if self.up:
            np.copyto(mapped, self.host)
        else:
            np.copyto(self.host, mapped)
        self.queues.unmap(mapped)


class MapLink(BufferLink):
    """Mapping and unmapping alone. That a mapping shows the device's bytes is verified outside the time."""

    def copy(self) -> None:
        self.queues.unmap(self.queues.map(self.buffer, self.size, "WRITE_INVALIDATE_REGION" if self.up else "READ"))

    def wrong(self) -> int:
        if self.up:
            mapped = self.queues.map(self.buffer, self.size, "WRITE_INVALIDATE_REGION")
            np.copyto(mapped, self.host)
            self.queues.unmap(mapped)
            return super().wrong()
        mapped = self.queues.map(self.buffer, self.size, "READ")
        wrong = count_wrong(mapped, self.seed)
        self.queues.unmap(mapped)
        return wrong


class KernelLink(BufferLink):
    """Zero-copy: a kernel reads or writes memory of the host where it is, each byte once, from or to the device's own.

    The host's end is a buffer that the driver was asked to allocate in the host's memory.
    """

    def __init__(self, queues: Queues, direction: Direction) -> None:
        super().__init__(queues, direction)
        self._passages = Passages(queues.device)
        self.far: Any = None

    def prepare(self, size: int, offset: int) -> None:
        super().prepare(size, 0)
        self.far = self.make_far(size)

    def make_far(self, size: int) -> Any:
        return self.queues.buffer(size, "ALLOC_HOST_PTR")

    def write_far(self) -> None:
        mapped = self.queues.map(self.far, self.size, "WRITE_INVALIDATE_REGION")
        np.copyto(mapped, self.host)
        self.queues.unmap(mapped)

    def read_far(self) -> None:
        mapped = self.queues.map(self.far, self.size, "READ")
        np.copyto(self.host, mapped)
        self.queues.unmap(mapped)

    def renew(self) -> None:
        super().renew()
        self.write_far()  # the source, or poison

    def copy(self) -> None:
        ends = (self.far, self.buffer) if self.up else (self.buffer, self.far)
        self._passages.run("copy", self.size, *ends)
        self.queues.device.finish()

    def wrong(self) -> int:
        if not self.up:
            self.read_far()
        return super().wrong()

    def release(self) -> None:
        super().release()
        if self.far is not None:
            self.far.release()
            self.far = None


class BothLink:
    """Both directions at once: two queues, two buffers of the device, two arrays of the host."""

    def __init__(self, queues: Queues, *, pinned: bool) -> None:
        self.queues = queues
        self._up = CopyLink(queues, "host to device", pinned=pinned)
        self._down = CopyLink(queues, "device to host", pinned=pinned)

    def clock(self) -> float:
        return time.perf_counter()

    def prepare(self, size: int, offset: int) -> None:
        self._up.prepare(size, offset)
        self._down.prepare(size, offset)

    def renew(self) -> None:
        self._up.renew()
        self._down.renew()

    def before(self) -> None:
        """Nothing."""

    def copy(self) -> None:
        q = self.queues
        q.device.cl.enqueue_copy(q.one, self._up.buffer, self._up.host, is_blocking=False)
        q.device.cl.enqueue_copy(q.other, self._down.host, self._down.buffer, is_blocking=False)
        q.one.flush()
        q.other.flush()
        q.one.finish()
        q.other.finish()

    def wrong(self) -> int:
        return self._up.wrong() + self._down.wrong()

    def release(self) -> None:
        self._up.release()
        self._down.release()


class DeviceCopyLink(BufferLink):
    """From one buffer of the device to another, by the driver."""

    def __init__(self, queues: Queues) -> None:
        super().__init__(queues, "host to device")
        self._source: Any = None

    def prepare(self, size: int, offset: int) -> None:
        super().prepare(size, 0)
        self._source = self.queues.buffer(size)

    def renew(self) -> None:
        super().renew()
        self.queues.put(self._source, self.host)

    def copy(self) -> None:
        self.queues.device.cl.enqueue_copy(self.queues.one, self.buffer, self._source)
        self.queues.one.finish()

    def release(self) -> None:
        super().release()
        if self._source is not None:
            self._source.release()
            self._source = None


def _pinned(queues: Queues, size: int) -> tuple[Any, Bytes]:
    """Memory of the host that the driver allocated, so that a device can reach it: mapped for good."""
    staging = queues.buffer(size, "ALLOC_HOST_PTR")
    return staging, queues.map(staging, size, "READ", "WRITE")


def _unpin(queues: Queues, staging: Any, mapped: Bytes | None) -> None:
    if mapped is not None:
        queues.unmap(mapped)
    if staging is not None:
        staging.release()
