"""What ``ferkern video`` writes of its results: rows of CSV, JSON Lines, and a table of the faces at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from rich.table import Table

from ferkern.cli.output import results
from ferkern.draw import COLORS, OTHER
from ferkern.video.history import FaceHistory, History
from ferkern.video.tracks import TrackRow, TrackWriter

if TYPE_CHECKING:
    from ferkern.video.results import Result, VideoFace

__all__ = ["Outputs"]

_LISTED = 40  # rows of the table; more are only counted
_LEAST = 0.05  # share of a face's frames from which on an expression is named


class Outputs:
    """Takes results as they come; every line is in its file when `add` returns.

    Parameters
    ----------
    classes : sequence of str
        Of the expressions.
    csv, json : text files, optional
    """

    def __init__(self, classes: Sequence[str], csv: TextIO | None, json: TextIO | None) -> None:
        self.history = History(classes)
        self._csv = None if csv is None else TrackWriter(csv, classes)
        self._json = json

    def add(self, result: Result) -> None:
        """One frame."""
        self.history.add(result)
        if self._csv is not None:
            for face in result.faces:
                self._csv.write(_row(result, face))
        if self._json is not None:
            record = {
                "frame": result.index,
                "time": round(result.time, 6),
                "ms": {name: round(seconds * 1000, 3) for name, seconds in result.seconds.items()},
                "faces": [face.to_dict() for face in result.faces],
            }
            self._json.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._json.flush()

    def print_table(self) -> None:
        """The faces on stdout, the one that was seen longest first."""
        faces = self.history.faces()
        console = results()
        if not faces:
            console.print("no face was seen")
            return
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("face", "seconds", "frames"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("expressions, by how long each was the strongest", overflow="fold")
        table.add_column("smiling", justify="right", no_wrap=True)
        for face in faces[:_LISTED]:
            table.add_row(*_cells(face, self.history.classes))
        console.print(table)
        if len(faces) > _LISTED:
            console.print(f"and {len(faces) - _LISTED:,} more that were seen for a shorter time")


def _row(result: Result, face: VideoFace) -> TrackRow:
    return TrackRow(
        frame=result.index,
        time=result.time,
        face=face.id,
        state=face.state,
        box=face.box,
        score=face.score,
        landmarks=face.landmarks,
        emotion=face.emotion,
        probabilities=face.probabilities,
        raw_probabilities=face.raw_probabilities,
        smile=face.smile,
        pose=face.pose,
    )


def _cells(face: FaceHistory, classes: Sequence[str]) -> tuple[str, ...]:
    strongest = face.probabilities.argmax(axis=1)
    shares = {name: float((strongest == i).mean()) for i, name in enumerate(classes)}
    named = sorted((name for name in classes if shares[name] >= _LEAST), key=lambda name: -shares[name])
    words = [f"[{_hex(name)}]{name}[/] {shares[name]:.0%}" for name in named]
    smiling = face.smile[face.smile == face.smile]  # not the unknown ones
    return (
        str(face.id),
        f"{face.time[0]:.2f} to {face.time[-1]:.2f}",
        f"{len(face.time):,}",
        ", ".join(words),
        f"{float((smiling > 0.5).mean()):.0%}" if len(smiling) else "",
    )


def _hex(name: str) -> str:
    return "#{:02x}{:02x}{:02x}".format(*COLORS.get(name, OTHER))
