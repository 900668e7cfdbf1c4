"""Convolutions and fully connected layers of signs (XNOR-Net), and of binary weights with float inputs."""

from __future__ import annotations

from typing import overload

import numpy as np

from ferkern import _core
from ferkern.auto import by_map
from ferkern.nn._binary_types import BinaryFilters, BinaryTensor, SignThreshold, Words
from ferkern.nn._convolution import conv2d
from ferkern.nn._dense import dense
from ferkern.nn._types import Float32, Padding, Pair

__all__ = [
    "binarize",
    "binary_conv2d",
    "binary_dense",
    "binary_weight_conv2d",
    "binary_weight_dense",
    "fold_batch_norm_sign",
    "sign_bits",
]


def binarize(w: Float32) -> BinaryFilters:
    """Filters as signs and a scale each: w ~ alpha sign(w) with alpha = mean |w|, the best in the square mean.

    M. Rastegari, V. Ordonez, J. Redmon, A. Farhadi, "XNOR-Net" (2016), equations 5 and 6. sign(0) = sign(-0) = +1.

    Parameters
    ----------
    w : float32 [O, C, KH, KW], or [O, I] for a fully connected layer

    Raises
    ------
    TypeError
        `w` is not float32.
    ValueError
        `w` is empty, of another rank, or holds NaN or infinity.
    """
    return BinaryFilters(*_core.binarize(w))


@by_map("sign_bits")
def sign_bits(x: Float32, *, device: str = "cpu") -> BinaryTensor:
    """Signs of `x` packed into bits, as every binary layer does with floats first.

    Parameters
    ----------
    x : float32 [N, C, H, W]
        The sign of 0, of -0 and of NaN is +1.
    device
        As in `conv2d`.

    Raises
    ------
    TypeError
        `x` is not float32.
    ValueError
        `x` is empty or of another rank.
    ferkern.opencl.DeviceError
        The device is missing; the message says why and what to do.
    """
    if device != "cpu":
        from ferkern.opencl.ops import binary as on_device

        return BinaryTensor(on_device.pack_signs(x, device), _core.float_shape(x, "x", 4)[1])
    return BinaryTensor(_core.pack_signs(x, None), _core.float_shape(x, "x", 4)[1])


def fold_batch_norm_sign(
    filters: BinaryFilters,
    gamma: Float32,
    beta: Float32,
    mean: Float32,
    variance: Float32,
    *,
    b: Float32 | None = None,
    epsilon: float = 1e-5,
) -> SignThreshold:
    """Bias, batch normalisation and sign after a binary layer, as one comparison with an integer for each filter.

    With S the integer sum of signs, +1 where gamma (alpha S + b - mean) / sqrt(variance + epsilon) + beta >= 0, exactly
    as double precision evaluates that; the derivation stands in ``src/cpp/ops/binary/binary.hpp``. Pass the result as
    `threshold` to `binary_conv2d`, which then gives bits.

    Parameters
    ----------
    filters
        Those of the layer.
    gamma, beta, mean, variance : float32 [O]
        gamma may be negative or 0.
    b : float32 [O], optional
        The layer's bias.

    Raises
    ------
    TypeError
        An array is not float32.
    ValueError
        A length is not the number of filters, a number is not finite, or variance + epsilon is not positive.
    """
    most = int(np.prod(filters.shape[1:]))
    folded = _core.fold_batch_norm_sign(filters.alpha, most, gamma, beta, mean, variance, b, epsilon)
    return SignThreshold(*folded)


