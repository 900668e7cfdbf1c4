"""`ferkern video`: what it writes, what it says, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from command import ENVIRONMENT, ferkern, lines
from ferkern import image, pictures
from ferkern.cli.app import app
from ferkern.video.tracks_read import read_tracks
from test_examples import run
from video_clips import frames, write

pytestmark = pytest.mark.slow  # nothing here depends on the instruction set


@pytest.fixture(scope="module")
def clip(portrait: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 frames of a portrait that drifts by a pixel a frame."""
    gray = pictures.read(portrait).gray()
    views = [image.warp(gray, image.similarity(1.6, 0, (20.0 - i, 0.5 * i)), (240, 320)) for i in range(24)]
    return write(tmp_path_factory.mktemp("clip") / "clip.mp4", views, movflags="faststart")


def test_everything_at_once(clip: Path, tmp_path: Path) -> None:
    """Annotated video, CSV, JSON Lines and timeline say the same of the same frames."""
    out, csv, jsonl, png = (tmp_path / name for name in ("out.mp4", "t.csv", "t.jsonl", "t.png"))
    done = ferkern("video", clip, "-o", out, "--csv", csv, "--json", jsonl, "--timeline", png)
    assert done.returncode == 0, done.stderr
    assert "face" in done.stdout.splitlines()[0]
    assert "happy" in done.stdout
    assert "24 frames" in done.stderr
    assert "frames/s" in done.stderr
    records = lines(jsonl.read_text())
    assert [r["frame"] for r in records] == list(range(24))
    assert set(records[0]["ms"]) == {"decode", "track", "judge", "smooth", "draw", "encode"}
    (track,) = read_tracks(csv).faces
    assert len(track.frames) == 24
    for i, record in enumerate(records):
        (face,) = record["faces"]
        assert face["id"] == track.face
        assert face["state"] == track.states[i]
        assert record["time"] == pytest.approx(track.times[i])
        assert face["emotion"] == track.emotions[i]
        assert face["smile"] == pytest.approx(track.smile[i], abs=1e-5)
        assert list(face["probabilities"].values()) == pytest.approx(track.probabilities[i], abs=1e-5)
        assert list(face["raw_probabilities"].values()) == pytest.approx(track.raw_probabilities[i], abs=1e-5)
        assert np.abs(np.array(face["landmarks"]) - track.landmarks[i]).max() < 0.01
        assert face["box"] == pytest.approx(track.boxes[i], abs=0.01)
        assert face["pose"] == pytest.approx(track.pose[i], abs=1e-4)
    with av.open(str(out)) as container:
        assert len(list(container.decode(video=0))) == 24
    with Image.open(png) as picture:
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 20


def test_results_on_stdout(clip: Path) -> None:
    done = ferkern("video", clip, "--json", "-", "--quiet", "--seconds", "0.3")
    assert (done.returncode, done.stderr) == (0, "")
    assert [r["frame"] for r in lines(done.stdout)] == list(range(9))
    done = ferkern("video", clip, "--csv", "-", "--drop", "every_nth", "--nth", "10")
    assert done.returncode == 0
    rows = done.stdout.splitlines()
    assert rows[0].startswith("frame,time,face,state,x,y,width,height,score,emotion,angry")
    assert [row.split(",")[0] for row in rows[1:]] == ["0", "10", "20"]
    assert "21 frames dropped" in done.stderr


def test_no_face(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", frames(4))
    done = ferkern("video", path, "--timeline", tmp_path / "t.png")
    assert done.returncode == 0
    assert done.stdout == "no face was seen\n"
    assert (tmp_path / "t.png").stat().st_size > 1000


def test_input_that_was_cut_off(clip: Path, tmp_path: Path) -> None:
    """It is named once, what could be read is done, and the exit code says so."""
    whole = clip.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * 7 // 10])
    done = ferkern("video", cut, "--json", tmp_path / "t.jsonl", "-o", tmp_path / "out.mp4")
    assert done.returncode == 1
    assert done.stderr.count("missing at the end") == 1
    assert "Traceback" not in done.stderr
    records = lines((tmp_path / "t.jsonl").read_text())
    assert 5 < len(records) < 24
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(list(container.decode(video=0))) == len(records)


def test_inputs_that_cannot_be_read(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no video")
    for path, words in ((tmp_path / "no.mp4", "No such file"), (text, "not a video"), ("-", "there is no /dev/video0")):
        if path == "-" and Path("/dev/video0").exists():
            continue
        done = ferkern("video", path, "-o", tmp_path / "out.mp4")
        assert done.returncode == 1, done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "out.mp4").exists()


def test_usage(clip: Path, tmp_path: Path) -> None:
    before = clip.read_bytes()
    for arguments, words in (
        (["-o", clip], "this is the input"),
        (["--csv", clip], "this is the input"),
        (["--csv", "-", "--json", "-"], "cannot both go to stdout"),
        (["--csv", tmp_path / "a", "--json", tmp_path / "a"], "the same file"),
        (["-o", "-"], "cannot be written to stdout"),
        (["-o", tmp_path / "no" / "a.mp4"], "No such file or directory"),
        (["-o", tmp_path / "a.xyz"], "output format"),
        (["--csv", tmp_path], "Is a directory"),
        (["--timeline", tmp_path / "a.txt"], "must end in .png"),
        (["--drop", "some"], "drop must be one of"),
        (["--model", "nosuch"], "nosuch"),
        (["--landmarks", "nosuch"], "nosuch"),
        (["--smoothing", "-1"], "smoothing"),
    ):
        done = CliRunner().invoke(app, ["video", str(clip), *map(str, arguments)])
        assert done.exit_code == 2, (arguments, done.stderr)
        assert words in " ".join(done.stderr.replace("│", " ").split()), done.stderr
    assert clip.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C in the middle: the video is whole up to there, lines are whole, no traceback."""
    path = write(tmp_path / "long.mp4", frames(1000))
    out, jsonl = tmp_path / "out.mp4", tmp_path / "t.jsonl"
    command = [sys.executable, "-m", "ferkern.cli", "video", str(path), "-o", str(out), "--json", str(jsonl)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    until = time.monotonic() + 60
    while time.monotonic() < until and not (jsonl.exists() and jsonl.read_text().count("\n") >= 20):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    records = [json.loads(line) for line in jsonl.read_text().splitlines()]
    assert 20 <= len(records) < 1000
    with av.open(str(out)) as container:
        assert len(list(container.decode(video=0))) >= len(records)


def test_example(clip: Path) -> None:
    """examples/smiles.py, as its docstring says."""
    said = run("smiles.py", clip)
    assert "face 0 smiles; light 0." in said
    assert " frames watched, " in said
