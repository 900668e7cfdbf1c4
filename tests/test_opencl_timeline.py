"""Spans: every moment counted once, every command and copy found, in the host's time."""

from __future__ import annotations

import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ferkern import nn
from ferkern.models import Network, Node
from ferkern.opencl import find
from ferkern.opencl.timeline import KINDS, Span, clock_offset, flatten, totals


def spans(*rows):
    return [Span(kind, layer, kind, start, end - start) for kind, layer, start, end in rows]


def test_a_moment_counts_as_the_first_of_the_kinds():
    flat = flatten(
        spans(("host", "", 0, 10), ("queue", "a", 2, 6), ("kernel", "a", 4, 8), ("host to device", "", 3, 5)), 0, 10
    )
    assert [(s.kind, s.start, s.seconds) for s in flat] == [
        ("host", 0, 2),
        ("queue", 2, 1),
        ("host to device", 3, 1),
        ("kernel", 4, 1),
        ("kernel", 5, 1),
        ("kernel", 6, 2),
        ("host", 8, 2),
    ]
    assert totals(flat) == {
        "kernel": 4, "host to device": 1, "device to host": 0, "compile": 0, "queue": 1, "host": 4
    }  # fmt: skip


def test_of_one_kind_the_earlier_counts():
    flat = flatten(spans(("kernel", "a", 0, 4), ("kernel", "b", 2, 6)), 0, 6)
    assert [(s.layer, s.start, s.seconds) for s in flat] == [("a", 0, 2), ("a", 2, 2), ("b", 4, 2)]


def test_what_lies_outside_is_cut_off_and_gaps_stay():
    flat = flatten(spans(("kernel", "a", -3, 1), ("kernel", "b", 2, 3), ("host", "", 5, 5)), 0, 4)
    assert [(s.layer, s.start, s.seconds) for s in flat] == [("a", 0, 1), ("b", 2, 1)]
    assert flatten([], 0, 1) == []


def test_random_spans_never_count_a_moment_twice(rng):
    for _ in range(50):
        starts = rng.integers(0, 40, 12)
        made = [Span(KINDS[rng.integers(len(KINDS))], "", "", float(s), float(rng.integers(0, 15))) for s in starts]
        flat = flatten(made, 0.0, 40.0)
        covered = np.zeros(40, int)
        for s in flat:
            covered[round(s.start) : round(s.start + s.seconds)] += 1
        wanted = np.zeros(40, int)
        for s in made:
            wanted[round(s.start) : round(s.start + s.seconds)] = 1
        assert (covered == wanted).all()


@pytest.mark.slow
def test_a_call_is_recorded(cl_device, rng):
    device = find(cl_device)
    x = rng.standard_normal((2, 8, 40, 40), np.float32)
    w = rng.standard_normal((8, 8, 3, 3), np.float32)
    plain = nn.conv2d(x, w, padding=1, device=cl_device)
    with device.recording() as timeline:
        begin = time.perf_counter()
        y = nn.conv2d(x, w, padding=1, device=cl_device)
        end = time.perf_counter()
    assert (y == plain).all()
    found = timeline.spans()
    assert [s.bytes for s in found if s.kind == "host to device"] == [x.nbytes, w.nbytes]
    assert [s.bytes for s in found if s.kind == "device to host"] == [y.nbytes]
    names = {s.name for s in found if s.kind == "kernel"}
    assert any(name.startswith("conv2d") for name in names)
    slack = 1e-3  # two clocks, read apart
    assert all(begin - slack <= s.start and s.start + s.seconds <= end + slack for s in found)
    assert all(s.seconds >= 0 for s in found)
    assert sum(s.seconds for s in flatten(found, begin, end)) <= end - begin


@pytest.mark.slow
def test_nothing_stays_of_a_record(cl_device):
    """A thread keeps its timed queue, and with it kept what each record held."""
    device = find(cl_device)

    def record():
        with device.recording() as timeline:
            nn.activate(np.ones(8, np.float32), "relu", device=cl_device)
            taken = [s.bytes for s in timeline.spans() if s.kind == "host to device"]
        assert [s.bytes for s in timeline.spans() if s.kind == "host to device"] == taken  # each command once
        return weakref.ref(timeline)

    with ThreadPoolExecutor(1) as thread:  # whose queue is new
        records = [thread.submit(record).result() for _ in range(3)]
    assert [record() for record in records] == [None] * 3


@pytest.mark.slow
def test_each_step_of_a_node_has_its_row(cl_device):
    """A device sums three values in two steps."""
    sum_of_three = Network("sum", "x", (2, 5, 5), "y", [Node("add", ("x", "x", "x"), "y", {})], {}, classes=())
    session = sum_of_three.plan(device=cl_device)
    y, ledger = session.profile(np.ones((1, 2, 5, 5), np.float32))
    assert (y == 3).all()
    assert [row.layer for row in ledger.rows] == ["add -> 'y'", "add -> 'y' (2)"]
    assert all(row.seconds > 0 for row in ledger.rows)


@pytest.mark.slow
def test_the_clocks_agree(cl_device):
    """A command's times, moved to the host's clock, lie between the host's readings around it."""
    device = find(cl_device)
    buffer = device.cl.Buffer(device.context, device.cl.mem_flags.READ_WRITE, 4096)
    with device.recording() as timeline:
        for _ in range(20):
            begin = time.perf_counter()
            event = device.cl.enqueue_fill(device.stream.queue, buffer, np.int32(1), 4096)
            timeline.command("kernel", "fill", event, queued=begin)
            event.wait()
            end = time.perf_counter()
            fill = [s for s in timeline.spans() if s.kind == "kernel"][-1]
            assert begin - 2e-4 <= fill.start <= fill.start + fill.seconds <= end + 2e-4


@pytest.mark.slow
def test_a_driver_without_a_timer_has_its_clock_read_by_a_command(cl_device):
    """Those before OpenCL 2.1 have none."""
    device = find(cl_device)
    queue = device.cl.CommandQueue(device.context, properties=device.cl.command_queue_properties.PROFILING_ENABLE)
    buffer = device.cl.Buffer(device.context, device.cl.mem_flags.READ_WRITE, 4)
    before = time.perf_counter()
    event = device.cl.enqueue_fill(queue, buffer, np.int32(0), 4)
    event.wait()
    after = time.perf_counter()
    queued = 1e-9 * event.profile.queued + clock_offset(device.cl, object(), queue)
    assert before - 1e-3 <= queued <= after + 1e-3
