"""The stages together: landmarks, alignment, heads of one's own, streams of pictures, and stages that fail."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferkern as fk
from faces import DrawnLandmarks, FixedDetector, Found
from ferkern import pictures
from ferkern.cli.demo import portraits
from ferkern.errors import StageError
from ferkern.face.ahead import ahead
from ferkern.face.expression import crop
from ferkern.face.smile import SmileHead, SmileStage, smile_network
from ferkern.face.stages import FaceBatch

BOX = (177.0, 66.0, 95.0, 95.0)  # the astronaut's face


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    with Image.open(portraits()["Eileen Collins"]) as image:
        return np.asarray(image.convert("RGB"))


class Keeper:
    """A head that keeps what it is shown."""

    name = "kept"

    def __init__(self) -> None:
        self.batches: list[FaceBatch] = []

    def __call__(self, faces: FaceBatch) -> list[int]:
        self.batches.append(faces)
        return list(range(len(faces)))


# -- landmarks and alignment ----------------------------------------------------------------------


def test_landmarks_fill_the_face(astronaut: np.ndarray) -> None:
    (face,) = fk.recognize(astronaut, detector=FixedDetector([BOX]), landmarks=DrawnLandmarks(0.2))
    assert face.aligned
    assert face.landmarks is not None
    assert face.landmarks.dtype == np.float32
    assert face.landmarks.shape == (68, 2)
    assert face.pose is not None
    assert face.pose[2] == pytest.approx(0.2, abs=1e-5)
    plain = json.loads(json.dumps(face.to_dict()))
    assert np.shape(plain["landmarks"]) == (68, 2)
    assert len(plain["pose"]) == 3
    assert plain["aligned"] is True


def test_landmarks_that_match_the_box_change_nothing(astronaut: np.ndarray) -> None:
    detector = FixedDetector([BOX])
    keeper = Keeper()
    (upright,) = fk.recognize(astronaut, detector=detector, landmarks=DrawnLandmarks(), heads=[keeper])
    (plain,) = fk.recognize(astronaut, detector=detector, landmarks=None)
    batch = keeper.batches[0]
    gray = pictures.read(astronaut).gray()
    np.testing.assert_allclose(batch.crops.astype(int), crop(gray, np.array([BOX])), atol=1)
    assert upright.probabilities == pytest.approx(plain.probabilities, abs=0.02)
    assert (plain.landmarks, plain.pose, plain.aligned, plain.smile) == (None, None, False, None)


def test_a_turned_face_is_turned_back(astronaut: np.ndarray) -> None:
    """The picture turned by 30 degrees, with landmarks that say so: the crop is the upright one."""
    centre = (BOX[0] + BOX[2] / 2, BOX[1] + BOX[3] / 2)
    keeper = Keeper()
    for angle in (0.0, math.radians(30)):
        turn = fk.image.similarity(1.0, angle, center=(centre[0] - 0.5, centre[1] - 0.5 - 0.02 * BOX[3]))
        picture = fk.image.warp(astronaut, fk.image.invert(turn), astronaut.shape[:2])
        fk.recognize(picture, detector=FixedDetector([BOX]), landmarks=DrawnLandmarks(angle), heads=[keeper])
    upright, turned = (batch.crops[0].astype(float) for batch in keeper.batches)
    assert np.abs(upright - turned).mean() < 4
    assert np.corrcoef(upright.ravel(), turned.ravel())[0, 1] > 0.98


def test_coordinates_are_those_of_the_full_picture(astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Landmarks mark pixel centres: the centre of held pixel 0 is that of full pixel 1/2 in a picture held at 1/2."""
    (small,) = fk.recognize(astronaut, detector=FixedDetector([BOX]), landmarks=DrawnLandmarks())
    double = np.repeat(np.repeat(astronaut, 2, axis=0), 2, axis=1)
    monkeypatch.setattr(pictures, "WORKING_PIXELS", astronaut.shape[0] * astronaut.shape[1])
    (large,) = fk.recognize(double, detector=FixedDetector([BOX]), landmarks=DrawnLandmarks())
    assert large.landmarks is not None
    assert small.landmarks is not None
    np.testing.assert_allclose(large.landmarks, 2 * small.landmarks + 0.5, atol=1e-3)
    assert large.probabilities == small.probabilities


