"""A processor and a device that never were: their times follow from a few numbers and a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ferkern.bench.crossover_features import Features


@dataclass(frozen=True)
class Machine:
    """Latencies in seconds, rates a second.

    The processor's rate falls where a call's bytes leave its cache, the device's rises with the work until all of it is
    busy, a link's with the bytes, and convolutions of 1 x 1 run at rates of their own: no side's time is a sum of the
    rule's terms.
    """

    call: float
    throughput: float
    cache: float
    launch: float
    transfer: float
    bandwidth: float
    device_throughput: float
    busy: float
    pointwise: tuple[float, float] = (1.0, 1.0)
    """Rate of 1 x 1 over that of others, on the processor and on the device."""
    short: float = 0.0
    """Bytes of a copy that is twice as slow as a long one."""

    def _rate(self, f: Features, side: int) -> float:
        return self.pointwise[side] if f.kind == "1x1" else 1.0

    def cpu(self, f: Features) -> float:
        slower = 1 + 0.5 * f.moved / (f.moved + self.cache)
        return self.call * f.launches + slower * f.work / (self.throughput * self._rate(f, 0))

    def resident(self, f: Features) -> float:
        rate = self.device_throughput * self._rate(f, 1)
        return self.launch * f.launches + (f.work + (f.work * self.busy) ** 0.5) / rate

    def device(self, f: Features) -> float:
        slower = 1 + self.short / (self.short + f.moved)
        return 2 * self.transfer + slower * f.moved / self.bandwidth + self.resident(f)


class SimulatedSide:
    """Samples of one time: log-normal noise, and now and then a disturbance that makes it far longer."""

    def __init__(self, seconds: float, rng: np.random.Generator, noise: float = 0.03) -> None:
        self.seconds, self.rng, self.noise = seconds, rng, noise

    def sample(self) -> float:
        spike = self.rng.exponential(0.5) if self.rng.random() < 0.05 else 0.0
        return float(self.seconds * np.exp(self.noise * self.rng.standard_normal()) * (1 + spike))


def random_machine(rng: np.random.Generator) -> Machine:
    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    return Machine(
        call=between(2e-6, 2e-5),
        throughput=between(5e10, 1e12),
        cache=between(2e5, 4e7),
        launch=between(3e-6, 6e-5),
        transfer=between(5e-6, 4e-5),
        bandwidth=between(3e9, 3e10),
        device_throughput=between(2e11, 1e13),
        busy=between(1e5, 3e7),
        pointwise=(between(0.5, 1.5), between(0.5, 1.5)),
        short=between(1e4, 3e6),
    )
