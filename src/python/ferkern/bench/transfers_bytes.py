"""Bytes to be moved, made from a seed, different at every place; and memory that begins where it is asked to."""

from __future__ import annotations

from collections.abc import Iterator

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
    for start, expected in _pieces(out.size, seed):
        out[start : start + expected.size] = expected


def count_wrong(array: Bytes, seed: int) -> int:
    """How many bytes are not those of a seed."""
    differs = np.empty(min(array.size, _PERIOD * _ROWS), np.bool_)
    wrong = 0
    for start, expected in _pieces(array.size, seed):
        piece = differs[: expected.size]
        np.not_equal(array[start : start + expected.size], expected, out=piece)
        wrong += int(np.count_nonzero(piece))
    return wrong


def _pieces(size: int, seed: int) -> Iterator[tuple[int, Bytes]]:
    """Where each piece of the bytes of a seed begins, and the piece, which holds until the next is asked for."""
    base = np.random.default_rng(seed).integers(0, 256, _PERIOD, np.uint8)
    # One piece of memory for all: fresh pages cost more than what is done in them.
    whole = np.empty((min(_ROWS, -(-size // _PERIOD)), _PERIOD), np.uint8)
    for first in range(0, -(-size // _PERIOD), _ROWS):
        # Each row is the base with the row's number added to all bytes.
        rows = np.arange(first, first + len(whole)).astype(np.uint8)
        np.add(base[None], rows[:, None], out=whole)
        start = first * _PERIOD
        yield start, whole.reshape(-1)[: size - start]
