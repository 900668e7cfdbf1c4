"""Shared virtual memory: one address for host and device, in the grains that the device offers (OpenCL 2.0)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferkern.bench.transfers_bytes import POISON, aligned
from ferkern.bench.transfers_measure import Direction, Unmeasurable
from ferkern.bench.transfers_opencl import BufferLink, KernelLink, Queues, refused
from ferkern.opencl.device import Device

__all__ = ["SvmCopyLink", "SvmFineLink", "SvmMappedLink", "grains"]


def grains(device: Device) -> set[str]:
    """Which of ``"coarse"``, ``"fine"`` and ``"system"`` (any memory of the host) the device has."""
    cl = device.cl
    try:
        has = device.handle.svm_capabilities
    except (cl.Error, AttributeError):  # before OpenCL 2.0
        return set()
    bits = cl.device_svm_capabilities
    names = {"coarse": "COARSE_GRAIN_BUFFER", "fine": "FINE_GRAIN_BUFFER", "system": "FINE_GRAIN_SYSTEM"}
    return {grain for grain, bit in names.items() if has & getattr(bits, bit)}


def _allocate(queues: Queues, size: int, grain: str) -> Any:
    cl = queues.device.cl
    if grain not in grains(queues.device):
        raise Unmeasurable(f"{queues.device.info} has no {grain}-grained shared virtual memory")
    make = {"coarse": cl.csvm_empty, "fine": cl.fsvm_empty}
    with refused(queues.device):
        return cl.SVM(make[grain](queues.device.context, size, np.uint8) if grain in make else aligned(size, 0))


class _CoarseLink(BufferLink):
    """The device's end is coarse-grained shared memory."""

    def make_buffer(self, size: int) -> Any:
        return _allocate(self.queues, size, "coarse")

    def poison(self) -> None:
        q = self.queues
        q.device.cl.enqueue_svm_memfill(q.one, self.buffer, np.uint8(POISON))
        q.one.finish()

    def release(self) -> None:
        self.host = np.empty(0, np.uint8)
        self.buffer = None  # the allocation goes with the last array over it


class SvmCopyLink(_CoarseLink):
    """``clEnqueueSVMMemcpy`` between the host's own memory and shared memory."""

    def copy(self) -> None:
        cl, queue = self.queues.device.cl, self.queues.one
        ends = (self.buffer, self.host) if self.up else (self.host, self.buffer)
        cl.enqueue_copy(queue, *ends, is_blocking=False)
        queue.finish()


class SvmMappedLink(_CoarseLink):
    """The host stores into shared memory that is mapped for it, or loads from it."""

    def copy(self) -> None:
        cl, queue = self.queues.device.cl, self.queues.one
        flag = cl.map_flags.WRITE_INVALIDATE_REGION if self.up else cl.map_flags.READ
        with self.buffer.map(queue, flags=flag) as shared:
            if self.up:
                np.copyto(shared, self.host)
            else:
                np.copyto(self.host, shared)
        queue.finish()


class SvmFineLink(KernelLink):
    """A kernel reads what the host has stored in fine-grained memory, or writes what the host then loads."""

    def __init__(self, queues: Queues, direction: Direction, grain: str) -> None:
        super().__init__(queues, direction)
        self._grain = grain
        self._shared: Any = None

    def make_far(self, size: int) -> Any:
        shared = _allocate(self.queues, size, self._grain)
        self._shared = shared.mem
        return shared

    def write_far(self) -> None:
        np.copyto(self._shared, self.host)

    def read_far(self) -> None:
        np.copyto(self.host, self._shared)

    def release(self) -> None:
        self.far = self._shared = None
        super().release()
