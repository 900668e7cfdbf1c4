"""Every public function with ``device=`` on every OpenCL device, whole calls with their transfers, networks, streams.

Run with ``pytest benchmarks/bench_opencl.py``. Each result is first compared with the processor's. The device's own
times of one call (kernels, copies, queue, host) stand in ``extra_info``; ``bench_opencl_conv2d.py`` looks at the
convolution more closely, ``bench_transfers.py`` at the copies.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from skimage import data as pictures

from ferkern import flow, image, linalg, models, nn
from ferkern.face.detect import Detector
from ferkern.opencl import find
from ferkern.quantize import calibrate
from opencl_devices import every_device, name_of, string_of

DEVICES = pytest.mark.parametrize("info", every_device(), ids=name_of)
RECORDED = 5  # calls
NETWORKS = ["fer_2conv", "fer_4conv", "fer_small"]

Call = Callable[[str], object]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def layers() -> dict[str, Call]:
    """Name → a call of a layer, but for conv2d, on the device that it is given."""
    x, w_dw, w_pw = normal(1, 128, 56, 56), normal(128, 1, 3, 3), normal(128, 128, 1, 1)
    features, w, of_channels = normal(32, 1024), normal(1024, 1024), np.abs(normal(4, 128))
    bits, rows = nn.binarize(normal(128, 128, 3, 3)), nn.binarize(w)
    return {
        "depthwise": lambda d: nn.depthwise_conv2d(x, w_dw, padding=1, device=d),
        "depthwise_separable": lambda d: nn.depthwise_separable(x, w_dw, w_pw, padding=1, device=d),
        "max_pool": lambda d: nn.max_pool2d(x, 2, device=d),
        "avg_pool": lambda d: nn.avg_pool2d(x, 2, device=d),
        "l2_pool": lambda d: nn.l2_pool2d(x, 2, device=d),
        "global_avg_pool": lambda d: nn.global_avg_pool(x, device=d),
        "global_max_pool": lambda d: nn.global_max_pool(x, device=d),
        "dense": lambda d: nn.dense(features, w, device=d),
        "gemm": lambda d: linalg.gemm(w, w, device=d),
        "softmax": lambda d: nn.softmax(features, device=d),
        "activate": lambda d: nn.activate(x, "relu", device=d),
        "add": lambda d: nn.add(x, x, device=d),
        "batch_norm": lambda d: nn.batch_norm(x, *of_channels, device=d),
        "local_response_norm": lambda d: nn.local_response_norm(x, device=d),
        "concat": lambda d: nn.concat([x, x], device=d),
        "sign_bits": lambda d: nn.sign_bits(x, device=d).bits,
        "binary_conv2d": lambda d: nn.binary_conv2d(x, bits, padding=1, device=d),
        "binary_dense": lambda d: nn.binary_dense(features, rows, device=d),
        "binary_weight_conv2d": lambda d: nn.binary_weight_conv2d(x, bits, padding=1, device=d),
        "binary_weight_dense": lambda d: nn.binary_weight_dense(features, rows, device=d),
    }


def others() -> dict[str, Call]:
    """Name → a call of linear algebra, flow or pictures on the device that it is given."""
    rng = np.random.default_rng(1)
    tall, small = normal(10_000, 136), normal(1000, 8, 8)
    prev = image.resize((255 * rng.random((90, 160))).astype(np.uint8), (720, 1280))
    following = np.ascontiguousarray(np.roll(prev, (2, 3), (0, 1)))
    points = np.mgrid[100:600:8j, 100:1100:9j].reshape(2, -1).T[:, ::-1].astype(np.float32, order="C")
    motion = np.full((720, 1280, 2), (3, 2), np.float32)
    photo = (255 * rng.random((720, 1280, 3))).astype(np.uint8)
    turned = image.similarity(1.0, 0.1)
    portrait = image.resize(image.to_gray(pictures.astronaut()), (720, 720))
    detector = cache(lambda d: Detector.load(device=d))
    return {
        "svd_tall": lambda d: linalg.svd(tall, device=d)[1],
        "svd_batch": lambda d: linalg.svd(small, device=d)[1],
        "pca": lambda d: linalg.pca(tall, 16, device=d).explained_variance,
        "flow_track": lambda d: flow.track(prev, following, points, device=d).points,
        "flow_dense": lambda d: flow.dense(prev, following, device=d),
        "flow_refine": lambda d: flow.refine(prev, following, motion, device=d),
        "flow_horn_schunck": lambda d: flow.horn_schunck(prev, following, device=d),
        "flow_warp": lambda d: flow.warp(prev, motion, device=d),
        "flow_corners": lambda d: flow.corners(prev, 200, device=d),
        "flow_pyramid": lambda d: flow.track(flow.pyramid(prev, device=d), following, points, device=d).points,
        "to_gray": lambda d: image.to_gray(photo, device=d),
        "resize": lambda d: image.resize(photo, (360, 640), device=d),
        "warp": lambda d: image.warp(photo, turned, (720, 1280), device=d),
        "integral": lambda d: image.integral(prev, squared=True, device=d).squared,
        "detect": lambda d: detector(d).detect(portrait).boxes,
    }


CALLS = layers() | others()


def close(y: object, expected: object) -> bool:
    """Within a thousandth of the largest; of iterations, whose last step may differ at a few pixels, in the mean."""
    y, expected = np.asarray(y, np.float64), np.asarray(expected, np.float64)
    apart = np.abs(y - expected)
    most = apart.max() if y.size < 100_000 else apart.mean()
    return y.shape == expected.shape and bool(most <= 1e-3 * max(1.0, np.abs(expected).max()))


def note(benchmark, info, call: Callable[[], object], device_times) -> None:
    """The device's times of a call: the mean of some, behind one that brings the memory of a recorded queue."""
    target, spans = find(string_of(info)), []
    for number in range(1 + RECORDED):
        with target.recording() as timeline:
            call()
        spans += timeline.spans() if number else []
    device_times(spans, runs=RECORDED)
    benchmark.extra_info["device"] = f"{info}, {info.version}, driver {info.driver}, {info.compute_units} units"


