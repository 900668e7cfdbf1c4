"""Layers of neural networks as functions on NumPy arrays, computed by ferkern's kernels.

Arrays are float32 in NCHW order, of any strides; nothing is cast or copied in silence.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ferkern import _core

__all__ = ["conv2d"]

Float32 = npt.NDArray[np.float32]
Pair = int | tuple[int, int]
Padding = str | int | tuple[int, int] | tuple[int, int, int, int]


def conv2d(
    x: Float32,
    w: Float32,
    b: Float32 | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
) -> Float32:
    """Two-dimensional convolution (cross-correlation), bias and activation.

    Parameters
    ----------
    x : float32 [N, C, H, W]
    w : float32 [O, C / groups, KH, KW]
    b : float32 [O], optional
    stride, dilation
        One number, or (vertical, horizontal).
    padding
        ``"same"`` (ceil(H / stride) rows come out; an odd zero goes after), ``"valid"``, one number,
        (vertical, horizontal) or (top, bottom, left, right) zeros.
    groups
        Channels are split into this many independent convolutions.
    activation
        None, ``"relu"``, ``"relu6"``, ``"leaky_relu"``, ``"sigmoid"``, ``"tanh"``, ``"hard_swish"``, ``"silu"``, ``"elu"``.
    alpha
        Slope of leaky_relu (0.01), scale of elu (1).
    out : float32 [N, O, OH, OW], optional
        C-contiguous array to write into; must not share memory with `x`.

    Returns
    -------
    float32 [N, O, OH, OW], with OH = floor((H + padding - (KH - 1) dilation - 1) / stride) + 1.

    Raises
    ------
    TypeError
        An array is not float32.
    ValueError
        Shapes, padding, stride, dilation or groups do not fit; the message shows the numbers.
    """
    return _core.conv2d(x, w, b, stride, padding, dilation, groups, activation, alpha, out)
