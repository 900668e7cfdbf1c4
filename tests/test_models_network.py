"""The graph: shapes, references, cost, and the architectures as the literature has them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferkern import models
from ferkern.errors import ModelError
from ferkern.models import Network, Node
from ferkern.models.builder import GraphBuilder, same_padding


@pytest.mark.parametrize(
    ("name", "multiply_adds"), [("fer_2conv", 5.2e6), ("fer_4conv", 23.5e6), ("mini_xception", 10.2e6)]
)
def test_cost_is_that_of_the_literature(name: str, multiply_adds: float) -> None:
    assert models.build(name).multiply_adds() == pytest.approx(multiply_adds, rel=0.02)


@pytest.mark.parametrize(
    ("name", "options", "multiply_adds", "weights"),
    [
        # Howard et al. 2017, tables 6, 7 and 8.
        ("mobilenet", {}, 569e6, 4.2e6),
        ("mobilenet", {"resolution": 160}, 290e6, 4.2e6),
        ("mobilenet", {"alpha": 0.25}, 41e6, 0.47e6),
        # Iandola et al. 2016, table 1 for the number of weights; 0.35 G multiply-adds at 224 with their release.
        ("squeezenet", {"resolution": 224}, 350e6, 1.235e6),
        # He et al. 2016: 25.6 M weights; 3.8 G multiply-adds, 4.1 with the stride in the 3x3 convolutions.
        ("resnet50", {}, 4.1e9, 25.6e6),
    ],
)
def test_imagenet_networks_cost_what_their_papers_say(name, options, multiply_adds, weights) -> None:
    network = getattr(models, name)(**options)
    assert network.multiply_adds() == pytest.approx(multiply_adds, rel=0.01)
    learned = sum(w.size for key, w in network.weights.items() if not key.endswith(("mean", "variance")))
    assert learned == pytest.approx(weights, rel=0.03)


def test_vgg_s_has_395_mebibytes_of_weights_most_of_them_dense() -> None:
    network = models.vgg_s()
    assert 4 * network.parameters() / 2**20 == pytest.approx(395, rel=0.01)
    assert network.multiply_adds() == pytest.approx(2.6e9, rel=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha must be in 1/32..4, is 0.0"),
        ({"resolution": 100}, "resolution must be a multiple of 32, is 100"),
        ({"classes": 0}, "classes must be at least 1, is 0"),
    ],
)
def test_a_mobilenet_that_cannot_be_is_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        models.mobilenet(**options)


def test_mini_xception_at_48_pixels_costs_5_5_million() -> None:
    assert models.mini_xception(input_size=48).multiply_adds() == pytest.approx(5.5e6, rel=0.01)


def test_fer_small_keeps_within_its_means() -> None:
    network = models.fer_small()
    assert network.multiply_adds() <= 60_000_000
    assert network.parameters() <= 1_200_000


@pytest.mark.parametrize("name", ["fer_2conv", "fer_4conv", "fer_small", "mini_xception"])
def test_builders_end_in_seven_probabilities(name: str) -> None:
    network = models.build(name)
    network.validate()
    assert network.infer_shapes()[network.output] == (7,)
    assert network.nodes[-1].op == "softmax"
    assert network.classes == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def test_the_seed_decides_the_weights() -> None:
    a, b, c = models.fer_2conv(seed=1), models.fer_2conv(seed=1), models.fer_2conv(seed=2)
    name = a.nodes[0].weights["w"]
    assert np.array_equal(a.weights[name], b.weights[name])
    assert not np.array_equal(a.weights[name], c.weights[name])


def test_he_initialisation_has_its_variance() -> None:
    network = models.fer_small()
    w = max(network.weights.values(), key=lambda t: t.size)
    assert w.std() == pytest.approx(np.sqrt(2 / np.prod(w.shape[1:])), rel=0.02)


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"no network 'resnet9'.*fer_small"):
        models.build("resnet9")


@pytest.mark.parametrize(("size", "kernel", "stride"), [(48, 3, 1), (48, 3, 2), (47, 3, 2), (7, 5, 3), (6, 1, 2)])
def test_same_padding_gives_ceil(size: int, kernel: int, stride: int) -> None:
    before, after = same_padding(size, kernel, stride, at_end=True)
    assert (size + before + after - kernel) // stride + 1 == -(-size // stride)
    assert 0 <= after - before <= 1


def _two_layers() -> Network:
    g = GraphBuilder("two", (1, 8, 8))
    g.softmax(g.dense(g.flatten(g.conv_bn("input", 4, 3)), 7))
    return g.finish()


def _change(network: Network, index: int, **fields: object) -> Network:
    nodes = list(network.nodes)
    nodes[index] = replace(nodes[index], **fields)  # type: ignore[arg-type]
    return replace(network, nodes=nodes)


@pytest.mark.parametrize(
    ("index", "fields", "message"),
    [
        (0, {"op": "einsum"}, "unknown operator 'einsum'"),
        (0, {"inputs": ("nowhere",)}, "'nowhere' is made by no earlier node"),
        (0, {"inputs": ()}, "takes one input, got 0"),
        (0, {"output": "input"}, "'input' is made twice"),
        (0, {"weights": {}}, "has weights"),
        (0, {"weights": {"w": "lost"}}, "names tensor 'lost'"),
        (0, {"attributes": {"stride": [0, 1]}}, r"'stride' must be 2 integers in 1..65536, is \[0, 1\]"),
        (0, {"attributes": {"stride": [True, 1]}}, "'stride'"),
        (0, {"attributes": {"stride": 2}}, "'stride'"),
        (0, {"attributes": {"groups": 2}}, "groups=2 does not fit"),
        (0, {"attributes": {"dilation": [9, 9]}}, "window reaches over 19"),
        (1, {"attributes": {}}, "'epsilon' must be a finite number"),
        (1, {"attributes": {"epsilon": float("nan")}}, "'epsilon'"),
        (1, {"attributes": {"epsilon": 0.0}}, "above 0"),
        (2, {"attributes": {"kind": "gelu"}}, "'kind' must be one of relu"),
        (4, {"inputs": ("conv2d_1",)}, "takes an input of rank 1"),
        (5, {"attributes": {"axis": 2}}, "'axis' must be 1"),
    ],
)
def test_every_fault_of_a_node_is_named(index: int, fields: dict[str, object], message: str) -> None:
    network = _change(_two_layers(), index, **fields)
    if index == 4:
        network.nodes[4] = replace(network.nodes[4], op="dense")
    with pytest.raises(ModelError, match=message):
        network.validate()


def test_missing_output_and_wrong_classes_are_named() -> None:
    with pytest.raises(ModelError, match="'end' is made by no node"):
        replace(_two_layers(), output="end").validate()
    with pytest.raises(ModelError, match="there are 2 classes"):
        replace(_two_layers(), classes=("a", "b")).validate()


def test_weights_must_be_float32() -> None:
    network = _two_layers()
    name = network.nodes[0].weights["w"]
    network.weights[name] = network.weights[name].astype(np.float64)  # type: ignore[assignment]
    with pytest.raises(ModelError, match="must be float32, is float64"):
        network.validate()


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "shape"),
    [
        ("max_pool2d", ["a"], {"size": [2, 3], "stride": [2, 1], "padding": [1, 0, 0, 2]}, (4, 4, 8)),
        ("avg_pool2d", ["a"], {"size": [2, 2], "stride": [2, 2], "count_include_pad": True}, (4, 4, 4)),
        ("l2_pool2d", ["a"], {"size": [8, 8], "stride": [1, 1]}, (4, 1, 1)),
        ("global_avg_pool", ["a"], {}, (4,)),
        ("global_max_pool", ["a"], {}, (4,)),
        ("flatten", ["a"], {}, (256,)),
        ("add", ["a", "a", "a"], {}, (4, 8, 8)),
        ("concat", ["a", "a"], {"axis": 1}, (8, 8, 8)),
        ("local_response_norm", ["a"], {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2.0}, (4, 8, 8)),
        ("dropout", ["a"], {"rate": 0.5}, (4, 8, 8)),
    ],
)
def test_shapes_of_operators_without_weights(
    op: str, inputs: list[str], attributes: dict[str, object], shape: tuple[int, ...]
) -> None:
    network = Network("one", "a", (4, 8, 8), "b", [Node(op, tuple(inputs), "b", dict(attributes))], {})
    assert network.infer_shapes()["b"] == shape


def test_pool_padding_must_be_smaller_than_its_window() -> None:
    node = Node("max_pool2d", ("a",), "b", {"size": [2, 2], "stride": [2, 2], "padding": [2, 0, 0, 0]})
    with pytest.raises(ModelError, match="smaller than the window"):
        Network("one", "a", (4, 8, 8), "b", [node], {}).infer_shapes()


def test_preprocessing_by_hand() -> None:
    faces = np.arange(2 * 48 * 48, dtype=np.uint32).reshape(2, 48, 48).astype(np.uint8)
    faces[1] = 7
    x = models.preprocess(faces, models.fer_small().preprocessing)
    assert x.shape == (2, 1, 48, 48)
    assert x.dtype == np.float32
    assert x[0].mean() == pytest.approx(0, abs=1e-5)
    assert x[0].std() == pytest.approx(1, rel=1e-5)
    assert not x[1].any()
    fixed = {"size": [48, 48], "channels": 1, "normalization": "fixed", "mean": 127.5, "std": 127.5}
    assert models.preprocess(faces, fixed)[1, 0, 0, 0] == pytest.approx((7 - 127.5) / 127.5)
    with pytest.raises(TypeError, match="uint8"):
        models.preprocess(x, fixed)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"\[n, 48, 48\], has \[2, 47, 48\]"):
        models.preprocess(faces[:, 1:], fixed)


def test_preprocessing_that_does_not_fit_is_named() -> None:
    network = models.fer_small()
    for change, message in [
        ({"size": [40, 48]}, "do not make the input"),
        ({"normalization": "log"}, "normalization must be"),
        ({"epsilon": 0}, "epsilon must be a positive"),
        ({"mean": 1.0}, "needs"),
    ]:
        with pytest.raises(ModelError, match=message):
            replace(network, preprocessing={**network.preprocessing, **change}).validate()


def _published_convolutions(config: dict[str, Any]) -> Counter[tuple[Any, ...]]:
    """(filters, side, stride, bias, depthwise) of every convolution of a Keras model's configuration."""
    found: Counter[tuple[Any, ...]] = Counter()
    for layer in config["layers"]:
        c = layer["config"]
        if layer["class_name"] == "SeparableConv2D":
            found[(None, c["kernel_size"][0], c["strides"][0], False, True)] += 1
            found[(c["filters"], 1, 1, c["use_bias"], False)] += 1
        elif layer["class_name"] == "Conv2D":
            found[(c["filters"], c["kernel_size"][0], c["strides"][0], c["use_bias"], False)] += 1
    return found


