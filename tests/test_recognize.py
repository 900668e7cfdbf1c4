"""From pictures to faces: places, crops, probabilities, and that every way in gives the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ferkern as fk
from faces import FixedDetector
from ferkern import models, pictures
from ferkern.cli.demo import portraits
from ferkern.face.expression import SIDE, ExpressionClassifier, Framing, crop
from ferkern.face.stages import FaceBatch

WHOLE = Framing(side=1.0, dx=0.0, dy=0.0)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    with Image.open(portraits()["Eileen Collins"]) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def expected(astronaut: np.ndarray) -> fk.Face:
    faces = fk.recognize(astronaut)
    assert len(faces) == 1
    return faces[0]


def test_one_face(astronaut: np.ndarray, expected: fk.Face) -> None:
    x, y, width, height = expected.box
    assert 195 < x + width / 2 < 250  # the nose is at about (222, 121), the face about 90 pixels wide
    assert 85 < y + height / 2 < 145
    assert 60 < width < 150
    assert tuple(expected.probabilities) == fk.models.CLASSES
    assert sum(expected.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert expected.emotion == "happy"  # a broad smile
    assert expected.probabilities["happy"] == max(expected.probabilities.values())
    assert expected.aligned
    assert expected.landmarks is not None
    assert np.linalg.norm(expected.landmarks[33] - (224, 133)) < 5  # under the nose
    assert expected.pose is not None
    assert np.abs(expected.pose).max() < np.deg2rad(12)
    (plain,) = fk.recognize(astronaut, landmarks=None)
    assert (plain.landmarks, plain.pose, plain.aligned, plain.smile) == (None, None, False, None)
    assert plain.box == expected.box


def test_every_way_in_gives_the_same(astronaut: np.ndarray, expected: fk.Face, tmp_path: Path) -> None:
    path = tmp_path / "astronaut.png"
    Image.fromarray(astronaut).save(path)
    opaque = np.dstack([astronaut, np.full(astronaut.shape[:2], 255, np.uint8)])
    for source in (path, str(path), Image.fromarray(astronaut), opaque, pictures.read(path)):
        assert fk.recognize(source) == [expected]
    assert fk.recognize((astronaut,)) == [[expected]]
    assert fk.recognize([]) == []


def test_several_pictures(astronaut: np.ndarray, expected: fk.Face) -> None:
    first, second, third = fk.recognize([astronaut, astronaut[24:, 24:], np.zeros((50, 60), np.uint8)])
    assert (len(first), len(second), len(third)) == (1, 1, 0)
    assert first[0].box == expected.box
    assert first[0].probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    assert np.add(second[0].box, (24, 24, 0, 0)) == pytest.approx(expected.box, abs=8)


def test_coordinates_are_upright(astronaut: np.ndarray, expected: fk.Face, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.png"
    Image.fromarray(np.rot90(astronaut)).save(path, exif=exif)
    assert fk.recognize(path) == [expected]


def test_coordinates_are_those_of_the_full_picture(
    astronaut: np.ndarray, expected: fk.Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = np.repeat(np.repeat(astronaut, 2, axis=0), 2, axis=1)
    monkeypatch.setattr(pictures, "WORKING_PIXELS", astronaut.shape[0] * astronaut.shape[1])
    (face,) = fk.recognize(double)
    assert face.box == pytest.approx([2 * v for v in expected.box])
    assert face.probabilities == expected.probabilities


def test_no_face() -> None:
    rng = np.random.default_rng(4)
    for picture in (
        np.zeros((1, 1), np.uint8),
        np.zeros((1, 20_000), np.uint8),
        np.full((300, 200, 3), 255, np.uint8),
        rng.integers(0, 256, (64, 64, 3), dtype=np.uint8),
    ):
        assert fk.recognize(picture) == []


def test_largest_first_and_heads_are_asked_once(astronaut: np.ndarray) -> None:
    calls: list[int] = []

    class Counted:
        name = "counted"

        def __call__(self, faces: FaceBatch) -> list[int]:
            calls.append(len(faces))
            return list(range(len(faces)))

    detector = FixedDetector([(10, 10, 50, 50), (100, 80, 200, 200), (300, 10, 60, 60)])
    recognizer = fk.Recognizer(detector=detector, heads=[Counted()])
    (first, second) = recognizer.many([astronaut, astronaut[:, ::-1]])
    assert calls == [6]
    assert [f.extra["counted"] for f in first + second] == [0, 1, 2, 3, 4, 5]
    assert [f.box[2] for f in first] == [200, 60, 50]
    assert [f.score for f in first] == [1, 2, 0]
    assert first[0].probabilities != second[0].probabilities
    assert detector.seen == [(512, 512)] * 2


def test_faces_across_the_border(astronaut: np.ndarray) -> None:
    size = len(astronaut)
    boxes = [(-20, -30, 100, 100), (size - 40, size - 50, 90, 90), (-5, 100, 20, 20), (size - 3, size - 3, 30, 30)]
    faces = fk.recognize(astronaut, detector=FixedDetector(boxes))
    assert len(faces) == 4
    assert all(np.isfinite(list(face.probabilities.values())).all() for face in faces)


def test_many_threads_share_one_recognizer(astronaut: np.ndarray, expected: fk.Face) -> None:
    recognizer = fk.Recognizer()
    with ThreadPoolExecutor(4) as pool:
        for faces in pool.map(recognizer, [astronaut] * 12):
            assert faces == [expected]


@pytest.mark.parametrize("name", ["fer_2conv", "fer_4conv", "mini_xception"])
def test_other_networks(astronaut: np.ndarray, name: str, tmp_path: Path) -> None:
    """As a graph with its weights, and from its file; mini_xception looks at 64 x 64 pixels."""
    network = fk.models.build(name)
    (face,) = fk.recognize(astronaut, model=network)
    assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
    fk.models.save(network, tmp_path / "own.safetensors", dtype="float32")
    assert fk.recognize(astronaut, model=tmp_path / "own.safetensors") == [face]


def test_wrong_names() -> None:
    picture = np.zeros((64, 64), np.uint8)
    with pytest.raises(ValueError, match="nosuch"):
        fk.recognize(picture, model="nosuch")
    with pytest.raises(ValueError, match="abacus"):
        fk.recognize(picture, device="abacus")
    with pytest.raises((ValueError, OSError), match="nosuch"):
        fk.recognize(picture, detector="nosuch.xml")
    with pytest.raises(TypeError, match=r"source\[1\]: dtype float64"):
        fk.recognize([picture, picture / 255.0])
    with pytest.raises(TypeError, match="source: int is not a picture"):
        fk.recognize(5)  # type: ignore[call-overload]


def test_to_dict_is_json(expected: fk.Face) -> None:
    import json

    plain = json.loads(json.dumps(expected.to_dict()))
    assert plain["box"] == pytest.approx(expected.box, abs=0.01)
    assert plain["emotion"] == expected.emotion
    assert plain["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)


# -- the crop ----------------------------------------------------------------------------------------------------------


def cut(gray: np.ndarray, *box: float, framing: Framing = WHOLE) -> np.ndarray:
    return crop(gray, np.array([box]), framing=framing)[0]


def test_crop_averages_areas() -> None:
    gray = np.random.default_rng(8).integers(0, 256, (300, 320), dtype=np.uint8)
    expected = gray[40 : 40 + 4 * SIDE, 20 : 20 + 4 * SIDE].reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(cut(gray, 20, 40, 4 * SIDE, 4 * SIDE), expected, atol=0.51)


def test_crop_of_the_same_size_is_exact() -> None:
    gray = np.random.default_rng(8).integers(0, 256, (100, 90), dtype=np.uint8)
    np.testing.assert_array_equal(cut(gray, 7, 11, SIDE, SIDE), gray[11:59, 7:55])


@pytest.mark.parametrize("side", [20.0, 30.0, 41.7])
def test_crop_is_at_its_exact_place(side: float) -> None:
    """On a plane, interpolation is exact: 3 x + y / 2 at the centres of the crop's pixels."""
    y, x = np.mgrid[0:60, 0:70]
    gray = (3 * x + 0.5 * y).round().astype(np.uint8)
    left, top = 10.3, 15.6
    centres = (np.arange(SIDE) + 0.5) * side / SIDE - 0.5
    expected = 3 * (left + centres)[None, :] + 0.5 * (top + centres)[:, None]
    np.testing.assert_allclose(cut(gray, left, top, side, side), expected, atol=1.01)  # source and result are rounded


