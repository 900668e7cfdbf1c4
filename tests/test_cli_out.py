"""`ferkern recognize --out FILE`: what stands in the file, and how an interrupted run goes on in it."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from command import ENVIRONMENT, ferkern, lines

pytestmark = pytest.mark.slow  # nothing here depends on the instruction set


def test_out_and_resume(album: Path, tmp_path: Path) -> None:
    """A run that was torn in the middle of a line goes on behind its last whole line; nothing is done twice."""
    out = tmp_path / "results.jsonl"
    done = ferkern("recognize", album, "--out", out)
    assert (done.returncode, done.stdout) == (0, "")
    whole = out.read_bytes()
    names = [str(r["file"]) for r in lines(whole.decode())]
    assert [Path(n).name for n in names] == ["a.jpg", "empty.png", "b.png"]

    first, second, _ = whole.splitlines(keepends=True)
    for torn in (b"", first, first + second[:40], first + second[:-1], first + b'{"file": 3'):
        out.write_bytes(torn)
        done = ferkern("recognize", album, "--out", out, "--resume")
        assert done.returncode == 0, done.stderr
        again = lines(out.read_text())
        assert [r["file"] for r in again] == names
        assert [r["faces"] for r in again] == [r["faces"] for r in lines(whole.decode())]
        assert done.stderr.startswith("2 pictures" if torn else "3 pictures")

    done = ferkern("recognize", album, "--out", out, "--resume")
    assert done.returncode == 0
    assert "3 pictures were there already" in done.stderr
    assert len(out.read_text().splitlines()) == 3


def test_interrupted_run_goes_on(tmp_path: Path, portrait: Path) -> None:
    """Ctrl-C in the middle of a folder: every line that was written is whole, and the next run does the rest."""
    folder, out = tmp_path / "many", tmp_path / "results.jsonl"
    folder.mkdir()
    with Image.open(portrait) as image:
        large = image.convert("RGB").resize((1200, 1200))
    for i in range(60):
        large.save(folder / f"{i:03}.bmp")
    command = [sys.executable, "-m", "ferkern.cli", "recognize", str(folder), "--out", str(out), "--landmarks", "none"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    until = time.monotonic() + 60
    while time.monotonic() < until and not (out.exists() and out.read_text().count("\n") >= 2):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    before = lines(out.read_text())
    assert 2 <= len(before) < 60
    done = ferkern("recognize", folder, "--out", out, "--resume", "--landmarks", "none")
    assert done.returncode == 0, done.stderr
    after = lines(out.read_text())
    assert after[: len(before)] == before
    assert [Path(str(r["file"])).name for r in after] == [f"{i:03}.bmp" for i in range(60)]


def test_resume_tries_failed_pictures_again(album: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    good = (album / "a.jpg").read_bytes()
    (album / "a.jpg").write_bytes(good[:5000])
    assert ferkern("recognize", album, "--out", out).returncode == 1
    (album / "a.jpg").write_bytes(good)
    assert ferkern("recognize", album, "--out", out, "--resume").returncode == 0
    assert [Path(str(r["file"])).name for r in lines(out.read_text())] == ["empty.png", "b.png", "a.jpg"]


def test_out_as_csv(album: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    assert ferkern("recognize", album, "--out", out).returncode == 0
    rows = list(csv.DictReader(out.open()))
    assert [row["file"][-5:] for row in rows] == ["a.jpg", "b.png"]
    assert set(rows[0]) >= {"smile", "yaw", "pitch", "roll", "aligned"}


def test_files_that_cannot_be_gone_on_in(album: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("a shopping list\n")
    for arguments, words in (
        (["--out", other, "--resume"], "line 1 is not one that ferkern recognize"),
        (["--resume"], "--out"),
        (["--out", tmp_path / "a.csv", "--resume"], "JSON Lines"),
        (["--out", tmp_path], "--out"),
        (["--out", tmp_path / "no" / "x.jsonl"], "--out"),
        (["--landmarks", "nosuch"], "nosuch"),
    ):
        done = ferkern("recognize", album, *arguments)
        assert done.returncode == 2, arguments
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert other.read_text() == "a shopping list\n"


def test_summary_says_pictures_a_second(album: Path) -> None:
    assert " pictures/s" in ferkern("recognize", album, "--json").stderr