def test_mini_xception_has_the_published_layers(data: Path) -> None:
    """Our layers against the configuration that stands as JSON in the published Keras file."""
    raw = (data / "peers" / "fer2013_mini_XCEPTION.102-0.66.hdf5").read_bytes()
    begin = raw.index(b'{"class_name": "Model"')
    text = raw[begin : raw.index(b"\0", begin)].decode()
    config = json.JSONDecoder().raw_decode(text)[0]["config"]
    network = models.mini_xception()
    ours: Counter[tuple[Any, ...]] = Counter()
    for node in network.nodes:
        if node.op == "conv2d":
            w = network.weights[node.weights["w"]].shape
            depthwise = node.attributes["groups"] > 1
            filters = None if depthwise else w[0]
            ours[(filters, w[2], node.attributes["stride"][0], "b" in node.weights, depthwise)] += 1
    assert ours == _published_convolutions(config)
    kinds = Counter(layer["class_name"] for layer in config["layers"])
    ops = Counter(node.op for node in network.nodes)
    assert ops["batch_norm"] == kinds["BatchNormalization"]
    assert ops["add"] == kinds["Add"]
    assert ops["max_pool2d"] == kinds["MaxPooling2D"]
    assert ops["activation"] + ops["softmax"] == kinds["Activation"]
    assert network.infer_shapes()["add_4"] == (128, 4, 4)


def test_split_networks_give_together_what_the_whole_gives() -> None:
    network = models.fer_small(seed=3)
    front, back = network.split("global_avg_pool_1")
    x = np.random.default_rng(0).normal(size=(3, 1, 48, 48)).astype(np.float32)
    features = front.plan(batch=3).run(x)
    assert features.shape == (3, 128)
    parts = back.plan(batch=3).run(features[:, :, None, None])
    np.testing.assert_allclose(parts, network.plan(batch=3).run(x), rtol=1e-5, atol=1e-7)
    assert front.multiply_adds() + back.multiply_adds() == network.multiply_adds()
    assert (front.classes, back.classes) == ((), network.classes)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("activation_99", "is no value inside network 'fer_small'; there are conv2d_1, "),
        ("input", "is no value inside"),
        ("softmax_1", "is no value inside"),
        ("batch_norm_3", "'conv2d_1' of 'fer_small' reads past 'batch_norm_3'"),
    ],
)
def test_a_split_that_cannot_be_is_refused(value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.fer_small().split(value)
