"""Votes of FER+ (Barsoum et al. 2016): ``fer2013new.csv``, ten voters for every face of FER-2013."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkern.data.faceset import FERPLUS_NAMES, FaceSet

__all__ = ["read_ferplus_csv", "with_votes"]


def read_ferplus_csv(path: str | Path) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Read the votes.

    Parameters
    ----------
    path
        ``fer2013new.csv``: Usage, Image name and the ten columns of `FERPLUS_NAMES`, in the order of
        ``fer2013.csv``.

    Returns
    -------
    usage
        str [n].
    votes
        int64 [n, 10]; zeros for a row without an image name, which FER+ has dropped.

    Raises
    ------
    ValueError
        If the file is damaged; the message names file, row and column.
    """
    path = Path(path)
    usages: list[str] = []
    votes: list[list[int]] = []
    row = 0
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip().lower() for name in next(reader, [])]
            names = ["usage", "image name", *(name.lower() for name in FERPLUS_NAMES)]
            missing = [name for name in names if name not in header]
            if missing:
                raise ValueError(f"{path}: header lacks the column(s) {', '.join(missing)}")
            at = [header.index(name) for name in names]
            for row, cells in enumerate(reader, start=1):
                if not cells:
                    continue
                if len(cells) < len(header):
                    raise ValueError(f"{path}: row {row}: has {len(cells)} columns, the header {len(header)}")
                usage, image, *counts = (cells[i].strip() for i in at)
                usages.append(usage)
                votes.append(_counts(path, row, counts) if image else [0] * len(FERPLUS_NAMES))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: after row {row}: not a text file: {error.reason}") from error
    except csv.Error as error:
        raise ValueError(f"{path}: after row {row}: not a CSV table: {error}") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    return np.array(usages), np.array(votes, np.int64).reshape(-1, len(FERPLUS_NAMES))


def _counts(path: Path, row: int, cells: list[str]) -> list[int]:
    for name, cell in zip(FERPLUS_NAMES, cells, strict=True):
        if not (cell.isascii() and cell.isdigit() and len(cell) <= 3):
            raise ValueError(f"{path}: row {row}: {name} must be a count of votes, is {cell[:20]!r}")
    return [int(cell) for cell in cells]


def with_votes(faces: FaceSet, path: str | Path) -> FaceSet:
    """The faces of ``fer2013.csv`` with their votes, row by row.

    Raises
    ------
    ValueError
        If the table's rows of the usages in `faces` are not the same in number and order.
    """
    usage, votes = read_ferplus_csv(path)
    rows = np.isin(usage, np.unique(faces.usage))
    if not np.array_equal(usage[rows], faces.usage):
        raise ValueError(
            f"{path}: has {int(rows.sum())} rows of the faces' usages, there are {len(faces)} faces; "
            "both must have the same rows in the same order"
        )
    return replace(faces, votes=votes[rows])
