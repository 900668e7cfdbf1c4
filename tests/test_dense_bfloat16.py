"""Dense layers whose weights are rounded to bfloat16."""

from __future__ import annotations

import numpy as np
import pytest

import tolerance
from conftest import rows_of
from ferkern.config import config
from ferkern.models.builder import GraphBuilder


def rounded(w):
    """The nearest float32 whose lower 16 bits are zero, ties to even."""
    bits = w.view(np.uint32).astype(np.uint64)
    bits += 0x7FFF + ((bits >> 16) & 1)
    return (bits & 0xFFFF0000).astype(np.uint32).view(np.float32)


def network(inputs: int, outputs: int):
    g = GraphBuilder("dense", (inputs, 1, 1))
    g.dense(g.flatten("input"), outputs)
    g.network.classes = ()
    w, b = g.network.weights["dense_1.w"], g.network.weights["dense_1.b"]
    rng = np.random.default_rng(5)
    w[...] = rng.standard_normal(w.shape)
    b[...] = rng.standard_normal(b.shape)
    return g.network, w, b


@pytest.mark.parametrize("row", rows_of("dense"), ids=lambda r: f"{r.name}-{r.isa}")
@pytest.mark.parametrize(("inputs", "outputs"), [(512, 128), (300, 257), (65_536, 1)])
@pytest.mark.parametrize("batch", [1, 2, 3, 4, 7])
def test_sums_of_rounded_weights(row, rng, inputs, outputs, batch):
    net, w, b = network(inputs, outputs)
    x = rng.standard_normal((batch, inputs, 1, 1)).astype(np.float32)
    with config(isa=row.isa, exact=True, kernel=row.name if batch <= 4 else None):
        session = net.plan(precision="bfloat16", batch=batch)
    op = "dense_bfloat16" if batch <= 4 else "gemm_bfloat16"
    assert session.kernels[-1][1].split(":")[0] == op
    flat = x.reshape(batch, inputs).astype(np.float64)
    expected = flat @ rounded(w).T.astype(np.float64) + b
    bound = tolerance.dot(inputs, np.abs(flat) @ np.abs(w.T).astype(np.float64) * 1.01 + np.abs(b))
    assert (np.abs(session.run(x) - expected) <= bound).all()


def test_half_the_bytes_and_only_where_memory_is_the_bound():
    net, *_ = network(512, 128)
    assert net.plan(precision="bfloat16").kernels[-1][1].startswith("dense_bfloat16:matvec:")
    x = np.zeros((1, 512, 1, 1), np.float32)
    read = [net.plan(precision=p).profile(x)[1].rows[-1].bytes_read for p in ("float32", "bfloat16")]
    assert read[0] - read[1] == 2 * 512 * 128
    small, *_ = network(512, 127)
    assert small.plan(precision="bfloat16").kernels == small.plan().kernels


def test_weights_at_the_edges_of_the_format(rng):
    net, w, _ = network(512, 128)
    w[...] = np.float32(1 + 2**-8)  # a tie: to even, down to 1
    w[1] = np.float32(1 + 3 * 2**-8)  # a tie: up to 1 + 2^-6
    w[2] = np.float32(-(2.0**-130))  # subnormal
    w[3] = np.float32(3.4e38)  # nearer to infinity than to the largest: the largest
    x = np.zeros((1, 512, 1, 1), np.float32)
    x[0, 0] = 1
    net.weights["dense_1.b"][...] = 0
    y = net.plan(precision="bfloat16").run(x)[0]
    np.testing.assert_array_equal(np.delete(y, 3), rounded(np.delete(w, 3, axis=0))[:, 0])
    assert y[3] == np.array([0x7F7F0000], np.uint32).view(np.float32)[0]
    assert y[0] == 1
    assert y[1] == 1 + 2**-6


def test_wrong_precision():
    net, *_ = network(8, 4)
    with pytest.raises(ValueError, match="precision must be 'float32', 'bfloat16' or 'int8', is 'float16'"):
        net.plan(precision="float16")
