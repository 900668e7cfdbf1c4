"""Convolutions."""

from __future__ import annotations

from ferkern import _core
from ferkern.auto import by_map
from ferkern.nn._types import Float32, Padding, Pair

__all__ = ["conv2d", "depthwise_conv2d", "depthwise_separable"]


@by_map("conv2d")
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
    device: str = "cpu",
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
        None, ``"relu"``, ``"relu6"``, ``"leaky_relu"``, ``"sigmoid"``, ``"tanh"``, ``"hard_swish"``, ``"silu"``
        or ``"elu"``.
    alpha
        Slope of leaky_relu (0.01), scale of elu (1).
    out : float32 [N, O, OH, OW], optional
        C-contiguous array to write into; must not share memory with any input.
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``; on a device all arrays are copied there and back.
        ``"auto"``: where this machine's crossover map (`ferkern.bench.crossover`) expects it to be faster; without a
        map the processor.

    Returns
    -------
    float32 [N, O, OH, OW], with OH = floor((H + padding - (KH - 1) dilation - 1) / stride) + 1.

    Raises
    ------
    TypeError
        An array is not float32.
    ValueError
        Shapes, padding, stride, dilation or groups do not fit; the message shows the numbers.
    ferkern.opencl.DeviceError
        The device is missing; the message says why and what to do.
    """
    if device != "cpu":
        from ferkern.opencl.ops.conv2d import conv2d as conv2d_on_device

        return conv2d_on_device(
            x,
            w,
            b,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            activation=activation,
            alpha=alpha,
            out=out,
            device=device,
        )
    return _core.conv2d(x, w, b, stride, padding, dilation, groups, activation, alpha, out)


@by_map("conv2d")
def depthwise_conv2d(
    x: Float32,
    w: Float32,
    b: Float32 | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Depthwise convolution: each channel is filtered by itself, M times; then bias and activation.

    Filter o reads channel o // M. The first half of the depthwise separable convolution of L. Sifre, "Rigid-motion
    scattering for image classification" (2014), as used by Howard et al., "MobileNets" (2017), equation 3.

    Parameters
    ----------
    x : float32 [N, C, H, W]
    w : float32 [C M, 1, KH, KW]
    b : float32 [C M], optional
    stride, padding, dilation, activation, alpha
        As in `conv2d`.
    out : float32 [N, C M, OH, OW], optional
        C-contiguous array to write into; must not share memory with any input.
    device
        As in `conv2d`.

    Returns
    -------
    float32 [N, C M, OH, OW]

    Raises
    ------
    TypeError
        An array is not float32.
    ValueError
        The filters are not a multiple of the channels, or the window does not fit; the message shows the numbers.
    """
    if device != "cpu":
        from ferkern.opencl.ops.depthwise import depthwise_conv2d as on_device

        return on_device(
            x,
            w,
            b,
            stride=stride,
            padding=padding,
            dilation=dilation,
            activation=activation,
            alpha=alpha,
            out=out,
            device=device,
        )
    return _core.depthwise_conv2d(x, w, b, stride, padding, dilation, activation, alpha, out)


@by_map("depthwise_separable")
def depthwise_separable(
    x: Float32,
    w_dw: Float32,
    w_pw: Float32,
    b: Float32 | None = None,
    *,
    b_dw: Float32 | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    activation_dw: str | None = None,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Depthwise-separable convolution: each channel filtered by itself, then a 1x1 convolution over channels.

    Both halves are computed band by band of rows, so that what lies between never leaves the cache. Howard et al.,
    "MobileNets" (2017), section 3.1 and figure 3, with batch normalisation folded into the weights.

    Parameters
    ----------
    x : float32 [N, C, H, W]
    w_dw : float32 [C, 1, KH, KW]
        Depthwise filters, one a channel.
    w_pw : float32 [O, C, 1, 1]
    b : float32 [O], optional
        Added after the pointwise half.
    b_dw : float32 [C], optional
        Added after the depthwise half.
    stride, padding, dilation
        Of the depthwise half, as in `conv2d`.
    activation_dw
        Between the halves, by name as in `conv2d`.
    activation, alpha
        At the end, as in `conv2d`.
    out : float32 [N, O, OH, OW], optional
        C-contiguous array to write into; must not share memory with any input.
    device
        As in `conv2d`; there what lies between stays in local memory.

    Returns
    -------
    float32 [N, O, OH, OW]

    Raises
    ------
    TypeError
        An array is not float32.
    ValueError
        Shapes do not fit; the message names the half and shows the numbers.
    """
    if device != "cpu":
        from ferkern.opencl.ops.separable import depthwise_separable as on_device

        return on_device(
            x,
            w_dw,
            w_pw,
            b,
            b_dw=b_dw,
            stride=stride,
            padding=padding,
            dilation=dilation,
            activation_dw=activation_dw,
            activation=activation,
            alpha=alpha,
            out=out,
            device=device,
        )
    return _core.depthwise_separable(
        x, w_dw, w_pw, b, b_dw, stride, padding, dilation, activation_dw, activation, alpha, out
    )
