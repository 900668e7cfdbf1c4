"""Landmark trees of ferkern's own: growing them, their file, and faces in pictures."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ferkern import _core, image
from ferkern.cli.app import app
from ferkern.config import config
from ferkern.data.landmarks import AnnotatedFace
from ferkern.errors import ModelError
from ferkern.face import landmarks
from ferkern.face.landmark_trees import Crop, LandmarkTrees, cut, read, save
from ferkern.train import landmark_eval
from ferkern.train.face_windows import face_box
from ferkern.train.landmark_recipe import Recipe, Source, train_landmarks
from ferkern.train.landmark_samples import Sampling, detected_box, portrait, samples
from ferkern.train.landmark_trees import TreeConfig, grow_trees

CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
CROP = Crop(side=40, margin=1.6)
SMALL = TreeConfig(levels=4, trees=40, depth=3, pool=60, rank=6, candidates=10, damping=1.0)


def card(rng: np.random.Generator, half: float = 30.0) -> AnnotatedFace:
    """A bright rectangle with a dark bar at its top on a dim ground; its corners are its landmarks."""
    centre = rng.uniform(70, 90, 2)
    sides = half * rng.uniform(0.75, 1.25, 2)
    gray = rng.integers(40, 60, (160, 160)).astype(np.uint8)
    (left, top), (right, bottom) = np.rint(centre - sides).astype(int), np.rint(centre + sides).astype(int)
    gray[top : bottom + 1, left : right + 1] = 200
    gray[top : top + (bottom - top) // 4, left : right + 1] = 120
    points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    x, y, side = face_box(points)
    return AnnotatedFace(gray, points, (x + 0.5, y + 0.5, side, side))


def errors(model: LandmarkTrees, faces: list[AnnotatedFace]) -> float:
    """Mean distance over the box's side."""
    found = [model(face.gray(), np.array([face.box]))[0] for face in faces]
    return float(
        np.mean([np.linalg.norm(f - a.points, axis=1).mean() / a.box[2] for f, a in zip(found, faces, strict=True)])
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    rng = np.random.default_rng(7)
    recipe = Recipe(CROP, Sampling(copies=6, far=20), SMALL)
    return train_landmarks(
        [Source([card(rng) for _ in range(80)])], tmp_path_factory.mktemp("m"), boxes=None, recipe=recipe
    )


def test_trained_trees_find_corners_they_never_saw(trained):
    rng = np.random.default_rng(8)
    faces = [card(rng) for _ in range(20)]
    mean = read(trained).mean
    starts = [np.array(face.box[:2]) - 0.5 + mean * face.box[2] for face in faces]
    away = [np.linalg.norm(f.points - s, axis=1).mean() / f.box[2] for f, s in zip(faces, starts, strict=True)]
    assert errors(LandmarkTrees.load(trained), faces) < 0.35 * np.mean(away)


def test_size_of_the_face_does_not_matter(trained):
    """From 30 pixels to 900: the same place in the box, as far as pixels allow."""
    model, face = LandmarkTrees.load(trained), card(np.random.default_rng(9))
    gray, box = face.gray(), np.array([face.box])
    expected = (model(gray, box)[0] + 0.5) / box[0, 2]
    for side in (60, 320, 1600):
        scaled = image.resize(gray, (side, side), method="area" if side < 160 else "bilinear")
        found = (model(scaled, box * side / 160)[0] + 0.5) / (box[0, 2] * side / 160)
        np.testing.assert_allclose(found, expected, atol=0.03)


def test_faces_at_the_border_tiny_huge_and_outside(trained):
    model, gray = LandmarkTrees.load(trained), card(np.random.default_rng(10)).gray()
    edges = [[-30, -30, 60, 60], [140, 140, 60, 60], [0, 0, 160, 160], [900, 900, 20, 20]]
    sizes = [[50, 50, 1, 1], [-4000, -4000, 8000, 8000], [3.3, 4.4, 0.01, 0.01], [20, 20, 50, 90]]
    boxes = np.array([*edges, *sizes], np.float64)
    found = model(gray, boxes)
    assert found.shape == (8, 4, 2)
    assert np.isfinite(found).all()
    larger = boxes[:, 2:].max(axis=1)
    middle = boxes[:, :2] + boxes[:, 2:] / 2 - 0.5
    assert (np.abs(found - middle[:, None]) <= 2 * larger[:, None, None] + 1e-3).all()
    assert model(gray, boxes[:0]).shape == (0, 4, 2)
    assert model(np.zeros((1, 1), np.uint8), boxes).shape == (8, 4, 2)


def test_many_faces_one_by_one_and_at_once(trained):
    model, gray = LandmarkTrees.load(trained), card(np.random.default_rng(11)).gray()
    boxes = np.column_stack([np.random.default_rng(1).uniform(0, 90, (300, 2)), np.full((300, 2), 60.0)])
    together = model(gray, boxes)
    wrong = []

    def work(part):
        for i in part:
            if not np.array_equal(model(gray, boxes[i : i + 1])[0], together[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(range(k, 300, 3),)) for k in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_wrong_pictures_are_named(trained):
    model = LandmarkTrees.load(trained)
    with pytest.raises(TypeError, match="uint8"):
        model(np.zeros((9, 9), np.float32), np.ones((1, 4)))
    with pytest.raises(ValueError, match=r"gray: shape \[9, 9, 3\]"):
        model(np.zeros((9, 9, 3), np.uint8), np.ones((1, 4)))
    with pytest.raises(ValueError, match="expected finite numbers"):
        model(np.zeros((9, 9), np.uint8), np.array([[0, 0, np.inf, 1]]))


def test_the_same_trees_for_every_number_of_threads():
    rng = np.random.default_rng(12)
    made = samples([([portrait(card(rng), None, 1.0) for _ in range(40)], Sampling(copies=60))], CROP, None, seed=1)
    grown = []
    for threads in (1, 3):
        with config(threads=threads):
            grown.append(grow_trees(made, CROP, replace(SMALL, levels=2, trees=6)))
    for name in ("pairs", "thresholds", "codes", "basis", "units"):
        np.testing.assert_array_equal(getattr(grown[0], name), getattr(grown[1], name))


class Stopped(Exception):
    pass


def test_a_run_that_was_stopped_goes_on(tmp_path):
    rng = np.random.default_rng(13)
    sources = [Source([card(rng) for _ in range(20)]), Source([card(rng) for _ in range(5)], weight=0.5, copies=2)]
    recipe = Recipe(CROP, Sampling(copies=4), replace(SMALL, levels=3, trees=5))
    seen = []

    def stop(level, error, tables):
        seen.append(level)
        if level == 1:
            raise Stopped

    whole = train_landmarks(sources, tmp_path / "whole", boxes=None, recipe=recipe)
    with pytest.raises(Stopped):
        train_landmarks(sources, tmp_path / "cut", boxes=None, recipe=recipe, on_level=stop)
    resumed = train_landmarks(
        sources, tmp_path / "cut", boxes=None, recipe=recipe, resume=True, on_level=lambda *a: seen.append(a[0])
    )
    assert seen == [0, 1, 2]
    assert resumed.read_bytes() == whole.read_bytes()
    other = replace(recipe, trees=replace(recipe.trees, shrinkage=0.2))
    with pytest.raises(ValueError, match="other settings"):
        train_landmarks(sources, tmp_path / "cut", boxes=None, recipe=other, resume=True)
    (tmp_path / "cut" / "landmark_trees.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        train_landmarks(sources, tmp_path / "cut", boxes=None, recipe=recipe, resume=True)


def test_sources_must_agree(tmp_path):
    with pytest.raises(ValueError, match=r"faces of \[\] points"):
        train_landmarks([], tmp_path, boxes=None)
    face = AnnotatedFace(np.zeros((9, 9), np.uint8), np.zeros((5, 2), np.float32))
    with pytest.raises(ValueError, match=r"faces of \[4, 5\] points"):
        train_landmarks([Source([face, card(np.random.default_rng(1))])], tmp_path, boxes=None)


def test_samples_show_what_their_points_say():
    """Turned, shifted, scaled: the bright card lies where the points are."""
    rng = np.random.default_rng(14)
    made = samples(
        [([portrait(card(rng), None, 1.0) for _ in range(5)], Sampling(copies=20, upright=0.3))], CROP, None, seed=2
    )
    left, _, width, _ = CROP.frame
    for crop, shape in zip(made.crops, made.shapes, strict=True):
        pixels = shape * width + left
        middle = pixels.mean(axis=0)
        for share, bright in ((0.75, True), (1.3, False)):
            places = np.rint(middle + share * (pixels[2:] - middle)).astype(int)  # the lower corners
            if (places >= 0).all() and (places < CROP.side).all():
                assert ((crop[places[:, 1], places[:, 0]] > 130) == bright).all()


def test_mirrored_samples_exchange_points():
    rng = np.random.default_rng(15)
    how = Sampling(copies=2, upright=1, little=1e-9, shift=0, zoom=0)
    made = samples([([portrait(card(rng), None, 1.0)], how)], CROP, np.array([1, 0, 3, 2]), seed=1)
    plain, flipped = made.shapes
    np.testing.assert_allclose(flipped[[1, 0, 3, 2]] * [-1, 1] + [1, 0], plain, atol=1e-5)
    np.testing.assert_allclose(made.crops[1, :, ::-1].astype(int), made.crops[0], atol=2)


def test_the_box_of_a_face_among_others():
    points = (CORNERS * 20 + 100).astype(np.float32)
    boxes = np.array([[0, 0, 40, 40], [82, 80, 40, 40], [78, 79, 44, 44], [80, 80, 10, 10]], np.float32)
    np.testing.assert_array_equal(detected_box(points, boxes), boxes[2])
    assert detected_box(points, boxes[:1]) is None
    assert detected_box(points, boxes[:0]) is None


def test_cut_is_the_mean_over_pixels():
    gray = np.random.default_rng(16).integers(0, 256, (100, 100), dtype=np.uint8)
    crops, squares = cut(gray, np.array([[20.0, 30, 40, 20]]), Crop(side=16, margin=1.6))
    np.testing.assert_array_equal(squares, [[8, 8, 64]])
    np.testing.assert_allclose(crops[0], gray[8:72, 8:72].reshape(16, 4, 16, 4).mean(axis=(1, 3)), atol=0.5001)


def test_growing_refuses_what_does_not_fit():
    n, f, k = 40, 6, 3
    rng = np.random.default_rng(17)
    given = {
        "pixels": rng.integers(0, 256, (n, f), dtype=np.uint8),
        "residuals": rng.normal(size=(n, k)).astype(np.float32),
        "weights": np.ones(n, np.float32),
        "positions": rng.random((f, 2), dtype=np.float32),
        "units": np.full(k, 0.01, np.float32),
        "trees": 2,
        "depth": 2,
        "candidates": 3,
        "reach": 0.1,
        "shrinkage": 0.1,
        "damping": 1.0,
        "share": 1.0,
        "seed": 1,
    }
    before = np.square(given["residuals"]).sum()
    pairs, thresholds, codes = _core.trees_grow(**given)
    assert (pairs.shape, thresholds.shape, codes.shape) == ((2, 3), (2, 3), (2, 4, 3))
    assert np.square(given["residuals"]).sum() < before
    for name, value, message in (
        ("weights", np.zeros(n, np.float32), "weights must be finite and above 0"),
        ("weights", np.ones(n - 1, np.float32), r"weights has shape \[39\], expected \[40\]"),
        ("units", np.full(k, np.nan, np.float32), "units must be finite"),
        ("residuals", np.full((n, k), np.inf, np.float32), "residuals must be finite"),
        ("depth", 0, "depth is 0; 1 to 12"),
        ("share", 0.0, "share is 0"),
        ("shrinkage", float("nan"), "shrinkage is nan"),
        ("pixels", np.zeros((0, f), np.uint8), "residuals has shape|samples is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            _core.trees_grow(**{**given, name: value})


def header_of(path: Path) -> tuple[dict, bytes]:
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def write(path: Path, header: dict, body: bytes) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def test_the_file_keeps_every_number(trained, tmp_path):
    tables = read(trained)
    save(tables, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == trained.read_bytes()
    assert tables.crop == CROP
    assert tables.codes.shape == (4, 40, 8, 6)


def test_a_file_cut_anywhere(trained, tmp_path):
    whole, path = trained.read_bytes(), tmp_path / "cut.safetensors"
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match=r"cut\.safetensors: "):
            LandmarkTrees.load(path)


def test_damaged_files_are_named(trained, tmp_path):
    path = tmp_path / "bad.safetensors"
    header, body = header_of(trained)
    own = json.loads(header["__metadata__"]["ferkern"])

    def refused(message, **changes):
        changed = {**header, "__metadata__": {"ferkern": json.dumps({**own, **changes})}}
        write(path, changed, body)
        with pytest.raises(ModelError, match=message):
            LandmarkTrees.load(path)

    refused("crop is", crop={"side": 10**9, "margin": 1.5})
    refused("crop is", crop={"side": 40})
    refused("crop is", crop={"side": 40, "margin": 1e300})
    refused("kind 'network'", kind="network")
    refused("format 2", format=2)
    refused("card must hold texts", card={"a": 1})
    write(path, {name: entry for name, entry in header.items() if name != "__metadata__"}, body)
    with pytest.raises(ModelError, match="not a file of ferkern's"):
        LandmarkTrees.load(path)
    tables = read(trained)
    for name, value, message in (
        ("anchors", tables.anchors + 4, "anchor 0 is point"),
        ("pairs", tables.pairs + 60, "compares pixels"),
        ("pairs", tables.pairs[:, :, :5], r"tensor 'thresholds': \[4, 40, 7\] for LTS, S is 5"),
        ("codes", tables.codes[:, :, :6], "trees of 7 splits have 6 leaves"),
        ("mean", tables.mean * 0, "all points of the mean shape lie on each other"),
        ("units", tables.units.astype(np.float16), "tensor 'units': float16"),
    ):
        arrays = {n: np.ascontiguousarray(getattr(tables, n)) for n in header if n != "__metadata__"}
        from safetensors.numpy import save_file

        save_file({**arrays, name: np.ascontiguousarray(value)}, path, {"ferkern": json.dumps(own)})
        with pytest.raises(ModelError, match=message):
            LandmarkTrees.load(path)


def test_a_second_look_mends_what_the_first_leaves(trained):
    rng = np.random.default_rng(18)
    faces = [card(rng) for _ in range(30)]
    assert errors(LandmarkTrees.load(trained, looks=2), faces) < errors(LandmarkTrees.load(trained, looks=1), faces)
    with pytest.raises(ValueError, match="looks is 3"):
        LandmarkTrees.load(trained, looks=3)


def test_threads_of_a_model_change_nothing(trained):
    face = card(np.random.default_rng(19))
    boxes = np.array([face.box] * 5)
    one, two = (LandmarkTrees.load(trained, threads=n)(face.gray(), boxes) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_landmarks_load_knows_trees(trained, tmp_path):
    assert isinstance(landmarks.load(trained), LandmarkTrees)
    (tmp_path / "x.dat").write_bytes(b"")
    with pytest.raises(ModelError, match=r"x\.dat"):
        landmarks.load(tmp_path / "x.dat")


def eyes(rng: np.random.Generator) -> AnnotatedFace:
    """A face of 68 points, of which a model that always answers the box's corners is judged."""
    points = rng.uniform(30, 70, (68, 2)).astype(np.float32)
    points[36], points[45] = (40, 50), (60, 50)
    return AnnotatedFace(np.full((100, 100), 9, np.uint8), points)


def test_scores_are_distances_over_that_of_the_eyes():
    faces = [eyes(np.random.default_rng(i)) for i in range(3)]
    truth = iter([face.points for face in faces for _ in range(3)])

    def model(gray, boxes):
        return next(truth)[None] + np.array([3, 4], np.float32)

    found = landmark_eval.score(model, faces, detect=lambda gray: np.zeros((0, 4), np.float32))
    np.testing.assert_allclose(found.errors, 5 / 20, rtol=1e-5)
    assert found.missed == 3
    assert "mean error 25.00%" in found.text()
    assert "faces above 10%: 100.0%" in found.text()
    assert landmark_eval.error_picture(found, faces, title="x").size == (1000, 1000)
    assert landmark_eval.contact_sheet(found, faces).size[0] == 8 * 220
    with pytest.raises(ValueError, match="no faces"):
        landmark_eval.score(model, [], detect=lambda gray: np.zeros((0, 4), np.float32))


def test_turned_pictures_take_their_points_along():
    face = card(np.random.default_rng(20))
    for degrees in (-40, 15, 90):
        other = landmark_eval.turned(face, degrees)
        middle = other.points.mean(axis=0)
        inside = np.rint(middle + 0.8 * (other.points[2:] - middle)).astype(int)
        outside = np.rint(middle + 1.2 * (other.points[2:] - middle)).astype(int)
        assert (other.gray()[inside[:, 1], inside[:, 0]] > 130).all()
        assert (other.gray()[outside[:, 1], outside[:, 0]] < 100).all()


def test_train_and_evaluate_from_the_command_line(tmp_path, monkeypatch):
    from ferkern.train import landmark_recipe

    monkeypatch.setattr(
        landmark_recipe, "Recipe", lambda: Recipe(CROP, Sampling(copies=2), replace(SMALL, levels=1, trees=2))
    )
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(10):
        face = eyes(np.random.default_rng(i))
        Image.fromarray(face.gray()).save(folder / f"{i}.png")
        lines = "\n".join(f"{x + 1} {y + 1}" for x, y in face.points)
        (folder / f"{i}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")
    out = tmp_path / "out"
    run = CliRunner().invoke(
        app, ["train", "landmarks68_trees", "--path", str(folder), "--also", f"{folder}=0.5", "--out", str(out)]
    )
    assert run.exit_code == 0, run.output
    assert "2 faces, 2 of them missed" in run.output
    weights = out / "landmarks68_trees.safetensors"
    landmark_eval.main([str(folder), "--model", str(weights), "--turn", "0", "30", "--out", str(out)])
    assert Image.open(out / "errors.png").size == (1000, 1000)
    assert (out / "examples.png").is_file()
    for wrong, message in ((["--also", "x=-1"], "expected PATH=WEIGHT"), (["--epochs", "3"], "has no option --epochs")):
        run = CliRunner().invoke(app, ["train", "landmarks68_trees", "--path", str(folder), "--out", str(out), *wrong])
        assert run.exit_code == 2
        assert message in run.output


def test_reading_and_training_need_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import ferkern.train.landmark_recipe, ferkern.train.landmark_eval, ferkern.cli.train_landmarks\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
