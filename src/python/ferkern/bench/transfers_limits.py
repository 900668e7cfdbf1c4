"""What no transfer can beat: the rated link, the host's memory; readings above either are flagged."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ferkern import _core
from ferkern.bench.machine import MachineProfile
from ferkern.bench.transfers_measure import Reading

__all__ = ["FLAGS", "Limits", "RatedLink", "flagged", "limits_of", "map_flag", "rated_link"]

log = logging.getLogger(__name__)

FLAGS = {
    "in cache": "faster than the host's memory, and small enough that its caches keep some of it: no figure of memory",
    "above memory": "faster than the host's memory: not all bytes can have been moved, or the memory's figure is wrong",
    "above link": "faster than the rated link: not all bytes can have been moved",
    "only a map": "no bytes are moved: host and device share the memory, and a mapping is a pointer",
    "the map copies": "mapping or unmapping alone takes as long as a copy: it is one",
    "wrong bytes": "not all bytes arrived, so there is no rate",
    "cold not shown": "the system's cache still held pages of the file",
}
"""A reading's flags and what they say."""

_CACHE_RATE = 250e9  # bytes a second: more than one core copies within its caches
_CACHED = 4  # times the largest cache: of so much, a part is still there at the next copy
_BUSES = Path("/sys/bus/pci/devices")
# 1e9 transfers a second of a lane -> share of payload: 8b/10b, 128b/130b, flits of 256 bytes with 236 of payload.
_ENCODINGS = {2.5: 0.8, 5.0: 0.8, 8.0: 128 / 130, 16.0: 128 / 130, 32.0: 128 / 130, 64.0: 236 / 256}
_GENERATIONS = {speed: number for number, speed in enumerate(_ENCODINGS, start=1)}


@dataclass(frozen=True, slots=True)
class RatedLink:
    """A PCI Express link as the system describes it.

    Attributes
    ----------
    address
        On the bus, ``"0000:65:00.0"``.
    generation, lanes
        The most that both ends offer, and those in use.
    bytes_per_second
        In one direction, without the heads of packets.
    """

    address: str
    generation: int
    lanes: int
    bytes_per_second: float

    def __str__(self) -> str:
        return f"PCIe {self.generation}.0 x{self.lanes}, {self.bytes_per_second / 1e9:.1f} GB/s in each direction"


@dataclass(frozen=True, slots=True)
class Limits:
    """What this machine and device allow.

    Attributes
    ----------
    link
        None where the device is on no bus, or the system does not tell.
    host_read, host_copy
        Of the host's memory with all threads, bytes a second; of a copy, bytes read and bytes written both count.
        None where it is not known.
    cache_bytes
        The largest cache of the host.
    shared
        The device's memory is the host's, so that each copy passes through it twice.
    """

    link: RatedLink | None
    host_read: float | None
    host_copy: float | None
    cache_bytes: int
    shared: bool

    def memory_rate(self, reading: Reading) -> float | None:
        """The most bytes a second, as `Reading.bytes_per_second` counts them, that the host's memory can serve."""
        direction = reading.way.direction
        if direction == "device memory":
            best = max(self.host_read or 0.0, self.host_copy or 0.0)
            return best or None if self.shared else None
        if direction == "device to device":
            return self.host_copy if self.shared else None
        if direction == "file to host":
            return _half(self.host_copy)
        if not self.shared:
            return self.host_read
        passes = 2 if direction == "file to device" else 1
        half = _half(self.host_copy)
        return None if half is None else half / passes

    def cached(self, reading: Reading) -> bool | None:
        """Whether the bytes of a reading stay in the host's caches; None: some of them do."""
        way = reading.way
        in_host = self.shared or way.direction == "file to host"
        if not in_host or way.memory == "cold" or way.carrier == "map":
            return False
        if 2 * _footprint(reading) <= self.cache_bytes:
            return True
        return None if _footprint(reading) < 2 * self.cache_bytes else False

    def link_rate(self, reading: Reading) -> float | None:
        """The most that the rated link can serve."""
        if self.link is None or reading.way.direction in ("device memory", "device to device", "file to host"):
            return None
        return self.link.bytes_per_second * (2 if reading.way.direction == "both at once" else 1)


def flagged(reading: Reading, limits: Limits) -> Reading:
    """The reading with its flags: too fast in three quarters of its copies is too fast."""
    found = list(reading.flags)
    if reading.wrong_bytes:
        return replace(reading, flags=(*found, "wrong bytes"))
    rate = reading.rate(reading.quartile_seconds[1]) or 0.0
    memory, link = limits.memory_rate(reading), limits.link_rate(reading)
    if reading.way.carrier == "map":
        return reading  # judged together with the other sizes: `map_flag`
    if link is not None and rate > link:
        found.append("above link")
    elif memory is not None and rate > memory:
        found.append("in cache" if _footprint(reading) <= _CACHED * limits.cache_bytes else "above memory")
    return replace(reading, flags=tuple(found))


