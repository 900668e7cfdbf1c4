"""Concatenations that cost nothing: convolutions write into their place in the joined value."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
from ferkern.models.builder import GraphBuilder


def kinds(session) -> list[str]:
    return [kernel.split(":")[0] for _, kernel in session.kernels if not kernel.startswith("reorder")]


def weights(g, value, role):
    return g.network.weights[f"{value}.{role}"]


@pytest.mark.parametrize("last", [16, 5])
@pytest.mark.parametrize("threads", [1, 3])
def test_parts_are_written_where_they_belong(rng, last, threads):
    g = GraphBuilder("fire", (8, 9, 7))
    squeeze = g.conv2d("input", 16, 1)
    left, right = g.conv2d(squeeze, 32, 1), g.conv2d(squeeze, last, 3)
    joined = g.concat(left, right)
    g.conv2d(joined, 6, 1)
    g.network.classes = ()
    session = g.network.plan(batch=3, threads=threads)
    assert kinds(session) == ["conv2d"] * 4
    x = rng.standard_normal((5, 8, 9, 7)).astype(np.float32)  # a full batch and a part of one
    squeezed = oracle.conv2d(x, weights(g, squeeze, "w"), weights(g, squeeze, "b"))
    parts = [
        oracle.conv2d(squeezed, weights(g, left, "w"), weights(g, left, "b")),
        oracle.conv2d(squeezed, weights(g, right, "w"), weights(g, right, "b"), padding=1),
    ]
    out = g.network.output
    expected = oracle.conv2d(np.concatenate(parts, axis=1), weights(g, out, "w"), weights(g, out, "b"))
    np.testing.assert_allclose(session.run(x), expected, atol=3e-5 * np.abs(expected).max())


@pytest.mark.parametrize("why", ["odd channels first", "read twice", "not a convolution", "the output"])
def test_else_they_are_copied(rng, why):
    g = GraphBuilder("copied", (16, 6, 5))
    left = (
        g.max_pool2d("input", 3, stride=1, padding="same") if why == "not a convolution" else g.conv2d("input", 16, 1)
    )
    if why == "odd channels first":
        left = g.conv2d("input", 7, 1)
    right = g.conv2d("input", 16, 3)
    joined = g.concat(left, right)
    if why == "read twice":
        joined = g.concat(joined, left)
    if why != "the output":
        g.activation(joined)
    g.network.classes = ()
    session = g.network.plan(batch=2)
    assert "concat" in kinds(session)
    x = rng.standard_normal((2, 16, 6, 5)).astype(np.float32)
    y = session.run(x)
    if why == "not a convolution":
        first = oracle.pool2d(x, (3, 3), kind="max", stride=1, padding=1)
    else:
        first = oracle.conv2d(x, weights(g, left, "w"), weights(g, left, "b"))
    second = oracle.conv2d(x, weights(g, right, "w"), weights(g, right, "b"), padding=1)
    expected = np.concatenate([first, second, first] if why == "read twice" else [first, second], axis=1)
    if why != "the output":
        expected = np.maximum(expected, 0)
    np.testing.assert_allclose(y, expected, atol=3e-5 * np.abs(expected).max())
