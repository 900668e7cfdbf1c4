"""Winograd's rows: within their bound, chosen where they pay, the same whatever the threads."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import winograd
from conftest import rows_of
from ferkern import nn
from ferkern.config import config
from ferkern.models.builder import GraphBuilder
from ferkern.registry import last_kernel

ROWS = [row for row in rows_of("conv2d") if row.name.startswith("winograd")]


def form_of(row) -> tuple[int, int]:
    """m, and the side of the window."""
    return winograd.FORMS[row.name]


def layer(c: int, size: int, o: int):
    g = GraphBuilder("layer", (c, size, size))
    g.conv2d("input", o, 3)
    g.network.classes = ()
    return g.network


@pytest.mark.parametrize(("m", "k"), [(2, 3), (4, 3), (2, 5)])
def test_the_transforms_are_the_convolution(rng, m, k):
    x, w = rng.standard_normal((2, 3, 9, 7)), rng.standard_normal((4, 3, k, k))
    y = winograd.tiled(x, w, m, padding=(1, 0, 2, 1), magnitude=False)
    np.testing.assert_allclose(y, oracle.conv2d(x, w, padding=(1, 0, 2, 1)), atol=1e-12)


@pytest.mark.slow
def test_within_the_bound_on_ten_thousand_random_cases(rng):
    worst = {row.name: 0.0 for row in ROWS}
    for _ in range(10_000):
        row = ROWS[rng.integers(len(ROWS))]
        n, c, h, w, o = (int(v) for v in rng.integers(1, (3, 20, 12, 12, 20)))
        padding = tuple(int(v) for v in rng.integers(0, 4, 4))
        k = form_of(row)[1]
        if h + padding[0] + padding[1] < k or w + padding[2] + padding[3] < k:
            continue
        x = (rng.standard_normal((n, c, h, w)) * 10.0 ** rng.integers(-4, 5)).astype(np.float32)
        weights, b = rng.standard_normal((o, c, k, k)).astype(np.float32), rng.standard_normal(o).astype(np.float32)
        with config(isa=row.isa, kernel=row.name, exact=True):
            y = nn.conv2d(x, weights, b, padding=padding)
        error = np.abs(y - oracle.conv2d(x, weights, b, padding=padding))
        share = (error / winograd.bound(row.name, x, weights, b, padding=padding)).max()
        assert share <= 1, (row, x.shape, weights.shape, padding)
        worst[row.name] = max(worst[row.name], float(share))
    # A bound that is never approached would let a wrong kernel pass.
    assert all(share > 1e-3 for share in worst.values()), worst


def test_chosen_by_size():
    def kernel(c: int, size: int, o: int) -> str:
        return layer(c, size, o).plan(threads=1).kernels[-2][1].split(":")[1]

    assert kernel(64, 56, 64) == "winograd4"
    assert kernel(128, 6, 128) == "winograd2"  # 4 x 4 tiles would cover 64 pixels of 36
    assert kernel(1, 48, 32) == "direct"  # one channel: the transforms cost more than they save


def test_one_call_does_not_pay_for_transformed_weights(rng):
    x, w = (
        rng.standard_normal((1, 64, 3, 3)).astype(np.float32),
        rng.standard_normal((64, 64, 3, 3)).astype(np.float32),
    )

    nn.conv2d(x, w, padding=1)
    assert last_kernel().split(":")[1] == "direct"


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.name}-{r.isa}")
def test_same_bits_for_every_number_of_threads_and_batch(row, rng):
    x = rng.standard_normal((5, 33, 17, 13)).astype(np.float32)
    with config(isa=row.isa, kernel=row.name, exact=True):
        g = GraphBuilder("layer", (33, 17, 13))
        g.conv2d("input", 50, form_of(row)[1])
        g.network.classes = ()
        results = [
            g.network.plan(batch=batch, threads=threads).run(x) for batch in (1, 3, 5) for threads in (1, 2, 3, 7)
        ]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.name}-{r.isa}")
def test_residual_and_activation_after_the_sum(row, rng):
    g = GraphBuilder("sum", (20, 9, 11))
    y = g.activation(g.add(g.conv2d("input", 20, form_of(row)[1]), "input"), "silu")
    assert y
    g.network.classes = ()
    x = rng.standard_normal((2, 20, 9, 11)).astype(np.float32)
    with config(isa=row.isa, kernel=row.name, exact=True):
        session = g.network.plan(batch=2)
    assert any(kernel == f"conv2d:{row.name}:{row.isa}" for _, kernel in session.kernels)
    w, b = (next(v for k, v in g.network.weights.items() if k.endswith(role)) for role in (".w", ".b"))
    padding = form_of(row)[1] // 2
    expected = oracle.activate(oracle.conv2d(x, w, b, padding=padding) + x, "silu")
    bound = winograd.bound(row.name, x, w, b, padding=padding) + 1e-6 * np.abs(x)
    assert (np.abs(session.run(x) - expected) <= 1.1 * bound + 1e-6).all()


def test_numbers_that_are_not_finite_stay_in_their_tile(rng):
    x = rng.standard_normal((1, 3, 16, 16)).astype(np.float32)
    x[0, 0, 0, 0] = np.inf
    for row in ROWS:
        m, k = form_of(row)
        w = rng.standard_normal((2, 3, k, k)).astype(np.float32)
        with config(isa=row.isa, kernel=row.name, exact=True):
            y = nn.conv2d(x, w, padding=k // 2)
        reached = -(-(k // 2 + 1) // m) * m  # the tiles of the outputs that see it
        assert not np.isfinite(y[0, :, : k // 2 + 1, : k // 2 + 1]).any()
        assert np.isfinite(y[0, :, reached:]).all()
        assert np.isfinite(y[0, :, :, reached:]).all()
