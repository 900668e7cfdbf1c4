"""A call without its copies: what the crossover map says of arrays that stay on the device."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from time import sleep

import numpy as np
import pytest

from ferkern import nn
from ferkern.bench.crossover import _QUICK, _Copies, _resident, measure_family, steps_of
from ferkern.bench.crossover_cases import cases_of
from ferkern.opencl import find
from ferkern.opencl.timeline import Span

# They do not depend on the instruction set.
pytestmark = pytest.mark.slow


class Recorded:
    """Stands for a device on which recording takes a second a call, of which copies and kernels are a part."""

    def __init__(self, clock):
        self.clock = clock

    @contextmanager
    def recording(self):
        yield self

    def spans(self):
        at = self.clock[0] - 1.0
        kinds = (("host to device", 0.1), ("kernel", 0.2), ("device to host", 0.3))
        return [Span(kind, "", kind, at + i * 0.3, seconds) for i, (kind, seconds) in enumerate(kinds)]


def test_of_a_recorded_call_only_the_copies_count(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(import_module("ferkern.bench.crossover"), "perf_counter", lambda: clock[0])

    def call():
        clock[0] += 1.0

    copies = _Copies(call, Recorded(clock))
    assert copies.sample() == pytest.approx(0.4)
    assert copies.kernels == pytest.approx([0.2])


def test_no_more_than_with_copies_and_no_less_than_the_kernels():
    calls, copies, kernels = (0.9, 0.9, 0.9, 0.1), (0.4, 0.8, 2.0, 0.5), (0.2, 0.2, 0.2, 0.2)
    assert _resident(calls, copies, kernels) == pytest.approx((0.5, 0.2, 0.2, 0.1))


def test_slow_recording_makes_no_call_slower(cl_device, monkeypatch):
    """The time of a recorded call stood there: "without copies" small calls took twice as long as with them."""
    device = find(cl_device)
    ones = np.ones((1, 8, 8, 8), np.float32)

    def slowly(*arguments, **options):
        if device.stream.timeline is not None:
            sleep(0.02)
        return nn.max_pool2d(ones, 2, device=options.get("device", "cpu"))

    monkeypatch.setattr("ferkern.bench.crossover_calls.function_of", lambda op: slowly)
    (step, *_) = steps_of("dense", cases_of("dense"), quick=True, first=False)
    few = replace(step.family, sizes=step.family.sizes[:2])
    ladder, _ = measure_family(replace(step, family=few), cl_device, device)
    assert len(ladder.rungs) == 2
    for rung in ladder.rungs:
        assert len(rung.resident) == len(rung.device) >= _QUICK.least
        assert all(0 < near <= far for near, far in zip(rung.resident, rung.device, strict=True))
