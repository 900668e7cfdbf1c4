"""What divide and conquer, float32 sums and lanes may get wrong: clusters, zeros, equal columns, sizes near a leaf."""

from __future__ import annotations

import numpy as np
import pytest

from ferkern.linalg import svd
from test_svd import both, check, with_condition


def bidiagonal(d, e):
    return np.diag(d) + np.diag(e, 1)


def for_divide(rng, n, dtype):
    """Name -> [n, n]: what deflates at once, late, in pairs, or not at all."""
    yield "random", rng.standard_normal((n, n))
    yield "one cluster", bidiagonal(np.full(n, 1.0), np.full(n - 1, float(np.finfo(dtype).eps)))
    yield "two clusters", np.linalg.qr(rng.standard_normal((n, n)))[0] * np.where(np.arange(n) % 2, 1, 1e-3)
    yield "evenly coupled", bidiagonal(np.full(n, 2.0), np.full(n - 1, 1.0))
    yield (
        "row between is zero",
        bidiagonal(np.where(np.arange(n) == n // 2, 0.0, 1.0), np.where(np.arange(n - 1) == n // 2, 0, 1)),
    )
    yield "zeros on the diagonal", bidiagonal(np.arange(n) % 3.0, np.ones(n - 1))
    yield "superdiagonal alone", bidiagonal(np.zeros(n), np.arange(1.0, n))
    yield (
        "a tiny half",
        bidiagonal(np.where(np.arange(n) < n // 2, 1.0, 1e-30), np.where(np.arange(n - 1) < n // 2, 0.5, 1e-30)),
    )
    yield "rank 2", rng.standard_normal((n, 2)) @ rng.standard_normal((2, n))
    yield "graded", bidiagonal(np.geomspace(1, 1e-20, n), np.geomspace(1, 1e-20, n)[1:])


@pytest.mark.op("svd")
@both
@pytest.mark.parametrize("n", [12, 13, 25, 26, 51, 130])
def test_divide_and_conquer(row, forced, rng, dtype, n):
    for name, a in for_divide(rng, n, dtype):
        for matrix in (a.astype(dtype), a.T.astype(dtype)):
            with forced(row):
                result = svd(matrix, method="bidiagonal")
            try:
                check(matrix, result, row=row)
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from error


@pytest.mark.op("svd")
@pytest.mark.parametrize("value", [0.1, 1.0, 1 / 3, 1e-6], ids=str)
def test_sums_of_equal_numbers(row, forced, rng, value):
    """Each addition of a constant column's square is rounded the same way: the sums are short enough not to show it."""
    a = rng.standard_normal((6000, 40)).astype(np.float32)
    a[:, 7] = value
    a[:, 8:] *= value
    a[:, :7] *= value
    with forced(row):
        result = svd(a)
    check(a, result, row=row)
    u = result.u.astype(np.float64)
    if row.name != "reference":  # whose plain sums are long
        assert np.abs(u.T @ u - np.eye(40)).max() <= 40 * np.finfo(np.float32).eps
    assert result.method == "gram+bidiagonal"


def test_float32_sums_end_where_the_condition_asks_for_it(rng):
    """On either side of the condition numbers at which `gram` changes its ways."""
    for condition in (3.5, 4.5, 7, 9, 100, 5e4):
        a = with_condition(rng, 4000, 50, condition, np.float32)
        result = svd(a)
        assert result.method == "gram+bidiagonal"
        check(a, result)
        u = result.u.astype(np.float64)
        assert np.abs(u.T @ u - np.eye(50)).max() <= 40 * np.finfo(np.float32).eps


@pytest.mark.op("svd")
@both
def test_lanes_sort_and_sign_each_on_its_own(row, forced, rng, dtype):
    """Matrices that need no rotation, one, and all of them, side by side; among them all orders of columns."""
    a = rng.standard_normal((70, 8, 8)).astype(dtype)
    for i in range(0, 70, 2):
        a[i] = np.diag(rng.permutation(np.arange(1.0, 9))) * rng.choice([-1, 1], 8)
    a[1::10] = np.eye(8)
    with forced(row):
        result = svd(a)
    check(a, result, row=row)
    assert result.method == "jacobi"
    np.testing.assert_array_equal(result.s[0], np.arange(8, 0, -1))


@pytest.mark.op("svd")
@both
@pytest.mark.parametrize("n", [2, 7, 16, 17, 32])
def test_every_pair_is_met(row, forced, n, dtype):
    """One matrix for each two rows, which alone are not orthogonal: whoever is left out in a sweep stays so."""
    pairs = [(p, q) for q in range(n) for p in range(q)]
    a = np.repeat(np.diag(np.linspace(1, 2, n))[None], len(pairs), axis=0).astype(dtype)
    for one, (p, q) in zip(a, pairs, strict=True):
        one[q, p] = 0.5
    with forced(row):
        results = [svd(one, method="jacobi") for one in a]
    assert {result.method for result in results} == {"jacobi"}
    u, s, vt = (np.stack([result[i] for result in results]).astype(np.float64) for i in range(3))
    bound = 10 * np.finfo(dtype).eps
    one = np.eye(n)
    assert np.abs(u.swapaxes(1, 2) @ u - one).max() <= bound
    assert np.abs(vt @ vt.swapaxes(1, 2) - one).max() <= bound
    assert np.abs((u * s[:, None]) @ vt - a).max() <= bound * s.max()


@pytest.mark.op("svd")
@pytest.mark.parametrize("n", [136, 300])
def test_float32_squares_are_reduced_in_float64(row, forced, rng, n):
    """Root mean square of the residual, in units of 2^-23: 0.21 to 0.25; by a reduction in float32 0.34 to 0.41."""
    a = rng.standard_normal((n, n)).astype(np.float32)
    with forced(row):
        u, s, vt = (x.astype(np.float64) for x in svd(a))
    assert np.sqrt(np.mean(((u * s) @ vt - a) ** 2)) <= 0.3 * np.finfo(np.float32).eps * s[0]
