"""Fully connected layers and softmax."""

from __future__ import annotations

from ferkern import _core
from ferkern.auto import by_map
from ferkern.nn._types import Float32

__all__ = ["dense", "softmax"]


@by_map("dense")
def dense(
    x: Float32,
    w: Float32,
    b: Float32 | None = None,
    *,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Fully connected layer: activation(x w^T + b).

    Parameters
    ----------
    x : float32 [N, I]
    w : float32 [O, I]
    b : float32 [O], optional
    activation, alpha
        As in `conv2d`.
    out : float32 [N, O], optional
        C-contiguous array to write into; must not share memory with any input.
    device
        As in `conv2d`.

    Returns
    -------
    float32 [N, O]

    Raises
    ------
    TypeError
        An array is not float32.
    ValueError
        The sizes of `x`, `w`, `b` or `out` do not fit; the message shows the numbers.
    """
    if device != "cpu":
        from ferkern.opencl.ops.dense import dense as on_device

        return on_device(x, w, b, activation=activation, alpha=alpha, out=out, device=device)
    return _core.dense(x, w, b, activation, alpha, out)


@by_map("softmax")
def softmax(x: Float32, *, axis: int = 1, out: Float32 | None = None, device: str = "cpu") -> Float32:
    """Numbers along an axis to probabilities: e^(x - max x) / sum e^(x - max x).

    Parameters
    ----------
    x : float32, rank 1 to 4
    axis
        The axis whose values sum to 1; the channels by default.
    out : float32, the shape of `x`, optional
        C-contiguous array to write into; must not share memory with `x`.
    device
        As in `conv2d`, without ``"auto"``.

    Returns
    -------
    float32, the shape of `x`; NaN along the axis where a value is NaN or +inf.

    Raises
    ------
    TypeError
        An array is not float32.
    ValueError
        `x` is empty or has no such axis.
    """
    if device != "cpu":
        from ferkern.opencl.ops.softmax import softmax as on_device

        return on_device(x, axis=axis, out=out, device=device)
    return _core.softmax(x, axis, out)
