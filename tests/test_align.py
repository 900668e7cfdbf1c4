"""Alignment and pose: exact on exact input, least squares on noise, and nothing breaks on points that are no face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferkern import image
from ferkern.data import SmileSet
from ferkern.face.align import MOST_SHEAR, TEMPLATE, align, is_plane, singular_values
from ferkern.face.expression import cut
from ferkern.face.landmarks import MIRRORED_68
from ferkern.face.pose import estimate


def turned(angle: float, scale: float = 3.0, shift: tuple[float, float] = (120.0, 80.0)) -> np.ndarray:
    """The template in a picture: turned clockwise about its middle, enlarged and moved."""
    matrix = image.similarity(scale, angle, shift, center=(23.5, 23.5))
    return image.transform_points(matrix[None], TEMPLATE[None])


def test_template_is_symmetric_and_in_the_crop() -> None:
    np.testing.assert_allclose(TEMPLATE[MIRRORED_68] * (-1, 1) + (47, 0), TEMPLATE, atol=1e-9)
    assert TEMPLATE.shape == (68, 2)
    assert TEMPLATE[36:48, 1].max() < TEMPLATE[31:36, 1].min() < TEMPLATE[48:60, 1].max() < TEMPLATE[8, 1]
    assert -2 < TEMPLATE.min() < TEMPLATE.max() < 52


@pytest.mark.parametrize("degrees", [-170, -90, -40, -5, 0, 10, 40, 135])
@pytest.mark.parametrize("scale", [0.05, 1.0, 80.0])
def test_a_similarity_is_found_exactly(degrees: float, scale: float) -> None:
    angle = np.deg2rad(degrees)
    matrices, aligned = align(turned(angle, scale))
    assert aligned.tolist() == [True]
    np.testing.assert_allclose(matrices[0], image.similarity(scale, angle, (120, 80), center=(23.5, 23.5)), atol=1e-7)
    np.testing.assert_allclose(singular_values(turned(angle, scale)), [[scale, scale]], rtol=1e-6)
    np.testing.assert_allclose(estimate(turned(angle, scale))[0, 2], angle, atol=1e-6)


def test_no_other_similarity_is_nearer() -> None:
    """Least squares: every small change of the four parameters makes the sum of squares larger."""
    rng = np.random.default_rng(3)
    points = turned(0.3) + rng.normal(0, 4, (1, 68, 2))
    (matrix,), _ = align(points)

    def error(m: np.ndarray) -> float:
        return float(np.square(image.transform_points(m, TEMPLATE) - points[0]).sum())

    least = error(matrix)
    for change in ([[1, 0, 0], [0, 1, 0]], [[0, -1, 0], [1, 0, 0]], [[0, 0, 1], [0, 0, 0]], [[0, 0, 0], [0, 0, 1]]):
        for step in (-1e-3, 1e-3):
            assert error(matrix + step * np.array(change)) > least


@pytest.mark.parametrize("ratio", [1.0, 1.5, 1.9, 2.1, 5.0, 1e6])
@pytest.mark.parametrize("axis", [0, 1])
def test_squeezed_faces_are_left_alone(ratio: float, axis: int) -> None:
    squeezed = TEMPLATE.copy()
    squeezed[:, axis] /= ratio
    points = image.transform_points(image.similarity(2.0, 0.4)[None], squeezed[None])
    np.testing.assert_allclose(singular_values(points), [[2.0, 2.0 / ratio]], rtol=1e-6)
    assert align(points)[1].tolist() == [ratio <= MOST_SHEAR]


def test_singular_values_are_those_of_the_affine_fit() -> None:
    rng = np.random.default_rng(5)
    points = rng.normal(0, 30, (20, 68, 2))
    ones = np.ones((68, 1))
    for found, each in zip(singular_values(points), points, strict=True):
        fit, *_ = np.linalg.lstsq(np.hstack([TEMPLATE, ones]), each, rcond=None)
        values = np.linalg.svd(fit[:2], compute_uv=False)
        np.testing.assert_allclose(np.abs(found), values, rtol=1e-9)
        assert np.sign(found[1]) == np.sign(np.linalg.det(fit[:2]))


def no_faces() -> dict[str, np.ndarray]:
    line = np.arange(68.0)
    some_nan = TEMPLATE.copy()
    some_nan[3, 1] = np.nan
    return {
        "nan": np.full((68, 2), np.nan),
        "one nan": some_nan,
        "infinite": np.full((68, 2), np.inf),
        "one place": np.full((68, 2), 7.0),
        "origin": np.zeros((68, 2)),
        "level": np.stack([line, 0 * line + 5], axis=1),
        "upright": np.stack([0 * line, line], axis=1),
        "slanting": np.stack([line, 3 * line + 1], axis=1),
        "mirrored": TEMPLATE * (-1, 1),
        "beyond any picture": TEMPLATE * 1e9,
        "huge": TEMPLATE * 1e300,
    }


@pytest.mark.parametrize("name", list(no_faces()))
def test_points_that_are_no_face(name: str) -> None:
    with np.errstate(all="raise"):
        points = np.stack([TEMPLATE, no_faces()[name], TEMPLATE + 1])
        matrices, aligned = align(points)
        poses = estimate(points)
    assert aligned.tolist() == [True, False, True]
    assert (matrices[1] == 0).all()
    assert np.isnan(poses[1]).all()
    np.testing.assert_allclose(poses[0], poses[2], atol=1e-9)
    assert is_plane(points).tolist() == [True, False, True]


def test_none_and_wrong_shapes() -> None:
    matrices, aligned = align(np.zeros((0, 68, 2)))
    assert (matrices.shape, aligned.shape, estimate(np.zeros((0, 68, 2))).shape) == ((0, 2, 3), (0,), (0, 3))
    for function in (align, estimate, singular_values):
        with pytest.raises(ValueError, match=r"landmarks: shape \[68, 2\], expected \[n, 68, 2\]"):
            function(TEMPLATE)


def test_turned_pictures_give_the_same_crop() -> None:
    """A smooth picture and its copy turned by 40 degrees: aligned crops agree to a few grey levels."""
    y, x = np.mgrid[0:400, 0:400]
    gray = (128 + 60 * np.sin(x / 23) + 60 * np.cos(y / 31)).astype(np.uint8)
    turn = image.similarity(1.0, np.deg2rad(40), center=(200, 200))
    copy = image.warp(gray, image.invert(turn), gray.shape)
    points = image.transform_points(image.similarity(3.0, 0.0, (176, 176), center=(23.5, 23.5))[None], TEMPLATE[None])
    here, there = (cut(g, align(p)[0]) for g, p in ((gray, points), (copy, image.transform_points(turn[None], points))))
    np.testing.assert_allclose(there.astype(float), here, atol=3)


def test_pose_of_moved_noses() -> None:
    """Mirrored faces have mirrored poses; a nose that moves right means a face that turns right."""
    moved = TEMPLATE.copy()
    moved[27:36, 0] += 2
    moved[27:36, 1] += 1
    yaw, pitch, roll = estimate(moved[None])[0]
    assert yaw > 0.1
    assert abs(roll) < 1e-3
    mirrored = moved[MIRRORED_68] * (-1, 1) + (47, 0)
    np.testing.assert_allclose(estimate(mirrored[None])[0], (-yaw, pitch, -roll), atol=1e-9)
    moved[27:36, 1] -= 3
    assert estimate(moved[None])[0, 1] > pitch  # towards the eyes: looking up
    moved[27:36] += 15  # further than any head turns
    assert np.abs(estimate(moved[None])[0, :2]).max() <= np.pi / 2


@pytest.mark.dataset
@pytest.mark.slow
def test_template_is_as_measured(data: Path) -> None:
    """The numbers of the code are what their script measures; on every fourth face to within their scatter."""
    from ferkern.face.calibrate_template import annotated, measure
    from ferkern.face.detect import Detector

    template, found = measure(annotated(data / "landmarks68")[::4], Detector.load())
    assert found > 250
    np.testing.assert_allclose(template, TEMPLATE, atol=0.6)
    assert np.abs(template - TEMPLATE).mean() < 0.15


@pytest.mark.dataset
@pytest.mark.slow
def test_pose_is_as_measured(data: Path) -> None:
    """Against GENKI-4K's labels, every tenth picture: far nearer than one answer for all, and the signs are theirs."""
    from ferkern.data import read_smiles
    from ferkern.face import pose
    from ferkern.face.calibrate_pose import collect, fit, folded_errors
    from ferkern.face.pipeline import Recognizer

    whole = read_smiles(data / "genki4k", "genki4k")
    assert whole.pose is not None
    part = SmileSet(whole.paths[::10], whole.smiles[::10], whole.pose[::10], whole.form)
    points, labels = collect(part, Recognizer(smile=False))
    assert len(points) > 290
    made = fit(points, labels)
    assert made.yaw == pytest.approx(pose._YAW, rel=0.1)
    assert made.pitch == pytest.approx(pose._PITCH, rel=0.35)
    errors = np.degrees(np.abs(estimate(points) - labels).mean(axis=0))
    constant = np.degrees(np.abs(labels - np.median(labels, axis=0)).mean(axis=0))
    assert (errors < (4.0, 4.8, 1.6)).all()
    assert (errors < 0.9 * constant).all()
    np.testing.assert_allclose(np.degrees(folded_errors(points, labels).mean(axis=0)), errors, atol=0.4)
    for axis, least in enumerate((0.85, 0.5, 0.9)):
        assert np.corrcoef(estimate(points)[:, axis], labels[:, axis])[0, 1] > least
