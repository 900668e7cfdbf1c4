"""The shipped landmark trees: what their card says, and as good as it says."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest

from ferkern.data.landmarks import read_landmarks
from ferkern.face import landmarks
from ferkern.face.detect import Detector
from ferkern.face.landmark_trees import LandmarkTrees
from ferkern.models import store
from ferkern.train.landmark_eval import part_of, score

NAME = "landmarks68_trees"


@pytest.fixture(scope="module")
def card() -> str:
    return store.files()[NAME].with_suffix(".md").read_text()


def test_card_and_file_belong_together(card):
    content = store.files()[NAME].read_bytes()
    assert hashlib.sha256(content).hexdigest() in card
    assert len(content) <= 4_000_000
    for part in ("exclude commercial use", "**Preprocessing**", "## Figures", "Article 5"):
        assert part in card


def test_both_names_load():
    assert isinstance(landmarks.load("trees"), LandmarkTrees)
    assert LandmarkTrees.load().points == 68


@pytest.mark.slow
@pytest.mark.dataset
def test_error_on_held_out_faces_is_what_the_card_says(card, data):
    """5.8 % of the distance of the outer eye corners is what must be reached, from the detector's own boxes."""
    faces, detector = part_of(read_landmarks(data / "landmarks68"), "held-out"), Detector.load()
    found = score(LandmarkTrees.load(), faces, detect=lambda gray: detector.detect(gray).boxes)
    mean = float(found.errors.mean())
    said = re.search(r"\| 1, the default \| 0 \| ([\d.]+) % \|", card)
    assert said is not None
    assert mean <= 0.058
    assert 100 * mean == pytest.approx(float(said[1]), abs=0.02)


def test_the_same_bits_for_a_face_alone_and_among_others(data):
    face = read_landmarks(data / "landmarks68")[0]
    gray, model = face.gray(), LandmarkTrees.load()
    boxes = np.array([[x, 40.0, 90, 90] for x in range(0, 200, 20)])
    together = model(gray, boxes)
    for box, points in zip(boxes, together, strict=True):
        np.testing.assert_array_equal(model(gray, box[None])[0], points)