def test_crop_repeats_the_border() -> None:
    gray = np.tile(np.arange(100, dtype=np.uint8), (100, 1))
    large = cut(gray, -48, 2, 96, 96)
    assert (large[:, :24] == 0).all()
    np.testing.assert_allclose(large[0, 24:], np.arange(24) * 2 + 0.5, atol=0.51)
    assert (cut(gray, 200, 300, 20, 20) == 99).all()


def test_framing_moves_and_scales() -> None:
    gray = np.random.default_rng(8).integers(0, 256, (200, 200), dtype=np.uint8)
    moved = cut(gray, 50, 60, 96, 96, framing=Framing(side=0.5, dx=0.25, dy=-0.125))
    np.testing.assert_array_equal(moved, gray[72:120, 98:146])  # centre (98, 108) moves by (24, -12); side 48


def test_crop_of_none() -> None:
    assert crop(np.zeros((20, 20), np.uint8), np.zeros((0, 4))).shape == (0, SIDE, SIDE)


@pytest.mark.parametrize("box", [(0, 0, 0, 10), (0, 0, 10, -1), (0, np.nan, 10, 10)])
def test_crop_refuses_empty_boxes(box: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"boxes: .* expected finite numbers and sizes above 0"):
        cut(np.zeros((20, 20), np.uint8), *box)


