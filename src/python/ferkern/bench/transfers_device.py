"""Passages through the device's own memory by kernels: read, write, copy; bytes read and bytes written both count."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ferkern.bench.transfers_bytes import POISON, count_wrong, fill
from ferkern.bench.transfers_opencl import Queues
from ferkern.bench.transfers_passages import PASSAGES, Passage, Passages

__all__ = ["PASSAGES", "PassageLink"]


class PassageLink:
    """A kernel goes through `size` bytes of the device's memory.

    What it read is verified by its sum, what it wrote or copied byte by byte.
    """

    def __init__(self, queues: Queues, kind: Passage) -> None:
        self.queues = queues
        self._kind = kind
        self._passages = Passages(queues.device)
        self._size = self._seed = 0
        self._buffers: list[Any] = []
        self._sum = 0

    def clock(self) -> float:
        return time.perf_counter()

    def prepare(self, size: int, offset: int) -> None:
        self._size = size
        self._buffers = []
        for part in (size, 4 * self._passages.items(size) if self._kind == "read" else size):
            self._buffers.append(self.queues.buffer(part))

    def renew(self) -> None:
        self._seed += 1
        host = np.empty(self._size, np.uint8)
        if self._kind != "write":
            fill(host, self._seed)
            end = self._whole_bytes()
            words, bytes_past = host[:end].view(np.uint32), host[end:]
            self._sum = (int(words.sum(dtype=np.uint64)) + int(bytes_past.sum(dtype=np.uint64))) % 2**32
            self.queues.put(self._buffers[0], host)
        if self._kind != "read":
            host.fill(POISON)
            self.queues.put(self._buffers[1], host)

    def before(self) -> None:
        """Nothing."""

    def copy(self) -> None:
        source, target = self._buffers
        arguments = {"read": (source, target), "write": (np.uint32(self._seed), target), "copy": (source, target)}
        self._passages.run(self._kind, self._size, *arguments[self._kind])
        self.queues.device.finish()

    def wrong(self) -> int:
        if self._kind == "read":
            sums = np.empty(self._passages.items(self._size), np.uint32)
            self.queues.get(sums.view(np.uint8), self._buffers[1])
            return 0 if int(sums.sum(dtype=np.uint64)) % 2**32 == self._sum else self._size
        arrived = np.empty(self._size, np.uint8)
        self.queues.get(arrived, self._buffers[1])
        if self._kind == "copy":
            return count_wrong(arrived, self._seed)
        words = arrived[: self._whole_bytes()].view(np.uint32)
        vectors = np.arange(words.size, dtype=np.uint32) // np.uint32(self._passages.lanes)
        return 4 * int(np.count_nonzero(words != vectors + np.uint32(self._seed)))

    def _whole_bytes(self) -> int:
        """Those of whole vectors."""
        vector = 4 * self._passages.lanes
        return self._size // vector * vector

    def release(self) -> None:
        for buffer in self._buffers:
            buffer.release()
        self._buffers = []
