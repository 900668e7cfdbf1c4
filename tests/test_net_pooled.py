"""A convolution and the maximum pooling after it are one step."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import winograd
from conftest import rows_of
from ferkern.config import config
from ferkern.errors import ModelError
from ferkern.models.builder import GraphBuilder

ROWS = rows_of("conv2d")


def network(shape, filters, kernel, *, stride=1, activation="relu"):
    g = GraphBuilder("pooled", shape)
    g.max_pool2d(g.activation(g.conv2d("input", filters, kernel, stride=stride), activation), 2)
    g.network.classes = ()
    w = next(v for name, v in g.network.weights.items() if name.endswith(".w"))
    b = next(v for name, v in g.network.weights.items() if name.endswith(".b"))
    b[...] = np.random.default_rng(3).standard_normal(b.shape)
    return g.network, w, b


def expected(x, w, b, *, stride=1, activation="relu"):
    padding = (w.shape[2] - 1) // 2
    y = oracle.conv2d(x, w, b, stride=stride, padding=padding, activation=activation)
    return oracle.pool2d(y, (2, 2), kind="max", stride=2, padding=0)


def steps(session) -> list[str]:
    return [kernel.split(":")[0] for _, kernel in session.kernels if not kernel.startswith("reorder")]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.name}-{r.isa}")
@pytest.mark.parametrize(
    ("shape", "filters", "kernel", "stride"),
    [
        ((1, 12, 10), 40, 3, 1),  # three blocks of 16, one row of a band, planar input
        ((20, 9, 7), 33, 3, 1),  # an odd last row and column
        ((16, 2, 3), 16, 3, 1),
        ((5, 11, 14), 20, 5, 1),
        ((8, 13, 12), 24, 3, 2),
        ((7, 8, 6), 17, 1, 1),
    ],
    ids=str,
)
def test_against_oracle(row, rng, shape, filters, kernel, stride):
    if row.name in winograd.FORMS and not winograd.fits(row.name, (kernel, kernel), stride, 1, 1):
        return  # does not serve this one
    net, w, b = network(shape, filters, kernel, stride=stride)
    with config(isa=row.isa):
        session = net.plan(batch=2, kernels={"conv2d_1": row.name})
    assert ("conv2d -> 'conv2d_1'", f"conv2d:{row.name}:{row.isa}") in session.kernels
    assert steps(session) == (["conv2d", "pool"] if row.name == "reference" else ["conv2d"])
    x = rng.standard_normal((3, *shape)).astype(np.float32)
    y = expected(x, w, b, stride=stride)
    np.testing.assert_allclose(session.run(x), y, atol=1e-4 * max(1.0, np.abs(y).max()))


@pytest.mark.parametrize("size", [4, 9, 30])
def test_same_bits_as_one_after_the_other(rng, size):
    net, *_ = network((24, size, size + 1), 50, 3, activation="silu")
    x = rng.standard_normal((3, 24, size, size + 1)).astype(np.float32)
    front, back = net.split("activation_1")
    first = front.plan(batch=3)
    apart = back.plan(batch=3).run(first.run(x))
    for batch in (1, 3):
        for threads in (1, 2, 3, 7):
            np.testing.assert_array_equal(net.plan(batch=batch, threads=threads, kernels=first.choices).run(x), apart)


@pytest.mark.parametrize("kernel", ["direct", "winograd2", "winograd4"])
def test_nan_comes_through(rng, kernel):
    net, *_ = network((16, 16, 16), 16, 3)
    x = rng.standard_normal((1, 16, 16, 16)).astype(np.float32)
    x[0, 0, 0, 0] = np.nan
    y = net.plan(kernels={"conv2d_1": kernel}).run(x)
    assert np.isnan(y[0, :, 0, 0]).all()
    assert np.isfinite(y[0, :, 2:, 2:]).all()


WINDOWS = [  # size, stride, padding (top, bottom, left, right)
    ((3, 3), (2, 2), (1, 1, 1, 1)),
    ((3, 3), (2, 2), (0, 0, 0, 0)),
    ((3, 3), (3, 3), (0, 0, 0, 0)),  # an odd last row
    ((2, 2), (1, 1), (0, 1, 0, 1)),
    ((4, 2), (3, 1), (3, 1, 0, 1)),
    ((8, 8), (5, 5), (7, 6, 5, 4)),
    ((1, 3), (1, 2), (0, 0, 0, 0)),
]


def windowed(shape, filters, kernel, window, *, stride=1, groups=1):
    g = GraphBuilder("windowed", shape)
    made = g.conv2d("input", filters, kernel, stride=stride, groups=groups)
    g.max_pool2d(g.activation(made, "tanh"), 1)
    for name, values in zip(("size", "stride", "padding"), window, strict=True):
        g.network.nodes[-1].attributes[name] = list(values)
    g.network.classes = ()
    return g.network


@pytest.mark.parametrize("row", [r for r in ROWS if r.name == "direct"], ids=lambda r: r.isa)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_any_window_gives_the_bits_of_one_after_the_other(row, rng, window):
    # Bands that are summed in several goes, in one, groups, several threads, fewer images than the plan is made for.
    for shape, filters, kernel, stride, groups in (
        ((3, 121, 300), 33, 5, 2, 1),
        ((16, 23, 17), 24, 3, 1, 1),
        ((32, 19, 12), 32, 1, 1, 2),
    ):
        net = windowed(shape, filters, kernel, window, stride=stride, groups=groups)
        front, back = net.split("activation_1")
        x = rng.standard_normal((3, *shape)).astype(np.float32)
        with config(isa=row.isa):
            apart = back.plan().run(front.plan(kernels={"conv2d_1": "direct"}).run(x))
            for threads in (1, 2, 5):
                session = net.plan(batch=2, threads=threads, kernels={"conv2d_1": "direct"})
                assert steps(session) == ["conv2d"]
                np.testing.assert_array_equal(session.run(x), apart)


def test_a_wrong_pool_is_named(rng):
    net = windowed((8, 4, 4), 16, 3, ((5, 5), (1, 1), (0, 0, 0, 0)))
    with pytest.raises(ModelError, match=r"max_pool2d.*5"):
        net.plan()


def test_only_what_the_pool_alone_reads_and_only_what_the_kernel_can_take_along(rng):
    x = rng.standard_normal((1, 8, 12, 12)).astype(np.float32)
    # A window of nine rows, gaps between windows, averages; Winograd's tiles hold windows of 2 x 2 alone.
    for size, stride, kind, kernel in (
        (9, 1, "max", "direct"),
        (2, 3, "max", "direct"),
        (2, 2, "avg", "direct"),
        (3, 2, "max", "winograd2"),
    ):
        net = windowed((8, 12, 12), 16, 3, ((size, size), (stride, stride), (0, 0, 0, 0)))
        net.nodes[-1].op = f"{kind}_pool2d"
        assert steps(net.plan(kernels={"conv2d_1": kernel})) == ["conv2d", "pool"]
    g = GraphBuilder("twice", (8, 12, 12))
    made = g.conv2d("input", 16, 3)
    g.concat(g.max_pool2d(made, 2), g.max_pool2d(g.activation(made), 2))
    g.network.classes = ()
    session = g.network.plan()
    assert steps(session).count("pool") == 2
    assert session.run(x).shape == (1, 32, 6, 6)