@pytest.mark.parametrize("name", CALLS)
@DEVICES
def test_call(benchmark, info, name, ferkern_device_times):
    device, call = string_of(info), CALLS[name]
    assert close(call(device), call("cpu")), "a wrong kernel must not be timed"
    benchmark(call, device)
    note(benchmark, info, lambda: call(device), ferkern_device_times)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("name", NETWORKS)
@DEVICES
def test_network(benchmark, info, name, batch, precision, ferkern_device_times):
    network = models.load(name)
    x = np.random.default_rng(1).random((batch, *network.input_shape), np.float32)
    if precision == "int8":
        network = calibrate(network, x)
    session = network.plan(device=string_of(info), batch=batch, precision=precision)
    expected = network.plan(batch=batch, precision=precision).run(x)
    assert close(session.run(x), expected), "a wrong kernel must not be timed"
    benchmark(session.run, x)
    session.profile(x)
    ferkern_device_times(session.profile(x)[1])
    benchmark.extra_info["device"] = session.device


@pytest.mark.parametrize("budget", [None, 8 << 20], ids=["all at once", "8 MiB"])
@DEVICES
def test_stream(benchmark, info, budget, ferkern_device_times):
    """Eight arrays of 64 images through a network, and through one that must slice them to keep its budget."""
    network = models.load("fer_2conv")
    arrays = list(np.random.default_rng(1).random((8, 64, *network.input_shape), np.float32))
    session = network.plan(device=string_of(info), batch=64, budget=budget)
    expected = network.plan(batch=64).run(np.concatenate(arrays))
    assert close(np.concatenate(list(session.stream(arrays))), expected), "a wrong kernel must not be timed"
    benchmark(lambda: list(session.stream(arrays)))
    ferkern_device_times([span for _, ledger in session.profile_stream(arrays) for span in ledger.spans])
    benchmark.extra_info.update(device=session.device, batch=session.batch)
