"""Faces followed through frames in which they move as is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from faces import Found
from ferkern import image
from ferkern.errors import StageError
from ferkern.face.detect import Detector
from ferkern.face.landmark_trees import LandmarkTrees
from ferkern.face.landmarks import LandmarkModel
from ferkern.video import FaceTracker
from moving_portraits import HEIGHT, RATE, WIDTH, Actor, background, noisy


@pytest.fixture(scope="module")
def models() -> tuple[Detector, LandmarkModel]:
    return Detector.load(), LandmarkTrees.load()


@pytest.fixture(scope="module")
def grace() -> Actor:
    return Actor.named("Grace Hopper")


@pytest.fixture(scope="module")
def eileen() -> Actor:
    return Actor.named("Eileen Collins")


@pytest.fixture
def tracker(models) -> FaceTracker:
    return FaceTracker(*models)


def follow(tracker: FaceTracker, frames, first: int = 0) -> list:
    return [tracker.update(frame, (first + i) / RATE) for i, frame in enumerate(frames)]


def ids(faces) -> list[int]:
    return [face.id for face in faces]


def centre(face) -> np.ndarray:
    return np.array([face.box[0] + face.box[2] / 2, face.box[1] + face.box[3] / 2])


@pytest.mark.parametrize("name", ["Grace Hopper", "Eileen Collins"])
def test_known_motion_under_changing_light(tracker, name, rng):
    actor = Actor.named(name)
    places = [(150 + 4 * i, 130 + 10 * np.sin(i / 6), 110 + i, 0.25 * np.sin(i / 10)) for i in range(25)]
    light = [1 + 0.15 * np.sin(i / 4) for i in range(25)]
    frames = [noisy(actor.drawn(background(), *p) * g, rng) for p, g in zip(places, light, strict=True)]
    found = follow(tracker, frames)
    assert [ids(faces) for faces in found] == [[0]] * 25
    states = [faces[0].state for faces in found]
    assert states[0] == "detected"
    assert set(states[1:]) <= {"tracked", "corrected"}
    start = actor.motion(*places[0])
    for place, (face,) in zip(places, found, strict=True):
        motion = image.compose(actor.motion(*place), image.invert(start))
        truth = image.transform_points(motion, found[0][0].landmarks)
        away = np.linalg.norm(face.landmarks - truth, axis=1)
        # The head moves before the background: windows at its edge hold both, so jaw points are off by more.
        assert away[17:].mean() < 0.5
        assert away.mean() < 1.0
        assert np.linalg.norm(centre(face) - place[:2]) < 8
        assert face.angle == pytest.approx(found[0][0].angle + place[3], abs=0.02)
        assert face.landmarks.dtype == face.raw_landmarks.dtype == np.float32


def test_a_still_face_does_not_tremble(tracker, grace, rng):
    clean = grace.drawn(background(), 180, 135, 150)
    points = np.array([faces[0].landmarks for faces in follow(tracker, (noisy(clean, rng) for _ in range(20)))])
    raw = np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0))
    assert raw.mean() < 0.15


def test_an_expression_is_followed(tracker, eileen, rng):
    """The lower half of the face moves down, as a jaw does that opens."""
    frames = []
    for i in range(16):
        still = eileen.drawn(background(), 180, 130, 160)
        opened = eileen.drawn(background(), 180, 130 + i, 160)
        share = np.clip((np.arange(HEIGHT) - 155) / 16, 0, 1)[:, None]
        frames.append(noisy(still * (1 - share) + opened * share, rng))
    found = follow(tracker, frames)
    moved = found[-1][0].landmarks - found[0][0].landmarks
    assert moved[[56, 57, 58], 1].mean() > 9  # lower lip: 15 pixels, less what the trees do not believe
    assert np.abs(moved[36:48]).mean() < 2  # eyes


class Mistaken:
    """Landmark trees that put the chin lower, by `far` pixels of the view, in the calls that are named."""

    def __init__(self, model: LandmarkModel, far: float, calls: range):
        self.model, self.far, self.calls, self.asked = model, far, calls, 0

    def __call__(self, gray, boxes):
        points = self.model(gray, boxes)
        points[:, 6:11, 1] += self.far if self.asked in self.calls else 0
        self.asked += 1
        return points


@pytest.mark.parametrize(("errors", "frames"), [(2.4, 1), (2.4, 2), (1.6, 10)])
def test_trees_that_err_for_a_moment_move_no_point(models, grace, rng, errors, frames):
    """The picture is as it was: one frame's answer, or some frames' a little off, is no evidence of a change."""
    model = Mistaken(models[1], errors * 4.9, range(13, 13 + frames))  # 4.9: their own error at the jaw
    clean = grace.drawn(background(), 180, 135, 150)
    found = follow(FaceTracker(models[0], model), (noisy(clean, rng) for _ in range(30)))
    away = [np.linalg.norm(face.raw_landmarks - found[0][0].raw_landmarks, axis=1) for (face,) in found]
    assert model.asked > 30  # the calls did reach the frames
    assert np.max(away) < 1.0


def test_trees_that_stay_far_off_are_believed(models, grace, rng):
    model = Mistaken(models[1], 2.4 * 4.9, range(13, 1000))
    clean = grace.drawn(background(), 180, 135, 150)
    found = follow(FaceTracker(models[0], model), (noisy(clean, rng) for _ in range(30)))
    moved = found[-1][0].raw_landmarks - found[0][0].raw_landmarks
    scale = 150 / 119  # of the view's pixels
    assert moved[6:11, 1].mean() > 1.2 * 4.9 * scale  # within the trees' error of their new place
    assert np.linalg.norm(np.delete(moved, range(6, 11), axis=0), axis=1).max() < 1.5
    assert any(face.state == "corrected" for (face,) in found)


def test_a_face_that_is_gone_comes_back(tracker, grace, rng):
    with_face, without = grace.drawn(background(), 170, 135, 130), background()
    frames = [with_face] * 4 + [without] * 5 + [with_face] * 3 + [without] * 40 + [with_face] * 3
    found = follow(tracker, [noisy(frame, rng) for frame in frames])
    assert [ids(faces) for faces in found] == [[0]] * 4 + [[]] * 5 + [[0]] * 3 + [[]] * 40 + [[1]] * 3
    assert found[9][0].state == "detected"


def test_two_faces_that_cross_keep_their_ids(tracker, grace, eileen, rng):
    """Grace passes from left to right in front of Eileen, who is hidden for some frames."""
    held = []
    for i in range(45):
        x = 70 + 5 * i
        frame = grace.drawn(eileen.drawn(background(), WIDTH - x, 125, 90), x, 140, 120)
        held.append(tracker.update(noisy(frame, rng), i / RATE))
    left, right = held[0] if centre(held[0][0])[0] < WIDTH / 2 else held[0][::-1]
    assert left.id != right.id
    last = {face.id: centre(face)[0] for face in held[-1]}
    assert last[left.id] > WIDTH / 2
    for i, faces in enumerate(held):
        for face in faces:
            x = 70 + 5 * i if face.id == left.id else WIDTH - 70 - 5 * i
            assert abs(centre(face)[0] - x) < 25, f"frame {i}: face {face.id}"
    assert len(held[20]) == 1 or len(held[22]) == 1  # hidden
    assert len(held[-1]) == 2


def test_two_tracks_of_one_face_become_one(tracker, grace, rng):
    """A face comes to stand exactly before one that looks the same."""
    places = [min(110 + 6 * i, 230) for i in range(32)]
    frames = [grace.drawn(grace.drawn(background(), 230, 135, 110), x, 135, 110) for x in places]
    found = follow(tracker, [noisy(frame, rng) for frame in frames])
    assert len(found[0]) == 2
    (face,) = found[-1]
    assert face.id in (0, 1)
    assert np.linalg.norm(centre(face) - (230, 135)) < 10


@pytest.mark.dataset
@pytest.mark.parametrize("clip", ["source_s18", "source_s32"])
def test_a_face_on_video_is_never_lost(tracker, data, clip):
    video = cv2.VideoCapture(str(data / "video" / f"{clip}.mp4"))
    frames = [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(60)]
    found = follow(tracker, frames)
    assert [ids(faces) for faces in found] == [[0]] * 60
    assert "detected" not in {faces[0].state for faces in found[1:]}


def test_ids_after_a_cut_are_new(tracker, grace, eileen, rng):
    first = [noisy(grace.drawn(background(1), 180, 135, 130), rng) for _ in range(3)]
    second = [noisy(eileen.drawn(255 - background(2), 180, 135, 130), rng) for _ in range(3)]
    assert [ids(faces) for faces in follow(tracker, first + second + first)] == [[0]] * 3 + [[1]] * 3 + [[2]] * 3


def test_a_face_that_leaves_the_frame_ends(tracker, grace, rng):
    found = follow(tracker, [noisy(grace.drawn(background(), 250 + 8 * i, 135, 110), rng) for i in range(20)])
    lengths = [len(faces) for faces in found]
    assert lengths[:10] == [1] * 10
    assert lengths[-1] == 0
    assert sorted(lengths, reverse=True) == lengths


def test_a_new_face_is_found_within_the_interval(tracker, grace, eileen, rng):
    one = grace.drawn(background(), 90, 135, 110)
    both = eileen.drawn(one, 265, 135, 110)
    found = follow(tracker, [noisy(one, rng)] * 2 + [noisy(both, rng)] * 16)
    assert ids(found[-1]) == [0, 1]
    assert tracker.searches == 2
    assert next(faces[1].state for faces in found if len(faces) == 2) == "detected"


def test_reset_forgets_faces_but_no_ids(tracker, grace, rng):
    frame = noisy(grace.drawn(background(), 180, 135, 130), rng)
    assert ids(tracker.update(frame, 5.0)) == [0]
    tracker.reset()
    (face,) = tracker.update(frame[:, :-10], 0.0)
    assert (face.id, face.state) == (1, "detected")


def test_most_faces(models, grace, eileen, rng):
    frame = noisy(eileen.drawn(grace.drawn(background(), 90, 135, 130), 265, 135, 100), rng)
    (face,) = FaceTracker(*models, max_faces=1).update(frame, 0.0)
    assert centre(face)[0] < WIDTH / 2
    assert len(FaceTracker(*models).update(frame, 0.0)) == 2


def test_found_in_another_thread(models, grace, eileen, rng):
    tracker = FaceTracker(*models, search_every=None)
    frames = [noisy(grace.drawn(background(), 100 + 4 * i, 135, 120), rng) for i in range(6)]
    assert tracker.update(frames[0], 0.0) == []
    found = tracker.search(frames[0])
    assert tracker.update(frames[1], 0.1) == []
    (face,) = tracker.update(frames[2], 0.2, found=found)  # two frames later: it is looked at where it is now
    assert np.linalg.norm(centre(face) - (108, 135)) < 12
    assert ids(tracker.update(frames[3], 0.3, found=found)) == [0]
    tracker.reset()
    assert tracker.update(noisy(background(), rng), 0.0, found=found) == []  # gone since
    assert tracker.searches == 0


def test_large_frames_are_shrunk_for_the_search(models, grace, rng):
    frame = noisy(grace.drawn(background(), 180, 135, 130), rng)
    whole = FaceTracker(*models).search(frame).boxes
    half = FaceTracker(*models, search_side=180).search(frame).boxes
    assert len(whole) == len(half) == 1
    np.testing.assert_allclose(half, whole, atol=9)  # a twelfth of the face


def test_frames_may_be_planes_and_may_be_written_over(models, grace, rng):
    frames = [noisy(grace.drawn(background(), 150 + 3 * i, 135, 120), rng) for i in range(4)]
    expected = follow(FaceTracker(*models), frames)
    plane = np.zeros((HEIGHT, WIDTH + 24), np.uint8)
    tracker = FaceTracker(*models)
    for i, frame in enumerate(frames):
        view = plane[:, :WIDTH] if i % 2 else plane[::-1, 8 : WIDTH + 8]
        view[:] = frame
        read_only = view.view()
        read_only.flags.writeable = False
        (face,) = tracker.update(read_only, i / RATE)
        np.testing.assert_array_equal(face.landmarks, expected[i][0].landmarks)
        assert face == expected[i][0]
        plane[:] = 7


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (15, 17), (60, 80)])
@pytest.mark.parametrize("level", [0, 255])
def test_frames_without_faces(tracker, shape, level):
    for i in range(3):
        assert tracker.update(np.full(shape, level, np.uint8), float(i)) == []


class Failing:
    """A detector that fails from its third call on."""

    def __init__(self, box):
        self.box, self.calls = box, 0

    def detect(self, gray):
        self.calls += 1
        if self.calls > 1:
            raise OSError("camera gone")
        return Found(np.array([self.box], np.float32), np.ones(1, np.float32))


def test_a_stage_that_fails_ends_the_faces(models, grace, rng):
    frame = noisy(grace.drawn(background(), 180, 135, 120), rng)
    tracker = FaceTracker(Failing((120, 75, 120, 120)), models[1], search_every=0.1)
    assert ids(tracker.update(frame, 0.0)) == [0]
    with pytest.raises(StageError, match=r"Failing.*OSError: camera gone"):
        tracker.update(frame, 0.2)
    tracker.detector = models[0]
    assert ids(tracker.update(frame, 0.3)) == [1]


def test_a_landmark_model_that_finds_nothing(models, grace, rng):
    frame = noisy(grace.drawn(background(), 180, 135, 120), rng)
    tracker = FaceTracker(models[0], lambda gray, boxes: np.full((len(boxes), 68, 2), np.nan, np.float32))
    assert follow(tracker, [frame] * 2) == [[], []]


@pytest.mark.parametrize(
    ("luma", "error", "match"),
    [
        (np.zeros((20, 30), np.float32), TypeError, "luma must be a uint8 array, is float32"),
        ([[1, 2]], TypeError, "luma must be a uint8 array, is list"),
        (np.zeros((20, 30, 3), np.uint8), ValueError, r"luma: shape \[20, 30, 3\], expected \[H, W\]"),
        (np.zeros((0, 30), np.uint8), ValueError, r"luma: shape \[0, 30\], expected \[H, W\] with pixels"),
        (np.zeros((20, 60), np.uint8)[:, ::2], ValueError, "luma: pixels of a row stand 2 bytes apart"),
    ],
)
def test_wrong_frames(tracker, luma, error, match):
    with pytest.raises(error, match=match):
        tracker.update(luma, 0.0)
    with pytest.raises(error, match=match):
        tracker.search(luma)


def test_another_size_and_wrong_times(tracker):
    frame = np.zeros((40, 50), np.uint8)
    tracker.update(frame, 1.0)
    with pytest.raises(ValueError, match=r"luma: shape \[50, 40\], the frame before has \[40, 50\]; call reset"):
        tracker.update(frame.T.copy(), 2.0)
    for time in (1.0, 0.5, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"time is .*; it must be finite and later than the frame before, 1\.0"):
            tracker.update(frame, time)
    assert tracker.update(frame, 1.1) == []


@pytest.mark.parametrize(
    ("option", "value", "match"),
    [
        ("max_faces", 0, "max_faces is 0; it must be at least 1"),
        ("search_every", -1.0, r"search_every is -1\.0"),
        ("search_every", float("nan"), "search_every is nan"),
        ("search_side", 8, "search_side is 8; it must be at least 32"),
        ("min_cutoff", 0.0, r"min_cutoff is 0\.0"),
        ("beta", -1.0, r"beta -1\.0"),
        ("landmarks", "no such model", "no such model"),
        ("detector", "no such detector", "no such detector"),
    ],
)
def test_wrong_options(option, value, match):
    with pytest.raises(ValueError, match=match):
        FaceTracker(**{option: value})
