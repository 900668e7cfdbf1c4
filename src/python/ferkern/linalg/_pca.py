"""Principal component analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

import numpy as np
import numpy.typing as npt

from ferkern.linalg._svd import Real, svd

__all__ = ["PCA", "pca"]


@dataclass(frozen=True, slots=True)
class PCA(Generic[Real]):
    """Principal components of a cloud of points, found by `pca`."""

    mean: npt.NDArray[Real]
    """[d], of the points."""
    components: npt.NDArray[Real]
    """[k, d], orthonormal rows, the entry of largest magnitude of each positive if there are no fewer points than d."""
    singular_values: npt.NDArray[Real]
    """[k], of the centred points."""
    explained_variance: npt.NDArray[Real]
    """[k], along each component, divided by points - 1."""
    explained_variance_ratio: npt.NDArray[Real]
    """[k], share of the variance of all d coordinates; zeros where all points are one."""
    method: str
    """The way the decomposition took."""

    def transform(self, x: npt.NDArray[Real]) -> npt.NDArray[Real]:
        """Coordinates [n, k] of points `x` [n, d] along the components."""
        self._check(x, "x", self.mean.size, "coordinates")
        return np.asarray((x - self.mean) @ self.components.T, self.mean.dtype)

    def inverse_transform(self, y: npt.NDArray[Real]) -> npt.NDArray[Real]:
        """Points [n, d] at coordinates `y` [n, k] along the components."""
        self._check(y, "y", len(self.components), "components")
        return np.asarray(y @ self.components + self.mean, self.mean.dtype)

    def _check(self, array: npt.NDArray[Real], name: str, size: int, what: str) -> None:
        if array.ndim != 2 or array.shape[1] != size:
            raise ValueError(f"{name} must be [n, {size}] ({size} {what}), is {list(array.shape)}")
        if array.dtype != self.mean.dtype:
            raise TypeError(f"{name} must be {self.mean.dtype}, as the points were, is {array.dtype}")


def pca(
    x: npt.NDArray[Real],
    k: int | None = None,
    *,
    method: str = "auto",
    oversample: int = 10,
    iterations: int = 4,
    seed: int = 0,
    device: str = "cpu",
) -> PCA[Real]:
    """Principal component analysis (H. Hotelling, 1933): the singular value decomposition of the centred points.

    Parameters
    ----------
    x : float32 or float64 [n, d]
        n points of d coordinates, n >= 2.
    k
        Components to keep, 1 to min(n, d); all without it.
    method, oversample, iterations, seed, device
        As in `svd`; the points are centred on the processor.

    Returns
    -------
    PCA

    Raises
    ------
    TypeError
        `x` is neither float32 nor float64.
    ValueError
        `x` is not a matrix of two rows or more, has a NaN or an infinity, or `k` is out of range.
    """
    if not isinstance(x, np.ndarray) or x.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"x must be a float32 or float64 NumPy array, is {getattr(x, 'dtype', type(x).__name__)}")
    if x.ndim != 2 or x.shape[0] < 2 or x.shape[1] < 1:
        raise ValueError(f"x must be [n, d] with n >= 2 and d >= 1, is {list(x.shape)}")
    mean = x.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        bad = np.argwhere(~np.isfinite(x))
        where = f"x[{bad[0][0]}, {bad[0][1]}] is {x[tuple(bad[0])]}" if len(bad) else "the sum of its rows overflows"
        raise ValueError(f"x must be finite; {where}")
    centred = (x - mean).astype(x.dtype, copy=False)
    found = svd(centred, k=k, method=method, oversample=oversample, iterations=iterations, seed=seed, device=device)
    variance = found.s.astype(np.float64) ** 2 / (len(x) - 1)
    total = float(np.square(centred, dtype=np.float64).sum()) / (len(x) - 1)
    ratio = variance / total if total > 0 else np.zeros_like(variance)
    return PCA(
        mean=mean.astype(x.dtype),
        components=found.vt,
        singular_values=found.s,
        explained_variance=variance.astype(x.dtype),
        explained_variance_ratio=ratio.astype(x.dtype),
        method=found.method,
    )