def map_flag(readings: list[Reading], limits: Limits) -> str | None:
    """Whether mapping alone copies, from all sizes of one such way; None where the sizes do not tell.

    Twice the speed of the host's memory (or of the link) is out of reach of anything that moves the bytes; half of it
    is slow enough for a copy. What lies between them may be either, as may be a difference that small sizes, where
    calls are all latency, have among themselves.
    """
    largest = max(readings, key=lambda r: r.size_bytes)
    most = max(limits.memory_rate(largest) or 0.0, limits.link_rate(largest) or 0.0)
    if most == 0 or 2 * largest.size_bytes <= limits.cache_bytes:
        most = max(most, _CACHE_RATE)
    moving = largest.size_bytes / (2 * most)
    if largest.quartile_seconds[1] < moving:
        return "only a map"
    call = max((r.quartile_seconds[1] for r in readings if 256 * r.size_bytes <= largest.size_bytes), default=math.inf)
    return "the map copies" if largest.quartile_seconds[0] - call > max(4 * moving, call) else None


def _footprint(reading: Reading) -> int:
    """Bytes of memory that a copy goes through where the device's memory is the host's."""
    way = reading.way
    ends = {"both at once": 4, "file to device": 3, "device memory": way.times}
    return ends.get(way.direction, 2) * reading.size_bytes


def limits_of(device: Any, profile: MachineProfile | None) -> Limits:
    """The limits of a device (`ferkern.opencl.Device`) on this machine.

    Parameters
    ----------
    profile
        Of this machine; None: the host's memory is measured now, in half a second.
    """
    from ferkern.bench.measure import Measurement, find_levels, run_all

    levels = find_levels()
    if profile is None:
        largest = max((level.size_bytes or 0 for level in levels), default=0)
        size = min(max(64 << 20, 4 * largest), 1 << 30)
        threads = _core.default_threads()
        planned = [Measurement(kind, level="memory", size_bytes=size, threads=n)
                   for kind in ("read", "copy") for n in sorted({1, threads})]  # fmt: skip
        profile = run_all(planned, levels)
    rates = {kind: max((p.rate.high for p in profile.passages if (p.kind, p.level) == (kind, "memory")), default=None)
             for kind in ("read", "copy")}  # fmt: skip
    cache = max((level.size_bytes or 0 for level in profile.levels), default=0)
    shared = device.info.kind == "cpu" or bool(device.handle.host_unified_memory)
    address = _address(device.cl, device.handle)
    link = None if address is None else rated_link(address)
    return Limits(link, rates["read"], rates["copy"], cache, shared)


def rated_link(address: str, root: Path = _BUSES) -> RatedLink | None:
    """The link of a device on the PCI bus; None where the system does not tell.

    A link runs at the speed that both ends can. An idle device lowers its speed, not its lanes: hence the highest
    speed, and the lanes in use.
    """
    folder = (root / address).resolve()
    speeds = [s for s in (_number(folder / "max_link_speed"), _number(folder.parent / "max_link_speed")) if s]
    lanes = _number(folder / "current_link_width") or _number(folder / "max_link_width")
    speed = min(speeds, default=0.0)
    if speed not in _ENCODINGS or not lanes:
        return None
    rate = speed * 1e9 * lanes * _ENCODINGS[speed] / 8
    return RatedLink(address, _GENERATIONS[speed], int(lanes), rate)


def _address(cl: Any, handle: Any) -> str | None:
    """Where a device is on the PCI bus; pyopencl knows the queries of two vendors."""
    for name, read in _QUERIES.items():
        query = getattr(cl.device_info, name, None)
        if query is None:
            continue
        try:
            domain, bus, device, function = read(handle, handle.get_info(query), cl)
        except (cl.Error, AttributeError, TypeError, ValueError) as error:
            log.debug("no bus address by %s: %s", name, error)
            continue
        return f"{domain:04x}:{bus:02x}:{device:02x}.{function:x}"
    return None


Address = tuple[int, int, int, int]


def _nvidia(handle: Any, value: Any, cl: Any) -> Address:
    slot = int(handle.get_info(cl.device_info.PCI_SLOT_ID_NV))  # device and function in one number
    domain = getattr(cl.device_info, "PCI_DOMAIN_ID_NV", None)
    return (0 if domain is None else int(handle.get_info(domain))), int(value), slot >> 3, slot & 7


def _amd(handle: Any, value: Any, cl: Any) -> Address:
    return 0, int(value.bus) & 0xFF, int(value.device), int(value.function)


_QUERIES: dict[str, Callable[[Any, Any, Any], Address]] = {
    "PCI_BUS_ID_NV": _nvidia,
    "TOPOLOGY_AMD": _amd,
}


def _number(file: Path) -> float | None:
    """The number that a file of sysfs begins with ("16.0 GT/s PCIe", "16"); None where there is none."""
    try:
        match = re.match(r"\s*(\d+(?:\.\d+)?)", file.read_text(encoding="ascii", errors="replace"))
    except OSError:
        return None
    return float(match[1]) if match else None


def _half(rate: float | None) -> float | None:
    return None if rate is None else rate / 2
