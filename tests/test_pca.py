"""Principal components against the eigenvectors of NumPy's covariance matrix in float64."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import tolerance
from ferkern.linalg import pca

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda t: t.__name__)


def cloud(rng, n, d, dtype):
    """Points with well-separated variances, far from the origin."""
    return (rng.standard_normal((n, d)) * np.geomspace(8, 0.5, d) + 5).astype(dtype)


@both
@pytest.mark.parametrize("shape", [(500, 12), (2000, 40), (30, 60)], ids=str)
def test_against_the_covariance(rng, dtype, shape):
    x = cloud(rng, *shape, dtype)
    k = 5
    found = pca(x, k)
    exact = x.astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(exact.T))
    bound = 100 * tolerance.svd(dtype, min(shape))
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.explained_variance, values[::-1][:k], rtol=bound)
    np.testing.assert_allclose(found.explained_variance_ratio, values[::-1][:k] / values.sum(), rtol=bound)
    np.testing.assert_allclose(found.singular_values**2 / (shape[0] - 1), found.explained_variance, rtol=1e-5)
    for component, vector in zip(found.components, vectors.T[::-1][:k], strict=True):
        assert abs(component.astype(np.float64) @ vector) >= 1 - bound
    assert {getattr(found, f.name).dtype for f in dataclasses.fields(found) if f.name != "method"} == {np.dtype(dtype)}
    assert found.method


@both
def test_there_and_back(rng, dtype):
    x = cloud(rng, 300, 20, dtype)
    whole = pca(x)
    bound = 20 * tolerance.svd(dtype, 20)
    np.testing.assert_allclose(whole.inverse_transform(whole.transform(x)), x, atol=bound * np.abs(x).max())
    assert abs(float(whole.explained_variance_ratio.sum()) - 1) <= bound
    y = whole.transform(x)
    np.testing.assert_allclose(np.cov(y.astype(np.float64).T), np.diag(whole.explained_variance), atol=100 * bound)
    few = pca(x, 3)
    lost = x - few.inverse_transform(few.transform(x))
    left = whole.explained_variance[3:].sum()
    np.testing.assert_allclose((lost.astype(np.float64) ** 2).sum() / (len(x) - 1), left, rtol=1e-3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        few.mean = x[0]


@both
def test_points_that_are_one(dtype):
    found = pca(np.full((10, 4), 7, dtype), 2)
    np.testing.assert_array_equal(found.explained_variance, 0)
    np.testing.assert_array_equal(found.explained_variance_ratio, 0)
    np.testing.assert_array_equal(found.mean, 7)


def test_randomized_components(rng):
    x = cloud(rng, 800, 50, np.float32)
    found, exact = pca(x, 4, method="randomized"), pca(x, 4)
    np.testing.assert_allclose(found.explained_variance, exact.explained_variance, rtol=1e-3)
    assert found.method.startswith("randomized")


@pytest.mark.parametrize(
    ("x", "k", "error", "match"),
    [
        (np.ones((4, 3), np.int64), 1, TypeError, "x must be a float32 or float64 NumPy array, is int64"),
        ([[1.0]], 1, TypeError, "x must be a float32 or float64 NumPy array, is list"),
        (np.ones((1, 3)), 1, ValueError, r"x must be \[n, d\] with n >= 2 and d >= 1, is \[1, 3\]"),
        (np.ones(3), 1, ValueError, r"x must be \[n, d\]"),
        (np.ones((5, 3)), 4, ValueError, r"k must be from 1 to min\(m, n\) = 3, is 4"),
        (np.array([[1.0, 2], [np.nan, 3]]), 1, ValueError, r"x must be finite; x\[1, 0\] is nan"),
        (np.full((3, 2), 1.7e308), 1, ValueError, "x must be finite; the sum of its rows overflows"),
    ],
    ids=lambda v: str(v)[:30].replace("\n", " "),
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_wrong_points(x, k, error, match):
    with pytest.raises(error, match=match):
        pca(x, k)


def test_wrong_transforms(rng):
    found = pca(cloud(rng, 50, 6, np.float32), 2)
    with pytest.raises(ValueError, match=r"x must be \[n, 6\] \(6 coordinates\), is \[4, 5\]"):
        found.transform(np.ones((4, 5), np.float32))
    with pytest.raises(ValueError, match=r"y must be \[n, 2\] \(2 components\), is \[4, 3\]"):
        found.inverse_transform(np.ones((4, 3), np.float32))
    with pytest.raises(TypeError, match="x must be float32, as the points were, is float64"):
        found.transform(np.ones((4, 6)))
