"""Convolutions and fully connected layers of signs (XNOR-Net), and of binary weights with float inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import overload

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.nn._convolution import conv2d
from ferkern.nn._dense import dense
from ferkern.nn._types import Float32, Padding, Pair

__all__ = [
    "BinaryFilters",
    "BinaryTensor",
    "SignThreshold",
    "binarize",
    "binary_conv2d",
    "binary_dense",
    "binary_weight_conv2d",
    "binary_weight_dense",
    "fold_batch_norm_sign",
    "sign_bits",
]

Words = npt.NDArray[np.uint32]
Int32 = npt.NDArray[np.int32]
_MOST_PLANS = 8


@dataclass(frozen=True, eq=False)
class BinaryFilters:
    """Signs of filters, 32 channels a word, and the mean magnitude of each filter. Made by `binarize`."""

    bits: Words
    """[O, KH, KW, ceil(C / 32)]; bit c % 32 of word c // 32 is 1 where channel c of the weights is below 0."""
    alpha: Float32
    """[O]: what the signs of a filter are multiplied by."""
    channels: int
    is_dense: bool = False
    """Whether the weights were those of a fully connected layer [O, I]."""
    _plans: dict[object, _core.BinaryConv2d] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("bits", "alpha"):  # copies that cannot change: the plans are made from them
            array = np.array(getattr(self, name))
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __reduce__(self) -> tuple[type[BinaryFilters], tuple[Words, Float32, int, bool]]:
        return BinaryFilters, (self.bits, self.alpha, self.channels, self.is_dense)  # plans belong to this process

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the weights: (O, C, KH, KW), or (O, I) of a fully connected layer."""
        o, kh, kw, _ = self.bits.shape
        return (o, self.channels) if self.is_dense else (o, self.channels, kh, kw)

    def __repr__(self) -> str:
        return f"BinaryFilters(shape={self.shape})"

    def weights(self) -> Float32:
        """The float weights that these stand for: alpha sign(w), float32 of the weights' shape."""
        signs = _unpacked(self.bits, self.channels).transpose(0, 3, 1, 2)
        return np.ascontiguousarray(signs * self.alpha[:, None, None, None]).reshape(self.shape)

    def _plan(self, x: tuple[int, ...], stride: Pair, padding: Padding) -> _core.BinaryConv2d:
        """Weights packed for a kernel and a shape of `x`: made at the first call, kept for the next."""
        choice = (_core.get_choice(), _core.default_threads())
        key = (x, repr(stride), repr(padding), choice)
        plan = self._plans.get(key)
        if plan is None:
            plan = _core.BinaryConv2d(self.bits, self.alpha, self.channels, x, stride, padding, self.is_dense)
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            self._plans[key] = plan
        return plan


@dataclass(frozen=True, eq=False)
class BinaryTensor:
    """Signs of images, 32 channels a word. Made by `sign_bits`, and by layers with a threshold."""

    bits: Words
    """[N, H, W, ceil(C / 32)]; bit c % 32 of word c // 32 is 1 where channel c is below 0."""
    channels: int

    def __post_init__(self) -> None:
        if self.bits.ndim != 4 or self.bits.shape[3] != -(-self.channels // 32):
            raise ValueError(
                f"bits has shape {list(self.bits.shape)}, expected [N, H, W, ceil(C / 32)] with C = {self.channels}"
            )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W)"""
        n, h, w, _ = self.bits.shape
        return n, self.channels, h, w

    def __repr__(self) -> str:
        return f"BinaryTensor(shape={self.shape})"

    def signs(self) -> Float32:
        """float32 [N, C, H, W] of 1 and -1."""
        return np.ascontiguousarray(_unpacked(self.bits, self.channels).transpose(0, 3, 1, 2))


@dataclass(frozen=True, eq=False)
class SignThreshold:
    """Batch normalisation and sign as a comparison of integers: +1 where direction S >= at_least."""

    at_least: Int32
    """[O]"""
    direction: Int32
    """[O], 1 or -1"""


def _unpacked(bits: Words, channels: int) -> Float32:
    """float32 [..., channels] of 1 and -1."""
    ones = np.unpackbits(bits.astype("<u4").view(np.uint8), axis=-1, bitorder="little")[..., :channels]
    return 1 - 2 * ones.astype(np.float32)


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


def sign_bits(x: Float32) -> BinaryTensor:
    """Signs of `x` packed into bits, as every binary layer does with floats first.

    Parameters
    ----------
    x : float32 [N, C, H, W]
        The sign of 0, of -0 and of NaN is +1.

    Raises
    ------
    TypeError
        `x` is not float32.
    ValueError
        `x` is empty or of another rank.
    """
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
) -> BinaryTensor: ...
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

    Returns
    -------
    float32 [N, O, OH, OW], or BinaryTensor where there is a threshold.

    Raises
    ------
    TypeError
        An array is of another dtype, or `filters` or `out` of another kind.
    ValueError
        Shapes, stride or padding do not fit (the message shows the numbers), or arguments exclude each other.
    """
    _require_filters(filters, is_dense=False)
    dims = _dims(x, 4)
    plan = filters._plan(dims, stride, padding)
    given = x.bits if isinstance(x, BinaryTensor) else x
    if threshold is None:
        if isinstance(out, BinaryTensor):
            raise TypeError("out must be a NumPy array where there is no threshold, is BinaryTensor")
        return plan.run(given, b, scale_input, activation, slope, out)
    return _signs(plan, given, filters, threshold, out, b, scale_input, activation)


