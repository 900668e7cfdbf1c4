"""Tracked points against the oracle, the plain reference, OpenCV, and motion that is known."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle_flow
from ferkern import flow, image
from ferkern.config import config
from textures import textured

CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 0.01)
DTYPES = [np.uint8, np.float32]


def cv2_track(a, b, pts, window=21, levels=3):
    q, status, error = cv2.calcOpticalFlowPyrLK(
        a, b, pts, None, winSize=(window, window), maxLevel=levels, criteria=CRITERIA, minEigThreshold=1e-4
    )
    return q, status[:, 0].astype(bool), error[:, 0]


def grid(height, width, step, margin):
    y, x = np.mgrid[margin : height - margin : step, margin : width - margin : step]
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


@pytest.mark.op("flow_lk")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("window", [5, 7, 8, 9, 15, 16, 17, 21, 33])
def test_track_is_the_oracles(rng, row, forced, dtype, window):
    a = textured(rng, 97, 121, dtype=dtype)
    b = image.warp(a, image.similarity(1.01, 0.02, (1.7, -2.3)), a.shape, border="replicate")
    pts = np.concatenate([rng.uniform(0, 1, (9, 2)) * [120, 96], [[0, 0], [120, 96], [-2, 50], [60, 97.5]]]).astype(
        np.float32
    )
    expected, status, residual = oracle_flow.track(a, b, pts, window=window, levels=2)
    with forced(row):
        found = flow.track(a, b, pts, window=window, levels=2)
    np.testing.assert_array_equal(found.status, status)
    # The last step is under 0.01 pixels, and contracts an error by far more than 10: both stop at the same step, or the
    # results lie that near. Float32 sums move it by thousandths at most; a window of few pixels is less stable.
    assert status.sum() >= 8 or window < 7
    close = np.abs(found.points - expected).max(axis=1) < 0.004
    assert close[status].mean() >= (1.0 if window >= 7 else 0.6)
    both = status & close
    np.testing.assert_allclose(found.residual[both], residual[both], atol=0.03)
    assert np.isnan(found.residual[~status]).all()
    assert found.levels == (1 if window == 33 else 2)


@pytest.mark.op("flow_lk")
def test_track_is_opencvs_on_a_photograph(photo, row, forced):
    b = image.warp(photo, image.similarity(0.98, -0.03, (6.4, 3.1)), photo.shape, border="replicate")
    pts = flow.corners(photo, 200, min_distance=12)
    expected, status, error = cv2_track(photo, b, pts)
    with forced(row):
        points, found, residual = flow.track(photo, b, pts)
    assert (found == status).mean() > 0.98
    both = found & status
    distance = np.linalg.norm(points - expected, axis=1)[both]
    assert np.percentile(distance, 95) < 0.01
    assert distance.max() < 0.05
    np.testing.assert_allclose(residual[both], error[both], atol=0.1)


@pytest.mark.dataset
def test_track_is_opencvs_on_video(data):
    video = cv2.VideoCapture(str(data / "video" / "source_s18.mp4"))
    frames = [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(6)]
    pts = flow.corners(frames[0], 300)
    expected, status, _ = cv2_track(frames[0], frames[5], pts)
    points, found, _ = flow.track(frames[0], frames[5], pts)
    assert (found == status).all()
    assert np.linalg.norm(points - expected, axis=1)[found].max() < 0.02


@pytest.mark.op("flow_lk")
@pytest.mark.parametrize("shift", [(0, 0), (0.25, -0.5), (3.7, 2.2), (-21.3, 14.6)])
def test_known_motion_is_found(rng, row, forced, shift):
    """Both frames are sampled from one larger picture, so the motion is known exactly."""
    world = textured(rng, 340, 420, smooth=2.5)
    a, b = (image.warp(world, image.similarity(1, 0, (60 + x, 60 + y)), (220, 300)) for x, y in ((0, 0), shift))
    pts = grid(220, 300, 29, 35)
    with forced(row):
        found = flow.track(a, b, pts, backward=True, epsilon=1e-4)
    assert found.status.all()
    # Bilinear sampling smooths b by its fraction of a pixel: a bias of some hundredths of a pixel.
    assert np.abs(found.points - (pts - np.float32(shift))).max() < 0.08
    assert found.backward_error.max() < 0.05
    if shift == (0, 0):
        np.testing.assert_allclose(found.points, pts, atol=1e-4)
        assert found.residual.max() < 1e-3


@pytest.mark.op("flow_lk")
def test_motion_beyond_what_was_built_first(row, forced):
    """Points that move further than expected get the rest of the pyramids; the others do not change."""
    y, x = np.mgrid[:500, :700]
    a, b = ((200 * np.exp(-((x - c) ** 2 + (y - 250) ** 2) / 2 / 70**2)).astype(np.float32) for c in (400, 340))
    pts = np.float32([[395, 252], [410, 240]])
    with forced(row):
        found = flow.track(a, b, pts, levels=2, window=101)
        pyramids = [flow.pyramid(frame) for frame in (a, b)]
        for pyramid in pyramids:
            pyramid.level(2)
        whole = flow.track(*pyramids, pts, levels=2, window=101)
    np.testing.assert_array_equal(found.points, whole.points)
    assert found.status.all()
    np.testing.assert_allclose(found.points, pts - np.float32([60, 0]), atol=0.05)


def test_guess_is_where_the_search_begins(rng):
    world = textured(rng, 200, 400, smooth=2.5)
    a, b = (np.ascontiguousarray(world[:, x : x + 250]) for x in (0, 90))
    pts = np.float32([[180, 100]])
    assert not np.allclose(flow.track(a, b, pts, levels=0).points, pts - [90, 0], atol=1)
    found = flow.track(a, b, pts, levels=0, guess=pts - np.float32([88.5, 1]))
    np.testing.assert_allclose(found.points, pts - [90, 0], atol=0.05)


def test_a_frame_that_is_somewhere_else_has_large_backward_errors(rng):
    a, b = (textured(rng, 200, 200, dtype=np.uint8) for _ in range(2))
    pts = grid(200, 200, 20, 40)
    found = flow.track(a, b, pts, backward=True)
    same = flow.track(a, a, pts, backward=True)
    assert np.nanmedian(found.backward_error) > 0.5
    assert same.backward_error.max() < 1e-3
    assert flow.track(a, b, pts).backward_error is None
    assert np.isnan(found.backward_error[~found.status]).all()


@pytest.mark.op("flow_lk")
def test_same_bits_for_every_number_of_threads(rng, row):
    a, b = (textured(np.random.default_rng(5), 240, 320, dtype=np.uint8)[y : y + 200, y : y + 280] for y in (0, 3))
    pts = (rng.uniform(-0.1, 1.1, (151, 2)) * [280, 200]).astype(np.float32)
    results = []
    for threads in (1, 2, 3, 7):
        with config(isa=row.isa, kernel=row.name, exact=True, threads=threads):
            results.append(flow.track(a, b, pts, backward=True))
    for other in results[1:]:
        for field in ("points", "status", "residual", "backward_error", "iterations"):
            np.testing.assert_array_equal(getattr(results[0], field), getattr(other, field))


def test_a_point_does_not_depend_on_the_others(rng):
    a = textured(rng, 240, 320, dtype=np.uint8)
    b = np.roll(a, (2, -3), (0, 1))
    pts = (rng.uniform(-0.1, 1.1, (40, 2)) * [320, 240]).astype(np.float32)
    together = flow.track(a, b, pts)
    for k in range(len(pts)):
        alone = flow.track(a, b, pts[k : k + 1])
        np.testing.assert_array_equal(alone.points[0], together.points[k])
        assert alone.status[0] == together.status[k]


@pytest.mark.parametrize("dtype", DTYPES)
def test_frames_are_read_as_they_stand(rng, dtype):
    a, b = (textured(rng, 120, 150, dtype=dtype) for _ in range(2))
    pts = grid(120, 150, 17, 5)
    expected = flow.track(a, b, pts, backward=True)
    yuv = np.concatenate([np.pad(a, ((0, 0), (0, 42))), np.zeros((60, 192), dtype)])
    yuv.flags.writeable = False
    for x, y in (
        (yuv[:120, :150], b),
        (np.ascontiguousarray(a[::-1])[::-1], np.repeat(b, 3, axis=0)[::3]),
        (flow.pyramid(a), flow.pyramid(b)),
        (flow.pyramid(yuv[:120, :150]), b),
    ):
        found = flow.track(x, y, pts, backward=True)
        np.testing.assert_array_equal(found.points, expected.points)
        np.testing.assert_array_equal(found.backward_error, expected.backward_error)


def test_pixels_around_a_cut_out_are_not_seen(rng):
    """Vectors reach past a row's end; what stands there must not matter."""
    whole = textured(rng, 80, 140)
    pts = grid(60, 77, 9, 0)
    results = []
    for around in (0.0, np.nan, np.inf):
        frames = []
        for y in (10, 12):
            frame = np.full((90, 140), around, np.float32)
            frame[8:68, 20:97] = whole[y : y + 60, 20:97]
            frames.append(frame[8:68, 20:97])
        results.append(flow.track(*frames, pts, window=15, levels=1))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].points, other.points)
        np.testing.assert_array_equal(results[0].residual, other.residual)


