"""Faces on one lossless sheet: square tiles row by row, with a table of columns beside it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ferkern.data.faceset import SIZE, FaceSet

__all__ = ["PARTS", "read_sheet", "read_sheets"]

PARTS = {"train": "Training", "public_test": "PublicTest", "private_test": "PrivateTest"}
_LARGEST_SIDE = 16383  # of a WebP picture


def read_sheets(folder: str | Path) -> FaceSet:
    """Read every sheet of a folder: any of ``train``, ``public_test``, ``private_test`` (.webp and .npz).

    Parameters
    ----------
    folder
        Folder that holds them.

    Raises
    ------
    ValueError
        If there is none, or one is damaged; the message names the file.
    """
    folder = Path(folder)
    parts = [
        read_sheet(folder / f"{stem}.webp", usage=usage)
        for stem, usage in PARTS.items()
        if (folder / f"{stem}.webp").exists()
    ]
    if not parts:
        raise ValueError(f"{folder}: no sheet here (train.webp, public_test.webp or private_test.webp)")
    with_votes = all(part.votes is not None for part in parts)
    with_twins = all(part.has_twin is not None for part in parts)
    return FaceSet(
        images=np.concatenate([part.images for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        usage=np.concatenate([part.usage for part in parts]),
        votes=np.concatenate([p.votes for p in parts if p.votes is not None]) if with_votes else None,
        has_twin=np.concatenate([p.has_twin for p in parts if p.has_twin is not None]) if with_twins else None,
    )


def read_sheet(path: str | Path, *, usage: str = "Training") -> FaceSet:
    """Read one sheet (``NAME.webp``) and its table (``NAME.npz``: labels, ferplus_votes, exact_row, ...).

    Votes of rows whose ``exact_row`` is False are set to zeros: they belong to another picture.

    Parameters
    ----------
    path
        The sheet.
    usage
        Usage that its faces get.

    Raises
    ------
    ValueError
        If sheet or table is damaged, or they do not fit each other.
    """
    path = Path(path)
    table = _read_table(path.with_suffix(".npz"))
    n = len(table["labels"])
    images = _read_tiles(path, n)
    votes = table.get("ferplus_votes")
    if votes is not None:
        votes = votes.astype(np.int64)
        if "exact_row" in table:
            votes[~table["exact_row"].astype(bool)] = 0
    twin = table.get("has_twin", table.get("in_public_test"))
    try:
        return FaceSet(
            images=images,
            labels=table["labels"].astype(np.int64),
            usage=np.full(n, usage),
            votes=votes,
            has_twin=None if twin is None else twin.astype(bool),
        )
    except ValueError as error:
        raise ValueError(f"{path.with_suffix('.npz')}: {error}") from error


def _read_table(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            table = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file; a sheet needs its table") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a readable .npz table: {error}") from error
    if "labels" not in table or table["labels"].ndim != 1:
        raise ValueError(f"{path}: has no column 'labels' of one label a row")
    return table


def _read_tiles(path: Path, n: int) -> NDArray[np.uint8]:
    """The first `n` tiles of a sheet, uint8 [n, 48, 48]."""
    limit = Image.MAX_IMAGE_PIXELS
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            columns, rows = width // SIZE, height // SIZE
            if width % SIZE or height % SIZE or max(width, height) > _LARGEST_SIDE or columns * rows < n:
                raise ValueError(f"{path}: sheet of {width}x{height} has no room for {n} tiles of {SIZE}x{SIZE}")
            sheet = np.asarray(picture.convert("L"), dtype=np.uint8)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not a readable picture (limit {limit} pixels): {error}") from error
    tiles = sheet.reshape(rows, SIZE, columns, SIZE).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(tiles.reshape(-1, SIZE, SIZE)[:n])
