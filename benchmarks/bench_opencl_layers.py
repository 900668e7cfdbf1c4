"""The layers besides conv2d on every OpenCL device: kernels alone, on buffers that stay, weights loaded before.

Run with ``pytest benchmarks/bench_opencl_layers.py``. Work (flops, bytes), kernel and device stand in ``extra_info``;
the same layers on the processor are those of ``bench_depthwise.py``, ``bench_pool.py``, ``bench_dense.py`` and so on.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cases import LAYERS, PRODUCTS, Layer
from ferkern import _core, linalg, nn
from ferkern.opencl import find
from ferkern.opencl.memory import download, empty, upload
from ferkern.opencl.ops import gemm, separable
from ferkern.registry import last_kernel
from opencl_devices import every_device, name_of, string_of

DEVICES = pytest.mark.parametrize("info", every_device(), ids=name_of)
KINDS = ("depthwise", "pool", "dense", "pointwise", "channels")
CASES = pytest.mark.parametrize(
    "case", [case for kind in KINDS for case in LAYERS[kind]], ids=lambda c: f"{c.op}-{c.name}-b{c.batch}"
)
POOLS = {"max_pool2d": "max", "avg_pool2d": "average", "l2_pool2d": "l2"}
# MobileNet's blocks for 160 pixels: channels, side, filters, stride.
BLOCKS = [(32, 80, 64, 1), (64, 80, 128, 2), (128, 40, 128, 1), (512, 10, 512, 1), (1024, 5, 1024, 1)]


def resolved(case: Layer, x: np.ndarray, w: dict[str, np.ndarray]) -> tuple[str, Any, Callable[[], np.ndarray]]:
    """Op, shape and the processor's result of a layer."""
    a = {key: tuple(value) if isinstance(value, list) else value for key, value in case.attributes.items()}
    if case.op == "conv2d":
        given, window = (x, w["w"], w["b"]), {"stride": a["stride"], "padding": a["padding"]}
        shape = _core.depthwise_shape(*given, a["stride"], a["padding"], 1, None, None)
        return "depthwise", shape, lambda: nn.depthwise_conv2d(*given, **window)
    if case.op in POOLS:
        window = {"stride": a["stride"], "padding": a["padding"]}
        shape = _core.pool_shape(x, POOLS[case.op], a["size"], a["stride"], a["padding"], False)
        return "pool", shape, lambda: getattr(nn, case.op)(x, a["size"], **window)
    if case.op in ("global_avg_pool", "global_max_pool"):
        shape = _core.global_pool_shape(x, case.op == "global_avg_pool")
        return "global_pool", shape, lambda: getattr(nn, case.op)(x)
    if case.op == "dense":
        shape = _core.dense_shape(x, w["w"], w["b"], None, None)
        return "dense", shape, lambda: nn.dense(x, w["w"], w["b"])
    if case.op == "batch_norm":
        shape = _core.batch_norm_shape(x, *w.values(), a["epsilon"], None, None)
        return "batch_norm", shape, lambda: nn.batch_norm(x, *w.values(), epsilon=a["epsilon"])
    plain = {
        "activation": (
            "elementwise",
            lambda: _core.activate_shape(x, a["kind"], None),
            lambda: nn.activate(x, a["kind"]),
        ),
        "add": ("elementwise", lambda: _core.add_shape(x, x, None, None), lambda: nn.add(x, x)),
        "softmax": ("softmax", lambda: _core.softmax_shape(x, 1), lambda: nn.softmax(x)),
        "concat": ("concat", lambda: _core.concat_shape([x] * case.inputs), lambda: nn.concat([x] * case.inputs)),
        "local_response_norm": (
            "local_response_norm",
            lambda: _core.local_response_norm_shape(x, *a.values()),
            lambda: nn.local_response_norm(x, **a),
        ),
    }
    op, shape_of, call = plain[case.op]
    return op, shape_of(), call


def measured(benchmark, info, op, shape, run, result, expected):
    """Times a run after a check of what it wrote."""
    target = find(string_of(info))
    run()
    y = np.empty_like(expected)
    download(target, result, y)
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max(), "a wrong kernel must not be timed"

    def waited():
        run()
        target.finish()

    benchmark(waited)
    flops, read, written = _core.device_cost(op, shape)
    benchmark.extra_info.update(
        flops=flops,
        bytes=read + written,
        bytes_transferred=0,
        kernel=last_kernel(),
        device=f"{info}, {info.version}, driver {info.driver}, {info.compute_units} units",
    )
    if benchmark.stats is not None:
        median = benchmark.stats.stats.median
        benchmark.extra_info.update(gflops=flops / median / 1e9, gbytes=(read + written) / median / 1e9)


@CASES
@DEVICES
def test_layer(benchmark, info, case):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((case.batch, *case.input)).astype(np.float32)
    weights = {role: rng.uniform(0.1, 1, sizes).astype(np.float32) for role, sizes in case.weights.items()}
    op, shape, call = resolved(case, x, weights)
    expected = call()
    target = find(string_of(info))
    _, function = _core.device_kernel(op, shape, "opencl")
    plan = importlib.import_module(f"ferkern.opencl.ops.{op}").PLANS[function](target, shape)
    plan.load({role: upload(target, array) for role, array in weights.items()})
    inputs, result = [upload(target, x)] * case.inputs, empty(target, expected.nbytes)
    measured(benchmark, info, op, shape, lambda: plan.run(inputs, None, result, case.batch), result, expected)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
@DEVICES
def test_separable(benchmark, info, block):
    c, side, filters, stride = block
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, c, side, side)).astype(np.float32)
    sizes = {"w_dw": (c, 1, 3, 3), "w_pw": (filters, c, 1, 1), "b": (filters,), "b_dw": (c,)}
    w = {role: rng.uniform(0.1, 1, size).astype(np.float32) for role, size in sizes.items()}
    call = {"stride": stride, "padding": 1, "activation_dw": "relu6", "activation": "relu6"}
    expected = nn.depthwise_separable(x, **w, **call)
    target = find(string_of(info))
    shape = _core.separable_shape(x, *w.values(), stride, 1, 1, "relu6", "relu6", None)
    _, function = _core.device_kernel("separable", shape, "opencl")
    plan = separable.PLANS[function](target, shape)
    plan.load({role: upload(target, array) for role, array in w.items()})
    there, result = upload(target, x), empty(target, expected.nbytes)
    measured(benchmark, info, "separable", shape, lambda: plan.run([there], None, result, 1), result, expected)


@pytest.mark.parametrize("case", PRODUCTS, ids=lambda c: f"{c.name}-{c.m}x{c.n}x{c.k}")
@DEVICES
def test_gemm(benchmark, info, case):
    rng = np.random.default_rng(1)
    a, b = (rng.uniform(0.1, 1, size).astype(np.float32) for size in ((case.m, case.k), (case.k, case.n)))
    expected = linalg.gemm(a, b)
    target = find(string_of(info))
    shape = _core.gemm_shape(a, b, None, False, None, None)
    _, function = _core.device_kernel("gemm", shape, "opencl")
    product = gemm.PRODUCTS[function](target, shape)
    left, right, result = upload(target, a), upload(target, b), empty(target, expected.nbytes)
    measured(benchmark, info, "gemm", shape, lambda: product.run(left, right, None, result, shape), result, expected)