@pytest.mark.op("flow_lk")
def test_points_that_cannot_be_tracked(rng, row, forced):
    a = textured(rng, 100, 120, dtype=np.uint8)
    a[:, 80:] = 90
    pts = np.float32(
        [[40, 50], [np.nan, 3], [3, np.inf], [-1e30, 4], [1e30, 1e30], [-40, 50], [40, 150], [108, 50], [3e9, 3]]
    )
    with forced(row):
        found = flow.track(a, a, pts, backward=True)
    assert found.status.tolist() == [True] + [False] * 8
    np.testing.assert_array_equal(found.points, pts)
    assert np.isnan(found.residual[1:]).all()
    assert np.isnan(found.backward_error[1:]).all()


@pytest.mark.op("flow_lk")
def test_an_edge_has_no_second_direction(row, forced):
    a = np.zeros((80, 80), np.uint8)
    a[:, 40:] = 200
    corner = a.copy()
    corner[:40] = 0
    with forced(row):
        assert not flow.track(a, a, np.float32([[40, 40]])).status[0]
        assert flow.track(corner, corner, np.float32([[40, 40]])).status[0]


def test_nan_in_a_frame_loses_the_points_that_see_it(rng):
    a = textured(rng, 100, 200)
    b = a.copy()
    b[50, 150] = np.nan
    pts = np.float32([[30, 50], [150, 50]])
    assert flow.track(a, b, pts, levels=0).status.tolist() == [True, False]
    assert flow.track(b, a, pts, levels=0).status.tolist() == [True, False]


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3), (5, 5), (21, 22), (44, 43)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_small_and_grey_frames(rng, shape, dtype):
    a = rng.uniform(0, 255, shape).astype(dtype)
    pts = np.float32([[0, 0], [shape[1] / 2, shape[0] / 2]])
    found = flow.track(a, a, pts, backward=True)
    assert found.levels == (1 if min(shape) > 42 else 0)
    np.testing.assert_allclose(found.points, pts, atol=1e-4)
    if min(shape) == 1:
        assert not found.status.any()
    assert not flow.track(np.full_like(a, 7), np.full_like(a, 7), pts).status.any()
    _, status, _ = oracle_flow.track(a, a, pts)
    np.testing.assert_array_equal(found.status, status)
    assert len(flow.corners(np.full_like(a, 7), 10)) == 0
    if min(shape) < 3:
        assert len(flow.corners(a, 10)) == 0


