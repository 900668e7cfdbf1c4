"""Layers that work along the channels."""

from __future__ import annotations

from collections.abc import Sequence

from ferkern import _core
from ferkern.auto import by_map
from ferkern.nn._types import Float32

__all__ = ["batch_norm", "concat", "local_response_norm"]


@by_map("batch_norm")
def batch_norm(
    x: Float32,
    gamma: Float32,
    beta: Float32,
    mean: Float32,
    variance: Float32,
    *,
    epsilon: float = 1e-5,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Batch normalisation at inference: gamma (x - mean) / sqrt(variance + epsilon) + beta, and an activation.

    Source: S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015, algorithm 2.

    Parameters
    ----------
    x : float32 [N, C, H, W] or [N, C]
    gamma, beta, mean, variance : float32 [C]
    epsilon
        Added to the variance.
    activation, alpha
        As in `conv2d`.
    out : float32, the shape of `x`, optional
        C-contiguous array to write into; must not share memory with any input.
    device
        As in `conv2d`, without ``"auto"``.

    Returns
    -------
    float32, the shape of `x`

    Raises
    ------
    TypeError
        An array is not float32.
    ValueError
        A vector does not have C values, or variance + epsilon is not positive.
    """
    if device != "cpu":
        from ferkern.opencl.ops.batch_norm import batch_norm as on_device

        return on_device(
            x, gamma, beta, mean, variance, epsilon=epsilon, activation=activation, alpha=alpha, out=out, device=device
        )
    return _core.batch_norm(x, gamma, beta, mean, variance, epsilon, activation, alpha, out)


@by_map("local_response_norm")
def local_response_norm(
    x: Float32,
    size: int = 5,
    *,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Divide each number by (k + alpha / size * sum of squares of `size` neighbouring channels)^beta.

    Channels c - size // 2 to c + (size - 1) // 2 count, those beyond the ends as 0.

    Source: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep convolutional neural networks",
    NeurIPS 2012, section 3.3; here alpha is divided by `size`, as in torch and ONNX.

    Parameters
    ----------
    x : float32 [N, C, H, W]
    size
        Channels in the window, at least 1.
    alpha, beta
        Not negative.
    k
        Positive.
    out : float32 [N, C, H, W], optional
        C-contiguous array to write into; must not share memory with `x`.
    device
        As in `conv2d`, without ``"auto"``.

    Returns
    -------
    float32 [N, C, H, W]

    Raises
    ------
    TypeError
        `x` or `out` is not float32.
    ValueError
        `x` is empty or not of rank 4, or a parameter is out of range.
    """
    if device != "cpu":
        from ferkern.opencl.ops.local_response_norm import local_response_norm as on_device

        return on_device(x, size, alpha=alpha, beta=beta, k=k, out=out, device=device)
    return _core.local_response_norm(x, size, alpha, beta, k, out)


@by_map("concat")
def concat(xs: Sequence[Float32], *, out: Float32 | None = None, device: str = "cpu") -> Float32:
    """Arrays one behind the other along the channels.

    Parameters
    ----------
    xs : sequence of float32 [N, Ci, H, W]
        At least one; all but the channels must agree.
    out : float32 [N, sum of Ci, H, W], optional
        C-contiguous array to write into; must not share memory with any of `xs`.
    device
        As in `conv2d`, without ``"auto"``; a device takes at most 64 arrays.

    Returns
    -------
    float32 [N, sum of Ci, H, W]

    Raises
    ------
    TypeError
        An array is not float32.
    ValueError
        No array, or shapes that do not fit; the message shows them.
    """
    if device != "cpu":
        from ferkern.opencl.ops.concat import concat as on_device

        return on_device(xs, out=out, device=device)
    return _core.concat(xs, out)
