"""Labels of frames: what a user says of stretches of a recording, or what the network for expressions said.

A file of labels is CSV with a header. The stretch is given in frames (``first,last``: both belong to it) or in seconds
(``start,end``: the end does not), and ``label`` is any word. ``face`` and ``file`` (the name of the tracks without its
folder) are optional and say which recording is meant; without them, or in an empty cell, every one is::

    start,end,label                 first,last,label,face,file
    0.0,2.5,neutral                 0,75,neutral,1,talk.csv
    2.5,4.0,smiling                 76,120,smiling,1,talk.csv

Frames without a label take no part in learning. Stretches may touch, and overlap where their labels are the same.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkern.analyze.trajectories import Trajectories

__all__ = ["Labels", "Stretch", "assign", "from_network", "read_labels"]

_UNITS = {"seconds": ("start", "end"), "frames": ("first", "last")}
_OPTIONAL = ("face", "file")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A label for a part of a recording.

    Attributes
    ----------
    line : int
        Where it stands in its file.
    unit : str
        ``"seconds"`` or ``"frames"``.
    begin, end : float
        The end belongs to the stretch where the unit is frames.
    label : str
    face : int, or None
        None: of every face.
    file : str, or None
        Name of a file of tracks, without its folder; None: of every one.
    """

    line: int
    unit: str
    begin: float
    end: float
    label: str
    face: int | None = None
    file: str | None = None

    def __str__(self) -> str:
        return f"line {self.line} ({self.begin:g} to {self.end:g} {self.unit}, {self.label!r})"


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """A label for each row of trajectories.

    Attributes
    ----------
    of_rows : str [n]
        Empty where a row has none.
    source : str
        Who said them, for people.
    given : bool
        By a user; else by the network for expressions.
    unused : tuple of str
        Stretches that cover no frame.
    """

    of_rows: NDArray[np.str_]
    source: str
    given: bool
    unused: tuple[str, ...] = ()


def read_labels(path: str | Path) -> list[Stretch]:
    """Read a file of labels.

    Raises
    ------
    ValueError
        The file cannot be read or is damaged; the message names file, line and column.
    """
    path = Path(path)
    found: list[Stretch] = []
    line = 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, strict=True)
            names = [name.strip().lower() for name in next(rows, [])]
            unit = _unit(path, names)
            line = 1
            for cells in rows:
                line = rows.line_num
                if any(cell.strip() for cell in cells):
                    if len(cells) != len(names):
                        raise ValueError(f"{path}: line {line}: has {len(cells)} columns, the header {len(names)}")
                    values = dict(zip(names, (cell.strip() for cell in cells), strict=True))
                    found.append(_stretch(f"{path}: line {line}", line, unit, values))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: after line {line}: not a text file: {error.reason}") from error
    except csv.Error as error:
        raise ValueError(f"{path}: line {line + 1}: not a CSV table: {error}") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not found:
        raise ValueError(f"{path}: has no labels below its header")
    return found


def _unit(path: Path, names: list[str]) -> str:
    for unit, pair in _UNITS.items():
        allowed = {*pair, "label", *_OPTIONAL}
        if {*pair, "label"} <= set(names) <= allowed and len(set(names)) == len(names):
            return unit
    raise ValueError(
        f"{path}: line 1: the columns are {','.join(names)[:80]!r}, expected start,end,label (seconds) or "
        "first,last,label (frames), and if wanted face and file"
    )


def _stretch(where: str, line: int, unit: str, values: dict[str, str]) -> Stretch:
    begin, end = (_number(where, name, values[name], whole=unit == "frames") for name in _UNITS[unit])
    if end < begin or (end == begin and unit == "seconds"):
        raise ValueError(f"{where}: column {_UNITS[unit][1]}: {end:g} does not lie behind {begin:g}")
    if not values["label"]:
        raise ValueError(f"{where}: column label: is empty")
    face = values.get("face")
    number = int(_number(where, "face", face, whole=True)) if face else None
    return Stretch(line, unit, begin, end, values["label"], number, values.get("file") or None)


def _number(where: str, column: str, cell: str, *, whole: bool) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or (whole and value != int(value)):
        raise ValueError(
            f"{where}: column {column}: {cell[:40]!r}, expected a {'whole ' if whole else ''}number from 0"
        )
    return value


def assign(trajectories: Trajectories, stretches: Sequence[Stretch], source: str) -> Labels:
    """Set labels to rows.

    Raises
    ------
    ValueError
        Two stretches say different things of one frame, or no frame has a label.
    """
    owner = np.full(len(trajectories), -1)
    unused = []
    for index, stretch in enumerate(stretches):
        covered = _covered(trajectories, stretch)
        if not covered.any():
            unused.append(str(stretch))
        for other in np.unique(owner[covered & (owner >= 0)]).tolist():
            if stretches[other].label != stretch.label:
                row = int(np.flatnonzero(covered & (owner == other))[0])
                where = trajectories.recordings[int(trajectories.recording[row])].name
                raise ValueError(
                    f"{source}: {stretches[other]} and {stretch} do not agree on frame {trajectories.frames[row]} "
                    f"({trajectories.times[row]:.3f} s) of {where}"
                )
        owner[covered] = index
    if (owner < 0).all():
        spans = "; ".join(
            f"{r.name}: frames {trajectories.frames[r.rows][0]} to {trajectories.frames[r.rows][-1]}, "
            f"{trajectories.times[r.rows][0]:.2f} to {trajectories.times[r.rows][-1]:.2f} s"
            for r in trajectories.recordings[:4]
        )
        raise ValueError(f"{source}: no frame has a label; there are {spans}")
    texts = np.array([*(stretch.label for stretch in stretches), ""])
    return Labels(texts[owner], f"given by {Path(source).name}", True, tuple(unused))


def _covered(trajectories: Trajectories, stretch: Stretch) -> NDArray[np.bool_]:
    if stretch.unit == "frames":
        inside = (trajectories.frames >= stretch.begin) & (trajectories.frames <= stretch.end)
    else:
        inside = (trajectories.times >= stretch.begin) & (trajectories.times < stretch.end)
    meant = [
        stretch.face in (None, each.face) and stretch.file in (None, each.path.name) for each in trajectories.recordings
    ]
    covered: NDArray[np.bool_] = inside & np.array(meant)[trajectories.recording]
    return covered


def from_network(trajectories: Trajectories) -> Labels:
    """What the network for expressions said of each frame, from the tracks."""
    return Labels(trajectories.emotions, "what the expression network said, not people", False)
