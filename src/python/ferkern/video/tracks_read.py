"""The reader of tracks: `ferkern.video.tracks` says how the table looks."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from ferkern.video.tracks import FIRST, POINTS, RAW, STATES, header

__all__ = ["Track", "Tracks", "read_tracks"]

_LAST_FRAME = 2**53  # beyond it numbers of frames are no longer exact
_LARGEST = 1e12  # of any number; float32 landmarks hold it


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One face over the T frames in which it was seen; NaN or empty where something is not known.

    Attributes
    ----------
    face : int
        Its number.
    frames : int64 [T]
        Rising; a face that was lost and found again has gaps.
    times : float64 [T]
        Seconds, rising.
    states : str [T]
        Of `STATES`, or empty.
    boxes : float64 [T, 4]
        x, y, width, height in pixels.
    scores : float64 [T]
    landmarks : float32 [T, 68, 2]
        Points (x, y) in pixels.
    emotions : str [T]
    probabilities, raw_probabilities : float32 [T, K]
        In the order of the file's classes; after and before smoothing.
    smile : float64 [T]
        Probability of a smile.
    pose : float64 [T, 3]
        Yaw, pitch, roll in radians.
    """

    face: int
    frames: NDArray[np.int64]
    times: NDArray[np.float64]
    states: NDArray[np.str_]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    landmarks: NDArray[np.float32]
    emotions: NDArray[np.str_]
    probabilities: NDArray[np.float32]
    raw_probabilities: NDArray[np.float32]
    smile: NDArray[np.float64]
    pose: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """A file of tracks.

    Attributes
    ----------
    path : Path
    classes : tuple of str
        Of the probabilities.
    faces : tuple of Track
        By their numbers.
    """

    path: Path
    classes: tuple[str, ...]
    faces: tuple[Track, ...]

    def __len__(self) -> int:
        return len(self.faces)

    def __iter__(self) -> Iterator[Track]:
        return iter(self.faces)


def read_tracks(path: str | Path) -> Tracks:
    """Read a file of tracks.

    Parameters
    ----------
    path : str or Path
        CSV with the columns that `ferkern.video.tracks` lists; the classes are taken from its header.

    Returns
    -------
    Tracks
        Of a file with a header alone none.

    Raises
    ------
    ValueError
        The file cannot be read or is damaged; the message names file, line and column.
    """
    path = Path(path)
    line = 0
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(_whole_lines(path, file), strict=True)
            names = [name.strip() for name in next(rows, [])]
            reader = _Reader(path, _classes(path, names))
            line = 1
            for cells in rows:
                line = rows.line_num
                if cells:
                    reader.add(line, cells)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: after line {line}: not a text file: {error.reason}") from error
    except csv.Error as error:
        raise ValueError(f"{path}: line {line + 1}: not a CSV table: {error}") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error
    return reader.finish()


def _whole_lines(path: Path, file: TextIO) -> Iterator[str]:
    """The lines; the last must end, or else its last number may have been cut short."""
    for number, line in enumerate(file, start=1):
        if not line.endswith(("\n", "\r")):
            raise ValueError(f"{path}: line {number}: the file ends within it; delete that line or end it")
        yield line


def _classes(path: Path, names: list[str]) -> tuple[str, ...]:
    """The classes between the first columns and their raw twins; every other column must be as it should."""
    found: list[str] = []
    for name in names[len(FIRST) :]:
        if name.startswith(RAW) or name == "smile":
            break
        found.append(name)
    wanted = header(found)
    for column, (name, should) in enumerate(zip(names, wanted, strict=False), start=1):
        if name != should:
            raise ValueError(f"{path}: line 1: column {column} is {name[:40]!r}, in a table of tracks {should!r}")
    if len(names) != len(wanted):
        raise ValueError(f"{path}: line 1: {len(names)} columns, a table of tracks of these classes has {len(wanted)}")
    if not found or len(set(found)) != len(found):
        raise ValueError(f"{path}: line 1: the classes after column 'emotion' must be there, each once, are {found}")
    return tuple(found)


@dataclass(slots=True)
class _Rows:
    """Rows of one face as they are read."""

    frames: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    emotions: list[str] = field(default_factory=list)
    numbers: array[float] = field(default_factory=lambda: array("d"))


