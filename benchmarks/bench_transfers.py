"""Copies between host and every OpenCL device, and passages through its memory, at three sizes.

Run with ``pytest benchmarks/bench_transfers.py``. Bytes, bytes a second, the device's own time (from events) and the
device stand in ``extra_info``; ``ferkern transfers`` fits latency and bandwidth to the whole ladder of sizes.
"""

from __future__ import annotations

import statistics

import pytest

from ferkern.bench.transfers_measure import Unmeasurable
from ferkern.bench.transfers_opencl import CopyLink, Queues
from ferkern.bench.transfers_ways import ways_of
from ferkern.opencl import find
from ferkern.opencl.timeline import Span
from opencl_devices import every_device, name_of, string_of

DEVICES = pytest.mark.parametrize("info", every_device(), ids=name_of)
SIZES = pytest.mark.parametrize("size", [1 << 12, 1 << 20, 1 << 26], ids=["4K", "1M", "64M"])
COPIES = [
    (direction, memory)
    for direction in ("host to device", "device to host")
    for memory in ("pageable", "pinned", "mapped", "map alone", "zero-copy", "svm coarse, copied", "svm fine")
]
WITHIN = [("device to device", "buffers"), *(("device memory", kind) for kind in ("read", "write", "copy"))]
TIMED = 9  # copies that the device's own clock is read for


def named(way):
    return "-".join(way).replace(" ", "_").replace(",", "")


def timed(link):
    """What the device says of one copy by the driver."""
    spans = []
    for _ in range(TIMED):
        link.copy()
        spans.append(1e-9 * (link.event.profile.end - link.event.profile.start))
    kind = "host to device" if link.up else "device to host"
    return Span(kind, "", "copy", 0.0, statistics.median(spans), link.size)


@SIZES
@pytest.mark.parametrize("wanted", [*COPIES, ("both at once", "pinned"), *WITHIN], ids=named)
@DEVICES
def test_transfer(benchmark, info, wanted, size, ferkern_device_times):
    queues = Queues.of(find(string_of(info)), timed=True)
    makers = ways_of(queues, None)
    way = next(way for way in makers if (way.direction, way.memory) == wanted)
    link = makers[way]()
    try:
        link.prepare(size, 0)
        link.renew()
        link.copy()
        assert link.wrong() == 0, "bytes that do not arrive must not be timed"
        benchmark(link.copy)
        link.renew()
        if isinstance(link, CopyLink):
            ferkern_device_times([timed(link)])
        else:
            link.copy()
        assert link.wrong() == 0
    except Unmeasurable as error:
        pytest.skip(str(error))
    finally:
        link.release()
    benchmark.extra_info.update(
        bytes=way.times * size,
        moved_by=way.carrier,
        device=f"{info}, {info.version}, driver {info.driver}, {info.compute_units} units",
    )
    if benchmark.stats is not None:
        benchmark.extra_info["gbytes_per_second"] = way.times * size / benchmark.stats.stats.median / 1e9
