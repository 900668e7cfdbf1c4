"""What binary layers hold: signs of filters and of images, 32 a word, and thresholds between layers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.nn._types import Float32, Padding, Pair

__all__ = ["BinaryFilters", "BinaryTensor", "SignThreshold", "Words"]

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
