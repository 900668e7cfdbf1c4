"""Planned networks against the stored graph, run node by node in float64."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

import oracle_network
from ferkern import models
from ferkern.config import config
from ferkern.errors import ModelError
from ferkern.models import Network, Node, build
from ferkern.models.builder import GraphBuilder
from ferkern.registry import isa_levels


def trained_looking(network: Network, rng) -> Network:
    """Batch-norm statistics and biases as training leaves them, so that folding has something to get wrong."""
    for name, w in network.weights.items():
        if name.endswith(("gamma", "variance")):
            w[...] = rng.uniform(0.5, 2.0, w.shape)
        elif name.endswith(("beta", "mean", ".b")):
            w[...] = rng.normal(0, 0.3, w.shape)
    return network


@pytest.mark.parametrize("isa", isa_levels())
@pytest.mark.parametrize("name", ["fer_2conv", "fer_4conv", "fer_small", "mini_xception"])
def test_zoo_agrees_with_the_stored_graph(name, isa, rng):
    network = trained_looking(build(name, seed=3), rng)
    x = rng.standard_normal((3, *network.input_shape)).astype(np.float32)
    with config(isa=isa):
        session = network.plan(batch=2, threads=2)
    expected = oracle_network.run(network, x)
    np.testing.assert_allclose(session.run(x), expected, atol=2e-5, rtol=1e-4)
    assert all(kernel.rsplit(":", 1)[1] in isa_levels()[: isa_levels().index(isa) + 1] for _, kernel in session.kernels)
    assert any(kernel.endswith((isa, "avx512" if isa == "avx512icl" else isa)) for _, kernel in session.kernels)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mobilenet", {"alpha": 0.25, "resolution": 64}),
        ("squeezenet", {"resolution": 65}),
        ("resnet50", {"resolution": 32}),
        ("vgg_s", {"resolution": 64}),
    ],
)
def test_imagenet_networks_agree_with_the_stored_graph(name, options, rng):
    network = getattr(models, name)(**options, classes=5)
    # Untrained sums grow from block to block: compared before dense layers and softmax, to the largest.
    end = next(node.inputs[0] for node in network.nodes if node.op in ("flatten", "global_avg_pool"))
    front, _ = network.split(end)
    x = rng.standard_normal((2, *network.input_shape)).astype(np.float32)
    expected = oracle_network.run(front, x)
    np.testing.assert_allclose(
        front.plan(batch=2, threads=2).run(x), expected, rtol=0, atol=2e-5 * np.abs(expected).max()
    )


def test_folding_and_fusing_leave_few_steps():
    kinds = [step.split(" ")[0] for step, _ in build("fer_small").plan().kernels]
    assert "batch_norm" not in kinds
    assert "activation" not in kinds
    assert "add" not in kinds
    assert "dropout" not in kinds


# Every operator, and the places where fusing must hold back: a value read twice, a sum of three, an activation before a
# sum, batch norm without a layer before it, features and images.
def odd_network(rng) -> Network:
    def w(*shape):
        return rng.standard_normal(shape).astype(np.float32) * 0.3

    weights = {
        "c1": w(20, 3, 3, 3), "c1b": w(20), "c2": w(20, 20, 3, 3), "c3": w(20, 1, 3, 3), "c4": w(20, 20, 1, 1),
        "c5": w(40, 10, 3, 3), "g": w(20), "be": w(20), "m": w(20), "v": np.abs(w(20)) + 0.1,
        "d1b": w(30), "d2": w(5, 30),
        "g2": w(30), "be2": w(30), "m2": w(30), "v2": np.abs(w(30)) + 0.1,
    }  # fmt: skip
    conv = {"stride": [1, 1], "padding": [1, 1, 1, 1], "dilation": [1, 1], "groups": 1}
    norm = {"gamma": "g", "beta": "be", "mean": "m", "variance": "v"}
    norm2 = {"gamma": "g2", "beta": "be2", "mean": "m2", "variance": "v2"}
    nodes = [
        Node("conv2d", ("x",), "a", {**conv}, {"w": "c1", "b": "c1b"}),
        Node("activation", ("a",), "a_elu", {"kind": "elu"}),
        Node("batch_norm", ("a_elu",), "bn", {"epsilon": 1e-3}, norm),
        Node("conv2d", ("bn",), "b", {**conv, "groups": 1}, {"w": "c2"}),
        Node("activation", ("b",), "b_relu", {"kind": "relu"}),
        Node("add", ("b_relu", "bn"), "s1", {}),
        Node("conv2d", ("s1",), "dw", {**conv, "groups": 20}, {"w": "c3"}),
        Node("activation", ("dw",), "dw_act", {"kind": "hard_swish"}),
        Node("conv2d", ("dw_act",), "pw", {**conv, "padding": [0, 0, 0, 0]}, {"w": "c4"}),
        Node("add", ("pw", "s1", "bn"), "s3", {}),
        Node("add", ("s3", "s3"), "s4", {}),
        Node("activation", ("s4",), "s4_act", {"kind": "leaky_relu", "alpha": 0.2}),
        Node("conv2d", ("s4_act",), "g1", {**conv, "groups": 2}, {"w": "c5"}),
        Node("local_response_norm", ("s4_act",), "lrn", {"size": 5, "alpha": 1e-2, "beta": 0.75, "k": 2.0}),
        Node("concat", ("g1", "lrn", "x"), "cat", {"axis": 1}),
        Node("max_pool2d", ("cat",), "p1", {"size": [3, 3], "stride": [2, 2], "padding": [1, 1, 1, 1]}),
        Node("avg_pool2d", ("p1",), "p2", {"size": [2, 2], "stride": [1, 1], "padding": [0, 1, 1, 0]}),
        Node("l2_pool2d", ("p2",), "p3", {"size": [2, 2], "stride": [1, 1], "padding": [0, 0, 0, 0]}),
        Node("global_avg_pool", ("p3",), "ga", {}),
        Node("max_pool2d", ("x",), "px", {"size": [3, 4], "stride": [4, 3], "padding": [0, 0, 0, 0]}),
        Node("global_max_pool", ("px",), "gx", {}),
        Node("avg_pool2d", ("px",), "px2", {"size": [2, 2], "stride": [1, 1], "padding": [0, 0, 0, 0]}),
        Node("flatten", ("px2",), "fx2_plain", {}),
        Node("activation", ("fx2_plain",), "fx2", {"kind": "sigmoid"}),
        Node("global_max_pool", ("p3",), "gm", {}),
        Node("flatten", ("gx",), "fx", {}),
        Node("dropout", ("ga",), "gad", {"rate": 0.5}),
        Node("add", ("gad", "gm"), "gs", {}),
        Node("dropout", ("x",), "xd", {"rate": 0.5}),
        Node("conv2d", ("xd",), "unused", {**conv}, {"w": "c1"}),
        Node("concat", ("gs", "fx", "fx2"), "features", {"axis": 1}),
        Node("dense", ("features",), "h", {}, {"w": "d1", "b": "d1b"}),
        Node("batch_norm", ("h",), "h_bn", {"epsilon": 1e-5}, norm2),
        Node("activation", ("h_bn",), "h_act", {"kind": "tanh"}),
        Node("dense", ("h_act",), "o", {}, {"w": "d2"}),
        Node("softmax", ("o",), "y", {"axis": 1}),
    ]
    network = Network("odd", "x", (3, 13, 11), "y", nodes, weights, classes=tuple("abcde"))
    weights["d1"] = w(30, width_of(network, "features"))
    return network


def width_of(network: Network, value: str) -> int:
    """Features of a value in the middle of a network."""
    end = next(i for i, node in enumerate(network.nodes) if node.output == value) + 1
    return replace(network, output=value, nodes=network.nodes[:end], classes=()).infer_shapes()[value][0]


@pytest.mark.parametrize("isa", isa_levels())
def test_every_operator_agrees_with_the_stored_graph(isa, rng):
    network = odd_network(rng)
    x = rng.standard_normal((4, 3, 13, 11)).astype(np.float32)
    with config(isa=isa):
        session = network.plan(batch=4, threads=1)
    np.testing.assert_allclose(session.run(x), oracle_network.run(network, x), atol=1e-5, rtol=1e-4)


def test_every_value_of_the_odd_network(rng):
    """Cut at each node in turn: also what is fused away is right where it is asked for."""
    network = odd_network(rng)
    x = rng.standard_normal((2, 3, 13, 11)).astype(np.float32)
    for index, node in enumerate(network.nodes):
        cut = replace(network, output=node.output, nodes=network.nodes[: index + 1], classes=())
        expected = oracle_network.run(cut, x)
        y = cut.plan(batch=2).run(x)
        np.testing.assert_allclose(y, expected, atol=1e-4, rtol=1e-4, err_msg=str(node))


def test_same_bits_for_every_number_of_threads_and_split(rng):
    network = build("fer_small", seed=1)
    x = rng.standard_normal((5, 1, 48, 48)).astype(np.float32)
    results = [network.plan(batch=8, threads=t).run(x) for t in (1, 2, 3, 7)]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_portions_beside_each_other_share_nothing(rng):
    """Concatenation among them: every portion has buffers of its own."""
    network = odd_network(rng)
    x = rng.standard_normal((32, 3, 13, 11)).astype(np.float32)
    expected = network.plan(batch=32, threads=1).run(x)
    session = network.plan(batch=32, threads=3)
    for _ in range(20):
        np.testing.assert_array_equal(session.run(x), expected)


def test_sessions_in_several_threads_give_the_same_bits(rng):
    network = build("fer_4conv", seed=1)
    x = rng.standard_normal((4, 1, 48, 48)).astype(np.float32)
    shared = network.plan(batch=4, threads=2)
    expected = shared.run(x)
    wrong = []

    def work(session):
        wrong.extend(i for i in range(20) if not np.array_equal(session.run(x), expected))

    threads = [threading.Thread(target=work, args=(s,)) for s in (shared, shared, network.plan(batch=4, threads=2))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_any_number_of_inputs(rng):
    network = build("fer_2conv")
    x = rng.standard_normal((7, 1, 48, 48)).astype(np.float32)
    session = network.plan(batch=3)
    whole = session.run(x)
    assert session.run(x[:0]).shape == (0, 7)
    for n in (1, 2, 3, 4):
        np.testing.assert_allclose(session.run(x[:n]), whole[:n], atol=1e-6)


def test_profile_covers_the_run(rng):
    network = build("fer_small")
    session = network.plan(batch=2, threads=1)
    x = rng.standard_normal((2, 1, 48, 48)).astype(np.float32)
    y, ledger = session.profile(x)
    np.testing.assert_array_equal(y, session.run(x))
    assert len(ledger.rows) == len(session.kernels)
    assert all(row.seconds > 0 for row in ledger.rows)
    assert ledger.remainder_seconds > 0
    convolutions = sum(
        row.flops for row in ledger.rows if row.kernel.startswith(("conv2d", "depthwise", "dense", "gemm"))
    )
    assert convolutions == pytest.approx(2 * 2 * network.multiply_adds())
    assert "outside the layers" in str(ledger)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"device": "tpu"}, "device must be"),
        ({"precision": "int4"}, "precision must be 'float32', 'bfloat16' or 'int8', is 'int4'"),
        ({"batch": 0}, "batch must be from 1 to 2,147,483,647, is 0"),
        ({"batch": 10**12}, "batch must be from 1 to 2,147,483,647, is 1,000,000,000,000"),
        ({"threads": 0}, "threads must be from 1 to 1024, is 0"),
    ],
)
def test_wrong_plan(options, match):
    with pytest.raises(ValueError, match=match):
        build("fer_2conv").plan(**options)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"batch": 2.5}, "batch must be a whole number, is 2.5"),
        ({"batch": "2"}, "batch must be a whole number, is '2'"),
        ({"threads": 1.0}, "threads must be a whole number, is 1.0"),
    ],
)
def test_numbers_of_a_plan_are_whole(options, match):
    with pytest.raises(TypeError, match=match):
        build("fer_2conv").plan(**options)


def test_batch_beyond_memory(monkeypatch):
    def refuse(*_):
        raise MemoryError("std::bad_alloc")

    monkeypatch.setattr("ferkern.session._core.Session", refuse)
    with pytest.raises(MemoryError, match="a plan of 'fer_2conv' with batch=1,000 does not fit into memory"):
        build("fer_2conv").plan(batch=1000)


def test_wrong_input():
    session = build("fer_2conv").plan()
    with pytest.raises(ValueError, match=r"x has shape \[1, 1, 48, 47\], axis 3 must be 48"):
        session.run(np.zeros((1, 1, 48, 47), np.float32))
    with pytest.raises(TypeError, match="x must be float32, is float64"):
        session.run(np.zeros((1, 1, 48, 48)))
    with pytest.raises(ValueError, match="x must have 4 dimensions, has 3"):
        session.run(np.zeros((1, 48, 48), np.float32))
    with pytest.raises(ValueError, match="x must be C-contiguous"):
        session.run(np.zeros((1, 1, 48, 96), np.float32)[..., ::2])
    with pytest.raises(ValueError, match=r"out has shape \[1, 6\], axis 1 must be 7"):
        session.run(np.zeros((1, 1, 48, 48), np.float32), out=np.zeros((1, 6), np.float32))


def test_inconsistent_graph_is_a_model_error():
    network = build("fer_2conv")
    network.nodes[0].weights["w"] = "missing"
    with pytest.raises(ModelError, match="missing"):
        network.plan()


@pytest.mark.parametrize("folded", [True, False])
def test_variance_that_is_not_positive_is_a_model_error(folded):
    g = GraphBuilder("network", (3, 8, 8), seed=1)
    x = g.batch_norm(g.conv2d("input", 4, 3) if folded else "input")
    g.softmax(g.dense(g.global_avg_pool(x), 7))
    network = g.finish(preprocessing={})
    network.weights[next(name for name in network.weights if name.endswith("variance"))][1] = -1
    with pytest.raises(ModelError, match=r"batch_norm -> .*: variance\[1\] \+ epsilon = -1 \+ 1e-05 must be positive"):
        network.plan()


def test_strict_refuses_the_plain_reference(rng):
    weights = {"w": rng.standard_normal((9, 2, 3, 3)).astype(np.float32)}
    node = Node(
        "conv2d", ("x",), "y", {"groups": 3, "stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1]}, {"w": "w"}
    )
    network = Network("grouped", "x", (6, 8, 8), "y", [node], weights, classes=())
    assert ("conv2d -> 'y'", "conv2d:reference:scalar") in network.plan().kernels
    with config(strict=True), pytest.raises(ModelError, match="strict is set"):
        network.plan()


def test_an_empty_batch_is_contiguous_whatever_its_strides():
    _, back = build("fer_small").split("global_avg_pool_1")
    empty = np.zeros((0, 128), np.float32)[:, :, None, None]
    assert back.plan().run(empty).shape == (0, 7)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_portions_of_a_batch_give_the_same_bits_as_single_images(rng, threads):
    """Images are run in portions that fit the cache, side by side on several threads; dense layers for all at once."""
    network = build("fer_2conv")
    x = rng.standard_normal((23, 1, 48, 48)).astype(np.float32)
    one = network.split("flatten_1")[0].plan(threads=1)
    front = np.concatenate([one.run(x[i : i + 1]) for i in range(len(x))])
    for batch in (1, 7, 23):
        np.testing.assert_array_equal(network.split("flatten_1")[0].plan(batch=batch, threads=threads).run(x), front)
        whole = network.plan(batch=batch, threads=threads)
        np.testing.assert_allclose(whole.run(x), network.plan(threads=1).run(x), atol=1e-6)
        y, ledger = whole.profile(x)
        np.testing.assert_array_equal(y, whole.run(x))
        assert len(ledger.rows) == len(whole.kernels)
        assert all(row.seconds > 0 for row in ledger.rows)
