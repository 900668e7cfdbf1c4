"""Tables of the commands on terminals of any width: whole columns go, no cell is cut."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from ferkern.cli.formats import TableWriter
from ferkern.cli.tables import show
from ferkern.face.stages import Face

SPARE = ("MB", "time")


def table() -> Table:
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    made.add_column("layer", no_wrap=True)
    for name in ("us", "time", "MB"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_row("[bold]conv2d_1[/]", "1,234.5", "99 %", "0.05")
    made.add_row("dense_1", "2.0", "1 %", "12.25")
    return made


def shown(width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    show(console, table(), spare=SPARE)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_wide_terminal_shows_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(80) == [
        "layer          us  time     MB",
        "conv2d_1  1,234.5  99 %   0.05",
        "dense_1       2.0   1 %  12.25",
    ]
    assert shown(30) == shown(80)  # exactly as wide as the table
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("width", "lines", "named"),
    [
        (
            29,
            ["layer          us  time", "conv2d_1  1,234.5  99 %", "dense_1       2.0   1 %"],
            'left out in 29 columns: "MB"',
        ),
        (22, ["layer          us", "conv2d_1  1,234.5", "dense_1       2.0"], 'left out in 22 columns: "MB", "time"'),
    ],
)
def test_columns_are_left_out_and_named(
    width: int, lines: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(width) == lines
    assert capsys.readouterr().err.split() == named.split()


def test_a_column_in_which_nothing_stands_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=80, file=io.StringIO(), highlight=False)
    made = table()
    made.add_column("share")
    show(console, made, spare=SPARE)
    assert isinstance(console.file, io.StringIO)
    assert [line.rstrip() for line in console.file.getvalue().splitlines()] == shown(80)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("width", "others", "box"), [(60, False, False), (80, True, False), (100, True, False), (120, True, True)]
)
def test_faces_at_every_width(
    width: int, others: bool, box: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    face = Face(
        box=(1593.0, 141.0, 178.0, 178.0),
        score=0.9,
        landmarks=np.zeros((68, 2), np.float32),
        pose=(0.1, 0.2, 0.3),
        aligned=True,
        emotion="surprise",
        probabilities={"surprise": 0.5, "neutral": 0.3, "disgust": 0.2},
        smile=0.25,
    )
    writer = TableWriter()
    pixels = np.zeros((1, 1, 3), np.uint8)
    writer.add(Path("holiday.jpg"), pixels, [face], 1.0)
    writer.add(Path("wall.jpg"), pixels, [], 1.0)
    writer.close()
    out = capsys.readouterr().out
    assert "…" not in out
    for word in ("holiday.jpg", "wall.jpg", "no face", "surprise", " 50%"):
        assert word in out
    assert ("neutral 30%, disgust 20%" in out) == others
    assert ("178 x 178" in out) == box
