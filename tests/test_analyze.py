"""Analysis of trajectories: planted movements are found, alignment takes away what it should, results repeat."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ferkern import image
from ferkern.analyze import Options, analyze
from ferkern.analyze.report import report
from ferkern.analyze.structure import cluster_frames, decompose, group_points, map_frames
from ferkern.analyze.trajectories import EYES, align_shapes, gather
from ferkern.face.align import TEMPLATE
from ferkern.video.tracks import TrackWriter
from ferkern.video.tracks_read import read_tracks
from moving_faces import brows_up, faces, phases, smiling, write_tracks

pytest.importorskip("sklearn")
pytestmark = pytest.mark.slow  # scikit-learn, and the SVD, which has tests of its own


WAVES = np.arange(300)
SMILE, BROWS = 1.0 + np.sin(WAVES / 11), 0.5 * np.sin(WAVES / 23)


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """One face that smiles and raises its brows, each in a rhythm of its own."""
    return write_tracks(tmp_path_factory.mktemp("tracks") / "talk.csv", {1: faces(SMILE, BROWS)})


@pytest.fixture(scope="module")
def talk_trajectories(talk):
    return gather([read_tracks(talk)])


def along(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of the angle between two movements."""
    return float(abs((a * b).sum()) / np.linalg.norm(a) / np.linalg.norm(b))


# -- alignment and matrix ----------------------------------------------------------------------


def test_position_size_and_tilt_are_taken_away(rng):
    still = TEMPLATE + rng.normal(0, 1, TEMPLATE.shape)
    moves = np.stack([image.similarity(2 + i, 0.3 * i, (10 * i, -5 * i)) for i in range(5)])
    shapes, mean = align_shapes(image.transform_points(moves, np.broadcast_to(still, (5, 68, 2))))
    np.testing.assert_allclose(shapes, np.broadcast_to(shapes[0], shapes.shape), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(mean[EYES[1]] - mean[EYES[0]]), 1)
    np.testing.assert_allclose(mean.mean(axis=0), 0, atol=1e-12)


def test_a_movement_is_kept(talk_trajectories):
    # The distance of the lip's corners in units of the eyes' is free of position, size and tilt.
    truth = TEMPLATE + SMILE[:, None, None] * smiling()
    wide = np.linalg.norm(truth[:, 54] - truth[:, 48], axis=1) / np.linalg.norm(truth[:, 45] - truth[:, 36], axis=1)
    shapes = talk_trajectories.shapes
    eyes = np.linalg.norm(shapes[:, 45] - shapes[:, 36], axis=1)
    found = np.linalg.norm(shapes[:, 54] - shapes[:, 48], axis=1) / eyes
    np.testing.assert_allclose(found, wide, atol=0.01)


def test_each_face_is_compared_with_itself(tmp_path):
    wide = faces(SMILE, BROWS) * np.array([1.1, 1.0], np.float32)
    tracks = read_tracks(write_tracks(tmp_path / "two.csv", {1: faces(SMILE, BROWS, seed=1), 2: wide}))
    found = gather([tracks])
    assert [each.name for each in found.recordings] == ["two.csv, face 1", "two.csv, face 2"]
    assert found.matrix.shape == (600, 136)
    assert found.matrix.dtype == np.float32
    for each in found.recordings:
        np.testing.assert_allclose(found.matrix[each.rows].mean(axis=0), 0, atol=1e-6)
    assert len(gather([tracks], face=2)) == 300


def test_frames_without_landmarks_are_counted_and_break_runs(tmp_path):
    path = write_tracks(tmp_path / "t.csv", {1: faces(SMILE, BROWS)}, without=(40, 41))
    found = gather([read_tracks(path)])
    assert len(found) == 298
    assert found.without_landmarks == 2
    assert found.runs() == [slice(0, 40), slice(40, 298)]


def test_pose_comes_from_the_landmarks_where_the_file_does_not_say_it(talk_trajectories):
    assert np.isfinite(talk_trajectories.pose).all()
    np.testing.assert_allclose(talk_trajectories.pose[:, 2], 0.2 * np.sin(WAVES / 17), atol=0.05)


