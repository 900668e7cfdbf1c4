"""What commands say when something is wrong: called here in this process, without their tables."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from ferkern.cli.app import app
from ferkern.cli.output import guarded

NOTHING = "neither 'trees' nor 'network' nor a file"


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code, and what stands on stderr without frames and line breaks."""
    with pytest.raises(SystemExit) as left:
        app(arguments)
    return int(left.value.code or 0), " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["recognize", "x.jpg", "--landmarks", "nothing"], f"landmarks: 'nothing' is {NOTHING}"),
        (["eval", "fer2013", "--path", "nowhere"], "Invalid value: --path nowhere: no such file or folder"),
        (["video", "x.mp4", "--seconds", "-1"], "greater than or equal to 0"),
    ],
)
def test_wrong_use(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, words = said(arguments, capsys)
    assert code == 2
    assert message in words


def test_no_file_of_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "net.safetensors"
    text.write_text('{"layers": [1, 2, 3]}')
    code, words = said(["recognize", "x.jpg", "--model", str(text)], capsys)
    assert code == 2
    assert "no safetensors file, or damaged: header says" in words


def test_pictures_a_second_count_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    code, words = said(["recognize", "nowhere.jpg"], capsys)
    assert code == 1
    assert words == "failed nowhere.jpg: No such file or directory 0 pictures, 0 faces, 1 failed"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("std::bad_alloc"), "failed this does not fit into memory"),
        (MemoryError(), "failed this does not fit into memory"),
        (MemoryError("no 9 GiB"), "failed no 9 GiB"),
    ],
)
def test_memory_that_is_not_there(error: MemoryError, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as left:
        guarded(command)()
    assert left.value.exit_code == 1
    assert capsys.readouterr().err.strip() == message
