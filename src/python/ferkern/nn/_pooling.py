"""Pooling over windows and over whole images."""

from __future__ import annotations

from ferkern import _core
from ferkern.auto import by_map
from ferkern.nn._types import Float32, Padding, Pair

__all__ = ["avg_pool2d", "global_avg_pool", "global_max_pool", "l2_pool2d", "max_pool2d"]


@by_map("max_pool2d")
def max_pool2d(
    x: Float32,
    size: Pair,
    *,
    stride: Pair | None = None,
    padding: Padding = 0,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Largest value of each window; NaN where the window holds one.

    Parameters
    ----------
    x : float32 [N, C, H, W]
    size
        Height and width of the window: one number or two.
    stride
        Distance of windows, one number or (vertical, horizontal); `size` when None.
    padding
        As in `conv2d`, smaller than the window. Cells outside the image are left out.
    out : float32 [N, C, OH, OW], optional
        C-contiguous array to write into; must not share memory with `x`.
    device
        As in `conv2d`, without ``"auto"``.

    Returns
    -------
    float32 [N, C, OH, OW], with OH = floor((H + padding - size) / stride) + 1.

    Raises
    ------
    TypeError
        `x` or `out` is not float32.
    ValueError
        Shapes, padding or stride do not fit; the message shows the numbers.
    """
    if device != "cpu":
        from ferkern.opencl.ops.pool import pool2d as on_device

        return on_device(x, "max", size, stride=stride, padding=padding, out=out, device=device)
    return _core.max_pool2d(x, size, stride, padding, out)


@by_map("avg_pool2d")
def avg_pool2d(
    x: Float32,
    size: Pair,
    *,
    stride: Pair | None = None,
    padding: Padding = 0,
    count_include_pad: bool = False,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Mean of each window.

    Parameters
    ----------
    x, size, stride, padding, out, device
        As in `max_pool2d`.
    count_include_pad
        Divide by the whole window; else by the cells inside the image.
    device
        As in `conv2d`, without ``"auto"``.

    Returns
    -------
    float32 [N, C, OH, OW]

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d`.
    """
    if device != "cpu":
        from ferkern.opencl.ops.pool import pool2d as on_device

        return on_device(
            x,
            "average",
            size,
            stride=stride,
            padding=padding,
            count_include_pad=count_include_pad,
            out=out,
            device=device,
        )
    return _core.avg_pool2d(x, size, stride, padding, count_include_pad, out)


@by_map("l2_pool2d")
def l2_pool2d(
    x: Float32,
    size: Pair,
    *,
    stride: Pair | None = None,
    padding: Padding = 0,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Root of the sum of squares of each window (no division by its size).

    Source: P. Sermanet, S. Chintala, Y. LeCun, "Convolutional neural networks applied to house numbers digit
    classification", ICPR 2012, section 2.1, with P = 2 and equal weights.

    Parameters
    ----------
    x, size, stride, padding, out, device
        As in `max_pool2d`.
    device
        As in `conv2d`, without ``"auto"``.

    Returns
    -------
    float32 [N, C, OH, OW]

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d`.
    """
    if device != "cpu":
        from ferkern.opencl.ops.pool import pool2d as on_device

        return on_device(x, "l2", size, stride=stride, padding=padding, out=out, device=device)
    return _core.l2_pool2d(x, size, stride, padding, out)


@by_map("global_avg_pool")
def global_avg_pool(x: Float32, *, out: Float32 | None = None, device: str = "cpu") -> Float32:
    """Mean of each channel over the image.

    Source: M. Lin, Q. Chen, S. Yan, "Network in network", ICLR 2014, section 3.2.

    Parameters
    ----------
    x : float32 [N, C, H, W]
    out : float32 [N, C], optional
        C-contiguous array to write into; must not share memory with `x`.
    device
        As in `conv2d`, without ``"auto"``.

    Returns
    -------
    float32 [N, C]

    Raises
    ------
    TypeError
        `x` or `out` is not float32.
    ValueError
        `x` is empty or not of rank 4, `out` has another shape.
    """
    if device != "cpu":
        from ferkern.opencl.ops.global_pool import global_pool as on_device

        return on_device(x, True, out=out, device=device)
    return _core.global_pool(x, True, out)


@by_map("global_max_pool")
def global_max_pool(x: Float32, *, out: Float32 | None = None, device: str = "cpu") -> Float32:
    """Largest value of each channel over the image; NaN where there is one.

    Parameters, result and errors are those of `global_avg_pool`.
    """
    if device != "cpu":
        from ferkern.opencl.ops.global_pool import global_pool as on_device

        return on_device(x, False, out=out, device=device)
    return _core.global_pool(x, False, out)