def test_too_few_frames(tmp_path):
    path = write_tracks(tmp_path / "t.csv", {1: faces(SMILE[:12], BROWS[:12])}, without=(0, 1, 2))
    with pytest.raises(ValueError, match=r"t\.csv: 9 frames with landmarks, at least 10 are needed; 3 frames have"):
        gather([read_tracks(path)])
    with pytest.raises(ValueError, match="face 7 is in no file; there are 1"):
        gather([read_tracks(path)], face=7)
    with pytest.raises(ValueError, match="none are given"):
        gather([])
    TrackWriter(tmp_path / "other.csv", classes=("no", "yes")).close()
    with pytest.raises(ValueError, match=r"other\.csv has the classes \('no', 'yes'\)"):
        gather([read_tracks(path), read_tracks(tmp_path / "other.csv")])


# -- structure ----------------------------------------------------------------------


def test_planted_movements_are_the_components(talk_trajectories):
    components = decompose(talk_trajectories)
    assert len(components) == 2
    assert components.kept[0].share > 0.5 > components.kept[1].share
    assert [each.region for each in components.kept] == ["mouth", "brows"]
    # The alignment takes a part of each movement for one of the head: more of the brows', which all go one way.
    assert along(components.mode(0), smiling()) > 0.97
    assert along(components.mode(1), brows_up()) > 0.80
    assert abs(np.corrcoef(components.scores[:, 0], SMILE)[0, 1]) > 0.99
    assert abs(np.corrcoef(components.scores[:, 1], BROWS)[0, 1]) > 0.98


