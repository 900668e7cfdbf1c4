"""One call for every form in which faces with labels come."""

from __future__ import annotations

from pathlib import Path

from ferkern.data.faceset import FaceSet
from ferkern.data.ferplus import with_votes
from ferkern.data.folders import class_folders, read_folders
from ferkern.data.kaggle import read_kaggle_csv
from ferkern.data.sheets import PARTS, read_sheets

__all__ = ["read_faces"]

_TABLES = ("fer2013.csv", "icml_face_data.csv")
_VOTES = "fer2013new.csv"


def read_faces(path: str | Path, *, votes: str | Path | None = None) -> FaceSet:
    """Read labelled faces; the form is seen from what is there.

    Parameters
    ----------
    path
        A table (``fer2013.csv``, ``icml_face_data.csv``), or a folder: with such a table in it, with sheets
        (``train.webp``, ``public_test.webp``), or with class folders (``train/angry/*.jpg``).
    votes
        FER+ table ``fer2013new.csv`` for the faces of a table; None: the one beside it, if there is one.

    Raises
    ------
    ValueError
        If nothing of that kind is there, or it is damaged; the message names file and row.
    """
    path = Path(path)
    if path.is_dir():
        table = next((path / name for name in _TABLES if (path / name).is_file()), None)
        if table is None:
            return _read_folder(path)
        path = table
    elif not path.is_file():
        raise ValueError(f"{path}: no such file or folder")
    faces = read_kaggle_csv(path)
    beside = path.with_name(_VOTES)
    if votes is None and beside.is_file():
        votes = beside
    return faces if votes is None else with_votes(faces, votes)


def _read_folder(path: Path) -> FaceSet:
    if any((path / f"{stem}.webp").is_file() for stem in PARTS):
        return read_sheets(path)
    if class_folders(path):
        return read_folders(path)
    raise ValueError(
        f"{path}: holds no faces in a known form: {', '.join(_TABLES)}, "
        "train.webp with train.npz, or folders such as train/angry"
    )