def binary_dense(
    x: Float32,
    filters: BinaryFilters,
    b: Float32 | None = None,
    *,
    activation: str | None = None,
    slope: float | None = None,
    out: Float32 | None = None,
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

    Returns
    -------
    float32 [N, O]

    Raises
    ------
    TypeError
        An array is not float32, or `filters` are no filters.
    ValueError
        Sizes do not fit; the message shows the numbers.
    """
    _require_filters(filters, is_dense=True)
    n, inputs = _dims(x, 2)
    return filters._plan((1, inputs, n, 1), 1, 0).run(x, b, False, activation, slope, out)


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
) -> Float32:
    """Binary weights on float inputs: activation(alpha sum(sign(w) x) + b). XNOR-Net (2016), section 3.1.

    A multiply-add takes a core no longer than an addition, so this is `conv2d` with the weights alpha sign(w); what is
    saved is the memory of the stored filters, 32 times.

    Parameters
    ----------
    x : float32 [N, C, H, W]
    filters
        From `binarize`.
    b, stride, padding, activation, out
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
    return conv2d(x, filters.weights(), b, stride=stride, padding=padding, activation=activation, alpha=slope, out=out)


def binary_weight_dense(
    x: Float32,
    filters: BinaryFilters,
    b: Float32 | None = None,
    *,
    activation: str | None = None,
    slope: float | None = None,
    out: Float32 | None = None,
) -> Float32:
    """Fully connected layer of binary weights on float inputs: `dense` with the weights alpha sign(w).

    Parameters
    ----------
    x : float32 [N, I]
    filters
        From `binarize` of weights [O, I].
    b, activation, out
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
    return dense(x, filters.weights(), b, activation=activation, alpha=slope, out=out)


def _signs(
    plan: _core.BinaryConv2d,
    x: Float32 | Words,
    filters: BinaryFilters,
    threshold: SignThreshold,
    out: Float32 | BinaryTensor | None,
    b: Float32 | None,
    scale_input: bool,
    activation: str | None,
) -> BinaryTensor:
    for name, given in (("b", b is not None), ("scale_input", scale_input), ("activation", activation is not None)):
        if given:
            raise ValueError(f"{name} has no place beside threshold, which decides the sign alone")
    if not isinstance(threshold, SignThreshold):
        raise TypeError(f"threshold must be from fold_batch_norm_sign, is {type(threshold).__name__}")
    if out is not None and not isinstance(out, BinaryTensor):
        raise TypeError(f"out must be a BinaryTensor where there is a threshold, is {type(out).__name__}")
    filters_out = filters.shape[0]
    if out is not None and out.channels != filters_out:
        raise ValueError(f"out has {out.channels} channels, expected one for each of the {filters_out} filters")
    bits = plan.run_signs(x, threshold.at_least, threshold.direction, None if out is None else out.bits)
    return BinaryTensor(bits, filters_out) if out is None else out


def _require_filters(filters: BinaryFilters, *, is_dense: bool) -> None:
    if not isinstance(filters, BinaryFilters):
        raise TypeError(f"filters must be BinaryFilters (see binarize), is {type(filters).__name__}")
    if filters.is_dense != is_dense:
        wanted = "[O, I]" if is_dense else "[O, C, KH, KW]"
        raise ValueError(f"filters are of weights {list(filters.shape)}, expected {wanted}")


def _dims(x: Float32 | BinaryTensor, rank: int) -> tuple[int, ...]:
    return x.shape if isinstance(x, BinaryTensor) else _core.float_shape(x, "x", rank)
