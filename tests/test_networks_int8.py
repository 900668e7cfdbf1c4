"""Whole networks on bytes: near float32, and the same bits on every instruction set and for every number of threads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferkern import models
from ferkern.config import config
from ferkern.data.sheets import read_sheet
from ferkern.evaluate import score
from ferkern.models import Network, Node
from ferkern.quantize import calibrate
from ferkern.registry import isa_levels
from test_session import odd_network

FLOATS = ("softmax", "quantize", "local_response_norm", "pool", "batch_norm", "elementwise", "concat", "reorder")

CASES = [
    ("fer_2conv", {}),
    ("fer_4conv", {}),
    ("fer_small", {}),
    ("mini_xception", {"input_size": 48}),
    ("mobilenet", {"alpha": 0.25, "resolution": 64, "classes": 5}),
    ("squeezenet", {"resolution": 65, "classes": 5}),
    ("resnet50", {"resolution": 32, "classes": 5}),
    ("vgg_s", {"resolution": 64, "classes": 5}),
]


def calibrated(name, options, rng, count=4) -> tuple[Network, np.ndarray]:
    network = getattr(models, name)(**options)
    x = rng.standard_normal((count, *network.input_shape)).astype(np.float32)
    return calibrate(network, x), x


def without_softmax(network: Network) -> Network:
    """The numbers before the last softmax, which differ in their last bits from one instruction set to another."""
    assert network.nodes[-1].op == "softmax"
    return replace(network, nodes=network.nodes[:-1], output=network.nodes[-1].inputs[0], classes=())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_near_float32_and_the_same_bits_on_every_instruction_set(name, options, rng):
    network, x = calibrated(name, options, rng)
    front = without_softmax(network)
    expected = front.plan(batch=4).run(x)
    results = []
    for isa in isa_levels():
        if isa == "scalar" and name in ("resnet50", "vgg_s"):
            continue  # minutes
        with config(isa=isa):
            results.append(front.plan(precision="int8", batch=4).run(x))
    spread = np.abs(expected).max()
    assert np.abs(results[-1] - expected).max() < 0.08 * spread
    if name != "vgg_s":  # its local response normalisation is float32, whose last bits are the instruction set's
        for other in results[1:]:
            np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize(("name", "options"), CASES[:6], ids=lambda v: v if isinstance(v, str) else "")
def test_layers_stay_on_bytes(name, options, rng):
    """Nothing is in float32 but the way in and the softmax at the end."""
    network, _ = calibrated(name, options, rng, 1)
    kernels = [kernel.split(":")[0] for _, kernel in network.plan(precision="int8").kernels]
    assert kernels[0] == "quantize"
    floats = [k for k in kernels[1:] if not k.endswith("_int8")]
    assert floats in (["softmax"], ["quantize", "softmax"])  # a global pool's bytes go through one more step


def test_same_bits_for_every_number_of_threads_and_batch(rng):
    network, x = calibrated("fer_small", {}, rng, 5)
    results = [network.plan(precision="int8", batch=8, threads=t).run(x) for t in (1, 2, 3, 7)]
    results += [network.plan(precision="int8", batch=b, threads=1).run(x) for b in (1, 2, 3)]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize("isa", isa_levels())
def test_every_value_of_the_odd_network(isa, rng):
    """Cut at each node in turn: every operator, what is fused away, what runs in float32 between changes of form."""
    network = odd_network(rng)
    x = rng.standard_normal((2, 3, 13, 11)).astype(np.float32)
    network = calibrate(network, x)
    for index, node in enumerate(network.nodes):
        cut = replace(network, output=node.output, nodes=network.nodes[: index + 1], classes=())
        expected = cut.plan(batch=2).run(x)
        with config(isa=isa):
            y = cut.plan(precision="int8", batch=2).run(x)
        error = np.abs(y - expected).max() / max(np.abs(expected).max(), 1e-6)
        assert error < 0.12, f"{node}: {error}"


def test_one_convolution_is_the_sum_that_its_bytes_say(rng):
    """A network of one layer against float64 arithmetic on its own quantised numbers: off by half a step at most."""
    w = rng.standard_normal((20, 5, 3, 3)).astype(np.float32)
    b = rng.standard_normal(20).astype(np.float32)
    attributes = {"stride": [1, 1], "padding": [1, 1, 1, 1], "dilation": [1, 1], "groups": 1}
    nodes = [
        Node("conv2d", ("x",), "a", attributes, {"w": "w", "b": "b"}),
        Node("activation", ("a",), "y", {"kind": "relu6"}),
    ]
    network = Network("one", "x", (5, 9, 8), "y", nodes, {"w": w, "b": b}, classes=())
    x = rng.standard_normal((3, 5, 9, 8)).astype(np.float32)
    network = calibrate(network, x)
    q_x, q_y = network.quantization["x"], network.quantization["y"]
    import oracle

    scale_w = np.abs(w).reshape(20, -1).max(axis=1).astype(np.float64) / 127
    w_seen = np.rint(w / scale_w[:, None, None, None]) * scale_w[:, None, None, None]
    x_seen = (np.clip(np.rint(x / q_x.scale + q_x.zero_point), 0, 255) - q_x.zero_point) * q_x.scale
    exact = np.clip(oracle.conv2d(x_seen, w_seen, b.astype(np.float64), padding=1), 0, 6)
    y = network.plan(precision="int8").run(x)
    assert np.abs(y - exact).max() <= 0.5001 * q_y.scale + 0.5001 * q_y.scale * (exact > 5.97).max()


def test_any_number_of_inputs(rng):
    network, x = calibrated("fer_2conv", {}, rng, 7)
    session = network.plan(precision="int8", batch=3)
    whole = session.run(x)
    assert session.run(x[:0]).shape == (0, 7)
    for n in (1, 2, 3, 4):
        np.testing.assert_array_equal(session.run(x[:n]), whole[:n])


def test_profile_counts_the_work(rng):
    network, x = calibrated("mobilenet", {"alpha": 0.25, "resolution": 64, "classes": 5}, rng, 2)
    _, ledger = network.plan(precision="int8", batch=2).profile(x)
    layers = [row for row in ledger.rows if row.kernel.startswith(("conv2d", "depthwise", "dense"))]
    assert sum(row.flops for row in layers) == pytest.approx(2 * 2 * network.multiply_adds())
    floats = sum(row.bytes_read for row in network.plan(batch=2).profile(x)[1].rows)
    assert sum(row.bytes_read for row in ledger.rows) < 0.5 * floats


def test_parts_of_a_network_keep_their_scales(rng):
    network, x = calibrated("fer_small", {}, rng)
    front, back = network.split("global_avg_pool_1")
    features = front.plan(precision="int8", batch=4).run(x)
    y = back.plan(precision="int8", batch=4).run(np.ascontiguousarray(features[:, :, None, None]))
    np.testing.assert_allclose(y, network.plan(precision="int8", batch=4).run(x), atol=1e-6)


@pytest.mark.dataset
@pytest.mark.slow  # the same bits on every instruction set
@pytest.mark.parametrize("method", ["min_max", "percentile", "entropy"])
def test_accuracy_on_public_test(method, data: Path):
    """Calibrated on Training, within half a point of float32."""
    network = models.load("fer_small")
    faces = read_sheet(data / "fer2013" / "public_test.webp", usage="PublicTest")
    training = read_sheet(data / "fer2013" / "train.webp", usage="Training")
    x = models.preprocess(faces.images, network.preprocessing)
    some = np.linspace(0, len(training) - 1, 512).astype(int)
    network = calibrate(network, models.preprocess(training.images[some], network.preprocessing), method=method)
    sessions = [network.plan(precision=precision, batch=32) for precision in ("float32", "int8")]
    floats, bytes_ = (score(faces.labels, session.run(x), network.classes).accuracy for session in sessions)
    assert abs(bytes_ - floats) <= 0.005
