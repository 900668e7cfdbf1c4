"""Bytes to be moved, made from a seed, different at every place; and memory that begins where it is asked to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["PAGE", "POISON", "aligned", "count_wrong", "fill"]

Bytes = npt.NDArray[np.uint8]

PAGE = 4096
POISON = 0xA5
_PERIOD = 65_537  # a prime: bytes that arrive at a wrong place differ, unless they moved by 256 periods
_ROWS = 64  # periods made at a time: 4 MiB


def aligned(size: int, offset: int) -> Bytes:
    """Memory of the host that begins `offset` bytes past the start of a page; untouched."""
    whole = np.empty(size + offset + PAGE, np.uint8)
    skip = (offset - whole.ctypes.data) % PAGE
    return whole[skip : skip + size]


def fill(out: Bytes, seed: int) -> None:
    """Fills an array with the bytes of a seed, and so touches each of its pages."""
    base = _base(seed)
    for start in range(0, out.size, _PERIOD * _ROWS):
        piece = out[start : start + _PERIOD * _ROWS]
        piece[:] = _piece(base, start, piece.size)


def count_wrong(array: Bytes, seed: int) -> int:
    """How many bytes are not those of a seed."""
    base, wrong = _base(seed), 0
    for start in range(0, array.size, _PERIOD * _ROWS):
        piece = array[start : start + _PERIOD * _ROWS]
        wrong += int(np.count_nonzero(piece != _piece(base, start, piece.size)))
    return wrong


def _base(seed: int) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, _PERIOD, np.uint8)


def _piece(base: Bytes, start: int, size: int) -> Bytes:
    """Rows of the base, each with its number added to all bytes."""
    rows = np.arange(start // _PERIOD, start // _PERIOD + -(-size // _PERIOD)).astype(np.uint8)
    return (base[None, : min(size, _PERIOD)] + rows[:, None]).reshape(-1)[:size]