def test_classifier_refuses_other_faces() -> None:
    with pytest.raises(ValueError, match=r"faces: uint8 \[2, 40, 48\], expected uint8 \[N, 48, 48\]"):
        ExpressionClassifier()(np.zeros((2, 40, 48), np.uint8))


# -- on FER-2013 -------------------------------------------------------------------------------------------------------


@pytest.mark.dataset
@pytest.mark.slow
def test_framing_is_as_measured(data: Path) -> None:
    """The constants of the code are what its script measures."""
    from ferkern.data import read_faces
    from ferkern.face.calibrate import measure
    from ferkern.face.detect import Detector
    from ferkern.face.expression import FRAMING

    training = read_faces(data / "fer2013").part("Training")
    chosen = np.random.default_rng(1).permutation(len(training))[:300]
    result = measure(training.images[chosen], Detector.load())
    assert result.found > 0.5
    assert result.framing.side == pytest.approx(FRAMING.side, abs=0.05)
    assert result.framing.dx == pytest.approx(FRAMING.dx, abs=0.02)
    assert result.framing.dy == pytest.approx(FRAMING.dy, abs=0.03)


@pytest.mark.parametrize(("name", "features"), [("fer_small", 128), ("fer_2conv", 300), ("mini_xception", 7)])
def test_features_and_their_judgement_are_the_network(name, features, rng):
    network = models.load(name) if name in models.shipped() else models.mini_xception(input_size=48)
    classifier = ExpressionClassifier(network, threads=1)
    faces = rng.integers(0, 256, (5, 48, 48), dtype=np.uint8)
    found = classifier.features(faces)
    assert found.shape == (5, features)
    whole = network.plan(batch=5, threads=1).run(models.preprocess(faces, network.preprocessing))
    np.testing.assert_allclose(classifier.judge(found), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(classifier(faces), classifier.judge(found))
