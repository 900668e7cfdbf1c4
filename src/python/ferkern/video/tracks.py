"""Tracks of faces as a table: what ``ferkern video --csv`` writes and ``ferkern analyze`` reads.

CSV in UTF-8, one row for each face of each frame, in the order of the frames::

    frame,time,face,state,x,y,width,height,score,emotion,<classes>,raw_<classes>,smile,yaw,pitch,roll,x0,y0,...,x67,y67

``frame`` counts from 0, ``time`` is in seconds; both rise from row to row of a face. ``face`` is the number that a face
keeps as long as it is followed, ``state`` one of `STATES`. Box and landmarks are pixels of the frame, whose centres are
at whole numbers. The classes are those of the network for expressions, in its order: first the probabilities after
smoothing over time, of which ``emotion`` names the largest, then as the network gave them. Yaw, pitch and roll are
radians. A cell of what is not known is empty; box, each set of probabilities, pose and landmarks are known as a whole
or not at all.

The writer stands here, the reader in `ferkern.video.tracks_read`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from ferkern.models.network import CLASSES

__all__ = ["FIRST", "POINTS", "RAW", "STATES", "TrackRow", "TrackWriter", "header"]

STATES = ("detected", "tracked", "corrected")
"""How a frame's landmarks came about: found in the whole frame, followed, or followed and then set right."""

POINTS = 68

FIRST = ("frame", "time", "face", "state", "x", "y", "width", "height", "score", "emotion")
"""Columns before the classes."""

RAW = "raw_"
"""How the columns of probabilities before smoothing begin."""

_POSE = ("yaw", "pitch", "roll")


def header(classes: Sequence[str] = CLASSES) -> list[str]:
    """Names of the columns, in their order."""
    points = [f"{axis}{i}" for i in range(POINTS) for axis in "xy"]
    return [*FIRST, *classes, *(RAW + name for name in classes), "smile", *_POSE, *points]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackRow:
    """One face of one frame.

    Attributes
    ----------
    frame : int
        From 0.
    time : float
        Seconds.
    face : int
        The face's number.
    state : str
        One of `STATES`, or empty.
    box : (float, float, float, float), or None
        x, y, width, height in pixels.
    score : float, or None
        The detector's confidence.
    landmarks : floats [68, 2], or None
        Points (x, y) in pixels; not known either where one is NaN.
    emotion : str, or None
        One of the classes.
    probabilities, raw_probabilities : mapping of str to float, floats in the order of the classes, or None
        After and before smoothing over time.
    smile : float, or None
        Probability of a smile.
    pose : (float, float, float), or None
        Yaw, pitch, roll in radians.
    """

    frame: int
    time: float
    face: int
    state: str = ""
    box: Sequence[float] | NDArray[Any] | None = None
    score: float | None = None
    landmarks: NDArray[np.floating[Any]] | None = None
    emotion: str | None = None
    probabilities: Mapping[str, float] | Sequence[float] | NDArray[Any] | None = None
    raw_probabilities: Mapping[str, float] | Sequence[float] | NDArray[Any] | None = None
    smile: float | None = None
    pose: Sequence[float] | NDArray[Any] | None = None


class TrackWriter:
    """Writes tracks row by row; every row is in the file when `write` returns.

    Pixels and seconds are written to 3 and 6 decimals, all else to 6.

    Parameters
    ----------
    out : path or text file
        A file that this writer opens is closed by `close`; one that is given stays open. Give one opened with
        ``newline=""``.
    classes : sequence of str
        The classes of the network for expressions, in its order.

    Raises
    ------
    OSError
        The path cannot be written.
    """

    def __init__(self, out: str | Path | TextIO, classes: Sequence[str] = CLASSES) -> None:
        self.classes = tuple(classes)
        self._owned = isinstance(out, (str, Path))
        self._out = _opened(out) if isinstance(out, (str, Path)) else out
        self._last: dict[int, tuple[int, float]] = {}
        self._csv = csv.writer(self._out, lineterminator="\n")
        self._csv.writerow(header(self.classes))
        self._out.flush()

    def write(self, row: TrackRow) -> None:
        """Write one face of one frame.

        Raises
        ------
        ValueError
            A value is not finite, has the wrong length, is none of the states or classes, or frame or time do not rise;
            the message names it.
        """
        frame, time, face = int(row.frame), round(float(row.time), 6), int(row.face)
        last_frame, last_time = self._last.get(face, (-1, -math.inf))
        if frame <= last_frame or time <= last_time:
            raise ValueError(
                f"frame and time must rise: face {face} has frame {frame} at {time} s after "
                f"{last_frame} at {last_time} s"
            )
        if row.state and row.state not in STATES:
            raise ValueError(f"state must be one of {', '.join(STATES)}, is {row.state!r}")
        if row.emotion and row.emotion not in self.classes:
            raise ValueError(f"emotion must be one of {', '.join(self.classes)}, is {row.emotion!r}")
        points = row.landmarks
        if points is not None and np.shape(points) != (POINTS, 2):
            raise ValueError(f"landmarks must be [{POINTS}, 2], is {list(np.shape(points))}")
        if points is not None and np.isnan(points).any():
            points = None
        size = len(self.classes)
        self._csv.writerow(
            [
                frame,
                *_cells("time", [time], 1, 6),
                face,
                row.state,
                *_cells("box", row.box, 4, 3),
                *_cells("score", _one(row.score), 1, 6),
                row.emotion or "",
                *_cells("probabilities", self._ordered("probabilities", row.probabilities), size, 6),
                *_cells("raw_probabilities", self._ordered("raw_probabilities", row.raw_probabilities), size, 6),
                *_cells("smile", _one(row.smile), 1, 6),
                *_cells("pose", row.pose, 3, 6),
                *_cells("landmarks", None if points is None else points.ravel(), 2 * POINTS, 3),
            ]
        )
        self._out.flush()
        self._last[face] = frame, time

    def _ordered(
        self, name: str, values: Mapping[str, float] | Sequence[float] | NDArray[Any] | None
    ) -> Sequence[float] | NDArray[Any] | None:
        if not isinstance(values, Mapping):
            return values
        if set(values) != set(self.classes):
            raise ValueError(f"{name} must be of the classes {', '.join(self.classes)}, are of {', '.join(values)}")
        return [values[each] for each in self.classes]

    def close(self) -> None:
        """Close the file if this writer opened it."""
        if self._owned:
            self._out.close()

    def __enter__(self) -> TrackWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _opened(path: str | Path) -> TextIO:
    return Path(path).open("w", encoding="utf-8", newline="")


def _one(value: float | None) -> list[float] | None:
    return None if value is None else [value]


def _cells(name: str, values: Sequence[float] | NDArray[Any] | None, size: int, decimals: int) -> list[str]:
    """Numbers as text; empty where they are not known."""
    if values is None:
        return [""] * size
    if len(values) != size:
        raise ValueError(f"{name} must be {size} numbers, are {len(values)}")
    numbers = [float(v) for v in values]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name} must be finite, is {numbers[:4]}")
    return [f"{v:.{decimals}f}" for v in numbers]
