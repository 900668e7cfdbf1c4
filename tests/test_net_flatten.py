"""A dense layer behind an image in blocks of channels: its weights are put into the image's order."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
from ferkern.config import config
from ferkern.models.builder import GraphBuilder
from ferkern.registry import isa_levels


def network(channels: int, size: tuple[int, int], *, relu_between: bool = False):
    g = GraphBuilder("flat", (3, *size))
    x = g.flatten(g.activation(g.conv2d("input", channels, 1)))
    g.dense(g.activation(x) if relu_between else x, 9)
    g.network.classes = ()
    return g.network


def expected(net, x):
    w = net.weights
    y = np.maximum(oracle.conv2d(x, w["conv2d_1.w"], w["conv2d_1.b"]), 0).reshape(len(x), -1)
    return y @ w["dense_1.w"].T.astype(np.float64) + w["dense_1.b"]


@pytest.mark.parametrize("isa", isa_levels())
@pytest.mark.parametrize(("channels", "size"), [(32, (3, 5)), (16, (1, 1)), (48, (7, 2)), (20, (3, 3)), (7, (2, 2))])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_agrees_with_the_plain_order(rng, isa, channels, size, precision):
    net = network(channels, size)
    x = rng.standard_normal((6, 3, *size)).astype(np.float32)
    with config(isa=isa):
        sessions = [net.plan(batch=batch, precision=precision) for batch in (1, 6)]
    blocked = channels % {"scalar": 4, "avx2": 8}.get(isa, 16) == 0
    y = expected(net, x)
    for session in sessions:
        assert any("reorder" in layer for layer, _ in session.kernels) != blocked
        np.testing.assert_allclose(session.run(x), y, atol=1e-4 * np.abs(y).max())


def test_only_for_the_dense_layer_that_alone_reads(rng):
    x = rng.standard_normal((2, 3, 4, 4)).astype(np.float32)
    net = network(32, (4, 4), relu_between=True)
    assert any("reorder" in layer for layer, _ in net.plan().kernels)
    np.testing.assert_allclose(net.plan().run(x), expected(net, x), atol=1e-4)
    front, _ = network(32, (4, 4)).split("flatten_1")  # the features are the output
    y = front.plan().run(x)
    w = front.weights
    np.testing.assert_allclose(
        y, np.maximum(oracle.conv2d(x, w["conv2d_1.w"], w["conv2d_1.b"]), 0).reshape(2, -1), atol=1e-5
    )
