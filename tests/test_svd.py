"""svd on every row of its list: against NumPy in float64, by residual and orthogonality, on easy and nasty matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tolerance
from ferkern.config import config
from ferkern.linalg import SVD, SingularValues, svd
from sizes import EDGES

REAL = (np.float32, np.float64)
both = pytest.mark.parametrize("dtype", REAL, ids=lambda t: t.__name__)


def check(a, result, *, full=False, row=None):
    """Residual, orthogonality, order and signs of the result for `a`, one matrix or a batch; all of its triples."""
    serial = max(np.shape(a)[-2:]) if row is not None and row.name == "reference" else 0
    a, (u, s, vt) = np.asarray(a), result
    assert {u.dtype, s.dtype, vt.dtype} == {a.dtype}
    for one, *factors in zip(*(x if a.ndim == 3 else x[None] for x in (a, u, s, vt)), strict=True):
        check_one(one.astype(np.float64), *(f.astype(np.float64) for f in factors), a.dtype, full, serial)


def check_one(a, u, s, vt, dtype, full, serial):
    m, n = a.shape
    r = min(m, n)
    bound = tolerance.svd(dtype, r, serial)
    assert (u.shape, s.shape, vt.shape) == (((m, m), (r,), (n, n)) if full else ((m, r), (r,), (r, n)))
    assert np.abs(u.T @ u - np.eye(u.shape[1])).max() <= bound
    assert np.abs(vt @ vt.T - np.eye(vt.shape[0])).max() <= bound
    assert (s >= 0).all()
    assert (np.diff(s) <= 0).all()
    # Beside the rounding of what the results can hold: half a step of the smallest number.
    floor = 4 * np.sqrt(r) * np.finfo(dtype).smallest_subnormal
    scale = np.abs(a).max() or 1.0
    product = (u[:, :r] * (s / scale)) @ vt[:r]
    assert np.abs(a / scale - product).max() <= (bound * s[0] + floor) / scale
    expected = np.linalg.svd(a / scale, compute_uv=False)
    assert np.abs(s / scale - expected).max() <= (bound * s[0] + floor) / scale
    short = vt[:r] if m >= n else u[:, :r].T
    first = short[np.arange(r), np.abs(short).argmax(axis=1)]
    assert (first > 0).all()


def with_condition(rng, m, n, condition, dtype, spacing="geometric"):
    """Singular values from 1 down to 1 / condition between random orthonormal bases."""
    r = min(m, n)
    left, right = (np.linalg.qr(rng.standard_normal((size, r)))[0] for size in (m, n))
    s = np.geomspace(1, 1 / condition, r) if spacing == "geometric" else np.linspace(1, 1 / condition, r)
    return ((left * s) @ right.T).astype(dtype)


@pytest.mark.op("svd")
@both
@pytest.mark.parametrize("size", EDGES)
def test_edge_sizes(row, forced, rng, dtype, size):
    for m, n in ((size, size), (size, 6), (6, size), (size + 40, size), (size, 3 * size + 60)):
        a = rng.standard_normal((m, n)).astype(dtype)
        with forced(row):
            result = svd(a)
        check(a, result, row=row)


@pytest.mark.op("svd")
@both
@pytest.mark.parametrize("shape", [(64, 64), (70, 65), (97, 97), (136, 136), (300, 136), (41, 900)], ids=str)
def test_larger_sizes(row, forced, rng, dtype, shape):
    a = rng.standard_normal(shape).astype(dtype)
    with forced(row):
        check(a, svd(a), row=row)
        values = svd(a, compute_uv=False)
    assert np.abs(values.s - np.linalg.svd(a.astype(np.float64), compute_uv=False)).max() <= (
        tolerance.svd(dtype, min(shape)) * values.s[0]
    )


def nasty(rng, dtype):
    """Name -> matrix."""
    worst = 1e6 if dtype == np.float32 else 1e12
    yield "ill-conditioned square", with_condition(rng, 50, 50, worst, dtype)
    yield "ill-conditioned small", with_condition(rng, 20, 20, worst, dtype)
    yield "ill-conditioned tall", with_condition(rng, 600, 50, worst, dtype)
    yield "ill-conditioned wide", with_condition(rng, 30, 700, worst, dtype)
    yield "condition 1000 tall", with_condition(rng, 3000, 40, 1e3, dtype)
    yield "evenly spread values", with_condition(rng, 90, 60, worst, dtype, "linear")
    yield "rank 3", (rng.standard_normal((80, 3)) @ rng.standard_normal((3, 45))).astype(dtype)
    yield "rank 3, small", (rng.standard_normal((9, 3)) @ rng.standard_normal((3, 7))).astype(dtype)
    yield "rank 2, tall", (rng.standard_normal((900, 2)) @ rng.standard_normal((2, 33))).astype(dtype)
    yield "ones", np.ones((70, 50), dtype)
    yield "ones, small", np.ones((5, 5), dtype)
    yield "zero", np.zeros((60, 44), dtype)
    yield "zero, small", np.zeros((3, 9), dtype)
    yield "one entry", np.eye(50, 60, k=7, dtype=dtype) * np.eye(50, 60, k=7, dtype=dtype)[4]
    yield "identity", np.eye(48, dtype=dtype)
    yield "permutation", np.eye(52, dtype=dtype)[rng.permutation(52)]
    yield "triangle of ones", np.triu(np.ones((60, 60), dtype))
    yield "zero column", np.where(np.arange(45) == 7, 0, rng.standard_normal((500, 45))).astype(dtype)
    steps = np.geomspace(1, np.finfo(dtype).tiny ** 0.9, 48)
    yield "graded rows", (steps[:, None] * rng.standard_normal((48, 48))).astype(dtype)
    yield "graded columns", (steps[::-1] * rng.standard_normal((48, 48))).astype(dtype)
    yield "graded both, small", (steps[::3, None] * rng.standard_normal((16, 16)) * steps[::3]).astype(dtype)
    yield "graded tall", (steps * rng.standard_normal((500, 48))).astype(dtype)
    yield "bidiagonal", (np.diag(np.geomspace(1, 1e-6, 50)) + np.eye(50, k=1)).astype(dtype)
    yield "double values", np.kron(np.eye(2), with_condition(rng, 30, 30, 10, dtype)).astype(dtype)
    yield "one row", rng.standard_normal((1, 77)).astype(dtype)
    yield "one column", rng.standard_normal((1000, 1)).astype(dtype)
    yield "one zero", np.zeros((1, 1), dtype)


@pytest.mark.op("svd")
@both
def test_nasty_matrices(row, forced, rng, dtype):
    for name, a in nasty(rng, dtype):
        with forced(row):
            result = svd(a)
        try:
            check(a, result, row=row)
        except AssertionError as error:
            raise AssertionError(f"{name} by {result.method}: {error}") from error


@pytest.mark.op("svd")
@both
def test_scales(row, forced, rng, dtype):
    """The largest and smallest numbers that there are: no square overflows or vanishes."""
    info = np.finfo(dtype)
    for shape in ((20, 20), (60, 60), (400, 30), (3, 5, 6)):
        # Within 1, so that the largest value still is a number: it is no larger than sqrt(m n).
        a = rng.uniform(-1, 1, shape).astype(dtype)
        for scale in (
            info.max / 400,
            info.tiny,
            info.tiny**0.7,
            dtype(1e-20),
            dtype(1e20),
            info.smallest_subnormal * 64,
        ):
            scaled = (a * dtype(scale)).astype(dtype)
            with forced(row):
                check(scaled, svd(scaled), row=row)


@pytest.mark.op("svd")
@both
@pytest.mark.parametrize("method", ["gram", "qr", "jacobi", "bidiagonal"])
def test_every_way(row, forced, rng, dtype, method):
    if method == "gram" and dtype == np.float64:
        return
    for shape in ((50, 20), (20, 50), (900, 60), (7, 7), (45, 45)):
        a = rng.standard_normal(shape).astype(dtype) + dtype(0.1)
        with forced(row):
            result = svd(a, method=method)
        check(a, result, row=row)
        assert method in result.method or (method == "qr" and shape[0] == shape[1])


@both
def test_gram_turns_to_qr_where_it_cannot_tell(rng, dtype):
    fine = with_condition(rng, 900, 40, 1e4, dtype)
    assert svd(fine).method == ("gram" if dtype == np.float32 else "qr") + "+bidiagonal"
    poor = with_condition(rng, 900, 40, 1e6, dtype)
    assert svd(poor).method == "qr+bidiagonal"
    if dtype == np.float32:
        check(fine, svd(fine, method="gram"))
        with pytest.raises(ValueError, match="'gram' cannot tell the smallest singular value of a from zero"):
            svd(poor, method="gram")
        # The leading values are far from zero: the rest does not matter.
        assert svd(with_condition(rng, 900, 40, 1e6, dtype), k=3).method == "gram+bidiagonal"


@pytest.mark.op("svd")
@both
@pytest.mark.parametrize(
    "shape", [(40, 8, 8), (21, 5, 9), (3, 9, 5), (17, 1, 4), (18, 20, 20), (5, 33, 40), (2, 300, 4)], ids=str
)
def test_batches(row, forced, rng, dtype, shape):
    a = rng.standard_normal(shape).astype(dtype)
    a[1] = 0
    a[-1] = 1  # of rank 1: not for the lanes
    with forced(row):
        result = svd(a)
        cut = svd(a, k=1)
        values = svd(a, compute_uv=False)
    check(a, result, row=row)
    np.testing.assert_array_equal(cut.s, result.s[:, :1])
    bound = tolerance.svd(dtype, min(shape[1:])) * result.s[:, :1]
    assert (np.abs(values.s - result.s) <= bound).all()
    assert cut.u.shape == (*shape[:2], 1)
    assert cut.vt.shape == (shape[0], 1, shape[2])


@both
def test_a_matrix_does_not_depend_on_its_company(rng, dtype):
    a = rng.standard_normal((50, 6, 5)).astype(dtype)
    whole = svd(a)
    some = svd(a[20:29])
    for x, y in zip(whole, some, strict=True):
        # A lane that has converged is left alone while others go on.
        np.testing.assert_array_equal(x[20:29], y)


@pytest.mark.op("svd")
@both
@pytest.mark.parametrize(
    "shape", [(30, 12), (12, 30), (200, 50), (50, 50), (1, 6), (6, 1), (4, 7, 3), (4, 4, 4)], ids=str
)
def test_full_matrices(row, forced, rng, dtype, shape):
    a = rng.standard_normal(shape).astype(dtype)
    with forced(row):
        check(a, svd(a, full_matrices=True), full=True, row=row)


@both
@pytest.mark.parametrize("shape", [(900, 50), (50, 900), (60, 60), (20, 20)], ids=str)
def test_truncated_is_the_leading_part(rng, dtype, shape):
    a = rng.standard_normal(shape).astype(dtype)
    whole, cut = svd(a), svd(a, k=7)
    bound = tolerance.svd(dtype, 20) * 20  # the leading vectors' gaps are of this order
    assert np.abs(whole.s[:7] - cut.s).max() <= bound * whole.s[0]
    np.testing.assert_allclose(cut.u, whole.u[:, :7], atol=100 * bound)
    np.testing.assert_allclose(cut.vt, whole.vt[:7], atol=100 * bound)


@pytest.mark.op("svd")
@both
@pytest.mark.parametrize("shape", [(900, 60), (60, 900), (100, 100)], ids=str)
def test_randomized_finds_the_leading_part(row, forced, rng, dtype, shape):
    a = with_condition(rng, *shape, 1e4, dtype)
    with forced(row):
        result = svd(a, k=8, method="randomized", seed=3)
        again = svd(a, k=8, method="randomized", seed=3)
    u, s, vt = (x.astype(np.float64) for x in result)
    exact = np.linalg.svd(a.astype(np.float64), compute_uv=False)
    bound = tolerance.svd(dtype, 18)
    assert np.abs(u.T @ u - np.eye(8)).max() <= bound
    assert np.abs(vt @ vt.T - np.eye(8)).max() <= bound
    # Power iterations leave (s[18] / s[8])^10 of what a random subspace misses: next to nothing at this decay.
    np.testing.assert_allclose(s, exact[:8], atol=bound + 1e-3 * exact[8])
    assert np.linalg.norm(a - (u * s) @ vt, 2) <= 1.001 * exact[8] + bound
    assert result.method.startswith("randomized+")
    for x, y in zip(result, again, strict=True):
        np.testing.assert_array_equal(x, y)
    assert not np.array_equal(svd(a, k=8, method="randomized", seed=4).u, result.u)


@both
def test_randomized_bears_rank_deficiency_and_zeros(rng, dtype):
    a = (rng.standard_normal((400, 3)) @ rng.standard_normal((3, 70))).astype(dtype)
    for matrix in (a, np.zeros((90, 50), dtype), a.T, a * dtype(1e-30), a * dtype(1e30)):
        u, s, vt = svd(matrix, k=5, method="randomized")
        assert np.abs(u.T @ u - np.eye(5)).max() <= tolerance.svd(dtype, 15)
        scale = np.abs(matrix).max() or 1
        assert np.abs(matrix / scale - (u * (s / scale)) @ vt).max() <= tolerance.svd(dtype, 15) * max(s[0] / scale, 1)


@both
def test_same_bits_for_every_number_of_threads(rng, dtype):
    cases = [
        (rng.standard_normal((9000, 40)), {}),
        (rng.standard_normal((40, 9000)), {"method": "qr"}),
        (rng.standard_normal((400, 400)), {}),
        (rng.standard_normal((500, 300)), {"full_matrices": True}),
        (rng.standard_normal((203, 8, 8)), {}),
        (rng.standard_normal((5, 70, 60)), {}),
        (rng.standard_normal((7000, 50)), {"method": "randomized", "k": 5}),
    ]
    for a, options in cases:
        a = a.astype(dtype)
        results = []
        for threads in (1, 2, 3, 7):
            with config(threads=threads):
                results.append(svd(a, **options))
        for other in results[1:]:
            for x, y in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(x, y)


@both
def test_strided_input_is_read_as_it_stands(rng, dtype):
    a = rng.standard_normal((120, 50)).astype(dtype)
    views = (a[::2], a[::-1], a[:, ::-1], a[::3, 2:40:2], a.T.copy().T, np.broadcast_to(a[:1], (70, 50)))
    for view in views:
        for x, y in zip(svd(view), svd(view.copy()), strict=True):
            np.testing.assert_array_equal(x, y)
    batch = rng.standard_normal((12, 7, 8)).astype(dtype)
    for view in (batch[::2], batch[:, ::-1], batch.transpose(1, 2, 0), batch[:, :, 1:7:2]):
        for x, y in zip(svd(view), svd(view.copy()), strict=True):
            np.testing.assert_array_equal(x, y)
    locked = a.copy()
    locked.flags.writeable = False
    check(locked, svd(locked))
    np.testing.assert_array_equal(locked, a)


@both
def test_results_unpack_and_name_the_way(rng, dtype):
    a = rng.standard_normal((6, 4)).astype(dtype)
    result = svd(a)
    assert isinstance(result, SVD)
    u, s, vt = result
    assert u is result.u
    assert s is result[1]
    assert vt is result[-1]
    assert len(result) == 3
    assert result.method == "qr+jacobi"
    values = svd(a, compute_uv=False)
    assert isinstance(values, SingularValues)
    assert values.method == "qr+jacobi"
    np.testing.assert_allclose(np.asarray(values), s, rtol=1e-5)
    assert len(values) == len(list(values)) == 4


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(REAL),
    m=st.integers(1, 90),
    n=st.integers(1, 90),
    rank=st.integers(0, 90),
    exponent=st.integers(-30, 30),
    grade=st.floats(0, 8),
    whole=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_anything_finite(dtype, m, n, rank, exponent, grade, whole, seed):
    rng = np.random.default_rng(seed)
    rank = min(m, n, rank)
    a = rng.standard_normal((m, rank)) * np.geomspace(1, 10**-grade, rank) @ rng.standard_normal((rank, n))
    if whole:
        a = np.round(a)  # exact zeros, equal rows, equal values
    a = (a * 10.0**exponent).astype(dtype)
    check(a, svd(a))


def with_value(value, *shape, at, dtype=np.float32):
    a = np.ones(shape, dtype)
    a[at] = value
    return a


WRONG = [
    (
        np.ones((3, 2), np.int32),
        {},
        TypeError,
        r"a must be float32 or float64, is int32; pass a.astype\(\"float32\"\)",
    ),
    ([[1.0]], {}, TypeError, "a must be a NumPy array"),
    (np.ones(3, np.float32), {}, ValueError, "a must have 2 to 3 dimensions, has 1"),
    (np.ones((0, 3), np.float32), {}, ValueError, r"a must not be empty, its shape is \[1, 0, 3\]"),
    (np.ones((2, 3, 0)), {}, ValueError, r"a must not be empty, its shape is \[2, 3, 0\]"),
    (np.ones((0, 3, 3)), {}, ValueError, r"a must not be empty, its shape is \[0, 3, 3\]"),
    (with_value(np.nan, 5, 4, at=(3, 1)), {}, ValueError, r"a must be finite; a\[3, 1\] is nan"),
    (with_value(-np.inf, 90, 80, at=(89, 79)), {}, ValueError, r"a must be finite; a\[89, 79\] is -inf"),
    (with_value(np.inf, 9, 5, 4, at=(8, 3, 1)), {}, ValueError, r"a must be finite; a\[8, 3, 1\] is inf"),
    (with_value(np.nan, 7000, 40, at=(6999, 0), dtype=np.float64).T, {}, ValueError, r"a\[0, 6999\] is nan"),
    (with_value(np.nan, 60, 60, at=(7, 8))[::3, 2::3], {}, ValueError, None),
    (np.ones((5, 4)), {"k": 0}, ValueError, r"k must be from 1 to min\(m, n\) = 4, is 0"),
    (np.ones((5, 4)), {"k": 5}, ValueError, r"k must be from 1 to min\(m, n\) = 4, is 5"),
    (np.ones((5, 4)), {"k": 2, "full_matrices": True}, ValueError, "full_matrices and k = 2 exclude each other"),
    (np.ones((5, 4)), {"compute_uv": False, "full_matrices": True}, ValueError, "full_matrices asks for vectors"),
    (np.ones((5, 4)), {"method": "magic"}, ValueError, "unknown method 'magic'; known: auto, gram, qr, jacobi"),
    (np.ones((5, 4)), {"method": "gram"}, ValueError, "method 'gram' is for float32, a is float64"),
    (np.ones((5, 4)), {"method": "randomized"}, ValueError, "method 'randomized' needs k"),
    (np.ones((5, 4)), {"oversample": -1}, ValueError, "oversample must be from 0 to 1048576, is -1"),
    (np.ones((5, 4)), {"iterations": 1001}, ValueError, "iterations must be from 0 to 1000, is 1001"),
    (np.ones((5, 4)), {"seed": -1}, ValueError, "seed must not be negative, is -1"),
]


@pytest.mark.parametrize(("a", "options", "error", "match"), WRONG, ids=lambda v: str(v)[:30].replace("\n", " "))
def test_wrong_input(a, options, error, match):
    if match is None:
        a = a.copy()
        a[1, 2] = np.nan
        match = r"a\[1, 2\] is nan"
    with pytest.raises(error, match=match):
        svd(a, **options)
