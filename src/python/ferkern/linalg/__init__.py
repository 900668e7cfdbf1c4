"""Linear algebra on NumPy arrays, computed by ferkern's kernels."""

from ferkern.linalg._pca import PCA, pca
from ferkern.linalg._product import gemm
from ferkern.linalg._svd import SVD, SingularValues, svd

__all__ = ["PCA", "SVD", "SingularValues", "gemm", "pca", "svd"]
