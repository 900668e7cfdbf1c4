"""Calibration: what ranges the methods find, that they are kept on disk, and wrong input."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import numpy as np
import pytest

from ferkern import ModelError, models
from ferkern.models import Network, build
from ferkern.models.builder import GraphBuilder
from ferkern.models.network import Quantization
from ferkern.quantize import calibrate, range_of_entropy, to_quantization


@pytest.fixture
def small() -> Network:
    g = GraphBuilder("small", (3, 8, 8), seed=4)
    x = g.max_pool2d(g.conv_bn("input", 8, 3), 2)
    g.softmax(g.dense(g.global_avg_pool(x), 7))
    return g.finish()


def images_of(network: Network, rng, count=20):
    return rng.standard_normal((count, *network.input_shape)).astype(np.float32)


def test_min_max_is_the_range_of_the_samples(small, rng):
    x = images_of(small, rng)
    q = calibrate(small, x).quantization
    assert set(q) == {"input", *(node.output for node in small.nodes)}
    for value in ("input", "conv2d_1", "activation_1", "dense_1"):
        seen = x if value == "input" else replace(small, output=value, classes=()).plan(batch=20).run(x)
        low, high = min(seen.min(), 0.0), max(seen.max(), 0.0)
        assert q[value].scale == pytest.approx((high - low) / 255, rel=1e-5)
        assert abs(q[value].zero_point + low / q[value].scale) <= 0.501
    assert q["activation_1"].zero_point == 0
    assert small.quantization == {}, "the network itself is not changed"


def test_batches_make_no_difference(small, rng):
    x = images_of(small, rng, 37)
    assert calibrate(small, x).quantization == calibrate(small, x[::-1].copy()).quantization


def test_percentile_leaves_out_a_wild_value(small, rng):
    x = images_of(small, rng, 200)
    x[3, 1, 2, 2] = 1000.0
    wide = calibrate(small, x).quantization["input"]
    narrow = calibrate(small, x, method="percentile", percentile=99.9, bins=65536).quantization["input"]
    assert wide.scale > 3.9
    magnitudes = np.abs(x)
    assert narrow.scale * 255 == pytest.approx(2 * np.percentile(magnitudes, 99.9), rel=0.1)
    every = calibrate(small, x, method="percentile", percentile=100.0).quantization["input"]
    assert every.scale == pytest.approx(wide.scale, rel=1e-3)


def test_entropy_cuts_a_long_tail_and_keeps_an_even_range(rng):
    bins = 2048
    values = np.abs(rng.standard_normal(200_000))
    tail = np.histogram(np.append(values, 40.0), bins=bins, range=(0, 40.0))[0]
    low, high = range_of_entropy((np.zeros(bins, np.int64), tail), 0.0, 40.0)
    assert low == 0.0
    assert 3.0 < high < 20.0
    even = np.histogram(rng.uniform(0, 1, 200_000), bins=bins, range=(0, 1))[0]
    assert range_of_entropy((np.zeros(bins, np.int64), even), 0.0, 1.0)[1] > 0.95


def test_entropy_runs_on_a_network(small, rng):
    x = images_of(small, rng, 100)
    wide, narrow = calibrate(small, x), calibrate(small, x, method="entropy")
    for value, q in narrow.quantization.items():
        assert q.scale <= wide.quantization[value].scale * 1.0001
    assert np.abs(narrow.plan(precision="int8").run(x) - small.plan().run(x)).max() < 0.05


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 255.0, (1.0, 0)),
        (-1.0, 1.0, (2 / 255, 127)),  # 127.5 less the scale's rounding
        (3.0, 51.0, (0.2, 0)),
        (-51.0, -3.0, (0.2, 255)),
        (0.0, 0.0, (1.0, 0)),
        (0.0, 1e-40, (1.0, 0)),
        (2.0, 2.0, (2 / 255, 0)),
    ],
)
def test_ranges_to_bytes(low, high, expected):
    q = to_quantization(low, high)
    assert q.scale == pytest.approx(expected[0], rel=1e-6)
    assert q.zero_point == expected[1]


@pytest.mark.parametrize(("low", "high"), [(np.nan, 1.0), (0.0, np.inf), (2.0, 1.0)])
def test_ranges_that_are_none(low, high):
    with pytest.raises(ValueError, match="low, high must be finite and in order"):
        to_quantization(low, high)


def test_constant_samples(small):
    """A range of zero: every layer has a well-defined result, that of float32 within a step."""
    zero = np.zeros((2, 3, 8, 8), np.float32)
    network = calibrate(small, zero)
    assert network.quantization["input"] == Quantization(1.0, 0)
    np.testing.assert_allclose(network.plan(precision="int8").run(zero), small.plan().run(zero), atol=1e-6)
    for method in ("percentile", "entropy"):
        assert calibrate(small, zero, method=method).quantization == network.quantization


def test_kept_on_disk(small, rng, tmp_path):
    network = calibrate(small, images_of(small, rng))
    models.save(network, tmp_path / "n.safetensors", dtype="float32")
    again = models.load(tmp_path / "n.safetensors")
    assert again.quantization == network.quantization
    x = images_of(small, rng)
    np.testing.assert_array_equal(again.plan(precision="int8").run(x), network.plan(precision="int8").run(x))


def test_a_file_without_it_has_the_bytes_that_it_had(small, tmp_path):
    models.save(small, tmp_path / "n.safetensors")
    assert b"quantization" not in (tmp_path / "n.safetensors").read_bytes()


def rewritten(path, change):
    """The file with the graph in its header changed by `change(graph)`."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    graph = json.loads(header["__metadata__"]["ferkern"])
    change(graph)
    header["__metadata__"]["ferkern"] = json.dumps(graph)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        ({"quantization": [1]}, "quantization must be a dict"),
        ({"quantization": {"input": 3}}, "must be a scale and a zero point"),
        ({"quantization": {"input": [1.0]}}, "must be a scale and a zero point"),
        ({"quantization": {"input": ["1", 0]}}, "must be a scale and a zero point"),
        ({"quantization": {"input": [1.0, 0.5]}}, "must be a scale and a zero point"),
        ({"quantization": {"input": [0.0, 0]}}, "scale of 'input' must be in"),
        ({"quantization": {"input": [-1.0, 0]}}, "scale of 'input' must be in"),
        ({"quantization": {"input": [1e39, 0]}}, "scale of 'input' must be in"),
        ({"quantization": {"input": [1.0, 256]}}, "zero_point of 'input' must be in"),
        ({"quantization": {"nowhere": [1.0, 0]}}, "'nowhere', which is no value"),
    ],
)
def test_damaged_files(small, rng, tmp_path, damage, match):
    path = tmp_path / "n.safetensors"
    models.save(calibrate(small, images_of(small, rng)), path)
    rewritten(path, lambda graph: graph.update(damage))
    with pytest.raises(ModelError, match=match):
        models.load(path)


