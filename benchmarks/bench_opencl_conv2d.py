"""conv2d on every OpenCL device: whole calls with their transfers, the kernels alone, and a bare launch.

Run with ``pytest benchmarks/bench_opencl_conv2d.py``. Work (flops, bytes), transfers, kernel and device stand in
``extra_info``; the same layers on the processor are those of ``bench_conv2d.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

from cases import LAYERS
from ferkern import _core, nn
from ferkern.opencl import find
from ferkern.opencl.memory import download, empty, upload
from ferkern.opencl.ops.conv2d import PLANS
from ferkern.registry import last_kernel
from opencl_devices import every_device, name_of, string_of

DEVICES = pytest.mark.parametrize("info", every_device(), ids=name_of)
CASES = pytest.mark.parametrize("case", LAYERS["conv2d"], ids=lambda c: f"{c.name}-b{c.batch}")


def arrays(case):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((case.batch, *case.input)).astype(np.float32)
    w = rng.uniform(0.1, 1, case.weights["w"]).astype(np.float32)
    b = rng.uniform(0.1, 1, case.weights["b"]).astype(np.float32)
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in case.attributes.items()}
    return x, w, b, options


def resolved(x, w, b, options):
    o = {"dilation": 1, **options}
    return _core.conv2d_shape(x, w, b, o["stride"], o["padding"], o["dilation"], o["groups"], None, None)


def check(y, expected):
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max(), "a wrong kernel must not be timed"


def note(benchmark, info, shape, transferred):
    flops, read, written = _core.device_cost("conv2d", shape)
    benchmark.extra_info.update(
        flops=flops,
        bytes=read + written,
        bytes_transferred=transferred,
        kernel=last_kernel(),
        device=f"{info}, {info.version}, driver {info.driver}, {info.compute_units} units",
    )
    if benchmark.stats is not None:
        benchmark.extra_info["gflops"] = flops / benchmark.stats.stats.median / 1e9


@CASES
@DEVICES
def test_call(benchmark, info, case):
    """From host arrays to a host array: packing, both transfers, kernels, everything."""
    device = string_of(info)
    x, w, b, options = arrays(case)
    out = nn.conv2d(x, w, b, **options, device=device)
    check(out, nn.conv2d(x, w, b, **options))
    benchmark(lambda: nn.conv2d(x, w, b, **options, out=out, device=device))
    note(benchmark, info, resolved(x, w, b, options), x.nbytes + w.nbytes + b.nbytes + out.nbytes)


@CASES
@DEVICES
def test_resident(benchmark, info, case):
    """Weights packed, buffers on the device: padding and convolution only, waited for."""
    target = find(string_of(info))
    x, w, b, options = arrays(case)
    shape = resolved(x, w, b, options)
    expected = nn.conv2d(x, w, b, **options)
    _, function = _core.device_kernel("conv2d", shape, "opencl")
    plan = PLANS[function](target, shape)
    plan.load({"w": upload(target, w), "b": upload(target, b)})
    x_there, y_there = upload(target, x), empty(target, expected.nbytes)
    plan.run([x_there], None, y_there, len(x))
    y = np.empty_like(expected)
    download(target, y_there, y)
    check(y, expected)

    def run():
        plan.run([x_there], None, y_there, len(x))
        target.finish()

    benchmark(run)
    note(benchmark, info, shape, 0)


@DEVICES
def test_launch(benchmark, info):
    """A convolution of one pixel on buffers that stay: what a launch costs."""
    one = np.ones((1, 1, 1, 1), np.float32)
    target = find(string_of(info))
    shape = resolved(one, one, None, {"stride": 1, "padding": 0, "groups": 1})
    _, function = _core.device_kernel("conv2d", shape, "opencl")
    plan = PLANS[function](target, shape)
    plan.load({"w": upload(target, one)})
    x, y = upload(target, one), empty(target, 4)

    def run():
        plan.run([x], None, y, 1)
        target.finish()

    benchmark(run)
    note(benchmark, info, shape, 0)
