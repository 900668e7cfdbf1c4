"""Singular value decomposition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.auto import by_map

__all__ = ["SVD", "SingularValues", "svd"]

Real = TypeVar("Real", np.float32, np.float64)


@dataclass(frozen=True, slots=True)
class SVD(Generic[Real]):
    """The factors of ``a = u @ diag(s) @ vt``; unpacks to the three: ``u, s, vt = svd(a)``."""

    u: npt.NDArray[Real]
    """[..., m, k], its columns orthonormal; [..., m, m] with `full_matrices`."""
    s: npt.NDArray[Real]
    """[..., k], falling, none negative."""
    vt: npt.NDArray[Real]
    """[..., k, n], its rows orthonormal; [..., n, n] with `full_matrices`."""
    method: str
    """The way that was taken, step by step, for example ``"qr+bidiagonal"``; of a batch each that was taken."""

    def __iter__(self) -> Iterator[npt.NDArray[Real]]:
        return iter((self.u, self.s, self.vt))

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> npt.NDArray[Real]:
        return (self.u, self.s, self.vt)[index]


@dataclass(frozen=True, slots=True)
class SingularValues(Generic[Real]):
    """Singular values alone; NumPy's functions take it for the array `s`."""

    s: npt.NDArray[Real]
    """[..., k], falling, none negative."""
    method: str
    """The way that was taken."""

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.s, dtype=dtype, copy=True) if copy else np.asarray(self.s, dtype=dtype)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.s)

    def __len__(self) -> int:
        return len(self.s)


@overload
def svd(
    a: npt.NDArray[Real],
    *,
    k: int | None = None,
    full_matrices: bool = False,
    compute_uv: Literal[True] = True,
    method: str = "auto",
    oversample: int = 10,
    iterations: int = 4,
    seed: int = 0,
    device: str = "cpu",
) -> SVD[Real]: ...
@overload
def svd(
    a: npt.NDArray[Real],
    *,
    k: int | None = None,
    full_matrices: bool = False,
    compute_uv: Literal[False],
    method: str = "auto",
    oversample: int = 10,
    iterations: int = 4,
    seed: int = 0,
    device: str = "cpu",
) -> SingularValues[Real]: ...
@by_map("svd")
def svd(
    a: npt.NDArray[Real],
    *,
    k: int | None = None,
    full_matrices: bool = False,
    compute_uv: bool = True,
    method: str = "auto",
    oversample: int = 10,
    iterations: int = 4,
    seed: int = 0,
    device: str = "cpu",
) -> SVD[Real] | SingularValues[Real]:
    """Singular value decomposition ``a = u @ diag(s) @ vt`` of a matrix, or of each of a batch.

    Singular values fall. Signs: the entry of largest magnitude (the first of equals) of each row of `vt` is positive
    where m >= n, of each column of `u` otherwise. With e the machine epsilon of the dtype (2^-23, 2^-52) and
    r = min(m, n), the residual |a - u diag(s) vt| stays under 10 e (r + 10) s[0] and the orthogonality
    |u.T u - I| and |vt vt.T - I| under 10 e (r + 10), entry by entry, for every finite input (some ten times less is
    what happens): ill-conditioned, rank-deficient, zero, graded, tiny or huge. The same bits for every number of
    threads.

    Parameters
    ----------
    a : float32 or float64 [m, n] or [batch, m, n]
        Any strides; read as it stands.
    k
        The k largest values and their vectors, 1 to min(m, n). All are found and the rest is left out, unless `method`
        is ``"randomized"``.
    full_matrices
        `u` [m, m] and `vt` [n, n]: bases of the whole spaces. Not together with `k`.
    compute_uv
        False: values alone.
    method
        ``"auto"``, or

        - ``"gram"`` (float32; ``"auto"`` where one side is twice the other or more): a^T a in float64 (from float32
          sums up to a condition number of 4), its Cholesky factor, and u by products with a, once more orthogonalised
          where the condition number asks for it (Yamamoto, Nakatsukasa, Yanagisawa, Fukaya, "Roundoff error analysis of
          the CholeskyQR2 algorithm", ETNA 44, 2015). Past a condition number of about 1e5 ``"auto"`` turns to ``"qr"``,
          and ``"gram"`` itself is an error.
        - ``"qr"``: Householder reflections in blocks, many rows as a tree of pieces (Demmel, Grigori, Hoemmen, Langou,
          "Communication-optimal parallel and sequential QR and LU factorizations", SISC 34, 2012); then the triangle.
        - ``"jacobi"``: one-sided rotations (Hestenes, "Inversion of matrices by biorthogonalization", 1958); for small
          matrices, in a batch one matrix in each vector lane. Where a singular value is next to nothing beside
          another, ``"bidiagonal"`` takes over.
        - ``"bidiagonal"``: Householder from both sides in panels (Dongarra, Sorensen, Hammarling, 1989), for vectors up
          to 1,280 columns in float64, then divide and conquer (Gu, Eisenstat, "A divide-and-conquer algorithm for the
          bidiagonal SVD", SIMAX 16, 1995); values alone by implicit QR (Demmel, Kahan, "Accurate singular values of
          bidiagonal matrices", 1990).
        - ``"randomized"``: `k` of them from a random subspace (Halko, Martinsson, Tropp, "Finding structure with
          randomness", SIAM Review 53, 2011, algorithm 4.4).
    oversample, iterations, seed
        Of ``"randomized"``: vectors beyond `k`, power iterations (orthonormalised each time), start of the generator.
    device
        ``"cpu"``, or an OpenCL device: ``"opencl"``, ``"opencl:0"``, ``"opencl:name"``. The same bounds hold there, for
        thin factors with min(m, n) up to 1,024 (``"randomized"``: k + oversample), by ``"jacobi"``, ``"qr"`` (in
        pieces, then Jacobi of the triangle) or ``"randomized"`` from the same numbers; ``"auto"`` takes one of the
        first two. ``device="auto"``: as in `ferkern.nn.conv2d`.

    Returns
    -------
    SVD
        Or `SingularValues` without `compute_uv`. Its ``method`` says which way was taken.

    Raises
    ------
    TypeError
        `a` is neither float32 nor float64.
    ValueError
        `a` is empty, has a NaN or an infinity (before any work), or an option does not fit; the message shows
        the numbers. Also where an iteration does not converge, which no input is known for, and where the device does
        not serve what is asked for.
    ferkern.opencl.DeviceError
        The device is missing, its memory is too small, or it has no float64 and `a` is of it.
    """
    options = (k, full_matrices, compute_uv, method, oversample, iterations, seed)
    if device == "cpu":
        u, s, vt, taken = _core.svd(a, *options)
    else:
        from ferkern.opencl.ops.svd import svd as on_device

        u, s, vt, taken = on_device(a, *options, device=device)
    if u is None or vt is None:
        return SingularValues(s, taken)
    return SVD(u, s, vt, taken)
