"""A link of known latency and bandwidth with a clock of its own, for `ferkern.bench.transfers_measure`."""

from __future__ import annotations

import numpy as np

from ferkern.bench.transfers_measure import Unmeasurable


class SimulatedLink:
    """Copies take ``latency + size / bandwidth``, times heavy-tailed noise; some are held up altogether.

    Parameters
    ----------
    latency, bandwidth
        Seconds, bytes a second.
    noise
        Scale of the relative noise: Student's t with 3 degrees of freedom.
    held_up
        Share of copies that take up to ten times as long.
    tick
        Resolution of the clock, seconds.
    lost
        Bytes that never arrive.
    lazy
        Only the first copy after `prepare` moves anything.
    memory
        Larger sizes are refused.
    """

    def __init__(
        self,
        latency: float,
        bandwidth: float,
        *,
        noise: float = 0.0,
        held_up: float = 0.0,
        tick: float = 0.0,
        lost: int = 0,
        lazy: bool = False,
        memory: int = 1 << 40,
        seed: int = 0,
    ) -> None:
        self.latency, self.bandwidth, self.noise, self.held_up = latency, bandwidth, noise, held_up
        self.tick, self.lost, self.lazy, self.memory = tick, lost, lazy, memory
        self.random = np.random.default_rng(seed)
        self.now = 0.0
        self.size = self.sent = self.arrived = self.copies = self.prepared = self.released = self.befores = 0

    def clock(self) -> float:
        return self.now if self.tick == 0 else self.now // self.tick * self.tick

    def prepare(self, size: int, offset: int) -> None:
        if size > self.memory:
            raise Unmeasurable(f"{size:,} bytes are more than {self.memory:,}")
        self.size, self.copies, self.arrived = size, 0, 0
        self.prepared += 1

    def renew(self) -> None:
        self.sent += 1

    def before(self) -> None:
        self.befores += 1
        self.now += 1.0  # whatever is done before is not timed

    def copy(self) -> None:
        seconds = self.latency + self.size / self.bandwidth
        seconds *= max(0.5, 1 + self.noise * float(self.random.standard_t(3)))
        if self.random.random() < self.held_up:
            seconds *= self.random.uniform(2, 10)
        self.now += seconds
        self.copies += 1
        if self.copies == 1 or not self.lazy:
            self.arrived = self.sent

    def wrong(self) -> int:
        return self.lost if self.arrived == self.sent else self.size

    def release(self) -> None:
        self.released += 1