class Spoilt:
    """A landmark model some of whose faces are no faces."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def __call__(self, gray: np.ndarray, boxes: np.ndarray, /) -> np.ndarray:
        points = DrawnLandmarks()(gray, boxes)
        for face, value in zip(points, self.values, strict=False):
            face[5:] = value
        return points


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 1e30, -50.0])
def test_points_that_are_no_face_leave_it_unaligned(astronaut: np.ndarray, value: float) -> None:
    detector = FixedDetector([BOX, (300, 300, 60, 60)])
    spoilt, whole = fk.recognize(astronaut, detector=detector, landmarks=Spoilt(value))
    (plain, _) = fk.recognize(astronaut, detector=detector, landmarks=None)
    assert whole.aligned
    assert not spoilt.aligned
    assert spoilt.pose is None
    assert (spoilt.landmarks is None) == (not np.isfinite(value))
    assert spoilt.probabilities == pytest.approx(plain.probabilities, abs=1e-6)
    json.loads(json.dumps(spoilt.to_dict(), allow_nan=False))


@pytest.mark.parametrize(
    ("size", "boxes"),
    [
        ((512, 512), [(-40, -30, 90, 90), (470, 480, 80, 80), (-5, 200, 20, 20), (505, 505, 40, 40)]),
        ((64, 64), [(20, 20, 10, 10), (0, 0, 1, 1), (30, 30, 0.5, 0.5)]),
        ((4200, 4100), [(50, 60, 4000, 4000)]),
        ((3, 5), [(-100, -100, 300, 300)]),
        ((900, 900), [(30.0 * (i % 29), 30.0 * (i // 29), 28, 28) for i in range(700)]),
    ],
)
@pytest.mark.parametrize("landmarks", [DrawnLandmarks(0.5), "network"], ids=["drawn", "network"])
def test_hard_places(size: tuple[int, int], boxes: list[tuple[float, ...]], landmarks: Any) -> None:
    """At the edge, ten pixels, four thousand pixels, larger than the picture, several hundred."""
    picture = np.random.default_rng(6).integers(0, 256, size, dtype=np.uint8)
    faces = fk.recognize(picture, detector=FixedDetector(boxes), landmarks=landmarks)
    assert len(faces) == len(boxes)
    for face in faces:
        assert face.aligned or landmarks == "network"
        assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert face.landmarks is not None
        assert np.isfinite(face.landmarks).all()


# -- heads and other stages of one's own ----------------------------------------------------------------------


def test_what_heads_are_shown(astronaut: np.ndarray) -> None:
    keeper = Keeper()
    detector = FixedDetector([(10, 20, 50, 50), BOX])
    faces = fk.recognize(astronaut, detector=detector, landmarks=DrawnLandmarks(), heads=[keeper])
    (batch,) = keeper.batches
    assert [face.extra for face in faces] == [{"kept": 0}, {"kept": 1}]
    assert faces[1].to_dict()["extra"] == {"kept": 1}
    assert len(batch) == 2
    assert batch.crops.shape == (2, 48, 48)
    np.testing.assert_array_equal(batch.boxes, [BOX, (10, 20, 50, 50)])
    assert batch.scores.tolist() == [1, 0]
    assert batch.landmarks is not None
    assert batch.landmarks.shape == (2, 68, 2)
    assert batch.aligned.tolist() == [True, True]
    assert batch.features is not None
    assert len(batch.features) == 2
    assert [p.size for p in batch.pictures] == [(512, 512)] * 2


def test_views_are_the_crops_in_colour(astronaut: np.ndarray) -> None:
    keeper = Keeper()
    fk.recognize(astronaut, detector=FixedDetector([BOX]), landmarks=DrawnLandmarks(0.3), heads=[keeper])
    views = keeper.batches[0].views(96)
    assert views.shape == (1, 96, 96, 3)
    halves = views[0].reshape(48, 2, 48, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    gray = fk.image.to_gray(np.ascontiguousarray(halves))
    np.testing.assert_allclose(gray.astype(float), keeper.batches[0].crops[0], atol=12)
    assert np.abs(gray.astype(float) - keeper.batches[0].crops[0]).mean() < 1.5


def test_results_may_be_arrays(astronaut: np.ndarray) -> None:
    class Age:
        name = "age"

        def __call__(self, faces: FaceBatch) -> np.ndarray:
            return np.array([[31.5, 2.0]] * len(faces), np.float32)

    class Mood:
        name = "mood"

        def __call__(self, faces: FaceBatch) -> list[dict[str, Any]]:
            return [{"calm": np.float32(0.5), "why": (np.int64(1), "eyes")}] * len(faces)

    (face,) = fk.recognize(astronaut, detector=FixedDetector([BOX]), heads=[Age(), Mood()])
    assert face.extra["age"].tolist() == [31.5, 2.0]
    plain = json.loads(json.dumps(face.to_dict()))["extra"]
    assert plain == {"age": [31.5, 2.0], "mood": {"calm": 0.5, "why": [1, "eyes"]}}


class Says:
    def __init__(self, name: str, result: Any) -> None:
        self.name, self.result = name, result

    def __call__(self, faces: FaceBatch) -> Any:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([1, 2, 3], r"head 'age': gave 3 results for 1 faces"),
        ([], r"head 'age': gave 0 results for 1 faces"),
        (None, r"head 'age' on 1 faces: TypeError: "),
        (KeyError("lost"), r"head 'age' on 1 faces: KeyError: 'lost'"),
        (ValueError(), r"head 'age' on 1 faces: ValueError$"),
    ],
)
def test_heads_that_fail_are_named(astronaut: np.ndarray, result: Any, message: str) -> None:
    recognizer = fk.Recognizer(detector=FixedDetector([BOX]), heads=[Says("age", result)])
    with pytest.raises(StageError, match=message):
        recognizer(astronaut)
    with pytest.raises(StageError, match=message):
        recognizer.many([astronaut])


def test_heads_are_not_asked_about_nobody(astronaut: np.ndarray) -> None:
    assert fk.recognize(astronaut, detector=FixedDetector([]), heads=[Says("age", ValueError())]) == []


@pytest.mark.parametrize("names", [["age", "age"], ["smile"], ["box"], ["expression"]])
def test_names_of_heads(names: list[str]) -> None:
    with pytest.raises(ValueError, match=f"heads: the name '{names[0]}'"):
        fk.Recognizer(heads=[Says(name, []) for name in names])


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (Says("", ValueError("broken")), r"detector Says on image: AttributeError"),
        (FixedDetector([(0, 0, 0, 10)]), r"box \[0.0, 0.0, 0.0, 10.0\], expected finite numbers and sizes above 0"),
        (FixedDetector([(0, 0, np.nan, 10)]), r"box .*nan"),
    ],
)
def test_detectors_that_fail_are_named(detector: Any, message: str) -> None:
    with pytest.raises(StageError, match=message):
        fk.recognize(pictures.read(np.zeros((20, 20), np.uint8)), detector=detector)


def test_detector_with_wrong_shapes() -> None:
    class Odd:
        def detect(self, gray: np.ndarray, /) -> Found:
            return Found(np.ones((3, 4)), np.ones(2))

    with pytest.raises(StageError, match=r"detector Odd on source: boxes \[3, 4\] and scores \[2\]"):
        fk.recognize(np.zeros((20, 20), np.uint8), detector=Odd())


def test_landmark_models_that_fail_are_named(astronaut: np.ndarray) -> None:
    def five(gray: np.ndarray, boxes: np.ndarray, /) -> np.ndarray:
        return np.zeros((len(boxes), 5, 2), np.float32)

    def broken(gray: np.ndarray, boxes: np.ndarray, /) -> np.ndarray:
        raise IndexError("no leaf")

    for model, message in ((five, r"points \[1, 5, 2\], expected \[1, 68, 2\]"), (broken, "IndexError: no leaf")):
        with pytest.raises(StageError, match=f"landmark model function on source: {message}"):
            fk.recognize(astronaut, detector=FixedDetector([BOX]), landmarks=model)


def test_smile_needs_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    head = smile_network(np.ones(128), -3.0, metadata={"features": "fer_small"})
    monkeypatch.setattr("ferkern.face.pipeline.SmileStage", lambda: SmileStage(SmileHead(head)))
    assert fk.Recognizer(smile=True).smile is not None
    assert fk.Recognizer(smile=False).smile is None
    assert fk.Recognizer(landmarks=None).smile is None
    assert fk.Recognizer(model="fer_2conv").smile is None
    with pytest.raises(ValueError, match=r"smile: the head reads features of 'fer_small' .* landmarks are None"):
        fk.Recognizer(smile=True, landmarks=None)
    with pytest.raises(ValueError, match=r"smile: .* the model is 'fer_2conv'"):
        fk.Recognizer(smile=True, model="fer_2conv")


def test_smile_is_the_heads_answer(astronaut: np.ndarray) -> None:
    keeper = Keeper()
    recognizer = fk.Recognizer(heads=[keeper], smile=False)
    recognizer(astronaut)
    features = keeper.batches[0].features
    assert features is not None
    weights = np.random.default_rng(2).normal(0, 0.1, features.shape[1])
    head = smile_network(weights, 0.2, metadata={"features": "fer_small"})
    recognizer.smile = SmileStage(SmileHead(head))
    (face,) = recognizer(astronaut)
    assert face.smile == pytest.approx(1 / (1 + np.exp(-(features[0] @ weights + 0.2))), abs=1e-5)
    assert face.to_dict()["smile"] == pytest.approx(face.smile, abs=1e-6)


# -- streams ----------------------------------------------------------------------


def test_stream_keeps_order_and_goes_on_after_failures(astronaut: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "no.jpg").write_text("no picture")
    blank = np.zeros((40, 40), np.uint8)
    sources: list[Any] = [astronaut, tmp_path / "no.jpg", blank, tmp_path / "nowhere.png", 5, astronaut]
    done = list(fk.Recognizer().stream(sources))
    assert [d.source is s for d, s in zip(done, sources, strict=True)] == [True] * 6
    assert [len(d.faces) for d in done] == [1, 0, 0, 0, 0, 1]
    assert [type(d.error) for d in done] == [
        type(None),
        ValueError,
        type(None),
        FileNotFoundError,
        TypeError,
        type(None),
    ]
    assert done[0].faces == done[5].faces == fk.recognize(astronaut)
    assert all(d.seconds > 0 for d in done if d.error is None)
    assert "source[4]" in str(done[4].error)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_change_nothing(astronaut: np.ndarray, workers: int) -> None:
    recognizer = fk.Recognizer(landmarks=DrawnLandmarks(0.1))
    sources = [np.ascontiguousarray(astronaut[i:, i:]) for i in range(9)]
    streamed = [d.faces for d in recognizer.stream(sources, workers=workers)]
    assert streamed == [recognizer(s) for s in sources]


def test_stream_is_lazy_and_bounded() -> None:
    """However many pictures there are, only a few are under way; leaving early takes no more."""
    taken = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        while True:
            taken += 1
            yield np.zeros((30, 30), np.uint8)

    stream = fk.Recognizer().stream(endless(), workers=2)
    for _ in range(100):
        next(stream)
    assert taken <= 100 + 16 + 4 + 1
    stream.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("ferkern")]


def test_many_faces_are_judged_in_pieces(astronaut: np.ndarray) -> None:
    keeper = Keeper()
    boxes = [(float(10 * i), 50.0, 60.0, 60.0) for i in range(20)]
    done = list(fk.Recognizer(detector=FixedDetector(boxes), heads=[keeper]).stream([astronaut] * 5))
    assert [len(d.faces) for d in done] == [20] * 5
    assert [len(b) for b in keeper.batches] == [40, 40, 20]


def test_failed_stage_ends_the_stream(astronaut: np.ndarray) -> None:
    stream = fk.Recognizer(detector=FixedDetector([BOX]), heads=[Says("age", [])]).stream([astronaut] * 3)
    with pytest.raises(StageError, match="age"):
        list(stream)
    assert not [t for t in threading.enumerate() if t.name.startswith("ferkern")]


def test_ahead_copies_the_callers_choice() -> None:
    from ferkern import _core

    with fk.config(isa="scalar", threads=3):
        (_, choice, _), *_ = ahead(lambda _s, _n: _core.get_choice(), [1])
    assert choice is not None
    assert (choice[0], choice[3]) == ("scalar", 1)
    with pytest.raises(ValueError, match="workers must be at least 1, is 0"):
        list(ahead(lambda s, _n: s, [1], workers=0))
