"""The ways of moving bytes on every OpenCL device, and from files: all arrive, and it is noticed if they do not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from command import ferkern
from ferkern import bench
from ferkern.bench.transfers_bytes import POISON, aligned, count_wrong, fill
from ferkern.bench.transfers_device import PassageLink
from ferkern.bench.transfers_file import FileLink, resident_pages
from ferkern.bench.transfers_measure import Effort, Unmeasurable, measure
from ferkern.bench.transfers_opencl import CopyLink, Queues
from ferkern.bench.transfers_svm import grains
from ferkern.bench.transfers_ways import ways_of
from ferkern.opencl import find
from test_machine import made_up, own_cache

__all__ = ["own_cache"]

pytestmark = pytest.mark.slow

QUICK = Effort(0.0, least=2, most=2, warm_up=1)
PERIOD = 65_537


def test_bytes_are_told_from_each_other():
    for size in (1, PERIOD - 1, PERIOD, PERIOD + 1, 100 * PERIOD + 5):
        array = aligned(size, 1)
        assert array.ctypes.data % 4096 == 1
        fill(array, 3)
        assert count_wrong(array, 3) == 0
        assert size < 100 or count_wrong(array, 4) > 0.9 * size
        array[size // 2] ^= 1
        array[-1] ^= 1
        assert count_wrong(array, 3) == (2 if size > 1 else 0)  # a byte changed twice is as it was
    far = aligned(3 * PERIOD, 0)
    fill(far, 5)
    assert count_wrong(np.roll(far, PERIOD), 5) > 0.9 * far.size, "bytes of another place must not pass"
    assert count_wrong(np.roll(far, 4096), 5) > 0.9 * far.size


@pytest.mark.parametrize("size", [1, 63, 64, 4097, 3 * PERIOD + 2])
def test_every_way_moves_every_byte(cl_device, tmp_path, size):
    queues = Queues.of(find(cl_device))
    missing = set()
    for way, make in ways_of(queues, tmp_path).items():
        for offset in (0, 1):
            try:
                reading = measure(make(), way, size, offset, QUICK)
            except Unmeasurable as error:
                missing.add(f"{way.memory}: {error}")
                continue
            assert reading.wrong_bytes == 0, way
            assert min(reading.seconds) > 0, way
    names = {"svm coarse, copied": "coarse", "svm coarse, mapped": "coarse", "svm fine": "fine", "svm system": "system"}
    lacking = {name for name, grain in names.items() if grain not in grains(queues.device)}
    assert {text.split(":")[0] for text in missing} - {"cold"} == lacking, missing
    assert all("keeps" in text for text in missing if text.startswith("cold"))


class HalfLink(CopyLink):
    """Moves the first half only, into the device."""

    def copy(self) -> None:
        q = self.queues
        q.device.cl.enqueue_copy(q.one, self.buffer, self.host[: self.size // 2])
        q.one.finish()


def test_bytes_left_behind_are_counted(cl_device):
    queues = Queues.of(find(cl_device))
    way = next(iter(ways_of(queues, None)))
    reading = measure(HalfLink(queues, "host to device", pinned=True), way, 10_000, 0, QUICK)
    assert 4900 < reading.wrong_bytes <= 5000
    assert reading.bytes_per_second is None


def test_a_wrong_sum_is_noticed(cl_device):
    queues = Queues.of(find(cl_device))
    link = PassageLink(queues, "read")
    link.prepare(1000, 0)
    link.renew()
    link.copy()
    assert link.wrong() == 0
    queues.put(link._buffers[0], np.full(1000, POISON, np.uint8))
    link.copy()
    assert link.wrong() == 1000
    link.release()


def test_more_than_the_device_allocates_is_refused(cl_device):
    device = find(cl_device)
    queues = Queues.of(device)
    for way, make in ways_of(queues, None).items():
        if way.memory in ("pageable", "pinned", "zero-copy", "buffers", "read"):
            with pytest.raises(Unmeasurable, match=r"refuses|has no"):
                measure(make(), way, 4 * device.info.memory_bytes, 0, QUICK)


def test_pages_of_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(10 * 4096 + 1))
    with path.open("rb") as file:
        file.read()
        assert resident_pages(file.fileno(), 10 * 4096 + 1) == 11


def test_a_file_that_cannot_be_cold_is_no_cold_reading(tmp_path):
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        pytest.skip("no file system in memory here")
    link = FileLink(memory, cold=True)
    link.prepare(5000, 0)
    link.renew()
    with pytest.raises(Unmeasurable, match="keeps 2 of 2 pages"):
        link.before()
    link.release()
    with pytest.raises(Unmeasurable, match="No such file"):
        FileLink(tmp_path / "nowhere", cold=False).prepare(1, 0)


def test_a_whole_run(cl_device, own_cache, tmp_path):
    done = bench.transfers(cl_device, limit=1 << 12, folder=tmp_path, effort=QUICK, profile=made_up())
    assert {r.size_bytes for r in done.readings} == {1, 64, 1 << 10, 1 << 12}
    assert {r.offset_bytes for r in done.readings} == {0, 64, 1}
    assert {way.direction for way in done.ways} == {
        "host to device", "device to host", "both at once", "device to device", "device memory", "file to host",
        "file to device",
    }  # fmt: skip
    assert all(r.wrong_bytes == 0 for r in done.readings)
    assert all(fit.latency_seconds.value >= 0 for fit in done.fits.values())
    assert done.limits.shared == (done.device.kind == "cpu" or bool(find(cl_device).handle.host_unified_memory))
    assert done.limits.host_copy == pytest.approx(1.1 * 24e9)
    assert list(tmp_path.iterdir()) in ([], [own_cache])
    with pytest.raises(ValueError, match="limit must be 1 byte at least, is 0"):
        bench.transfers(cl_device, limit=0)


def test_the_command(cl_device, own_cache, tmp_path):
    made_up().save()
    options = ("--limit", "4K", "--no-files", "--json", tmp_path / "o.json", "--plot", tmp_path / "o.png")
    done = ferkern("transfers", cl_device, *options, FERKERN_CACHE_DIR=str(own_cache))
    assert done.returncode == 0, done.stderr
    for words in ("host to device", "pageable", "pinned", "map alone", "device memory", "both directions at once"):
        assert words in done.stdout
    values = json.loads((tmp_path / "o.json").read_text())
    assert values["kind"] == "transfers"
    assert values["readings"]
    assert (tmp_path / "o.png").stat().st_size > 20_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["opencl", "--limit", "much"], '"much" is not a size'),
        (["gpu"], 'device must be an OpenCL device here, "opencl"'),
        (["opencl:no such device"], "no device fits that name"),
        (["opencl", "--folder", "nowhere"], "there is no such folder"),
        (["opencl", "--json", "nowhere/x.json"], "there is no folder"),
        (["opencl", "--plot", "x.jpeg"], "must end in .png"),
    ],
)
def test_wrong_use(tmp_path, arguments, message):
    done = ferkern("transfers", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
