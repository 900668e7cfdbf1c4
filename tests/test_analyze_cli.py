"""``ferkern analyze`` from the command line, and its pictures."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from command import ferkern
from moving_faces import faces, phases, write_tracks

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tracks of two files, the second with a face of three frames, and labels."""
    path = tmp_path_factory.mktemp("cli")
    smile, emotions = phases(12, 15)
    noise = np.random.default_rng(0).normal(0, 0.05, (2, len(smile)))
    write_tracks(path / "a.csv", {0: faces(smile + noise[0], noise[1], seed=1)}, emotions=emotions)
    write_tracks(
        path / "b.csv", {0: faces(smile[:60], noise[0, :60], seed=2), 4: faces(smile[:3], smile[:3])}, emotions=emotions
    )
    (path / "labels.csv").write_text(
        "first,last,label,file\n" + "".join(f"{15 * i},{15 * i + 14},{'ab'[i % 2]},a.csv\n" for i in range(12))
    )
    return path


def test_everything_is_written(folder):
    out = folder / "out" / "deeper"
    done = ferkern("analyze", "a.csv", "b.csv", "--out", out, "--block", "0.6", "--json", "-", cwd=folder)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record == json.loads((out / "analysis.json").read_text())
    assert [(each["file"], each["face"], each["frames"]) for each in record["recordings"]] == [
        ("a.csv", 0, 180),
        ("b.csv", 0, 60),
        ("b.csv", 4, 3),
    ]
    assert record["labels"]["source"] == "what the expression network said, not people"
    assert [each["split"] for each in record["evaluation"]] == ["time blocks", "recordings"]
    assert record["evaluation"][0]["accuracy"] > 0.95
    assert record["evaluation"][0]["baseline"] == pytest.approx(123 / 243)
    assert len(record["groups"]["of_points"]) == 68
    text = (out / "analysis.txt").read_text()
    assert "a.csv, face 0: 180 frames, 0.00 to 7.16 s" in text
    assert max(map(len, text.splitlines())) <= 120
    rows = list(csv.DictReader((out / "frames.csv").open()))
    assert len(rows) == record["frames"] == 243
    assert (rows[179]["file"], rows[179]["frame"], rows[179]["label"]) == ("a.csv", "179", "happy")
    assert {"cluster", "component_1"} <= set(rows[0])
    pictures = sorted(each.name for each in out.glob("*.png"))
    assert pictures == [
        "confusion_recordings.png",
        "confusion_time_blocks.png",
        "groups.png",
        "modes.png",
        "spectrum.png",
        "trajectories.png",
        "tree.png",
        "tsne.png",
    ]
    for name in pictures:
        pixels = np.asarray(Image.open(out / name).convert("L"))
        assert min(pixels.shape) >= 350, name
        assert max(pixels.shape) <= 2500, name
        assert 0.005 < (pixels < 200).mean() < 0.5, name  # neither empty nor covered


def test_labels_of_ones_own_and_one_face(folder):
    done = ferkern(
        "analyze", "a.csv", "--labels", "labels.csv", "--face", "0", "--no-tsne", "--block", "0.6", "--seed", "3",
        cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Labels: given by labels.csv\n  a 90, b 90, of 180 frames" in done.stdout
    assert "Decision tree that tells the labels" in done.stdout
    assert "seed 3" in done.stdout
    assert done.stderr == ""


def test_one_label_and_one_component_draw_what_there_is(folder, tmp_path):
    from ferkern.analyze import Options, analyze
    from ferkern.analyze.pictures import draw_all

    smile = np.sin(np.arange(40) / 3)
    path = write_tracks(tmp_path / "t$^$.csv", {1: faces(smile, smile**2)}, emotions=["happy"] * 40)  # no formula
    done = analyze([path], options=Options(components=1, tsne=False))
    (tmp_path / "tree.png").write_bytes(b"of an earlier analysis")
    (tmp_path / "mine.png").write_bytes(b"of somebody else")
    written = {each.name for each in draw_all(done, tmp_path)}
    assert written == {"spectrum.png", "trajectories.png", "modes.png", "groups.png"}
    assert {each.name for each in tmp_path.glob("*.png")} == written | {"mine.png"}
    assert "happy 40 of 40 frames" in done.notes[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "none.csv: cannot be read: No such file"),
        (["labels.csv"], "labels.csv: line 1: column 1 is 'first', in a table of tracks 'frame'"),
        (["b.csv", "--face", "4"], "3 frames with landmarks, at least 10 are needed"),
        (["a.csv", "--labels", "a.csv"], "a.csv: line 1: the columns are 'frame,time"),
        (["a.csv", "--clusters", "999"], "clusters must be 1 to 180"),
        (["a.csv", "--block", "0"], "--block 0.0: must be a positive number of seconds"),
        (["a.csv", "--json", "nowhere/x.json"], "there is no folder"),
        (["a.csv", "--out", "a.csv"], "--out a.csv: File exists"),
        ([], "Missing argument"),
    ],
)
def test_wrong_use_is_told(arguments, message, folder, monkeypatch):
    from typer.testing import CliRunner

    from ferkern.cli.app import app

    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "400")
    done = CliRunner().invoke(app, ["analyze", *arguments])
    assert done.exit_code == 2
    assert message in done.output
