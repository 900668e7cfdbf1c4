"""Depthwise-separable convolution: both halves against the oracle, and the same bits as one after the other."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import tolerance
from ferkern import nn
from ferkern.config import config
from ferkern.models.builder import GraphBuilder
from ferkern.registry import last_kernel
from sizes import EDGES

# n, c, h, w, filters, (kh, kw), stride, padding, dilation
CASES = [
    (1, 1, 1, 1, 1, (1, 1), 1, 0, 1),
    (2, 17, 12, 13, 33, (3, 3), 1, 1, 1),
    (1, 32, 25, 24, 64, (3, 3), 2, "same", 1),
    (1, 40, 16, 15, 7, (5, 5), 2, 2, 1),
    (3, 6, 14, 15, 20, (3, 3), 1, 2, 2),
    (1, 300, 40, 40, 8, (3, 3), 1, 1, 1),  # several bands
]


def make(rng, case):
    n, c, h, w, o, k, *_ = case
    shapes = ((n, c, h, w), (c, 1, *k), (o, c, 1, 1), (o,), (c,))
    return [rng.standard_normal(s).astype(np.float32) for s in shapes]


@pytest.mark.op("conv2d")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_oracle(row, guarded, rng, case):
    if row.name.startswith("winograd"):
        return  # serves no 1 x 1 convolution
    x, dw, pw, b, b_dw = make(rng, case)
    options = {"stride": case[6], "padding": case[7], "dilation": case[8]}
    middle = oracle.depthwise_conv2d(x, dw, b_dw, **options, activation="relu")
    expected = oracle.conv2d(middle, pw, b)
    error = tolerance.dot(dw[0].size, oracle.depthwise_conv2d(np.abs(x), np.abs(dw), np.abs(b_dw), **options))
    bound = oracle.conv2d(error, np.abs(pw)) + tolerance.dot(pw[0].size, oracle.conv2d(middle, np.abs(pw), np.abs(b)))
    out = guarded(*expected.shape)
    with config(isa=row.isa, kernel=row.name, exact=True):
        assert nn.depthwise_separable(x, dw, pw, b, b_dw=b_dw, **options, activation_dw="relu", out=out) is out
    assert last_kernel() == f"separable:bands:{row.isa}"
    assert (np.abs(out - expected) <= 1.01 * bound).all()


@pytest.mark.parametrize("size", EDGES)
def test_same_bits_as_one_after_the_other(rng, size):
    for n, c, h, w, o in ((1, size, 5, 4, 3), (2, 3, size, 7, 5), (1, 4, 5, size, 9), (1, 5, 6, 7, size)):
        x, dw, pw, b, b_dw = make(rng, (n, c, h, w, o, (3, 3)))
        middle = nn.depthwise_conv2d(x, dw, b_dw, padding=1, activation="silu")
        y = nn.depthwise_separable(x, dw, pw, b, b_dw=b_dw, padding=1, activation_dw="silu", activation="relu6")
        np.testing.assert_array_equal(y, nn.conv2d(middle, pw, b, activation="relu6"))


def test_same_bits_for_every_number_of_threads(rng):
    x, dw, pw, b, b_dw = make(rng, (3, 33, 39, 41, 50, (3, 3)))
    results = []
    for threads in (1, 2, 3, 7):
        with config(threads=threads):
            results.append(nn.depthwise_separable(x, dw, pw, b, b_dw=b_dw, padding=1))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_a_network_fuses_the_two_halves(rng):
    g = GraphBuilder("block", (20, 13, 11))
    x = g.conv_bn("input", 20, 1)
    y = g.activation(g.batch_norm(g.conv2d(x, 20, 3, groups=20, bias=False)))
    y = g.conv_bn(y, 20, 1, activation=None)
    g.activation(g.add(y, x))
    g.network.classes = ()
    for name, w in g.network.weights.items():
        w[...] = rng.uniform(0.2, 1, w.shape) if "variance" in name else rng.standard_normal(w.shape)
    image = rng.standard_normal((2, 20, 13, 11)).astype(np.float32)
    session = g.network.plan(batch=2, threads=1)
    assert [kernel.split(":")[0] for _, kernel in session.kernels if "reorder" not in kernel] == ["conv2d", "separable"]
    values = {"input": image.astype(np.float64)}
    for node in g.network.nodes:
        w = {role: g.network.weights[name].astype(np.float64) for role, name in node.weights.items()}
        first = values[node.inputs[0]]
        if node.op == "conv2d":
            groups = node.attributes["groups"]
            values[node.output] = oracle.conv2d(first, w["w"], padding=node.attributes["padding"], groups=groups)
        elif node.op == "batch_norm":
            values[node.output] = oracle.batch_norm(first, w["gamma"], w["beta"], w["mean"], w["variance"])
        elif node.op == "add":
            values[node.output] = first + values[node.inputs[1]]
        else:
            values[node.output] = np.maximum(first, 0)
    result = values[g.network.output]
    np.testing.assert_allclose(session.run(image), result, atol=3e-5 * np.abs(result).max())


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"x": np.zeros((1, 3, 8, 8))}, TypeError, "x must be float32, is float64"),
        ({"w_dw": np.zeros((6, 1, 3, 3), np.float32)}, ValueError, "pointwise: w has 3 input channels, expected .* 6"),
        (
            {"w_dw": np.zeros((6, 1, 3, 3), np.float32), "w_pw": np.zeros((5, 6, 1, 1), np.float32)},
            ValueError,
            "one filter a channel, has 6 filters for 3 channels",
        ),
        ({"w_dw": np.zeros((4, 1, 3, 3), np.float32)}, ValueError, "depthwise: w has 4 filters, expected a multiple"),
        ({"w_pw": np.zeros((5, 3, 3, 3), np.float32)}, ValueError, "must be 1 x 1 .* is 3 x 3"),
        (
            {"b": np.zeros(3, np.float32)},
            ValueError,
            "pointwise: b has 3 values, expected one for each of the 5 filters",
        ),
        ({"b_dw": np.zeros(5, np.float32)}, ValueError, "depthwise: b has 5 values"),
        ({"activation_dw": "gelu"}, ValueError, "unknown activation 'gelu'"),
        ({"stride": 0}, ValueError, "stride along the height"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_wrong_input(change, error, match):
    call = {
        "x": np.zeros((1, 3, 8, 8), np.float32),
        "w_dw": np.zeros((3, 1, 3, 3), np.float32),
        "w_pw": np.zeros((5, 3, 1, 1), np.float32),
        **change,
    }
    x, w_dw, w_pw = call.pop("x"), call.pop("w_dw"), call.pop("w_pw")
    with pytest.raises(error, match=match):
        nn.depthwise_separable(x, w_dw, w_pw, **call)


def test_rows_that_two_threads_cannot_share_are_done_in_two_steps(rng):
    g = GraphBuilder("block", (64, 7, 7))
    x = g.activation(g.conv2d("input", 64, 3, groups=64), "relu6")
    g.activation(g.conv2d(x, 200, 1), "relu6")
    g.network.classes = ()
    for w in g.network.weights.values():
        w[...] = rng.standard_normal(w.shape)
    image = rng.standard_normal((2, 64, 7, 7)).astype(np.float32)
    results = []
    for batch, threads, layers in ((1, 1, ["separable"]), (1, 2, ["depthwise", "conv2d"]), (2, 2, ["separable"])):
        session = g.network.plan(batch=batch, threads=threads)
        assert [kernel.split(":")[0] for _, kernel in session.kernels if "reorder" not in kernel] == layers
        results.append(session.run(image[:1]))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)