def test_spectrum_is_that_of_numpy(talk_trajectories):
    components = decompose(talk_trajectories, 5)
    expected = np.linalg.svd(talk_trajectories.matrix.astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(components.pca.singular_values, expected, rtol=1e-3, atol=1e-5 * expected[0])
    assert components.scores.shape == (300, 5)
    with pytest.raises(ValueError, match="components must be 1 to 136 for 300 frames, is 137"):
        decompose(talk_trajectories, 137)


def test_what_follows_the_head_can_be_taken_away(tmp_path):
    yaw = np.sin(2 * np.pi * WAVES / 50)  # whole periods: next to no correlation with the other movements
    points = faces(SMILE, BROWS, 3 * yaw)
    tracks = read_tracks(write_tracks(tmp_path / "t.csv", {1: points, 2: points[:150]}, yaw=0.4 * yaw))
    plain = decompose(gather([tracks]))
    assert plain.kept[0].region == "nose"
    assert abs(plain.kept[0].correlations["yaw"]) > 0.98
    without = gather([tracks], remove_pose=True)
    left = decompose(without)
    assert without.pose_share > 0.5
    assert [each.region for each in left.kept[:2]] == ["mouth", "brows"]
    assert along(left.mode(0), smiling()) > 0.95
    assert abs(np.corrcoef(left.scores[:300, 0], SMILE)[0, 1]) > 0.98
    for each in without.recordings:
        np.testing.assert_allclose(without.matrix[each.rows].mean(axis=0), 0, atol=1e-6)
    for each in left.kept:
        assert abs(each.correlations["yaw"]) < 0.01
    text = report(analyze([tracks], options=Options(tsne=False, remove_pose=True)))
    assert f"taken away: what follows yaw and pitch, {without.pose_share:.1%} of the variance" in text


def test_a_still_face_is_refused(tmp_path):
    still = np.broadcast_to(TEMPLATE.astype(np.float32), (20, 68, 2))
    trajectories = gather([read_tracks(write_tracks(tmp_path / "t.csv", {1: still}))])
    with pytest.raises(ValueError, match="20 frames: the faces do not move"):
        decompose(trajectories)


def test_points_that_move_together_are_grouped(talk_trajectories):
    groups = group_points(decompose(talk_trajectories), 4)
    for together in ([48, 60], [54, 64], list(range(17, 27))):
        assert len(set(groups.of_points[together].tolist())) == 1, together
    assert len({groups.of_points[i] for i in (48, 54, 20, 8)}) == 4
    assert (np.diff(groups.movement) <= 0).all()
    assert groups.of_points[54] in (0, 1)  # what moves most comes first
    with pytest.raises(ValueError, match="groups must be 1 to 68, is 69"):
        group_points(decompose(talk_trajectories), 69)


def test_planted_clusters_are_found(tmp_path):
    rng = np.random.default_rng(3)
    smile, brows = np.repeat([0.0, 2.0, 0.0], [100, 60, 40]), np.repeat([0.0, 0.0, 2.0], [100, 60, 40])
    points = faces(smile + rng.normal(0, 0.05, 200), brows + rng.normal(0, 0.05, 200))
    components = decompose(gather([read_tracks(write_tracks(tmp_path / "t.csv", {1: points}))]))
    found = cluster_frames(components)
    np.testing.assert_array_equal(found.of_rows, np.repeat([0, 1, 2], [100, 60, 40]))
    assert found.silhouette == max(found.tried.values()) > 0.8
    assert set(found.tried) == set(range(2, 9))
    np.testing.assert_array_equal(found.of_rows[found.typical], [0, 1, 2])
    assert len(cluster_frames(components, 5).typical) == 5
    one = cluster_frames(components, 1)
    assert (len(one.typical), one.silhouette) == (1, None)
    with pytest.raises(ValueError, match="clusters must be 1 to 200, the number of different frames, is 201"):
        cluster_frames(components, 201)


def test_the_map_keeps_clusters_apart(tmp_path):
    smile = np.repeat([0.0, 2.0], 40) + np.random.default_rng(1).normal(0, 0.05, 80)
    path = write_tracks(tmp_path / "t.csv", {1: faces(smile, 0 * smile)})
    placed = map_frames(decompose(gather([read_tracks(path)])))
    assert placed.perplexity == pytest.approx(79 / 3)
    away = np.linalg.norm(placed.places[:, None] - placed.places[None], axis=2) + 1e9 * np.eye(80)
    assert ((away.argmin(axis=1) < 40) == (np.arange(80) < 40)).all()


# -- all together ----------------------------------------------------------------------


def test_the_same_result_every_time(tmp_path):
    smile, emotions = phases(8, 25)
    path = write_tracks(tmp_path / "t.csv", {1: faces(smile, 0.3 * BROWS[:200])}, emotions=emotions)
    one, two = (analyze([path], options=Options(block_seconds=1)) for _ in range(2))
    assert json.dumps(one.to_dict()) == json.dumps(two.to_dict())
    np.testing.assert_array_equal(one.map.places, two.map.places)
    assert report(one) == report(two)
    assert analyze([path], options=Options(tsne=False)).map is None


def test_text_says_who_gave_the_labels(tmp_path):
    smile, emotions = phases(8, 25)
    path = write_tracks(tmp_path / "t.csv", {1: faces(smile, 0 * smile)}, emotions=emotions)
    text = report(analyze([path], options=Options(tsne=False, block_seconds=1)))
    assert "Labels: what the expression network said, not people" in text
    assert "Decision tree that imitates the expression network" in text
    assert "baseline, always the most frequent label: 50.0%" in text
    (tmp_path / "mine.csv").write_text("first,last,label\n0,99,calm\n100,199,excited\n")
    text = report(analyze([path], labels=tmp_path / "mine.csv", options=Options(tsne=False, block_seconds=1)))
    assert "Labels: given by mine.csv\n  calm 100, excited 100, of 200 frames" in text
    assert "Decision tree that tells the labels" in text


def test_without_expressions_everything_else_is_done(talk):
    done = analyze([talk], options=Options(tsne=False))
    assert done.tree is None
    assert done.to_dict()["tree"] is None
    (note,) = done.notes
    assert note.startswith("no decision tree: a tree needs two labels of 10 frames or more")
    assert note in report(done)
