"""How recognised faces are written to stdout: a table, JSON Lines or CSV."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.markup import escape
from rich.table import Table

from ferkern.cli.output import results
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

    def add(self, path: Path, picture: Picture, faces: Sequence[Face], milliseconds: float) -> None:
        """One picture."""
        record = {
            "file": str(path),
            "width": picture.size[0],
            "height": picture.size[1],
            "ms": round(milliseconds, 2),
            "faces": [face.to_dict() for face in faces],
        }
        sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def close(self) -> None:
        """Nothing is held back."""


class CsvWriter:
    """A header, then one row for each face, written at once."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._csv = csv.writer(sys.stdout, lineterminator="\n")
        self._csv.writerow(["file", "face", "x", "y", "width", "height", "score", "emotion", *classes])

    def add(self, path: Path, picture: Picture, faces: Sequence[Face], milliseconds: float) -> None:
        """One picture."""
        for number, face in enumerate(faces, start=1):
            plain = face.to_dict()
            row = [str(path), number, *plain["box"], plain["score"], face.emotion]
            self._csv.writerow([*row, *(plain["probabilities"][name] for name in self._classes)])
        sys.stdout.flush()

    def close(self) -> None:
        """Nothing is held back."""


class TableWriter:
    """A table for people, printed at the end."""

    def __init__(self) -> None:
        self._done: list[tuple[Path, Sequence[Face]]] = []

    def add(self, path: Path, picture: Picture, faces: Sequence[Face], milliseconds: float) -> None:
        """One picture."""
        self._done.append((path, faces))

    def close(self) -> None:
        """Print it; where several pictures lie in one folder, its name stands once, above."""
        if not self._done:
            return
        console = results()
        folder = os.path.commonpath([path.parent for path, _ in self._done]) if len(self._done) > 1 else ""
        if folder:
            console.print(f"[dim]in {escape(folder)}[/]", soft_wrap=True)
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("picture", overflow="fold")
        table.add_column("face", justify="right")
        for name in ("expression", "", "next", "x, y, width x height"):
            table.add_column(name, no_wrap=True)
        for path, faces in self._done:
            name = escape(os.path.relpath(path, folder) if folder else str(path))
            if not faces:
                table.add_row(name, "-", "[dim]no face[/]")
            for number, face in enumerate(faces, start=1):
                table.add_row(name if number == 1 else "", str(number), *_cells(face))
        console.print(table)


def _cells(face: Face) -> tuple[str, ...]:
    best, *others = sorted(face.probabilities.items(), key=lambda item: -item[1])
    color = "#{:02x}{:02x}{:02x}".format(*COLORS.get(best[0], OTHER))
    x, y, width, height = face.box
    following = ", ".join(f"{name} {probability:.0%}" for name, probability in others[:2])
    return (
        f"[{color}]{best[0]:8} {_bar(best[1])}[/]",
        f"{best[1]:4.0%}",
        f"[dim]{following}[/]",
        f"[dim]{x:.0f}, {y:.0f}, {width:.0f} x {height:.0f}[/]",
    )


def _bar(share: float, cells: int = 10) -> str:
    eighths = round(share * cells * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(cells)
