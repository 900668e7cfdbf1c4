"""Optical flow on every OpenCL device, 1280 x 720: whole calls, and points between pyramids that stay.

Run with ``pytest benchmarks/bench_opencl_flow.py``. The same calls on the processor are those of ``bench_flow.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

from bench_flow import FRAMES
from ferkern import _core, flow
from ferkern.registry import last_kernel
from opencl_devices import every_device, name_of, string_of

DEVICES = pytest.mark.parametrize("info", every_device(), ids=name_of)


def note(benchmark, info, cost, transferred):
    flops, read, written = cost
    benchmark.extra_info.update(
        flops=flops,
        bytes=read + written,
        bytes_transferred=transferred,
        kernel=last_kernel(),
        device=f"{info}, {info.version}, driver {info.driver}, {info.compute_units} units",
    )
    if benchmark.stats is not None:
        benchmark.extra_info["gflops"] = flops / benchmark.stats.stats.median / 1e9


@DEVICES
@pytest.mark.parametrize("pyramids", ["built", "kept"])
def test_track(benchmark, info, pyramids):
    """200 points, there; frames sent with each call, or pyramids that stay on the device."""
    device = string_of(info)
    a, b = FRAMES
    pts = flow.corners(a, 200)
    expected = flow.track(a, b, pts)
    pair = (flow.pyramid(a, device=device), flow.pyramid(b, device=device)) if pyramids == "kept" else (a, b)
    found = flow.track(*pair, pts, device=device)
    assert (found.status == expected.status).mean() > 0.99, "a wrong kernel must not be timed"
    assert np.abs(found.points - expected.points)[found.status & expected.status].max() < 0.01
    benchmark(lambda: flow.track(*pair, pts, device=device))
    cost = _core.flow_cost(*a.shape, len(pts), 21, 3, False)
    note(benchmark, info, cost, (a.nbytes + b.nbytes) * (pyramids == "built") + 32 * len(pts))


@DEVICES
@pytest.mark.parametrize("preset", list(flow.PRESETS))
def test_dense(benchmark, info, preset):
    device = string_of(info)
    a, b = FRAMES
    expected = flow.dense(a, b, preset)
    out = flow.dense(a, b, preset, device=device)
    assert np.median(np.abs(out - expected)) < 1e-3, "a wrong kernel must not be timed"
    benchmark(lambda: flow.dense(a, b, preset, out=out, device=device))
    p = flow.PRESETS[preset]
    cost = _core.flow_dense_cost(*a.shape, False, p.finest, p.stride, p.iterations, p.refinements, p.sweeps)
    note(benchmark, info, cost, a.nbytes + b.nbytes + out.nbytes)
