"""Dense flow against the oracle, the plain reference, OpenCV, and motion that is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle_flow_dense
from ferkern import flow, image
from ferkern.config import config
from textures import textured

DTYPES = [np.uint8, np.float32]
PRESETS = ["ultrafast", "fast", "medium"]


def moved(rng, height, width, dtype=np.float32, motion=(1.7, -1.2)):
    world = textured(rng, height + 40, width + 40, smooth=2, dtype=dtype)
    return tuple(
        image.warp(world, image.similarity(scale, angle, (20 + x, 20 + y)), (height, width))
        for scale, angle, (x, y) in ((1, 0, (0, 0)), (1.01, 0.01, motion))
    )


@pytest.mark.op("flow_refine")
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 5), (2, 33), (33, 2), (31, 15), (40, 16), (45, 63), (52, 97)])
def test_refinement_is_the_oracles(rng, row, forced, shape):
    a, b = moved(rng, *shape)
    start = rng.uniform(-1.5, 1.5, (*shape, 2)).astype(np.float32)
    start[: shape[0] // 2] = np.float32([1.5, -1])
    for numbers in ({}, {"sweeps": 1, "alpha": 5.0}, {"refinements": 2, "sweeps": 3, "gamma": 0.0, "delta": 20.0}):
        expected = oracle_flow_dense.refine(a, b, start, **numbers)
        with forced(row):
            found = flow.refine(a, b, start, **numbers)
        # Sums of some ten products each, and estimates to two units of the last place: 1e-6 of weights up to 1e3 times
        # each other, carried on by up to eight half sweeps.
        np.testing.assert_allclose(found, expected, atol=2e-3 * max(1, np.abs(expected).max()))
        assert np.abs(found - expected).mean() < 1e-4


@pytest.mark.op("flow_dis")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "finest", "stride"), [((41, 75), 0, 4), ((64, 97), 1, 3), ((97, 130), 2, 8), ((9, 70), 0, 5)]
)
def test_search_is_the_oracles(rng, row, forced, dtype, shape, finest, stride):
    a, b = moved(rng, *shape, dtype)
    expected = oracle_flow_dense.dense(a, b, finest=finest, stride=stride, refinements=0)
    with forced(row):
        found = flow.dense(a, b, finest=finest, stride=stride, refinements=0)
    # Where two steps leave nearly the same squares, rounding decides which of them is the last.
    distance = np.linalg.norm(found - expected, axis=2)
    assert np.median(distance) < 1e-4
    assert (distance < 1e-2).mean() > 0.97


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_the_oracles(rng, preset):
    a, b = moved(rng, 70, 90)
    known = flow.PRESETS[preset]
    expected = oracle_flow_dense.dense(a, b, finest=known.finest, refinements=known.refinements)
    distance = np.linalg.norm(flow.dense(a, b, preset) - expected, axis=2)
    assert np.median(distance) < 1e-3
    assert (distance < 2e-2).mean() > 0.97


@pytest.mark.op("flow_dis")
@pytest.mark.parametrize("preset", PRESETS)
def test_known_motion_is_found(rng, row, preset):
    height, width = 180, 230
    world = textured(rng, height + 80, width + 80, smooth=2, dtype=np.uint8)
    a, b = (
        image.warp(world, image.similarity(1, 0, (40 + x, 40 + y)), (height, width)) for x, y in ((0, 0), (7.5, -11.25))
    )
    with config(isa=row.isa, kernel=row.name, exact=True):
        found = flow.dense(a, b, preset)
    # Where the motion leads out of the frame nothing can be found: most of the error lies there.
    assert flow.endpoint_error(found, np.broadcast_to(np.float32([-7.5, 11.25]), found.shape)) < 0.4
    inner = found[30:-30, 30:-30] - np.float32([-7.5, 11.25])
    assert np.linalg.norm(inner, axis=2).mean() < {"ultrafast": 0.16, "fast": 0.08, "medium": 0.08}[preset]


@pytest.mark.dataset
@pytest.mark.parametrize("pair", ["RubberWhale", "Venus", "Grove2", "Urban2"])
def test_error_is_below_opencvs(data, pair):
    folder = data / "flow" / pair
    a, b = (cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE) for name in ("frame10.png", "frame11.png"))
    truth = flow.read_flo(folder / "flow10.flo")
    for number, preset in enumerate(PRESETS):
        theirs = cv2.DISOpticalFlow_create(number).calc(a, b, None)
        assert flow.endpoint_error(flow.dense(a, b, preset), truth) < 0.9 * flow.endpoint_error(theirs, truth)


@pytest.mark.op("flow_dis")
def test_same_bits_for_every_number_of_threads(row):
    rng = np.random.default_rng(5)
    a, b = moved(rng, 150, 260, np.uint8)
    for numbers in ({"preset": "medium"}, {"preset": "fast", "stride": 3}):
        results = []
        for threads in (1, 2, 3, 7):
            with config(isa=row.isa, kernel=row.name, exact=True, threads=threads):
                results.append(flow.dense(a, b, **numbers))
        for other in results[1:]:
            np.testing.assert_array_equal(results[0], other)


def test_a_call_does_not_see_what_the_one_before_left_behind(rng):
    """A call's memory is kept for the next one, of whatever size."""
    shapes = [(61, 83), (17, 200), (90, 33), (8, 9), (128, 96)]
    pairs = [[rng.uniform(-s, s, shape).astype(np.float32) for _ in range(2)] for shape in shapes for s in (65000, 100)]
    runs = []
    for order in (range(10), reversed(range(10)), (3, 7, 1, 9, 5, 0, 8, 2, 6, 4)):
        found = {k: [flow.dense(*pairs[k], preset) for preset in PRESETS] for k in order}
        runs.append(found)
    for other in runs[1:]:
        for k, fields in runs[0].items():
            for mine, its in zip(fields, other[k], strict=True):
                np.testing.assert_array_equal(mine, its)