class _Reader:
    """Sorts rows by face and holds every cell to its meaning."""

    def __init__(self, path: Path, classes: tuple[str, ...]) -> None:
        self._path = path
        self._classes = classes
        self._names = header(classes)
        k, first = len(classes), len(FIRST)
        ends = [4, 8, 9, first, first + k, first + 2 * k, first + 2 * k + 1, first + 2 * k + 4, len(self._names)]
        self._groups = [slice(a, b) for a, b in pairwise(ends) if a != 9]
        self._shares = slice(first, first + 2 * k + 1)
        self._faces: dict[int, _Rows] = {}

    def add(self, line: int, cells: list[str]) -> None:
        if len(cells) != len(self._names):
            raise ValueError(f"{self._path}: line {line}: has {len(cells)} columns, the header {len(self._names)}")
        frame, face = (self._whole(line, i, cells[i]) for i in (0, 2))
        time = self._number(line, 1, cells[1])
        state, emotion = cells[3].strip(), cells[9].strip()
        if state and state not in STATES:
            raise self._wrong(line, 3, state, f"expected one of {', '.join(STATES)}")
        if emotion and emotion not in self._classes:
            raise self._wrong(line, 9, emotion, f"expected one of {', '.join(self._classes)}")
        rows = self._faces.setdefault(face, _Rows())
        if rows.frames and frame <= rows.frames[-1]:
            raise self._wrong(line, 0, cells[0], f"expected more than {rows.frames[-1]}, the last of face {face}")
        if rows.times and time <= rows.times[-1]:
            raise self._wrong(line, 1, cells[1], f"expected more than {rows.times[-1]}, the last of face {face}")
        for group in self._groups:
            rows.numbers.extend(self._group(line, group, cells[group]))
        rows.frames.append(frame)
        rows.times.append(time)
        rows.states.append(state)
        rows.emotions.append(emotion)

    def _group(self, line: int, group: slice, cells: list[str]) -> list[float]:
        """Numbers that are known together or not at all."""
        if not any(map(str.strip, cells)):
            return [math.nan] * len(cells)
        try:
            numbers = list(map(float, cells))
        except ValueError:
            numbers = [self._number(line, group.start + i, cell) for i, cell in enumerate(cells)]
        # The sum is NaN or infinite if one of them is: cheaper than to ask each.
        if not math.isfinite(sum(numbers)) or max(numbers) > _LARGEST or min(numbers) < -_LARGEST:
            numbers = [self._number(line, group.start + i, cell) for i, cell in enumerate(cells)]
        if group.start >= self._shares.start and group.stop <= self._shares.stop:
            for i, value in enumerate(numbers):
                if not 0 <= value <= 1:
                    raise self._wrong(line, group.start + i, cells[i], "expected a probability, 0 to 1")
        return numbers

    def _number(self, line: int, column: int, cell: str) -> float:
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or abs(value) > _LARGEST:
            raise self._wrong(line, column, cell, "expected a number")
        return value

    def _whole(self, line: int, column: int, cell: str) -> int:
        value = self._number(line, column, cell)
        if value != int(value) or not 0 <= value < _LAST_FRAME:
            raise self._wrong(line, column, cell, "expected a whole number from 0")
        return int(value)

    def _wrong(self, line: int, column: int, cell: str, why: str) -> ValueError:
        return ValueError(f"{self._path}: line {line}: column {self._names[column]}: {cell[:40]!r}, {why}")

    def finish(self) -> Tracks:
        return Tracks(self._path, self._classes, tuple(self._track(f, r) for f, r in sorted(self._faces.items())))

    def _track(self, face: int, rows: _Rows) -> Track:
        length, k = len(rows.frames), len(self._classes)
        numbers = np.frombuffer(rows.numbers, np.float64).reshape(length, -1)
        sizes = (4, 1, k, k, 1, 3, 2 * POINTS)
        box, score, smooth, raw, smile, pose, points = np.split(numbers, np.cumsum(sizes)[:-1], axis=1)
        return Track(
            face=face,
            frames=np.array(rows.frames, np.int64),
            times=np.array(rows.times, np.float64),
            states=np.array(rows.states, np.str_),
            boxes=box.copy(),
            scores=score[:, 0].copy(),
            landmarks=points.astype(np.float32).reshape(length, POINTS, 2),
            emotions=np.array(rows.emotions, np.str_),
            probabilities=smooth.astype(np.float32),
            raw_probabilities=raw.astype(np.float32),
            smile=smile[:, 0].copy(),
            pose=pose.copy(),
        )
