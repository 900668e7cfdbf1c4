"""Kaggle's tables of FER-2013: ``fer2013.csv`` and ``icml_face_data.csv``, a row a face.

The columns emotion, pixels and Usage may stand in any order, with spaces around their names. Numbers are read
for many rows at once, from the bytes: 66 million of them take seconds.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkern.data.faceset import SIZE, FaceSet
from ferkern.models.network import CLASSES

__all__ = ["USAGES", "read_kaggle_csv"]

USAGES = ("Training", "PublicTest", "PrivateTest")
_ROWS_AT_ONCE = 512
_SPACE, _ZERO, _NINE = 32, 48, 57


def read_kaggle_csv(path: str | Path) -> FaceSet:
    """Read a table of faces.

    Parameters
    ----------
    path
        ``fer2013.csv`` or ``icml_face_data.csv``; any subset of the three usages.

    Raises
    ------
    ValueError
        If the file is damaged; the message names file, row (the first below the header is 1) and column.
    """
    path = Path(path)
    emotions: list[int] = []
    usages: list[str] = []
    blocks: list[NDArray[np.uint8]] = []
    pending: list[str] = []
    for row, emotion, pixels, usage in _rows(path):
        if emotion not in ("0", "1", "2", "3", "4", "5", "6"):
            raise ValueError(f"{path}: row {row}: emotion must be 0..{len(CLASSES) - 1}, is {emotion[:20]!r}")
        if usage not in USAGES:
            raise ValueError(f"{path}: row {row}: Usage must be one of {USAGES}, is {usage[:20]!r}")
        emotions.append(int(emotion))
        usages.append(usage)
        pending.append(pixels)
        if len(pending) == _ROWS_AT_ONCE:
            blocks.append(_pixels(path, row, pending))
            pending.clear()
    if pending:
        blocks.append(_pixels(path, len(emotions), pending))
    if not blocks:
        raise ValueError(f"{path}: has a header but no rows")
    return FaceSet(np.concatenate(blocks), np.array(emotions, np.int64), np.array(usages))


def _rows(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """Row number, emotion, pixels and usage of every row, less surrounding space."""
    row = 0
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip().lower() for name in next(reader, [])]
            missing = {"emotion", "pixels", "usage"} - set(header)
            if missing:
                raise ValueError(f"{path}: header {header[:8]} lacks the column(s) {', '.join(sorted(missing))}")
            at = [header.index(name) for name in ("emotion", "pixels", "usage")]
            for row, cells in enumerate(reader, start=1):
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise ValueError(f"{path}: row {row}: has {len(cells)} columns, the header {len(header)}")
                emotion, pixels, usage = (cells[i].strip() for i in at)
                yield row, emotion, pixels, usage
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: after row {row}: not a text file: {error.reason}") from error
    except csv.Error as error:
        raise ValueError(f"{path}: after row {row}: not a CSV table: {error}") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error


def _pixels(path: Path, last_row: int, texts: list[str]) -> NDArray[np.uint8]:
    """uint8 [rows, 48, 48] of as many texts of numbers."""
    faces = _parse(texts)
    if faces is not None:
        return faces
    for row, text in enumerate(texts, start=last_row - len(texts) + 1):
        if _parse([text]) is None:
            raise ValueError(
                f"{path}: row {row}: pixels must be {SIZE * SIZE} numbers in 0..255, "
                f"are {len(text.split())} words, beginning {text[:20]!r}"
            )
    raise AssertionError("rows that are right one by one are right together")


def _parse(texts: list[str]) -> NDArray[np.uint8] | None:
    """Numbers of up to three digits at the places where a digit stands before a space; None if not right."""
    try:
        joined = [text.encode("ascii") for text in texts]
    except UnicodeEncodeError:
        return None
    data = np.frombuffer(b"   " + b" ".join(joined) + b" ", np.uint8)
    digit = (data >= _ZERO) & (data <= _NINE)
    if not (digit | (data == _SPACE)).all():
        return None
    ends = np.flatnonzero(digit[:-1] & ~digit[1:])  # last digit of every number
    row_ends = 3 + np.cumsum([len(text) + 1 for text in joined]) - 1
    counts = np.searchsorted(ends, row_ends)
    if not np.array_equal(counts, SIZE * SIZE * np.arange(1, len(texts) + 1)):
        return None
    ones = data[ends] - np.uint8(_ZERO)
    has_tens = digit[ends - 1]
    tens = np.where(has_tens, data[ends - 1] - np.uint8(_ZERO), 0)
    has_hundreds = has_tens & digit[ends - 2]
    hundreds = np.where(has_hundreds, data[ends - 2] - np.uint8(_ZERO), 0)
    values = ones.astype(np.int32) + 10 * tens.astype(np.int32) + 100 * hundreds.astype(np.int32)
    if (has_hundreds & digit[ends - 3]).any() or values.max() > 255:
        return None
    return values.astype(np.uint8).reshape(-1, SIZE, SIZE)
