"""Files of dlib's shape_predictor: points as dlib finds them, and every kind of damage."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferkern import _core, image
from ferkern.errors import ModelError
from ferkern.face.landmark_trees import LandmarkTrees
from oracle_trees import dlib_column, dlib_file, dlib_float, dlib_integer, evaluate, random_ensemble

EXPECTED = json.loads((Path(__file__).parent / "dlib_lizard_points.json").read_text())
# The kept points have four decimals, and float32 points of a picture a few hundred pixels wide are off by 2^-16.
NEAR = 1e-4


@pytest.fixture(scope="module")
def lizard(data: Path) -> Path:
    return data / "dlib" / "lizard_predictor.dat"


def synthetic(seed: int, height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 16 + 2, width // 16 + 2), dtype=np.uint8)
    return image.resize(coarse, (height, width), method="bilinear")


@pytest.mark.op("trees")
def test_points_are_dlibs_on_made_pictures(row, forced, lizard):
    model = LandmarkTrees.load(lizard)
    assert model.points == 35
    for case in EXPECTED["synthetic"]:
        gray = synthetic(case["seed"], case["height"], case["width"])
        with forced(row):
            found = model(gray, np.array(case["boxes"], np.float64))
        np.testing.assert_allclose(found, case["points"], rtol=0, atol=NEAR)


def test_points_are_dlibs_on_photographs(lizard):
    model = LandmarkTrees.load(lizard)
    for case in EXPECTED["photographs"]:
        gray = np.asarray(Image.open(lizard.parent / "faces" / case["file"]).convert("L"))
        found = model(gray, np.array(case["boxes"], np.float64))
        np.testing.assert_allclose(found, case["points"], rtol=0, atol=NEAR)


def test_the_genuine_file_cut_anywhere(lizard):
    whole = lizard.read_bytes()
    for size in range(0, len(whole), 97):
        with pytest.raises(ModelError, match=r"byte \d+: "):
            _core.Trees.from_dlib(whole[:size])


def test_a_file_reads_back_and_evaluates(tmp_path, rng):
    e = random_ensemble(rng, points=6, levels=3, trees=4, depth=3, pool=20)
    e.leaves[0, 0, 0] = [[0, -0.0], [2.0**-30, 1e-20], [0.5, 0.25], [-1e-3, 3e-3], [1e-7, 1], [0.1, 0.2]]
    path = tmp_path / "six.dat"
    path.write_bytes(dlib_file(e))
    gray = rng.integers(0, 256, (60, 60), dtype=np.uint8)
    found = LandmarkTrees.load(path)(gray, np.array([[10.0, 5.0, 41.0, 31.0]]))
    np.testing.assert_allclose(found[0], evaluate(e, gray, (10, 5, 40, 30)), rtol=0, atol=1e-3)


def small(rng) -> bytes:
    return dlib_file(random_ensemble(rng, points=3, levels=2, trees=2, depth=1, pool=4))


def test_cut_at_every_byte(rng):
    whole = small(rng)
    _core.Trees.from_dlib(whole)
    for size in range(len(whole)):
        with pytest.raises(ModelError, match=r"byte \d+: "):
            _core.Trees.from_dlib(whole[:size])


def test_every_byte_changed(rng):
    """Whatever a byte becomes: a model that can be run, or a ModelError."""
    whole = small(rng)
    gray, frame = rng.integers(0, 256, (20, 20), dtype=np.uint8), np.array([[2.0, 2.0, 15.0, 15.0]])
    refused = 0
    for at in range(len(whole)):
        for value in (0, 1, 0x7F, 0x81, 0x88, 0xFF, whole[at] ^ 1, whole[at] ^ 0x80):
            damaged = whole[:at] + bytes([value]) + whole[at + 1 :]
            try:
                trees = _core.Trees.from_dlib(damaged)
            except ModelError:
                refused += 1
            else:
                assert np.isfinite(trees.run(gray, frame, None)).all()
    assert refused > len(whole)


HEAD = dlib_integer(1) + dlib_column([0.1, 0.2, 0.8, 0.9])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "byte 0: the file ends where the version should stand"),
        (b"version", "the version begins with the byte 118"),
        (dlib_integer(2), "version 2 of the format"),
        (
            dlib_integer(1) + dlib_integer(-(2**40)) + dlib_integer(-1),
            "the mean shape is a matrix of 1099511627776 x 1",
        ),
        (dlib_integer(1) + dlib_integer(-4) + dlib_integer(-(2**30)), "is a matrix of 4 x 1073741824"),
        (dlib_integer(1) + dlib_column([1, 2, 3]) + bytes(9), "the mean shape has 3 numbers"),
        (
            HEAD + dlib_integer(2**61),
            "the count of cascades is 2305843009213693952; up to 4096 are read, and 0 bytes are left",
        ),
        (HEAD + dlib_integer(-1), "the count of cascades is -1"),
        (HEAD + b"\x08" + b"\xff" * 8, "beyond any count"),
        (
            HEAD + dlib_integer(1) + dlib_integer(1 << 15) + bytes(99),
            "the count of trees is 32768; .* 99 bytes are left",
        ),
        (HEAD + dlib_integer(1) + dlib_integer(1) + dlib_integer(2) + bytes(99), "a tree has 2 splits"),
        (dlib_integer(1) + dlib_integer(-1) * 2 + dlib_integer(1) + dlib_integer(32000), "exponent 32000"),
        (dlib_integer(1) + dlib_integer(-1) * 2 + dlib_integer(1) + dlib_integer(32002), "is not a finite number"),
        (dlib_integer(1) + dlib_integer(-1) * 2 + dlib_integer(1) + dlib_integer(128), "is not a finite number"),
        (dlib_integer(1) + dlib_integer(-1) * 2 + b"0.25 " * 4, "the mean shape begins with the byte 48"),
    ],
)
def test_hostile_counts_and_values(data, message):
    with pytest.raises(ModelError, match=message):
        _core.Trees.from_dlib(data)


def test_what_follows_the_end_is_refused(rng):
    with pytest.raises(ModelError, match="3 bytes stand behind the end"):
        _core.Trees.from_dlib(small(rng) + b"abc")


def test_trees_of_different_depth_are_refused(rng):
    one, two = (random_ensemble(rng, points=3, levels=1, trees=1, depth=d, pool=4) for d in (1, 2))
    body = [dlib_file(e)[len(HEAD_3) + 4 :] for e in (one, two)]
    trees = [b[: -len(tail(e))] for b, e in zip(body, (one, two), strict=True)]
    data = HEAD_3 + dlib_integer(1) + dlib_integer(2) + trees[0] + trees[1] + tail(one)
    with pytest.raises(ModelError, match="the count of splits is 3 here and 1 before"):
        _core.Trees.from_dlib(data)


HEAD_3 = dlib_integer(1) + dlib_column([0.25, 0.5, 0.75, 0.5, 0.5, 0.75])


def tail(e) -> bytes:
    """Anchors and offsets of a file of one level."""
    anchors = [dlib_integer(len(e.anchors[0])), *(dlib_integer(int(a)) for a in e.anchors[0])]
    offsets = [dlib_integer(len(e.offsets[0])), *(dlib_float(v) for v in np.ravel(e.offsets[0]))]
    return b"".join([dlib_integer(1), *anchors, dlib_integer(1), *offsets])


def test_files_and_boxes_are_named(tmp_path, rng):
    with pytest.raises(ValueError, match="neither a file nor a shipped model"):
        LandmarkTrees.load(tmp_path / "none.dat")
    path = tmp_path / "cut.dat"
    path.write_bytes(small(rng)[:50])
    with pytest.raises(ModelError, match=r"cut\.dat: shape_predictor: byte"):
        LandmarkTrees.load(path)
    path.write_bytes(small(rng))
    model = LandmarkTrees.load(path)
    with pytest.raises(ValueError, match=r"boxes: shape \[4\]"):
        model(np.zeros((9, 9), np.uint8), np.zeros(4))
    with pytest.raises(ValueError, match="sizes above 0"):
        model(np.zeros((9, 9), np.uint8), np.zeros((1, 4)))
    with pytest.raises(ValueError, match="more than one pixel"):
        model(np.zeros((9, 9), np.uint8), np.ones((1, 4)))
    with pytest.raises(ValueError, match=r"gray: shape \[1, 9, 9\]"):
        model(np.zeros((1, 9, 9), np.uint8), np.array([[0, 0, 5, 5.0]]))