def test_wrong_calibration(small, rng):
    x = images_of(small, rng)
    with pytest.raises(ValueError, match=r"images has shape \[20, 3, 8, 7\], network 'small' takes \[N, 3, 8, 8\]"):
        calibrate(small, x[..., :7])
    with pytest.raises(ValueError, match="images must hold at least one sample"):
        calibrate(small, x[:0])
    with pytest.raises(TypeError, match="images must be a float32 array, is float64"):
        calibrate(small, x.astype(np.float64))
    with pytest.raises(TypeError, match="images must be a float32 array, is list"):
        calibrate(small, [1.0])
    with pytest.raises(ValueError, match="method must be one of min_max, percentile, entropy, is 'best'"):
        calibrate(small, x, method="best")
    with pytest.raises(ValueError, match=r"percentile must be in \(0, 100\], is 0"):
        calibrate(small, x, method="percentile", percentile=0)
    with pytest.raises(ValueError, match="bins must be from 256 to 65536, is 10"):
        calibrate(small, x, method="entropy", bins=10)
    x[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="images has values that are not finite"):
        calibrate(small, x)
    with pytest.raises(ValueError, match=r"images: value 'conv2d_1' .* is not finite"):
        calibrate(small, np.full((1, 3, 8, 8), 3e38, np.float32))


def test_int8_needs_calibration(small):
    with pytest.raises(ValueError, match=r"'small' is not calibrated; ferkern\.quantize\.calibrate\(network, images\)"):
        small.plan(precision="int8")


def test_a_value_without_quantisation_is_named(small, rng):
    network = calibrate(small, images_of(small, rng))
    del network.quantization["activation_1"]
    with pytest.raises(ModelError, match="value 'activation_1' has no quantisation; calibrate the network again"):
        network.plan(precision="int8")


def test_weights_that_are_not_finite_are_named(rng):
    network = build("fer_2conv")
    network = calibrate(network, images_of(network, rng, 2))
    network.weights["conv2d_2.w"][3, 1, 0, 0] = np.inf
    with pytest.raises(ModelError, match=r"conv2d -> .*: weight 'w' has values that are not finite"):
        network.plan(precision="int8")
