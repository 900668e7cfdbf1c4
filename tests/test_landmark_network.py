"""Landmarks by the network: where they lie, what moves with the picture, and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from PIL import Image

from ferkern import image, models
from ferkern.errors import ModelError
from ferkern.face.detect import Detector
from ferkern.face.landmark_network import LandmarkNetwork
from ferkern.face.landmarks import MIRRORED_68, load
from ferkern.models.builder import GraphBuilder
from ferkern.train.face_windows import is_held_out

EYES = (36, 45)


@pytest.fixture(scope="module")
def model():
    return load("network", threads=1)


@pytest.fixture(scope="module")
def portrait():
    skimage_data = pytest.importorskip("skimage.data")
    gray = np.asarray(Image.fromarray(skimage_data.astronaut()).convert("L"))
    return gray, Detector.load().detect(gray).boxes[:1].astype(np.float64)


def error(found, points):
    """Mean distance over that of the outer eye corners."""
    eyes = np.linalg.norm(points[EYES[0]] - points[EYES[1]])
    return np.linalg.norm(found - points, axis=1).mean() / eyes


def test_the_face_of_a_portrait(model, portrait):
    gray, boxes = portrait
    (points,) = model(gray, boxes)
    assert points.shape == (68, 2)
    assert points.dtype == np.float32
    x, y, side, _ = boxes[0]
    assert (points > (x - 0.1 * side, y - 0.1 * side)).all()
    assert (points < (x + 1.1 * side, y + 1.2 * side)).all()
    left_eye, right_eye, mouth = points[36:42].mean(0), points[42:48].mean(0), points[48:68].mean(0)
    assert left_eye[0] < mouth[0] < right_eye[0]
    assert max(left_eye[1], right_eye[1]) < points[30, 1] < mouth[1] < points[8, 1]


def test_mirroring_the_picture_mirrors_the_points(model, portrait):
    gray, boxes = portrait
    points = model(gray, boxes)[0]
    width = gray.shape[1]
    mirrored = boxes.copy()
    mirrored[:, 0] = width - boxes[:, 0] - boxes[:, 2]
    found = model(np.ascontiguousarray(gray[:, ::-1]), mirrored)[0][MIRRORED_68]
    found[:, 0] = width - 1 - found[:, 0]
    assert error(found, points) < 0.05


def test_points_move_with_the_picture_and_scale_with_it(model, portrait):
    gray, boxes = portrait
    points = model(gray, boxes)[0]
    padded = np.pad(gray, ((40, 0), (25, 0)), mode="edge")
    moved = np.array([25, 40, 0, 0])
    np.testing.assert_allclose(model(padded, boxes + moved)[0], points + moved[:2], atol=0.02)
    twice = np.repeat(np.repeat(gray, 2, axis=0), 2, axis=1)
    assert error(model(twice, 2 * boxes)[0], 2 * points + 0.5) < 0.01


def test_every_row_is_its_own(model, portrait):
    gray, boxes = portrait
    many = np.repeat(boxes, 21, axis=0) + np.linspace(-4, 4, 21)[:, None] * (1, 1, 0, 0)
    found = model(gray, many)
    for row in (0, 10, 20):
        np.testing.assert_allclose(model(gray, many[row : row + 1])[0], found[row], atol=1e-3)
    assert model(gray, np.zeros((0, 4))).shape == (0, 68, 2)


@pytest.mark.parametrize("box", [(-200, -150, 300, 300), (480, 480, 400, 400), (250, 100, 2, 2), (0, 0, 5000, 5000)])
def test_boxes_over_the_edge_tiny_and_huge_give_finite_points(model, portrait, box):
    assert np.isfinite(model(portrait[0], np.array([box], np.float32))).all()


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (np.zeros((2, 3)), r"boxes: shape \[2, 3\], expected \[n, 4\]"),
        (np.array([[0.0, 0, 0, 5]]), "sizes above 0"),
        (np.array([[np.nan, 0, 5, 5]]), "finite"),
    ],
)
def test_wrong_boxes_are_refused(model, portrait, boxes, message):
    with pytest.raises(ValueError, match=message):
        model(portrait[0], boxes)


def test_looks_below_one_are_refused():
    with pytest.raises(ValueError, match="looks must be at least 1, is 0"):
        LandmarkNetwork(looks=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"landmarks.template": None}, "'landmarks.template' is not there"),
        ({"landmarks.template": np.zeros((68, 3), np.float32)}, r"'landmarks.template' has shape \[68, 3\]"),
        ({"landmarks.template": np.zeros((5, 2), np.float32)}, r"output \[136\], expected .* 10 outputs for 5 points"),
        ({"landmarks.framing": np.array([0, 0], np.float32)}, r"'landmarks.framing' is \[0.0, 0.0\]"),
    ],
)
def test_a_file_without_what_surrounds_the_network_is_a_model_error(change, message):
    network = models.load("landmarks68_net")
    weights = {name: w for name, w in {**network.weights, **change}.items() if w is not None}
    with pytest.raises(ModelError, match=message):
        LandmarkNetwork(replace(network, weights=weights))


def test_a_classifier_is_no_landmark_network():
    with pytest.raises(ModelError, match=r"fer_small: tensor 'landmarks\.template' is not there"):
        LandmarkNetwork("fer_small")


def test_any_number_of_points(rng):
    from ferkern.face.landmark_network import attach

    g = GraphBuilder("five", (1, 16, 16))
    g.dense(g.flatten("input"), 10)
    network = attach(g.finish(classes=()), template=rng.normal(0, 0.2, (5, 2)), framing=(1.2, 0.1))
    network.preprocessing = {"size": [16, 16], "channels": 1, "normalization": "per_image", "epsilon": 1.0}
    gray = rng.integers(0, 256, (60, 60), dtype=np.uint8)
    assert LandmarkNetwork(network)(gray, np.array([[10.0, 10, 30, 30]])).shape == (1, 5, 2)


def test_the_card_names_the_file():
    folder = resources.files("ferkern.models") / "weights"
    digest = hashlib.sha256((folder / "landmarks68_net.safetensors").read_bytes()).hexdigest()
    assert f"`{digest}`" in (folder / "landmarks68_net.md").read_text()


@pytest.mark.slow
@pytest.mark.dataset
def test_held_out_faces_are_found_as_the_card_says(model, data):
    stored = np.load(data / "landmarks68" / "points68.npz")
    detector = Detector.load()
    errors = []
    for place, row in enumerate(np.argsort(stored["names"])):
        if not is_held_out(place) or place % 3:
            continue
        points = stored["points"][row]
        gray = np.asarray(Image.open(data / "landmarks68" / "images" / str(stored["names"][row])).convert("L"))
        boxes = detector.detect(gray).boxes.astype(np.float64)
        away = np.linalg.norm(boxes[:, :2] + boxes[:, 2:] / 2 - points.mean(0), axis=1)
        extent = (points.max(0) - points.min(0)).max()
        if len(away) and away.min() < 0.35 * extent:
            errors.append(error(model(gray, boxes[[away.argmin()]])[0], points))
    assert len(errors) >= 68
    assert np.mean(errors) < 0.055


def test_mirrored_points_are_an_involution_that_swaps_sides():
    np.testing.assert_array_equal(MIRRORED_68[MIRRORED_68], np.arange(68))
    assert MIRRORED_68[[0, 8, 17, 30, 36, 48, 60]].tolist() == [16, 8, 26, 30, 45, 54, 64]


def test_a_similarity_is_found_again(rng):
    points = rng.normal(0, 10, (7, 68, 2))
    angle, scale, shift = rng.uniform(-3, 3, 7), rng.uniform(0.1, 9, 7), rng.normal(0, 100, (7, 2))
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    matrices = np.stack([np.stack([c, -s, shift[:, 0]], 1), np.stack([s, c, shift[:, 1]], 1)], 1)
    moved = image.transform_points(matrices, points)
    np.testing.assert_allclose(image.fit_similarity(points, moved), matrices, atol=1e-10)
    inverse = image.invert(matrices)
    np.testing.assert_allclose(image.transform_points(inverse, moved), points, atol=1e-10)
    identity = image.compose(inverse, matrices)
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(2, 3), (7, 2, 3)), atol=1e-10)


def test_a_similarity_is_the_least_squares_one(rng):
    points, target = rng.normal(size=(68, 2)), rng.normal(size=(68, 2))
    rows = np.zeros((136, 4))
    rows[0::2] = np.c_[points[:, 0], -points[:, 1], np.ones(68), np.zeros(68)]
    rows[1::2] = np.c_[points[:, 1], points[:, 0], np.zeros(68), np.ones(68)]
    a, b, x, y = np.linalg.lstsq(rows, target.reshape(-1), rcond=None)[0]
    np.testing.assert_allclose(image.fit_similarity(points, target), [[a, -b, x], [b, a, y]], atol=1e-12)