def test_no_points():
    a = np.zeros((50, 60), np.uint8)
    points, status, error = flow.track(a, a, np.zeros((0, 2), np.float32))
    assert (points.shape, status.shape, error.shape) == ((0, 2), (0,), (0,))
    assert (points.dtype, status.dtype, error.dtype) == (np.float32, np.bool_, np.float32)


def test_a_pyramid_is_shared_by_threads(rng):
    frames = [textured(rng, 300, 400, dtype=np.uint8) for _ in range(2)]
    pyramids = [flow.pyramid(f) for f in frames]
    sets = [(rng.uniform(0, 1, (12, 2)) * [400, 300]).astype(np.float32) for _ in range(16)]
    orders = [(0, 1), (1, 0), (0, 0)]
    expected = [flow.track(frames[i], frames[j], p).points for p in sets for i, j in orders]
    results = [None] * len(expected)

    def work(first: int) -> None:
        for k in range(first, len(expected), 4):
            i, j = orders[k % 3]
            results[k] = flow.track(pyramids[i], pyramids[j], sets[k // 3]).points

    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for got, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    window=st.integers(3, 40),
    levels=st.integers(0, 5),
    seed=st.integers(0, 2**31),
)
def test_any_frame_and_any_point(height, width, window, levels, seed):
    """Whatever comes in, lost points are nowhere claimed, and found ones are near enough to see the picture."""
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 256, (height, width), dtype=np.uint8) for _ in range(2))
    pts = rng.uniform(-50, 120, (7, 2)).astype(np.float32)
    found = flow.track(a, b, pts, window=window, levels=levels, backward=True)
    where = found.points[found.status] - (window - 1) / 2
    assert (where >= -window).all()
    assert (where < [width, height]).all()
    assert np.isfinite(found.residual[found.status]).all()
    assert (found.residual[found.status] <= 255).all()


