"""Cascades: OpenCV's files, OpenCV's boxes, every kernel row alike to the last bit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from cascades import FORMS, WINDOW, haar, old, picture
from ferkern import _core
from ferkern.config import config
from ferkern.errors import ModelError
from ferkern.face import cascade_xml
from ferkern.face.detect import Detector

HAAR = Path(cv2.data.haarcascades)


def same_boxes(detector: Detector, judge: cv2.CascadeClassifier, gray: np.ndarray, **kwargs) -> int:
    """Compares with OpenCV on one thread, where the order of its boxes is defined; returns the number of boxes."""
    cv2.setNumThreads(1)
    names = {
        "scale_factor": "scaleFactor",
        "min_neighbors": "minNeighbors",
        "min_size": "minSize",
        "max_size": "maxSize",
    }
    found = detector.detect(gray, **kwargs)
    expected, counts = judge.detectMultiScale2(gray, **{names[k]: v for k, v in kwargs.items()})
    np.testing.assert_array_equal(found.boxes, np.array(expected, np.float32).reshape(-1, 4))
    np.testing.assert_array_equal(found.scores, np.array(counts, np.float32).ravel())
    return len(found)


def both(path: Path) -> tuple[Detector, cv2.CascadeClassifier]:
    judge = cv2.CascadeClassifier(str(path))
    assert not judge.empty()
    return Detector.load(path), judge


@pytest.mark.parametrize("form", FORMS)
def test_made_up_cascades_find_what_opencv_finds(form, rng, tmp_path):
    boxes = 0
    for number in range(3):
        path = tmp_path / f"{number}.xml"
        path.write_bytes(FORMS[form](rng))
        detector, judge = both(path)
        for height, width in ((WINDOW, WINDOW), (61, 97), (150, 211)):
            gray = picture(rng, height, width)
            boxes += same_boxes(detector, judge, gray, min_neighbors=0)
            boxes += same_boxes(detector, judge, gray)
            boxes += same_boxes(detector, judge, gray, scale_factor=1.37, min_neighbors=1, min_size=(24, 31))
            boxes += same_boxes(detector, judge, gray, max_size=(40, 40), min_size=(40, 40), min_neighbors=0)
    assert boxes > 30, "the cascades should let windows through"


@pytest.mark.op("cascade")
@pytest.mark.parametrize("form", FORMS)
def test_rows_agree_to_the_last_bit(form, row, forced, rng, tmp_path):
    path = tmp_path / "c.xml"
    path.write_bytes(FORMS[form](rng))
    detector = Detector.load(path)
    for height, width in ((WINDOW, WINDOW + 1), (53, 37), (131, 190)):
        gray = picture(rng, height, width)
        with config(kernel="reference"):
            hits, votes = detector._cascade.scan(gray, 1.1, (0, 0), (0, 0), 0)
        with forced(row):
            mine, my_votes = detector._cascade.scan(gray, 1.1, (0, 0), (0, 0), 0)
        np.testing.assert_array_equal(mine, hits)
        np.testing.assert_array_equal(my_votes, votes)


@pytest.mark.op("cascade")
def test_fixed_point_resize_is_opencvs(row, forced, rng):
    gray = rng.integers(0, 256, (67, 91), dtype=np.uint8)
    for height, width in (
        (67, 91),
        (66, 90),
        (34, 46),
        (33, 45),
        (61, 83),
        (13, 17),
        (5, 7),
        (1, 1),
        (100, 120),
        (67, 40),
    ):
        with forced(row):
            found = _core.resize_fixed(gray, height, width)
        expected = cv2.resize(gray, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "name", ["frontalface_default", "frontalface_alt2", "eye_tree_eyeglasses", "profileface", "fullbody"]
)
def test_opencvs_own_files_on_a_portrait(name):
    from skimage import data

    gray = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)
    detector, judge = both(HAAR / f"haarcascade_{name}.xml")
    same_boxes(detector, judge, gray)
    same_boxes(detector, judge, gray, scale_factor=1.3, min_neighbors=0)


@pytest.mark.dataset
@pytest.mark.slow
@pytest.mark.parametrize("name", ["frontalface_default", "frontalface_alt2"])
def test_opencvs_own_files_on_photographs(name, data):
    detector, judge = both(HAAR / f"haarcascade_{name}.xml")
    boxes = 0
    for folder, step in (("landmarks68", 40), ("genki4k", 100), ("no_faces", 50), ("landmarks68_video", 30)):
        for path in islice(sorted((data / folder / "images").iterdir()), 0, None, step):
            boxes += same_boxes(detector, judge, cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    assert boxes > 60


def test_strided_rows_and_a_read_only_picture(rng, tmp_path):
    path = tmp_path / "c.xml"
    path.write_bytes(haar(rng))
    detector = Detector.load(path)
    whole = picture(rng, 90, 160)
    part = whole[5:85, 30:140]
    part.flags.writeable = False
    np.testing.assert_array_equal(detector.detect(part).boxes, detector.detect(part.copy()).boxes)
    with pytest.raises(ValueError, match="pixels of a row must stand together"):
        detector.detect(whole[:, ::2])


def test_one_detector_serves_many_threads(rng, tmp_path):
    path = tmp_path / "c.xml"
    path.write_bytes(haar(rng))
    detector = Detector.load(path)
    pictures = [picture(rng, 60 + 7 * i, 90 + 5 * i) for i in range(8)]
    alone = [detector.detect(p, min_neighbors=0) for p in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda p: detector.detect(p, min_neighbors=0), pictures * 4))
    for i, found in enumerate(together):
        np.testing.assert_array_equal(found.boxes, alone[i % 8].boxes)


def test_small_pictures_hold_nothing(rng, tmp_path):
    path = tmp_path / "c.xml"
    path.write_bytes(haar(rng))
    detector = Detector.load(path)
    for shape in ((1, 1), (WINDOW - 1, 200), (200, WINDOW - 1)):
        assert len(detector.detect(np.zeros(shape, np.uint8))) == 0


@pytest.mark.parametrize("make", [lambda rng: haar(rng, stages=2, trees=2), lambda rng: old(rng, stages=2, trees=2)])
def test_truncated_files_are_named(make, rng, tmp_path):
    whole = make(rng)
    for length in [*range(0, len(whole) - 20, 97)]:
        path = tmp_path / "cut.xml"
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"cut\.xml"):
            Detector.load(path)


def test_document_types_and_entities_are_refused():
    bomb = b'<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><opencv_storage>&b;</opencv_storage>'
    with pytest.raises(ModelError, match="document types and entities are not read"):
        cascade_xml.parse(bomb)
    with pytest.raises(ModelError, match="levels"):
        cascade_xml.parse(b"<a>" * 100_000)


@pytest.mark.parametrize(
    ("old_text", "new_text", "message"),
    [
        (b"<width>20<", b"<width>2000000000<", "window is 2000000000 x 20"),
        (b"<width>20<", b"<width>nan<", "not finite"),
        (b"<width>20<", b"<width>12.5<", "not a 32-bit integer"),
        (b"<stageNum>4<", b"<stageNum>1000000000<", "stageNum is 1000000000, but <stages> holds 4"),
        (b"BOOST", b"BOAST", "stageType is 'BOAST'"),
        (b"HAAR", b"HOG", "featureType is 'HOG'"),
        (b"<internalNodes>", b"<internalNodes>7 ", "numbers in <internalNodes>"),
        (b"<leafValues>", b"<leafValues>x ", "which is not numbers"),
        (b"<rects><_>", b"<rects><_>1 ", "six|6 numbers"),
        (b"<rects><_>", b"<rects><_>0 0 99 1 1</_><_>", "leaves the window"),
        (b"<maxCatCount>0<", b"<maxCatCount>256<", "maxCatCount is 256"),
        (b"opencv_storage", b"opencv_storehouse", "root element"),
    ],
)
def test_inconsistent_files_are_named(old_text, new_text, message, rng, tmp_path):
    path = tmp_path / "c.xml"
    count = -1 if old_text == b"opencv_storage" else 1
    path.write_bytes(haar(rng).replace(old_text, new_text, count))
    with pytest.raises(ModelError, match=message):
        Detector.load(path)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (b"0 -1 99999 0.1", "uses feature 99999"),
        (b"0 -1 -1 0.1", "uses feature -1"),
        (b"0 -2 0 0.1", "points to 0 and -2"),
        (b"1 -1 0 0.1", "points to 1 and -1"),
        (b"0 -1 0 0.1 0 -1 0 0.1 1 -1 0 0.1", "points to 1"),
    ],
)
def test_indices_are_judged(nodes, message, tmp_path, rng):
    text = haar(rng, stages=1, trees=1)
    start, end = text.index(b"<internalNodes>") + 15, text.index(b"</internalNodes>")
    path = tmp_path / "c.xml"
    path.write_bytes(text[:start] + nodes + text[end:])
    with pytest.raises(ModelError, match=message):
        Detector.load(path)


def test_wrong_arguments_are_named(rng, tmp_path):
    path = tmp_path / "c.xml"
    path.write_bytes(haar(rng))
    detector = Detector.load(path)
    gray = picture(rng, 50, 50)
    for kwargs, message in (
        ({"scale_factor": 1.0}, "scale_factor is 1"),
        ({"min_neighbors": -1}, "min_neighbors is -1"),
        ({"min_size": (1, 2, 3)}, "min_size"),
        ({"max_size": -5}, "max_size"),
        ({"flags": 64}, "flags is 64"),
        ({"threshold": 1.5}, "threshold is 1.5"),
    ):
        with pytest.raises(ValueError, match=message):
            detector.detect(gray, **kwargs)
    with pytest.raises(TypeError, match="gray"):
        detector.detect(gray.astype(np.float32))
    with pytest.raises(ValueError, match="gray"):
        detector.detect(gray[None])
    with pytest.raises(ValueError, match="no file"):
        Detector.load(tmp_path / "none.xml")


def test_flipped_and_repeated_rows(rng, tmp_path):
    path = tmp_path / "c.xml"
    path.write_bytes(haar(rng))
    detector = Detector.load(path)
    gray = picture(rng, 70, 90)
    for view in (gray[::-1], gray[::2], np.broadcast_to(gray[40], (50, 90))):
        dense = np.ascontiguousarray(view)
        np.testing.assert_array_equal(
            detector.detect(view, min_neighbors=0).boxes, detector.detect(dense, min_neighbors=0).boxes
        )