@pytest.mark.parametrize("dtype", DTYPES)
def test_frames_are_read_as_they_stand(rng, guarded, dtype):
    a, b = moved(rng, 70, 101, dtype)
    expected = flow.dense(a, b)
    padded = np.pad(a, ((3, 2), (5, 9)), constant_values=dtype(77))
    padded.flags.writeable = False
    for x in (padded[3:-2, 5:-9], np.ascontiguousarray(a[::-1])[::-1], np.repeat(a, 3, axis=0)[::3]):
        np.testing.assert_array_equal(flow.dense(x, b), expected)
    out = guarded(70, 101, 2)
    assert flow.dense(a, b, out=out) is out
    np.testing.assert_array_equal(out, expected)
    start = expected.copy()
    refined = flow.refine(a, b, start)
    assert flow.refine(a, b, start, out=start) is start
    np.testing.assert_array_equal(start, refined)


def test_frames_from_0_to_1(rng):
    a, b = moved(rng, 60, 80)
    unit = [(x / np.float32(255)).astype(np.float32) for x in (a, b)]
    np.testing.assert_allclose(flow.dense(*unit, white=1.0), flow.dense(a, b), atol=0.02)
    np.testing.assert_allclose(
        flow.dense(*(x.astype(np.uint8) for x in (a, b))), flow.dense(*(np.floor(x) for x in (a, b))), atol=1e-6
    )


@pytest.mark.op("flow_dis")
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3), (7, 5), (8, 8), (9, 9), (15, 17), (16, 33)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_small_and_grey_frames(rng, row, shape, dtype):
    a = rng.uniform(0, 255, shape).astype(dtype)
    b = rng.uniform(0, 255, shape).astype(dtype)
    with config(isa=row.isa, kernel=row.name, exact=True):
        for preset in PRESETS:
            assert np.isfinite(flow.dense(a, b, preset)).all()
            np.testing.assert_allclose(flow.dense(a, a, preset), 0, atol=1e-3)
            np.testing.assert_array_equal(flow.dense(np.full_like(a, 7), np.full_like(a, 7), preset), 0)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    stride=st.integers(1, 8),
    preset=st.sampled_from(PRESETS),
    refinements=st.integers(0, 3),
    scale=st.sampled_from([1e-6, 1.0, 255.0, 65000.0]),
    seed=st.integers(0, 2**31),
)
def test_any_frames_give_finite_flow_within_reach(height, width, stride, preset, refinements, scale, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.uniform(-scale, scale, (height, width)).astype(np.float32) for _ in range(2))
    found = flow.dense(a, b, preset, stride=stride, refinements=refinements)
    assert np.isfinite(found).all()
    if refinements == 0:  # eight pixels on each level at most
        assert np.abs(found).max() <= 8 * 2 * 2**4


