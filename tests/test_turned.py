"""Faces in turned copies: where their boxes lie in the picture, and which of several stay."""

from __future__ import annotations

import json

import numpy as np
import pytest

from faces import FixedDetector
from ferkern import image
from ferkern.face.detect import Detections, Detector
from ferkern.face.turned import TurnedDetector


class BrightSpot:
    """Puts a box of 9 pixels about the brightest pixel of a picture."""

    def detect(self, gray, /):
        y, x = np.unravel_index(int(gray.argmax()), gray.shape)
        return Detections(np.array([[x - 4, y - 4, 9, 9]], np.float32), np.array([float(gray.max())], np.float32))


@pytest.mark.parametrize("angle", [-90.0, -35.0, 20.0, 35.0, 180.0])
@pytest.mark.parametrize("spot", [(10, 20), (70, 40), (33, 5)])
def test_boxes_of_a_turned_copy_lie_where_the_picture_has_them(angle, spot):
    x, y = spot
    gray = np.zeros((60, 90), np.uint8)
    gray[y - 1 : y + 2, x - 1 : x + 2] = 100
    gray[y, x] = 255
    (box,) = TurnedDetector(BrightSpot(), angles=[angle]).detect(gray).boxes
    centre = box[:2] + box[2:] / 2 - 0.5
    assert np.abs(centre - (x, y)).max() <= 1.0
    assert box[2:].tolist() == [9, 9]


def test_of_boxes_on_one_face_the_surest_stays():
    near_and_far = FixedDetector([(10, 10, 20, 20), (12, 11, 22, 22), (60, 60, 20, 20), (8, 8, 60, 60)])
    found = TurnedDetector(near_and_far, angles=[0]).detect(np.zeros((100, 100), np.uint8))
    assert found.scores.tolist() == [3, 2, 1]
    assert found.boxes.tolist() == [[8, 8, 60, 60], [60, 60, 20, 20], [12, 11, 22, 22]]


def test_boxes_beyond_the_picture_are_left_out():
    # In a copy turned by 45 degrees the corners show nothing of the picture.
    corner = FixedDetector([(0, 0, 10, 10)])
    assert len(TurnedDetector(corner, angles=[45]).detect(np.zeros((80, 80), np.uint8))) == 0


def test_a_picture_without_faces_has_none():
    found = TurnedDetector(FixedDetector([])).detect(np.zeros((40, 40), np.uint8))
    assert found.boxes.shape == (0, 4)


@pytest.mark.parametrize("angles", [(), (0.0, np.nan)])
def test_angles_that_cannot_be_are_refused(angles):
    with pytest.raises(ValueError, match="angles must be one or more finite numbers of degrees"):
        TurnedDetector(FixedDetector([]), angles=angles)


@pytest.mark.parametrize("angle", [-40, 40])
def test_a_tilted_head_is_found(angle):
    skimage_data = pytest.importorskip("skimage.data")
    gray = image.to_gray(skimage_data.astronaut())
    upright = Detector.load().detect(gray).boxes[0]
    middle = upright[:2] + upright[2:] / 2 - 0.5
    turn = image.similarity(1.0, np.deg2rad(angle), center=(float(middle[0]), float(middle[1])))
    tilted = image.warp(gray, image.invert(turn), gray.shape, border="replicate")
    found = TurnedDetector().detect(tilted)
    box = found.boxes[0]
    assert np.hypot(*(box[:2] + box[2:] / 2 - 0.5 - middle)) < 0.2 * upright[2]
    assert found.scores[0] > 0.5


def test_the_command_finds_a_tilted_head_when_asked_to(tmp_path):
    from PIL import Image
    from typer.testing import CliRunner

    from ferkern.cli.app import app

    skimage_data = pytest.importorskip("skimage.data")
    path = tmp_path / "tilted.png"
    Image.fromarray(skimage_data.astronaut()).rotate(45, Image.Resampling.BILINEAR, expand=True).save(path)
    counts = []
    for options in ([], ["--tilted"]):
        result = CliRunner().invoke(app, ["recognize", str(path), "--json", "--quiet", *options])
        assert result.exit_code == 0, result.output
        counts.append(len(json.loads(result.stdout)["faces"]))
    assert counts == [0, 1]
