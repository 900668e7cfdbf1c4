"""Photographs labelled with smile or not: GENKI-4K, CelebA, and folders of one's own."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["FORMS", "SmileSet", "read_smiles"]


@dataclass(frozen=True, slots=True)
class SmileSet:
    """Labelled photographs, row for row.

    Attributes
    ----------
    paths : n Paths
        The pictures; whether they can be read is seen when they are.
    smiles : bool [n]
    pose : float64 [n, 3], or None
        Yaw, pitch, roll in radians where the labels say them.
    form : str
        Which of `FORMS` they came in.
    """

    paths: tuple[Path, ...]
    smiles: NDArray[np.bool_]
    pose: NDArray[np.float64] | None
    form: str

    def __len__(self) -> int:
        return len(self.paths)


def read_smiles(path: str | Path, form: str) -> SmileSet:
    """Read labels; the pictures themselves are not opened.

    Parameters
    ----------
    path
        The folder of the data set, or its label file.
    form : {"genki4k", "folder", "celeba"}
        ``"genki4k"``: ``labels.txt`` (smile, yaw, pitch, roll of ``files/file0001.jpg``, ... line by line), or
        ``labels.csv`` with the columns file, smile, yaw, pitch, roll for the pictures in ``images/``.
        ``"folder"``: pictures in ``smile/`` and ``not/``.
        ``"celeba"``: ``list_attr_celeba.txt`` with its column Smiling, pictures in ``img_align_celeba/``.

    Raises
    ------
    ValueError
        The form is unknown, nothing of that form is there, or a label is damaged; the message names file and line.
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, is {form!r}")
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    try:
        found = FORMS[form](path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: its labels are not text: {error.reason}") from error
    except csv.Error as error:
        raise ValueError(f"{path}: its labels are no CSV table: {error}") from error
    except OSError as error:
        raise ValueError(f"{error.filename or path}: cannot be read: {error.strerror}") from error
    if not len(found):
        raise ValueError(f"{path}: holds no labelled pictures")
    return found


# -- GENKI-4K ----------------------------------------------------------------------


def _genki4k(path: Path) -> SmileSet:
    labels = _label_file(path, ("labels.csv", "labels.txt"))
    rows = _genki_table(labels) if labels.suffix.lower() == ".csv" else _genki_lines(labels)
    names, values = zip(*rows, strict=True) if rows else ((), ())
    numbers = np.array(values, np.float64).reshape(-1, 4)
    return SmileSet(tuple(names), numbers[:, 0] == 1, numbers[:, 1:], "genki4k")


def _genki_table(labels: Path) -> list[tuple[Path, list[float]]]:
    columns = ("file", "smile", "yaw", "pitch", "roll")
    with labels.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{labels}: header lacks the column(s) {', '.join(missing)}")
        return [
            (
                _inside(labels.parent / "images", row["file"], f"{labels}: row {number}"),
                _genki_numbers([row[name] for name in columns[1:]], f"{labels}: row {number}"),
            )
            for number, row in enumerate(reader, start=1)
        ]


def _genki_lines(labels: Path) -> list[tuple[Path, list[float]]]:
    lines = labels.read_text(encoding="utf-8").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    return [
        (labels.parent / "files" / f"file{number:04}.jpg", _genki_numbers(line.split(), f"{labels}: line {number}"))
        for number, line in enumerate(lines, start=1)
    ]


def _genki_numbers(words: Sequence[str | None], where: str) -> list[float]:
    numbers = [_number(word) for word in words]
    if len(numbers) != 4 or numbers[0] not in (0, 1) or not all(map(math.isfinite, numbers)):
        shown = " ".join(str(word) for word in words)[:60]
        raise ValueError(f"{where}: {shown!r} is not smile (0 or 1), yaw, pitch, roll (radians)")
    return numbers


def _number(word: str | None) -> float:
    try:
        return float(word or "")
    except ValueError:
        return math.nan


# -- folders ----------------------------------------------------------------------

_SMILING = {"smile", "smiles", "smiling", "positive", "positives", "1"}
_NOT = {"not", "no", "none", "not_smile", "not_smiling", "no_smile", "non_smile", "non_smiling", "neutral"}
_NOT |= {"negative", "negatives", "0"}


def _folder(path: Path) -> SmileSet:
    from ferkern.pictures import find

    names: list[Path] = []
    smiles: list[bool] = []
    found = set()
    for folder in sorted(p for p in path.iterdir() if p.is_dir()) if path.is_dir() else ():
        name = folder.name.lower().replace("-", "_").replace(" ", "_")
        if name in _SMILING or name in _NOT:
            found.add(name in _SMILING)
            below = list(find(folder))
            names += below
            smiles += [name in _SMILING] * len(below)
    if found != {True, False}:
        raise ValueError(f"{path}: needs a folder smile/ and a folder not/ with pictures")
    return SmileSet(tuple(names), np.array(smiles, np.bool_), None, "folder")


# -- CelebA ----------------------------------------------------------------------

_CELEBA_PICTURES = ("img_align_celeba", "img_celeba", "Img/img_align_celeba", "../Img/img_align_celeba", "images")


def _celeba(path: Path) -> SmileSet:
    labels = _label_file(path, ("list_attr_celeba.txt", "Anno/list_attr_celeba.txt"))
    folders = [labels.parent / name for name in _CELEBA_PICTURES]
    pictures = next((folder for folder in folders if folder.is_dir()), None)
    if pictures is None:
        raise ValueError(f"{labels.parent}: has no folder img_align_celeba with the pictures")
    names: list[Path] = []
    smiles: list[bool] = []
    with labels.open(encoding="utf-8") as file:
        count, attributes = file.readline().split(), file.readline().split()
        if len(count) != 1 or not count[0].isdigit():
            raise ValueError(f"{labels}: line 1: {' '.join(count)[:60]!r} is not the number of pictures")
        if "Smiling" not in attributes:
            raise ValueError(f"{labels}: line 2 has no attribute Smiling")
        column = attributes.index("Smiling") + 1
        for number, words in _words(file):
            where = f"{labels}: line {number}"
            if len(words) != len(attributes) + 1 or words[column] not in ("1", "-1"):
                raise ValueError(f"{where}: {' '.join(words)[:60]!r} is not a picture and {len(attributes)} of 1, -1")
            names.append(_inside(pictures, words[0], where))
            smiles.append(words[column] == "1")
    if len(names) != int(count[0]):
        raise ValueError(f"{labels}: line 1 says {count[0]} pictures, there are {len(names)}")
    return SmileSet(tuple(names), np.array(smiles, np.bool_), None, "celeba")


def _words(lines: Iterable[str]) -> Iterable[tuple[int, list[str]]]:
    """Number and words of every line after the second that is not blank."""
    for number, line in enumerate(lines, start=3):
        words = line.split()
        if words:
            yield number, words


# -- what they share ----------------------------------------------------------------------


def _label_file(path: Path, names: tuple[str, ...]) -> Path:
    if path.is_file():
        return path
    labels = next((path / name for name in names if (path / name).is_file()), None)
    if labels is None:
        raise ValueError(f"{path}: has no {' or '.join(names)}")
    return labels


def _inside(folder: Path, name: str | None, where: str) -> Path:
    """A picture that a label file names; it may lie nowhere but in its folder."""
    if not name or Path(name).name != name:
        raise ValueError(f"{where}: {str(name)[:60]!r} is not the name of a picture")
    return folder / name


FORMS: dict[str, Callable[[Path], SmileSet]] = {"genki4k": _genki4k, "folder": _folder, "celeba": _celeba}
"""Readers by the name of what they read."""
