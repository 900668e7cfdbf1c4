"""The leg from a file to the host's memory and on to the device, with the file in the system's cache or not."""

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ferkern.bench.transfers_bytes import POISON, Bytes, aligned, count_wrong, fill
from ferkern.bench.transfers_measure import Unmeasurable
from ferkern.bench.transfers_opencl import Queues

__all__ = ["FileLink", "resident_pages"]


class FileLink:
    """A file is read with plain reads into the host's memory, and from there copied to the device, if there is one.

    Cold: before every copy the system is asked to drop the file's pages (``posix_fadvise``, ``POSIX_FADV_DONTNEED``),
    and then which it still holds (``mincore``). Caches behind the system, of the drive or of a virtual machine's host,
    cannot be seen nor emptied.
    """

    def __init__(self, folder: Path, *, cold: bool, queues: Queues | None = None) -> None:
        self._folder = folder
        self._cold = cold
        self._queues = queues
        self._size = self._seed = 0
        self._descriptor = -1
        self._host: Bytes = np.empty(0, np.uint8)
        self._buffer: Any = None

    def clock(self) -> float:
        return time.perf_counter()

    def prepare(self, size: int, offset: int) -> None:
        self._size = size
        try:
            self._descriptor, name = tempfile.mkstemp(prefix="ferkern-transfers-", dir=self._folder)
            os.unlink(name)  # it lives as long as it is open
        except OSError as error:
            raise Unmeasurable(f"{self._folder}: {error.strerror or error}") from error
        self._host = aligned(size, offset)
        if self._queues is not None:
            self._buffer = self._queues.buffer(size)

    def renew(self) -> None:
        self._seed += 1
        fill(self._host, self._seed)
        try:
            at, left = 0, self._host.data
            while left:
                count = os.pwrite(self._descriptor, left, at)
                at, left = at + count, left[count:]
            os.fsync(self._descriptor)
        except OSError as error:
            raise Unmeasurable(f"{self._folder}: {error.strerror or error}") from error
        self._host.fill(POISON)

    def before(self) -> None:
        if not self._cold:
            return
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        held = resident_pages(self._descriptor, self._size)
        if held:
            pages = -(-self._size // mmap.PAGESIZE)
            raise Unmeasurable(
                f"{self._folder}: the system keeps {held} of {pages} pages of a file in its cache (is it in memory "
                "alone, tmpfs?), so that no cold file can be had there"
            )

    def copy(self) -> None:
        at, left = 0, self._host.data
        while left:
            count = os.preadv(self._descriptor, [left], at)
            if count == 0:
                break  # shorter than was written: the verification tells
            at, left = at + count, left[count:]
        if self._queues is not None:
            self._queues.device.cl.enqueue_copy(self._queues.one, self._buffer, self._host, is_blocking=False)
            self._queues.one.finish()

    def wrong(self) -> int:
        if self._queues is None:
            return count_wrong(self._host, self._seed)
        arrived = np.empty(self._size, np.uint8)
        self._queues.get(arrived, self._buffer)
        return count_wrong(arrived, self._seed)

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._buffer is not None:
            self._buffer.release()
            self._buffer = None
        self._host = np.empty(0, np.uint8)


def resident_pages(descriptor: int, size: int) -> int:
    """How many pages of a file's first `size` bytes the system's cache holds.

    Raises
    ------
    Unmeasurable
        The system does not say.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "mincore"):
        raise Unmeasurable("this system has no mincore, so that a cold file cannot be shown to be cold")
    with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as mapped:
        view = np.frombuffer(mapped, np.uint8)
        held = np.zeros(-(-size // mmap.PAGESIZE), np.uint8)
        done = library.mincore(
            ctypes.c_void_p(view.ctypes.data), ctypes.c_size_t(size), held.ctypes.data_as(ctypes.c_void_p)
        )
        failed = os.strerror(ctypes.get_errno()) if done != 0 else None
        del view
    if failed is not None:
        raise Unmeasurable(f"mincore: {failed}")
    return int(np.count_nonzero(held & 1))
