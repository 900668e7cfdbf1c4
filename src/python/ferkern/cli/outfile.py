"""The file that ``ferkern recognize --out`` writes, and how a run that was broken off goes on in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import typer

__all__ = ["Resumed", "opened", "resumed"]


@dataclass(frozen=True)
class Resumed:
    """What a file of JSON Lines holds already.

    Attributes
    ----------
    files : set of str
        The pictures in it, as it names them.
    end : int
        Bytes of its whole lines.
    """

    files: set[str] = field(default_factory=set)
    end: int = 0


def resumed(path: Path) -> Resumed:
    """Read the file of an earlier run; a last line that was torn by an interruption does not count.

    Raises
    ------
    typer.BadParameter
        The file cannot be read, or another line than the last is not one of ``ferkern recognize``.
    """
    files: set[str] = set()
    end = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                name = _file_of(line)
                if name is None:
                    if line.endswith(b"\n"):
                        raise typer.BadParameter(
                            f"--resume {path}: line {number} is not one that ferkern recognize --json writes"
                        )
                    break
                files.add(name)
                end += len(line)
    except FileNotFoundError:
        return Resumed()
    except OSError as error:
        raise typer.BadParameter(f"--out {path}: {error.strerror}") from error
    return Resumed(files, end)


def _file_of(line: bytes) -> str | None:
    """The picture that a whole line is about."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    name = record.get("file") if isinstance(record, dict) else None
    whole = line.endswith(b"\n") and isinstance(name, str) and isinstance(record.get("faces"), list)
    return name if whole else None


def opened(path: Path, before: Resumed | None) -> TextIO:
    """The file, empty, or behind the whole lines of an earlier run.

    Raises
    ------
    typer.BadParameter
        It cannot be written.
    """
    try:
        file = path.open("w" if before is None or not path.exists() else "r+", encoding="utf-8", newline="")
        if before is not None:
            file.seek(before.end)
            file.truncate()
    except OSError as error:
        raise typer.BadParameter(f"--out {path}: {error.strerror or error}") from error
    return file