@overload
def binary_conv2d(
    x: Float32 | BinaryTensor,
    filters: BinaryFilters,
    b: Float32 | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    scale_input: bool = False,
    activation: str | None = None,
    slope: float | None = None,
    threshold: None = None,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32: ...
@overload
def binary_conv2d(
    x: Float32 | BinaryTensor,
    filters: BinaryFilters,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    threshold: SignThreshold,
    out: BinaryTensor | None = None,
    device: str = "cpu",
) -> BinaryTensor: ...
@by_map("binary_conv2d")
def binary_conv2d(
    x: Float32 | BinaryTensor,
    filters: BinaryFilters,
    b: Float32 | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    scale_input: bool = False,
    activation: str | None = None,
    slope: float | None = None,
    threshold: SignThreshold | None = None,
    out: Float32 | BinaryTensor | None = None,
    device: str = "cpu",
) -> Float32 | BinaryTensor:
    """Convolution of the signs of `x` with binary filters, by XOR and popcount: activation(alpha K S + b).

    S is the integer sum of sign(w) sign(x) over the window; positions outside the image add 0. XNOR-Net (2016),
    equation 11. The filters are packed for their kernel once for each shape of `x`, which they remember.

    Parameters
    ----------
    x : float32 [N, C, H, W], or BinaryTensor
        The sign of 0, of -0 and of NaN is +1.
    filters
        From `binarize`.
    b : float32 [O], optional
    stride, padding
        As in `conv2d`.
    scale_input
        Multiply by K, the mean magnitude of `x` in the window (zeros outside the image); else K = 1.
    activation
        As in `conv2d`; `slope` is its alpha.
    threshold
        From `fold_batch_norm_sign`: bits come out, the next layer's input. It stands for the bias and what follows it;
        `b`, `scale_input` (K would make the threshold another one at each pixel) and `activation` exclude it.
    out : float32 [N, O, OH, OW], or BinaryTensor with a threshold; optional
        C-contiguous memory to write into; must not share memory with any input.
    device
        As in `conv2d`. Bits are the processor's on every device, and so are numbers, except after sigmoid, tanh, silu
        and elu, and with `scale_input` where a device has no double precision (K within 1 ulp).

    Returns
    -------
    float32 [N, O, OH, OW], or BinaryTensor where there is a threshold.

    Raises
    ------
    TypeError
        An array is of another dtype, or `filters` or `out` of another kind.
    ValueError
        Shapes, stride or padding do not fit (the message shows the numbers), or arguments exclude each other.
    ferkern.opencl.DeviceError
        The device is missing; the message says why and what to do.
    """
    _require_filters(filters, is_dense=False)
    dims = _dims(x, 4)
    given = x.bits if isinstance(x, BinaryTensor) else x
    if threshold is not None:
        words = _words_out(filters, threshold, out, b, scale_input, activation)
        return _signs(given, filters, dims, stride, padding, threshold, words, device)
    if isinstance(out, BinaryTensor):
        raise TypeError("out must be a NumPy array where there is no threshold, is BinaryTensor")
    if device == "cpu":
        return filters._plan(dims, stride, padding).run(given, b, scale_input, activation, slope, out)
    from ferkern.opencl.ops import binary as on_device

    return on_device.numbers(
        given, filters, b, dims, stride, padding,
        scale_input=scale_input, activation=activation, slope=slope, out=out, device=device,
    )  # fmt: skip


@by_map("binary_dense")
def binary_dense(
    x: Float32,
    filters: BinaryFilters,
    b: Float32 | None = None,
    *,
    activation: str | None = None,
    slope: float | None = None,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Fully connected layer of signs: activation(alpha S + b) with S the integer sum of sign(w) sign(x).

    Parameters
    ----------
    x : float32 [N, I]
        The sign of 0, of -0 and of NaN is +1.
    filters
        From `binarize` of weights [O, I].
    b : float32 [O], optional
    activation, slope
        As in `binary_conv2d`.
    out : float32 [N, O], optional
        C-contiguous array to write into; must not share memory with any input.
    device
        As in `binary_conv2d`.

    Returns
    -------
    float32 [N, O]

    Raises
    ------
    TypeError
        An array is not float32, or `filters` are no filters.
    ValueError
        Sizes do not fit; the message shows the numbers.
    ferkern.opencl.DeviceError
        The device is missing; the message says why and what to do.
    """
    _require_filters(filters, is_dense=True)
    n, inputs = _dims(x, 2)
    dims = (1, inputs, n, 1)  # pixels in a column: a pixel's channels are a row of x
    if device == "cpu":
        return filters._plan(dims, 1, 0).run(x, b, False, activation, slope, out)
    from ferkern.opencl.ops import binary as on_device

    return on_device.numbers(
        x, filters, b, dims, 1, 0, scale_input=False, activation=activation, slope=slope, out=out, device=device
    )


def binary_weight_conv2d(
    x: Float32,
    filters: BinaryFilters,
    b: Float32 | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    activation: str | None = None,
    slope: float | None = None,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Binary weights on float inputs: activation(alpha sum(sign(w) x) + b). XNOR-Net (2016), section 3.1.

    A multiply-add takes a core no longer than an addition, so this is `conv2d` with the weights alpha sign(w); what is
    saved is the memory of the stored filters, 32 times.

    Parameters
    ----------
    x : float32 [N, C, H, W]
    filters
        From `binarize`.
    b, stride, padding, activation, out, device
        As in `conv2d`; `slope` is the activation's alpha.

    Returns
    -------
    float32 [N, O, OH, OW]

    Raises
    ------
    TypeError, ValueError
        As `conv2d`; also where `filters` are no convolution's.
    """
    _require_filters(filters, is_dense=False)
    w = filters.weights()
    return conv2d(x, w, b, stride=stride, padding=padding, activation=activation, alpha=slope, out=out, device=device)


def binary_weight_dense(
    x: Float32,
    filters: BinaryFilters,
    b: Float32 | None = None,
    *,
    activation: str | None = None,
    slope: float | None = None,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Fully connected layer of binary weights on float inputs: `dense` with the weights alpha sign(w).

    Parameters
    ----------
    x : float32 [N, I]
    filters
        From `binarize` of weights [O, I].
    b, activation, out, device
        As in `dense`; `slope` is the activation's alpha.

    Returns
    -------
    float32 [N, O]

    Raises
    ------
    TypeError, ValueError
        As `dense`; also where `filters` are a convolution's.
    """
    _require_filters(filters, is_dense=True)
    return dense(x, filters.weights(), b, activation=activation, alpha=slope, out=out, device=device)


def _words_out(
    filters: BinaryFilters,
    threshold: SignThreshold,
    out: Float32 | BinaryTensor | None,
    b: Float32 | None,
    scale_input: bool,
    activation: str | None,
) -> BinaryTensor | None:
    """`out`, after the arguments beside a threshold were judged."""
    for name, given in (("b", b is not None), ("scale_input", scale_input), ("activation", activation is not None)):
        if given:
            raise ValueError(f"{name} has no place beside threshold, which decides the sign alone")
    if not isinstance(threshold, SignThreshold):
        raise TypeError(f"threshold must be from fold_batch_norm_sign, is {type(threshold).__name__}")
    if out is not None and not isinstance(out, BinaryTensor):
        raise TypeError(f"out must be a BinaryTensor where there is a threshold, is {type(out).__name__}")
    if out is not None and out.channels != filters.shape[0]:
        raise ValueError(f"out has {out.channels} channels, expected one for each of the {filters.shape[0]} filters")
    return out


def _signs(
    x: Float32 | Words,
    filters: BinaryFilters,
    dims: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    threshold: SignThreshold,
    out: BinaryTensor | None,
    device: str,
) -> BinaryTensor:
    words = None if out is None else out.bits
    limits = threshold.at_least, threshold.direction
    if device == "cpu":
        bits = filters._plan(dims, stride, padding).run_signs(x, *limits, words)
    else:
        from ferkern.opencl.ops import binary as on_device

        bits = on_device.signs(x, filters, dims, stride, padding, thresholds=limits, out=words, device=device)
    return BinaryTensor(bits, filters.shape[0]) if out is None else out


def _require_filters(filters: BinaryFilters, *, is_dense: bool) -> None:
    if not isinstance(filters, BinaryFilters):
        raise TypeError(f"filters must be BinaryFilters (see binarize), is {type(filters).__name__}")
    if filters.is_dense != is_dense:
        wanted = "[O, I]" if is_dense else "[O, C, KH, KW]"
        raise ValueError(f"filters are of weights {list(filters.shape)}, expected {wanted}")


def _dims(x: Float32 | BinaryTensor, rank: int) -> tuple[int, ...]:
    return x.shape if isinstance(x, BinaryTensor) else _core.float_shape(x, "x", rank)