A = np.zeros((50, 60), np.uint8)
F = A.astype(np.float32)
HOLE = F.copy()
HOLE[7, 9] = np.nan


WRONG = [
    ({"prev": A.astype(np.float64)}, TypeError, r"prev must be uint8 or float32, is float64; pass prev.astype"),
    ({"next": F}, TypeError, "same dtype, are uint8 and float32"),
    ({"next": A[:-1]}, ValueError, r"same shape, are \[50, 60\] and \[49, 60\]"),
    ({"prev": A[:0], "next": A[:0]}, ValueError, r"prev must hold at least one pixel, its shape is \[0, 60\]"),
    ({"prev": A[None]}, ValueError, "prev must have 2 dimensions"),
    ({"next": A[:, ::-1]}, ValueError, "next: pixels of a row must stand together, they are -1 elements apart"),
    ({"prev": HOLE, "next": F}, ValueError, "prev must be finite and within 256 times white, which is 255"),
    ({"prev": F, "next": F + 1e5}, ValueError, "next must be finite and within 256 times white"),
    ({"preset": "slow"}, ValueError, "unknown preset 'slow'; known: ultrafast, fast, medium"),
    ({"finest": 11}, ValueError, "finest must be from 0 to 10, is 11"),
    ({"stride": 9}, ValueError, "stride must be from 1 to 8, is 9"),
    ({"iterations": -1}, ValueError, "iterations must be from 0 to 1000, is -1"),
    ({"refinements": 1001}, ValueError, "refinements must be from 0 to 1000, is 1001"),
    ({"sweeps": 0}, ValueError, "sweeps must be from 1 to 100, is 0"),
    ({"alpha": 0.0}, ValueError, "alpha must be above 0 and at most 1e6, is 0"),
    ({"delta": np.nan}, ValueError, "delta must be from 0 and at most 1e6, is nan"),
    ({"gamma": -1.0}, ValueError, "gamma must be from 0 and at most 1e6, is -1"),
    ({"white": 0.0}, ValueError, "white must be finite and above 0, is 0"),
    ({"out": np.zeros((50, 60), np.float32)}, ValueError, "out must have 3 dimensions"),
    ({"out": np.zeros((50, 61, 2), np.float32)}, ValueError, r"out has shape \[50, 61, 2\], axis 1 must be 60"),
]


@pytest.mark.parametrize(("change", "error", "match"), WRONG, ids=lambda v: str(v)[:40].replace("\n", ""))
def test_wrong_input(change, error, match):
    call = {"prev": A, "next": A, **change}
    with pytest.raises(error, match=match):
        flow.dense(call.pop("prev"), call.pop("next"), **call)


NO_FLOW = [
    (np.zeros((50, 60, 3), np.float32), ValueError, r"flow must have the shape \[50, 60, 2\], has \[50, 60, 3\]"),
    (np.zeros((50, 60, 2)), TypeError, "flow must be float32, is float64"),
    (np.full((50, 60, 2), np.inf, np.float32), ValueError, "flow must be finite and within"),
    (np.full((50, 60, 2), 1e9, np.float32), ValueError, "flow must be finite and within"),
]


@pytest.mark.parametrize(("known", "error", "match"), NO_FLOW)
def test_refine_refuses_what_is_no_flow(known, error, match):
    with pytest.raises(error, match=match):
        flow.refine(A, A, known)
