"""The detector that comes with ferkern."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferkern.errors import ModelError
from ferkern.face.detect import Detector
from ferkern.models import store


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load()


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    from skimage import data

    return np.asarray(Image.fromarray(data.astronaut()).convert("L"))


def is_hit(box: np.ndarray, points: np.ndarray) -> bool:
    """Centre within 0.35 e of the points' mean, width from 0.5 e to 2 e; e the larger side of the points' box."""
    extent = float((points.max(0) - points.min(0)).max())
    distance = np.hypot(*(box[:2] + box[2:] / 2 - points.mean(0)))
    return bool(distance <= 0.35 * extent and 0.5 * extent <= box[2] <= 2 * extent)


def test_one_face_on_each_portrait(detector, portrait):
    import matplotlib

    hopper = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    for gray, centre, width in (
        (portrait, (223, 117), 105),
        (np.asarray(Image.open(hopper).convert("L")), (255, 210), 215),
    ):
        found = detector.detect(gray)
        assert len(found) == 1, found
        x, y, w, h = found.boxes[0]
        assert w == h
        assert np.hypot(x + w / 2 - centre[0], y + h / 2 - centre[1]) < 0.3 * width
        assert 0.65 < w / width < 1.6
        assert 0.5 <= found.scores[0] <= 1.0
        assert found.boxes.dtype == found.scores.dtype == np.float32


def test_sizes_bound_the_search(detector, portrait):
    assert len(detector.detect(portrait, max_size=60)) == 0
    assert len(detector.detect(portrait, min_size=250)) == 0
    assert len(detector.detect(portrait, min_size=600)) == 0
    assert len(detector.detect(portrait, min_size=(60, 60), max_size=(220, 220), scale_factor=1.15)) == 1
    assert len(detector.detect(portrait, threshold=0.0)) >= 1


def test_small_flat_and_long_pictures(detector):
    for shape in ((1, 1), (23, 500), (29, 29), (64, 64), (30, 20_000)):
        assert len(detector.detect(np.full(shape, 90, np.uint8))) == 0


def test_strided_rows_give_the_same_boxes(detector, portrait):
    wide = np.zeros((512, 700), np.uint8)
    wide[:, 100:612] = portrait
    np.testing.assert_array_equal(detector.detect(wide[:, 100:612]).boxes, detector.detect(portrait).boxes)


def test_one_detector_serves_many_threads(detector, portrait):
    parts = [np.ascontiguousarray(portrait[: 300 + 20 * i, : 400 + 10 * i]) for i in range(6)]
    alone = [detector.detect(p) for p in parts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(detector.detect, parts * 4))
    for i, found in enumerate(together):
        np.testing.assert_array_equal(found.boxes, alone[i % 6].boxes)
        np.testing.assert_array_equal(found.scores, alone[i % 6].scores)


def test_weights_are_small_and_damage_is_named(tmp_path):
    weights = Path(store.__file__).parent / "weights" / "frontal.safetensors"
    assert weights.stat().st_size <= 400_000
    whole = weights.read_bytes()
    for length in range(0, len(whole), len(whole) // 40):
        path = tmp_path / "cut.safetensors"
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="cut"):
            Detector.load(path)
    network = store.load(weights)
    for name, tensor in list(network.weights.items()):
        if name.startswith("cascade.") or name == "fusion":
            network.weights[name] = tensor[..., :-1] if tensor.size > 1 else tensor + 0.5
            store.save(network, tmp_path / "odd.safetensors")
            with pytest.raises(ModelError, match=r"odd\.safetensors|face_verifier|frontal"):
                Detector.load(tmp_path / "odd.safetensors")
            network.weights[name] = tensor
    with pytest.raises(ValueError, match="neither a file nor a shipped"):
        Detector.load("profile")


@pytest.mark.dataset
@pytest.mark.slow
def test_faces_that_were_held_out_are_found(detector, data):
    stored = np.load(data / "landmarks68" / "points68.npz")
    held_out = np.argsort(stored["names"])[::5]
    hits = 0
    for index in held_out:
        gray = np.asarray(Image.open(data / "landmarks68" / "images" / str(stored["names"][index])).convert("L"))
        hits += any(is_hit(box, stored["points"][index]) for box in detector.detect(gray).boxes)
    assert hits / len(held_out) >= 0.95


@pytest.mark.dataset
@pytest.mark.slow
def test_pictures_without_faces_that_were_held_out(detector, data):
    held_out = sorted((data / "no_faces" / "images").iterdir())[::5]
    boxes = sum(len(detector.detect(np.asarray(Image.open(path).convert("L")))) for path in held_out)
    assert boxes / len(held_out) <= 0.05
