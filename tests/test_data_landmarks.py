"""Readers of annotated faces: right points, and damage told by file and place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferkern.data.landmarks import AnnotatedFace, read_imglab, read_landmarks, read_npz, read_pts
from ferkern.errors import ModelError

PTS = "version: 1\nn_points:  3\n{\n10.5 20\n1 1\n-3.25 1e2\n}\n"
XML = """<?xml version='1.0' encoding='ISO-8859-1'?>
<?xml-stylesheet type='text/xsl' href='image_metadata_stylesheet.xsl'?>
<dataset><name>x</name><images>
<image file='a.png'>
  <box top='5' left='4' width='20' height='30'><label>face</label>
    <part name='01' x='7' y='8'/><part name='00' x='5' y='6'/></box>
  <box top='1' left='1' width='2' height='2' ignore='1'><part name='00' x='1' y='1'/></box>
  <box top='1' left='1' width='2' height='2'/>
</image></images></dataset>
"""


def picture(path: Path) -> Path:
    Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30).astype(np.uint8)).save(path)
    return path


def test_pts_counts_pixels_from_one(tmp_path):
    (tmp_path / "a.pts").write_text(PTS)
    np.testing.assert_array_equal(read_pts(tmp_path / "a.pts"), np.array([[9.5, 19], [0, 0], [-4.25, 99]], np.float32))


def test_pts_with_windows_ends_and_blank_lines(tmp_path):
    (tmp_path / "a.pts").write_bytes(PTS.replace("\n", "\r\n\r\n").encode())
    assert read_pts(tmp_path / "a.pts").shape == (3, 2)


@pytest.mark.parametrize("size", range(len(PTS) - 2))
def test_pts_cut_anywhere(size, tmp_path):
    (tmp_path / "a.pts").write_text(PTS[:size])
    with pytest.raises(ModelError, match=r"a\.pts"):
        read_pts(tmp_path / "a.pts")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("n_points:  3", "n_points: 999999999999", "n_points is '999999999999'; 2 to 1024"),
        ("n_points:  3", "n_points: -3", "n_points is '-3'"),
        ("n_points:  3", "n_points: 2", "5 lines follow n_points, expected '{', 2 points"),
        ("1 1", "1 1 1", "line 5: expected x and y, is '1 1 1'"),
        ("1 1", "1 one", "line 5: expected x and y"),
        ("1 1", "nan 1", "coordinates must be finite"),
        ("1 1", "1 1e30", "coordinates must be finite and within 1000000 pixels"),
        ("version: 1", "\x00\x01", "line 1: a .pts file begins with 'version:'"),
    ],
)
def test_damaged_pts(old, new, message, tmp_path):
    (tmp_path / "a.pts").write_text(PTS.replace(old, new))
    with pytest.raises(ModelError, match=message):
        read_pts(tmp_path / "a.pts")


def test_pts_that_are_no_text(tmp_path):
    (tmp_path / "a.pts").write_bytes(b"version: 1\n\xff\xfe")
    with pytest.raises(ValueError, match=r"a\.pts: cannot be read"):
        read_pts(tmp_path / "a.pts")


def test_folder_of_pts(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.pts").write_text(PTS)
        picture(tmp_path / f"{name}.png")
    faces = read_landmarks(tmp_path)
    assert [face.picture.name for face in faces] == ["a.png", "b.png"]
    assert faces[0].gray().shape == (20, 30)
    (tmp_path / "b.png").unlink()
    with pytest.raises(ValueError, match=r"b\.pts: there is no picture beside it"):
        read_landmarks(tmp_path)


def test_imglab(tmp_path):
    (tmp_path / "faces.xml").write_text(XML)
    (face,) = read_landmarks(tmp_path / "faces.xml")
    assert face.picture == tmp_path / "a.png"
    assert face.box == (4, 5, 20, 30)
    np.testing.assert_array_equal(face.points, [[5, 6], [7, 8]])


@pytest.mark.parametrize("size", range(0, len(XML) - 2, 7))
def test_imglab_cut_anywhere(size, tmp_path):
    (tmp_path / "f.xml").write_text(XML[:size])
    with pytest.raises(ModelError, match=r"f\.xml: not well-formed XML"):
        read_imglab(tmp_path / "f.xml")


BOMB = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<dataset>", f"{BOMB}<dataset>", "line 3: document types and entities are not read"),
        ("x='7'", "x='seven'", "line 6: <part> needs a number x, is 'seven'"),
        ("x='7'", "x='nan'", "line 6: <part> has x nan"),
        ("x='7'", "", "line 6: <part> needs a number x, is ''"),
        ("name='01'", "name='00'", "part '00' has no name, stands twice"),
        ("width='20'", "width='1e99'", "line 5: <box> has width 1e99"),
        ("file='a.png'", "", "line 4: <image> names no file"),
        ("ignore='1'", "", "a box of 1 parts, named otherwise than those before, of 2"),
        ("<part name='01' x='7' y='8'/>", "", "1 points; 2 to 1024 are read"),
    ],
)
def test_damaged_imglab(old, new, message, tmp_path):
    (tmp_path / "f.xml").write_text(XML.replace(old, new))
    with pytest.raises(ModelError, match=message):
        read_imglab(tmp_path / "f.xml")


def test_genuine_imglab(data):
    faces = read_landmarks(data / "dlib" / "faces" / "training_with_face_landmarks.xml")
    assert len(faces) == 18
    assert all(face.points.shape == (68, 2) and face.box is not None for face in faces)
    inside = faces[0].points - faces[0].box[:2]
    assert (np.abs(inside / faces[0].box[2:] - 0.5) < 1).all()


def test_table(tmp_path):
    points = np.random.default_rng(1).random((2, 4, 2)) * 30
    np.savez(tmp_path / "points68.npz", names=np.array(["z.png", "a.png"]), points=points)
    faces = read_landmarks(tmp_path)
    assert [face.picture for face in faces] == [tmp_path / "images" / n for n in ("a.png", "z.png")]
    np.testing.assert_allclose(faces[1].points, points[0], rtol=1e-6)
    whole = (tmp_path / "points68.npz").read_bytes()
    for size in range(0, len(whole), 31):
        (tmp_path / "cut.npz").write_bytes(whole[:size])
        with pytest.raises(ModelError, match=r"cut\.npz: no readable table"):
            read_npz(tmp_path / "cut.npz")


@pytest.mark.parametrize(
    ("names", "points", "message"),
    [
        (np.array(["a"]), np.zeros((2, 4, 2)), r"names <U1 \[1\], points \[2, 4, 2\]"),
        (np.array(["../a"]), np.zeros((1, 4, 2)), r"row 0: '../a' is no name"),
        (np.array(["a"]), np.full((1, 4, 2), np.nan), "row 0: coordinates must be finite"),
        (np.array([{}]), np.zeros((1, 4, 2)), "no readable table"),
    ],
)
def test_damaged_table(names, points, message, tmp_path):
    np.savez(tmp_path / "t.npz", names=names, points=points)
    with pytest.raises(ModelError, match=message):
        read_npz(tmp_path / "t.npz")


def test_what_is_not_there_or_no_picture(tmp_path):
    with pytest.raises(ValueError, match="no such file or folder"):
        read_landmarks(tmp_path / "none")
    with pytest.raises(ValueError, match=r"neither points68\.npz nor \.pts files"):
        read_landmarks(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ValueError, match=r"are read from \.xml, \.npz and folders"):
        read_landmarks(tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"a\.txt: no readable picture"):
        AnnotatedFace(tmp_path / "a.txt", np.zeros((2, 2), np.float32)).gray()