A = np.zeros((50, 60), np.uint8)
P = np.zeros((4, 2), np.float32)


WRONG = [
    ({"prev": A.astype(np.float64)}, TypeError, r"prev must be uint8 or float32, is float64; pass prev.astype"),
    ({"next": A.astype(np.int16)}, TypeError, "next must be uint8 or float32, is int16"),
    ({"next": A.astype(np.float32)}, TypeError, "same dtype, are uint8 and float32"),
    ({"next": A[:-1]}, ValueError, r"same shape, are \[50, 60\] and \[49, 60\]"),
    ({"prev": A[:0], "next": A[:0]}, ValueError, r"prev must hold at least one pixel, its shape is \[0, 60\]"),
    ({"prev": A[None]}, ValueError, "prev must have 2 dimensions"),
    ({"prev": A[:, ::-1]}, ValueError, "prev: pixels of a row must stand together, they are -1 elements apart"),
    ({"next": np.zeros((50, 120), np.uint8)[:, ::2]}, ValueError, "next: pixels of a row .* 2 elements apart"),
    ({"pts": P.astype(np.float64)}, TypeError, "pts must be float32, is float64"),
    ({"pts": P[:, :1]}, ValueError, "pts must "),
    ({"pts": np.zeros((4, 3), np.float32)}, ValueError, r"pts must have the shape \[N, 2\], has \[4, 3\]"),
    ({"pts": P[:, None]}, ValueError, "pts must have 2 dimensions"),
    ({"pts": np.zeros((2, 4), np.float32).T}, ValueError, "pts must be C-contiguous"),
    ({"guess": P[:3]}, ValueError, "guess has 3 points, pts has 4"),
    ({"window": 2}, ValueError, "window must be from 3 to 255, is 2"),
    ({"window": 256}, ValueError, "window must be from 3 to 255, is 256"),
    ({"levels": -1}, ValueError, "levels must be from 0 to 16, is -1"),
    ({"iterations": 0}, ValueError, "iterations must be from 1 to 1000, is 0"),
    ({"epsilon": np.nan}, ValueError, "epsilon must be finite and not below 0, is nan"),
    ({"min_eigenvalue": -1.0}, ValueError, "min_eigenvalue must be finite and not below 0, is -1"),
]


@pytest.mark.parametrize(("change", "error", "match"), WRONG, ids=lambda v: str(v)[:40].replace("\n", ""))
def test_wrong_input(change, error, match):
    call = {"prev": A, "next": A, "pts": P, **change}
    with pytest.raises(error, match=match):
        flow.track(call.pop("prev"), call.pop("next"), call.pop("pts"), **call)
