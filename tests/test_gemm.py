"""gemm and dense against the oracle, on every row of their lists, at the edges."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import tolerance
from ferkern import nn
from ferkern.config import config
from ferkern.linalg import gemm
from ferkern.registry import last_kernel
from sizes import EDGES


def make(rng, m, n, k):
    a = rng.standard_normal((m, k)).astype(np.float32)
    b = rng.standard_normal((k, n)).astype(np.float32)
    return a, b, rng.standard_normal(n).astype(np.float32)


def bound(a, b, bias):
    return tolerance.dot(a.shape[1], oracle.gemm(np.abs(a), np.abs(b), np.abs(bias)))


# The depth of a pass is 256 and a block holds 168 rows: sizes around them.
SIZES = [
    (1, 1, 1),
    (14, 32, 256),
    (15, 33, 257),
    (168, 64, 40),
    (169, 31, 513),
    (5, 200, 300),
    (50, 7, 1000),
    (337, 17, 9),
]


@pytest.mark.op("gemm")
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gemm_against_oracle(row, forced, guarded, rng, size):
    a, b, bias = make(rng, *size)
    out = guarded(size[0], size[1])
    with forced(row):
        assert gemm(a, b, bias=bias, out=out) is out
        transposed = gemm(a, np.ascontiguousarray(b.T), bias=bias, transpose_b=True)
        plain = gemm(a, b)
    assert (np.abs(out - oracle.gemm(a, b, bias)) <= bound(a, b, bias)).all()
    assert (np.abs(plain - oracle.gemm(a, b)) <= bound(a, b, bias)).all()
    np.testing.assert_array_equal(out, transposed)


@pytest.mark.op("gemm")
@pytest.mark.parametrize("size", EDGES)
def test_gemm_edge_sizes(row, forced, guarded, rng, size):
    for m, n, k in ((size, 5, 6), (4, size, 7), (6, 9, size), (size, size, size)):
        a, b, bias = make(rng, m, n, k)
        out = guarded(m, n)
        with forced(row):
            gemm(a, b, bias=bias, out=out)
        assert (np.abs(out - oracle.gemm(a, b, bias)) <= bound(a, b, bias)).all()


@pytest.mark.op("dense")
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("sizes", [(1, 1), (1620, 500), (300, 7), (31, 129), (128, 257), (5, 64)], ids=str)
def test_dense_against_oracle(row, forced, guarded, rng, n, sizes):
    inputs, outputs = sizes
    x, wt, b = make(rng, n, outputs, inputs)
    w = np.ascontiguousarray(wt.T)
    y = guarded(n, outputs)
    with forced(row):
        assert nn.dense(x, w, b, out=y) is y
        plain = nn.dense(x, w)
    assert (np.abs(y - oracle.gemm(x, wt, b)) <= bound(x, wt, b)).all()
    assert (np.abs(plain - oracle.gemm(x, wt)) <= bound(x, wt, b)).all()


@pytest.mark.op("dense")
@pytest.mark.parametrize("size", EDGES)
def test_dense_edge_sizes(row, forced, guarded, rng, size):
    for inputs, outputs in ((size, 3), (3, size), (size, size)):
        x, wt, b = make(rng, 1, outputs, inputs)
        y = guarded(1, outputs)
        with forced(row):
            nn.dense(x, np.ascontiguousarray(wt.T), b, out=y)
        assert (np.abs(y - oracle.gemm(x, wt, b)) <= bound(x, wt, b)).all()


def test_dense_turns_to_gemm_for_a_larger_batch(rng):
    x, wt, b = make(rng, 12, 40, 50)
    y = nn.dense(x, np.ascontiguousarray(wt.T), b)
    assert last_kernel().startswith("gemm:packed:")
    assert (np.abs(y - oracle.gemm(x, wt, b)) <= bound(x, wt, b)).all()
    nn.dense(x[:4], np.ascontiguousarray(wt.T), b)
    assert last_kernel().startswith("dense:dot:")


@pytest.mark.parametrize("kind", ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hard_swish", "silu", "elu"])
@pytest.mark.parametrize("op", ["gemm", "dense"])
def test_activations(rng, op, kind):
    from conftest import rows_of

    a, b, bias = make(rng, 3, 21, 300)
    a /= 10
    expected = oracle.gemm(a, b, bias, activation=kind)
    for row in rows_of(op):
        with config(isa=row.isa, kernel=row.name, exact=True):
            if op == "gemm":
                y = gemm(a, b, bias=bias, activation=kind)
            else:
                y = nn.dense(a, np.ascontiguousarray(b.T), bias, activation=kind)
        assert (np.abs(y - expected) <= tolerance.activation(expected, bound(a, b, bias), kind)).all()


def test_same_bits_for_every_number_of_threads(rng):
    a, b, bias = make(rng, 400, 333, 270)
    w = np.ascontiguousarray(b.T)
    results = []
    for threads in (1, 2, 3, 7):
        with config(threads=threads):
            results.append((gemm(a, b, bias=bias), gemm(a[:11], b, bias=bias), nn.dense(a[:2], w, bias)))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_rows_do_not_depend_on_their_company(rng):
    """The sum of an element has one order, whatever else is computed with it."""
    a, b, bias = make(rng, 50, 70, 600)
    whole = gemm(a, b, bias=bias)
    np.testing.assert_array_equal(gemm(a[13:14], b, bias=bias), whole[13:14])
    np.testing.assert_array_equal(gemm(a, b[:, :40], bias=bias[:40]), whole[:, :40])


def test_strided_input_is_read_as_it_stands(rng):
    a, b, bias = make(rng, 20, 24, 30)
    for view in (a[::2], a[::-1], a[:, ::-1], a[::3, 2:30:2], a.T.copy().T):
        right = b[: view.shape[1]]
        np.testing.assert_array_equal(gemm(view, right, bias=bias), gemm(view.copy(), right, bias=bias))
        w = right.T
        np.testing.assert_array_equal(nn.dense(view, w, bias), nn.dense(view.copy(), w.copy(), bias))
    for view in (b[:, ::2], b[::-1], b[:, ::-1], b.T.copy().T, b[:, 1:2]):
        np.testing.assert_array_equal(gemm(a, view), gemm(a, view.copy()))
        np.testing.assert_array_equal(gemm(a, view.T, transpose_b=True), gemm(a, view.copy()))


def test_nan_stays_in_its_row(rng):
    a, b, bias = make(rng, 20, 24, 300)
    a[7, 290] = np.nan
    for y in (gemm(a, b, bias=bias, activation="relu"), nn.dense(a[6:9], b.T, bias, activation="relu")):
        nan = np.isnan(y).all(axis=1)
        assert nan.sum() == 1
        assert np.isnan(y).sum() == 24


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"a": np.zeros((4, 5))}, TypeError, "a must be float32, is float64"),
        ({"a": np.zeros(5, np.float32)}, ValueError, "a must have 2 dimensions, has 1"),
        ({"a": np.zeros((0, 5), np.float32)}, ValueError, r"a must not be empty, its shape is \[0, 5\]"),
        ({"b": np.zeros((5, 0), np.float32)}, ValueError, "b must not be empty"),
        (
            {"b": np.zeros((6, 3), np.float32)},
            ValueError,
            r"a \[4, 5\] times b \[6, 3\]: the inner sizes 5 and 6 differ",
        ),
        ({"transpose_b": True}, ValueError, r"b transposed \[3, 5\]: the inner sizes 5 and 3 differ"),
        ({"bias": np.zeros(4, np.float32)}, ValueError, "bias has 4 values, expected one for each of the 3 columns"),
        ({"out": np.zeros((3, 4), np.float32)}, ValueError, r"out has shape \[3, 4\], axis 0 must be 4"),
        ({"activation": "gelu"}, ValueError, "unknown activation"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_wrong_input_of_gemm(change, error, match):
    call = {"a": np.zeros((4, 5), np.float32), "b": np.zeros((5, 3), np.float32), **change}
    a, b = call.pop("a"), call.pop("b")
    with pytest.raises(error, match=match):
        gemm(a, b, **call)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"x": np.zeros((4, 5))}, TypeError, "x must be float32"),
        ({"w": np.zeros((3, 6), np.float32)}, ValueError, r"w \[3, 6\] takes 6 inputs, x \[4, 5\] has 5"),
        ({"w": np.zeros((0, 5), np.float32)}, ValueError, "w must have at least one output"),
        ({"b": np.zeros(4, np.float32)}, ValueError, "b has 4 values, expected one for each of the 3 outputs"),
        ({"x": np.zeros((4, 5, 1), np.float32)}, ValueError, "x must have 2 dimensions, has 3"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_wrong_input_of_dense(change, error, match):
    call = {"x": np.zeros((4, 5), np.float32), "w": np.zeros((3, 5), np.float32), "b": None, **change}
    with pytest.raises(error, match=match):
        nn.dense(call["x"], call["w"], call["b"])
