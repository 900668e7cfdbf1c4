"""Smile or not: readers of labels, the measures, and `ferkern eval smile` from photographs to figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import ferkern as fk
from ferkern import evaluate
from ferkern.chart import roc_picture
from ferkern.cli.app import app
from ferkern.cli.demo import portraits
from ferkern.cli.evaluate_smile import _was_trained_on
from ferkern.data import read_smiles
from ferkern.face.smile import SmileHead, SmileStage, smile_network

# -- measures ----------------------------------------------------------------------


def test_curve_by_hand() -> None:
    """Positives .9 .5 .5, negatives .5 .2: thresholds .9, .5, .2."""
    positive = np.array([True, True, False, True, False])
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.2])
    roc = evaluate.roc_curve(positive, scores)
    np.testing.assert_allclose(roc.thresholds, [np.inf, 0.9, 0.5, 0.2])
    np.testing.assert_allclose(roc.true_positives, [0, 1 / 3, 1, 1])
    np.testing.assert_allclose(roc.false_positives, [0, 0, 0.5, 1])


def test_area_is_that_of_the_ranks() -> None:
    rng = np.random.default_rng(1)
    scores = np.round(rng.random(500), 2)
    positive = rng.random(500) < scores
    roc = evaluate.roc_curve(positive, scores)
    width = np.diff(roc.false_positives)
    area = (width * (roc.true_positives[1:] + roc.true_positives[:-1]) / 2).sum()
    assert area == pytest.approx(evaluate.area_under_curve(positive, scores), abs=1e-12)


def test_missing_answers_are_errors_and_score_one_half() -> None:
    positive = np.array([True, True, False, False])
    result = evaluate.score_binary(positive, np.array([0.9, np.nan, 0.1, np.nan]))
    assert result.accuracy == 0.5
    assert result.auc == pytest.approx(3.5 / 4)  # .9 beats .1 and .5; .5 beats .1 and ties with .5


@pytest.mark.parametrize(
    ("positive", "scores", "message"),
    [
        ([True, True], [0.1, 0.2], "2 of 2 examples are positive"),
        ([False, False], [0.1, 0.2], "0 of 2 examples are positive"),
        ([True, False], [0.1], r"positive \[2\] and probabilities \[1\]"),
    ],
)
def test_what_has_no_curve(positive: list[bool], scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate.score_binary(np.array(positive), np.array(scores))


def test_roc_picture() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random(300)
    each = evaluate.score_binary(rng.random(300) < scores, scores)
    image = roc_picture({"smile head": each, "happy alone": each}, title="Smiles", note="300 photographs")
    assert image.width > 800
    assert image.height > 800


# -- readers ----------------------------------------------------------------------

GENKI = "1 0.1 -0.2 0.3\n0 0 0 0\n"
TABLE = "file,smile,yaw,pitch,roll\na.jpg,1,0.1,-0.2,0.3\nb.jpg,0,0,0,0\n"
CELEBA = "2\nArched_Eyebrows Smiling Young\n000001.jpg -1  1  1\n000002.jpg  1 -1 -1\n"


def test_genki_in_both_forms(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(GENKI)
    original = read_smiles(tmp_path, "genki4k")
    assert [p.relative_to(tmp_path).as_posix() for p in original.paths] == ["files/file0001.jpg", "files/file0002.jpg"]
    (tmp_path / "labels.csv").write_text(TABLE)
    table = read_smiles(tmp_path / "labels.csv", "genki4k")
    assert [p.relative_to(tmp_path).as_posix() for p in table.paths] == ["images/a.jpg", "images/b.jpg"]
    for found in (original, table):
        assert found.smiles.tolist() == [True, False]
        assert found.pose is not None
        np.testing.assert_allclose(found.pose, [[0.1, -0.2, 0.3], [0, 0, 0]])


def test_folders(tmp_path: Path) -> None:
    for name in ("Smile/a.jpg", "Smile/deep/b.png", "not/c.jpg", "other/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = read_smiles(tmp_path, "folder")
    assert {p.name: s for p, s in zip(found.paths, found.smiles.tolist(), strict=True)} == {
        "a.jpg": True,
        "b.png": True,
        "c.jpg": False,
    }


@pytest.mark.parametrize("inside", [".", "Anno"])
def test_celeba(tmp_path: Path, inside: str) -> None:
    (tmp_path / inside).mkdir(exist_ok=True)
    (tmp_path / inside / "list_attr_celeba.txt").write_text(CELEBA)
    pictures = tmp_path / ("Img/img_align_celeba" if inside == "Anno" else "img_align_celeba")
    pictures.mkdir(parents=True)
    found = read_smiles(tmp_path, "celeba")
    assert [p.resolve() for p in found.paths] == [pictures / "000001.jpg", pictures / "000002.jpg"]
    assert found.smiles.tolist() == [True, False]


@pytest.mark.parametrize(
    ("form", "name", "text", "message"),
    [
        ("genki4k", "labels.txt", "1 0 0\n", r"labels\.txt: line 1: '1 0 0' is not smile"),
        ("genki4k", "labels.txt", "1 0 0 0\n2 0 0 0\n", r"line 2: '2 0 0 0'"),
        ("genki4k", "labels.txt", "1 0 nan 0\n", "line 1"),
        ("genki4k", "labels.txt", "1 0 0 0\n\n1 0 0 0\n", "line 2: ''"),
        ("genki4k", "labels.txt", "", "holds no labelled pictures"),
        ("genki4k", "labels.csv", "file,smile\na.jpg,1\n", r"header lacks the column\(s\) yaw, pitch, roll"),
        ("genki4k", "labels.csv", TABLE + "c.jpg,1,x,0,0\n", r"row 3: '1 x 0 0'"),
        ("genki4k", "labels.csv", TABLE + "c.jpg,1\n", "row 3"),
        ("genki4k", "labels.csv", TABLE + "../../c.jpg,1,0,0,0\n", r"row 3: '\.\./\.\./c\.jpg' is not the name"),
        ("celeba", "list_attr_celeba.txt", "two\nSmiling\n", r"line 1: 'two' is not the number"),
        ("celeba", "list_attr_celeba.txt", "1\nYoung\na.jpg 1\n", "line 2 has no attribute Smiling"),
        ("celeba", "list_attr_celeba.txt", "1\nSmiling\na.jpg 2\n", "line 3: 'a.jpg 2'"),
        ("celeba", "list_attr_celeba.txt", "1\nSmiling\na.jpg 1 1\n", "line 3"),
        ("celeba", "list_attr_celeba.txt", "3\nSmiling\na.jpg 1\n", "line 1 says 3 pictures, there are 1"),
        ("celeba", "list_attr_celeba.txt", "", "line 1"),
        ("folder", "smile", None, r"needs a folder smile/ and a folder not/"),
        ("genki4k", "other.txt", "", r"has no labels\.csv or labels\.txt"),
    ],
)
def test_damaged_labels(tmp_path: Path, form: str, name: str, text: str | None, message: str) -> None:
    (tmp_path / "img_align_celeba").mkdir()
    if text is None:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_smiles(tmp_path, form)


def test_labels_that_are_no_text(tmp_path: Path) -> None:
    for form, name in (("genki4k", "labels.txt"), ("genki4k", "labels.csv"), ("celeba", "list_attr_celeba.txt")):
        folder = tmp_path / f"{form}-{name}"
        (folder / "img_align_celeba").mkdir(parents=True)
        (folder / name).write_bytes(b"\xff\xfe\x00\x80" * 20)
        with pytest.raises(ValueError, match=r"not text|line 1|header lacks"):
            read_smiles(folder, form)
    with pytest.raises(ValueError, match="nowhere: no such file"):
        read_smiles(tmp_path / "nowhere", "genki4k")
    with pytest.raises(ValueError, match="form must be one of genki4k, folder, celeba, is 'lfw'"):
        read_smiles(tmp_path, "lfw")


@pytest.mark.parametrize("length", range(0, 80, 7))
def test_cut_off_anywhere(tmp_path: Path, length: int) -> None:
    """A label file that ends too early is an error or has fewer rows; nothing else happens."""
    (tmp_path / "img_align_celeba").mkdir()
    for form, name, text in (("genki4k", "labels.csv", TABLE), ("celeba", "list_attr_celeba.txt", CELEBA)):
        (tmp_path / name).write_text(text[:length])
        try:
            assert len(read_smiles(tmp_path, form)) < 3
        except ValueError as error:
            assert str(tmp_path) in str(error)  # noqa: PT017


# -- the command ----------------------------------------------------------------------


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    for name in ("smile", "not"):
        (tmp_path / name).mkdir()
    with Image.open(portraits()["Eileen Collins"]) as image:
        image.convert("RGB").save(tmp_path / "smile" / "a.png")
    Image.new("L", (60, 60)).save(tmp_path / "not" / "blank.png")
    return tmp_path


def test_command(labelled: Path, tmp_path: Path) -> None:
    out, drawn = tmp_path / "s.json", tmp_path / "s.png"
    command = ["eval", "smile", "--dataset", "folder", "--path", str(labelled), "--landmarks", "none"]
    done = CliRunner().invoke(app, [*command, "--json", str(out), "--picture", str(drawn)])
    assert done.exit_code == 0, done.output
    assert "faces found in 50.00%" in done.output
    record = json.loads(out.read_text())
    assert (record["n"], record["smiling"], record["found"], record["unreadable"]) == (2, 1, 0.5, 0)
    assert record["happy"]["accuracy"] == 0.5  # the blank picture has no face: an error
    assert record["happy"]["auc"] == 1.0
    assert record["trained_on_these"] is False
    with Image.open(drawn) as image:
        assert image.width > 800


def test_broken_pictures_are_named(labelled: Path) -> None:
    (labelled / "not" / "broken.jpg").write_text("no picture")
    command = ["eval", "smile", "--dataset", "folder", "--path", str(labelled), "--landmarks", "none", "--json", "-"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "broken.jpg" in done.stderr
    assert json.loads(done.stdout)["unreadable"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["eval", "smile", "--path", "."], "--dataset"),
        (["eval", "fer2013", "--path", ".", "--dataset", "folder"], "--dataset"),
        (["eval", "smile", "--path", "nowhere", "--dataset", "genki4k"], "nowhere"),
    ],
)
def test_usage(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert words in done.output


def test_the_report_knows_what_the_head_was_trained_on() -> None:
    recognizer = fk.Recognizer(smile=False)
    assert not _was_trained_on(recognizer, "genki4k")
    head = smile_network(np.ones(128), 0.0, metadata={"features": "fer_small", "data": "genki4k"})
    recognizer.smile = SmileStage(SmileHead(head))
    assert _was_trained_on(recognizer, "genki4k")
    assert not _was_trained_on(recognizer, "celeba")
    assert not _was_trained_on(recognizer, "folder")


@pytest.mark.dataset
@pytest.mark.slow
def test_happy_on_genki(data: Path, tmp_path: Path) -> None:
    """Across data sets: the expression network, which never saw these labels, on every tenth photograph."""
    header, *rows = (data / "genki4k" / "labels.csv").read_text().splitlines()
    (tmp_path / "labels.csv").write_text("\n".join([header, *rows[::10]]) + "\n")
    (tmp_path / "images").symlink_to(data / "genki4k" / "images")
    done = CliRunner().invoke(
        app, ["eval", "smile", "--dataset", "genki4k", "--path", str(tmp_path), "--json", "-", "--quiet"]
    )
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["n"] == 300
    assert record["found"] >= 0.985
    assert record["happy"]["auc"] >= 0.93
    assert max(record["pose_mean_error_degrees"].values()) < 6
