"""How recognised faces are written: a table, JSON Lines or CSV."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TextIO

from rich.markup import escape
from rich.table import Table

from ferkern.cli.output import results
from ferkern.cli.tables import show
from ferkern.draw import COLORS, OTHER
from ferkern.face.pipeline import Face
from ferkern.pictures import Picture

__all__ = ["CsvWriter", "JsonWriter", "TableWriter", "Writer"]


class Writer(Protocol):
    """Takes pictures as they are done."""

    def add(self, path: Path, picture: Picture, faces: Sequence[Face], milliseconds: float) -> None:
        """One picture."""

    def close(self) -> None:
        """No more."""


class JsonWriter:
    """One JSON object a line for each picture, written at once."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def add(self, path: Path, picture: Picture, faces: Sequence[Face], milliseconds: float) -> None:
        """One picture."""
        record = {
            "file": str(path),
            "width": picture.size[0],
            "height": picture.size[1],
            "ms": round(milliseconds, 2),
            "faces": [face.to_dict() for face in faces],
        }
        self._out.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing is held back."""


class CsvWriter:
    """A header, then one row for each face, written at once; what is not known is an empty cell."""

    def __init__(self, out: TextIO, classes: Sequence[str]) -> None:
        self._out = out
        self._classes = classes
        self._csv = csv.writer(out, lineterminator="\n")
        first = ["file", "face", "x", "y", "width", "height", "score", "emotion"]
        self._csv.writerow([*first, *classes, "smile", "yaw", "pitch", "roll", "aligned"])

    def add(self, path: Path, picture: Picture, faces: Sequence[Face], milliseconds: float) -> None:
        """One picture."""
        for number, face in enumerate(faces, start=1):
            plain = face.to_dict()
            row = [str(path), number, *plain["box"], plain["score"], face.emotion]
            row += [plain["probabilities"][name] for name in self._classes]
            row += [plain["smile"], *(plain["pose"] or (None, None, None)), int(face.aligned)]
            self._csv.writerow(row)
        self._out.flush()

    def close(self) -> None:
        """Nothing is held back."""


class TableWriter:
    """A table for people, printed at the end; of each face only its row is kept."""

    def __init__(self) -> None:
        self._done: list[tuple[Path, list[tuple[str, ...]]]] = []

    def add(self, path: Path, picture: Picture, faces: Sequence[Face], milliseconds: float) -> None:
        """One picture."""
        self._done.append((path, [_cells(face) for face in faces]))

    def close(self) -> None:
        """Print it; where several pictures lie in one folder, its name stands once, above."""
        if not self._done:
            return
        console = results()
        folder = os.path.commonpath([path.parent for path, _ in self._done]) if len(self._done) > 1 else ""
        if folder:
            console.print(f"[dim]in {escape(folder)}[/]", soft_wrap=True)
        # Columns in which nothing stands are left out: without landmarks there is no pose.
        used = [i == 0 or any(row[i] for _, rows in self._done for row in rows) for i in range(len(_COLUMNS))]
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("picture", overflow="fold")
        table.add_column("face", justify="right")
        for name, keep in zip(_COLUMNS, used, strict=True):
            if keep:
                table.add_column(name, no_wrap=True)
        for path, rows in self._done:
            name = escape(os.path.relpath(path, folder) if folder else str(path))
            if not rows:
                table.add_row(name, "-", "[dim]no face[/]")
            for number, row in enumerate(rows, start=1):
                cells = [cell for cell, keep in zip(row, used, strict=True) if keep]
                table.add_row(name if number == 1 else "", str(number), *cells)
        show(console, table, spare=("x, y", "yaw", "next"))


_COLUMNS = ("expression", "", "next", "smile", "yaw, pitch, roll", "x, y, width x height")


def _cells(face: Face) -> tuple[str, ...]:
    """Cells of `_COLUMNS`; empty where nothing is known."""
    best, *others = sorted(face.probabilities.items(), key=lambda item: -item[1])
    color = "#{:02x}{:02x}{:02x}".format(*COLORS.get(best[0], OTHER))
    x, y, width, height = face.box
    following = ", ".join(f"{name} {probability:.0%}" for name, probability in others[:2])
    return (
        f"[{color}]{best[0]:8} {_bar(best[1])}[/]",
        f"{best[1]:4.0%}",
        f"[dim]{following}[/]",
        "" if face.smile is None else f"{face.smile:4.0%}",
        "" if face.pose is None else "[dim]{}[/]".format(" ".join(f"{round(math.degrees(v)):+4d}°" for v in face.pose)),
        f"[dim]{x:.0f}, {y:.0f}, {width:.0f} x {height:.0f}[/]",
    )


def _bar(share: float, cells: int = 10) -> str:
    eighths = round(share * cells * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(cells)
