"""Annotated pictures: sizes, places, colours, at sizes from a thumbnail to a panorama."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ferkern import draw, image, pictures
from ferkern.chart import confusion_picture
from ferkern.evaluate import score
from ferkern.face.align import TEMPLATE
from ferkern.face.expression import frame
from ferkern.face.pipeline import Face
from ferkern.models import CLASSES


def face(x: float, y: float, side: float, emotion: str = "happy", sure: float = 0.7) -> Face:
    rest = (1 - sure) / (len(CLASSES) - 1)
    probabilities = {name: sure if name == emotion else rest for name in CLASSES}
    return Face(box=(x, y, side, side), score=1.0, emotion=emotion, probabilities=probabilities)


def gray(width: int, height: int) -> pictures.Picture:
    return pictures.read(np.full((height, width), 128, np.uint8))


def colored(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (np.abs(image.astype(int) - color).max(axis=2) < 12).nonzero()


@pytest.mark.parametrize("size", [(60, 60), (300, 200), (1200, 3000), (4000, 3000), (12_000, 600), (40, 2000)])
@pytest.mark.parametrize("count", [0, 1, 4, 30])
def test_any_size_and_number(size: tuple[int, int], count: int) -> None:
    width, height = size
    side = min(size) / 6
    places = np.random.default_rng(count).random((count, 2))
    faces = [face(x * (width - side), y * (height - side), side, CLASSES[i % 7]) for i, (x, y) in enumerate(places)]
    image = draw.annotate(gray(width, height), faces)
    assert image.mode == "RGB"
    assert image.width >= width
    assert image.height >= height
    assert max(image.size) >= 900
    assert image.width * image.height < 12 * max(width * height, 900 * 900)


def test_frame_lies_on_the_box() -> None:
    image = np.asarray(draw.annotate(gray(1000, 1000), [face(300, 400, 200)], cards=False))
    assert image.shape == (1000, 1000, 3)
    rows, columns = colored(image[405:], draw.COLORS["happy"])  # below the label
    assert (columns.min(), columns.max()) == pytest.approx((300, 500), abs=2)
    assert rows.max() + 405 == pytest.approx(600, abs=2)


def test_frame_follows_scale_of_reduced_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "WORKING_PIXELS", 1_000_000)
    picture = gray(2000, 2000)
    assert picture.scale == (2, 2) or picture.scale == (3, 3)
    image = np.asarray(draw.annotate(picture, [face(600, 800, 400)], cards=False))
    _, columns = colored(image, draw.COLORS["happy"])
    zoom = image.shape[1] / 2000
    assert columns.min() == pytest.approx(600 * zoom, abs=3)


def test_labels_do_not_hide_each_other() -> None:
    faces = [face(200, 300, 150), face(360, 300, 150), face(520, 300, 150), face(360, 460, 150)]
    image = draw.annotate(gray(900, 900), faces, cards=False)
    assert image.size == (900, 900)


def test_the_picture_given_is_not_drawn_upon() -> None:
    picture = gray(1000, 800)
    draw.annotate(picture, [face(100, 100, 300)])
    assert (picture.rgb == 128).all()


def test_side_by_side() -> None:
    row = draw.side_by_side([draw.annotate(gray(1000, 900), []), draw.annotate(gray(900, 1800), [])], gap=10)
    assert row.height == 1800 + 20
    assert row.width == 2000 + 900 + 30


def test_unknown_classes_are_drawn_too() -> None:
    other = Face(box=(10, 10, 50, 50), score=1.0, emotion="contempt", probabilities={"contempt": 0.9, "calm": 0.1})
    assert draw.annotate(gray(100, 100), [other, other]).width >= 900


def points_in(box: tuple[float, float, float, float]) -> np.ndarray:
    return image.transform_points(frame(np.array([box])), TEMPLATE[None])[0].astype(np.float32)


def test_landmarks_lie_where_they_are() -> None:
    """Changed pixels, less those of the same picture without landmarks: every point is marked, nothing far from one."""
    plain = face(300, 300, 400)
    marked = replace(plain, landmarks=points_in(plain.box))
    without, with_points = (np.asarray(draw.annotate(gray(1000, 1000), [f], cards=False)) for f in (plain, marked))
    y, x = np.nonzero(np.abs(without.astype(int) - with_points).max(axis=2) > 8)
    assert marked.landmarks is not None
    distances = np.hypot(x - marked.landmarks[:, :1], y - marked.landmarks[:, 1:])
    assert distances.min(axis=1).max() < 2  # each point has its dot
    assert distances.min(axis=0).max() < 40  # lines join neighbours
    assert 1000 < len(x) < 20_000


@pytest.mark.parametrize("change", [1e30, -1e30, np.nan, -500.0, 5000.0])
def test_landmarks_anywhere(change: float) -> None:
    plain = face(300, 300, 200)
    spoilt = replace(plain, landmarks=points_in(plain.box) + np.float32(change))
    partly = points_in(plain.box)
    partly[3] = change
    images = [draw.annotate(gray(1000, 900), [f]) for f in (plain, spoilt, replace(plain, landmarks=partly))]
    assert images[0].size == images[1].size == images[2].size
    np.testing.assert_array_equal(np.asarray(images[0]), np.asarray(images[1]))


@pytest.mark.parametrize("side", [8.0, 60.0, 3900.0])
def test_landmarks_at_any_size(side: float) -> None:
    small = face(20, 30, side)
    image = draw.annotate(gray(4000, 4000), [replace(small, landmarks=points_in(small.box), smile=0.3)])
    assert image.width >= 4000


def test_smile_stands_on_the_card() -> None:
    images = [
        np.asarray(draw.annotate(gray(900, 900), [replace(face(300, 300, 200), smile=s)])) for s in (None, 0.0, 1.0)
    ]
    teal = [len(colored(image, draw.OTHER)[0]) for image in images]
    assert teal[0] == teal[1] == 0
    assert teal[2] > 500


def test_confusion_picture() -> None:
    labels = np.arange(70) % 7
    probabilities = np.eye(7)[labels]
    image = confusion_picture(score(labels, probabilities, CLASSES), title="perfect")
    assert image.width > 800
    assert image.height > 800
