"""Matrix products."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.auto import by_map

__all__ = ["gemm"]

Float32 = npt.NDArray[np.float32]


@by_map("gemm")
def gemm(
    a: Float32,
    b: Float32,
    *,
    bias: Float32 | None = None,
    transpose_b: bool = False,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Matrix product activation(a b + bias).

    Packed panels and register tiles after K. Goto, R. van de Geijn, "Anatomy of high-performance matrix
    multiplication", ACM TOMS 34 (2008). The same bits for every number of threads.

    Parameters
    ----------
    a : float32 [M, K]
    b : float32 [K, N], or [N, K] with `transpose_b`
    bias : float32 [N], optional
        Added to every row.
    transpose_b
        Multiply with the transpose of `b`.
    activation, alpha
        As in `ferkern.nn.conv2d`.
    out : float32 [M, N], optional
        C-contiguous array to write into; must not share memory with any input.
    device
        As in `ferkern.nn.conv2d`, without ``"auto"``.

    Returns
    -------
    float32 [M, N]

    Raises
    ------
    TypeError
        An array is not float32.
    ValueError
        The inner sizes differ, a matrix is empty, or `bias` or `out` does not fit; the message shows the numbers.
    """
    if device != "cpu":
        from ferkern.opencl.ops.gemm import gemm as on_device

        return on_device(
            a, b, bias=bias, transpose_b=transpose_b, activation=activation, alpha=alpha, out=out, device=device
        )
    return _core.gemm(a, b, bias, transpose_b, activation, alpha, out)
