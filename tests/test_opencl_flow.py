"""Pyramids and tracked points on every OpenCL device, against the processor's and the oracle."""

from __future__ import annotations

import dataclasses
import threading
from types import SimpleNamespace

import numpy as np
import pytest

import oracle_flow
from ferkern import flow, image
from ferkern.opencl import find
from ferkern.opencl.ops import flow_lk, pyramid
from ferkern.registry import last_kernel
from test_flow import DTYPES, WRONG, A, P, grid
from textures import textured

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow


@pytest.fixture(params=["own", "gpu"])
def tuned(request, monkeypatch):
    """Runs a test with the tuning of the device's kind, and with a GPU's."""
    if request.param == "gpu":
        for op in (pyramid, flow_lk):
            own = op.tuning
            monkeypatch.setattr(
                op, "tuning", lambda info, *rest, own=own: own(dataclasses.replace(info, kind="gpu"), *rest)
            )


@pytest.mark.parametrize("dtype", DTYPES)
def test_levels_are_the_processors(cl_device, tuned, rng, dtype):
    for shape in ((1, 1), (1, 40), (40, 1), (2, 3), (17, 16), (33, 35), (61, 128), (97, 121)):
        frame = rng.uniform(0, 256, shape).astype(dtype)
        on_device, expected = flow.pyramid(frame, device=cl_device), flow.pyramid(frame)
        assert on_device.shape == shape
        for level in (3, 0, 1, 2, 16):
            found = on_device.level(level)
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, expected.level(level))
    flow.pyramid(frame, device=cl_device).level(1)
    assert last_kernel() == "pyramid:pixels:opencl"


def test_a_level_beyond_the_last_is_refused(cl_device):
    with pytest.raises(ValueError, match="level must be from 0 to 16, is 17"):
        flow.pyramid(A, device=cl_device).level(17)


@pytest.mark.parametrize("dtype", DTYPES)
def test_track_is_the_oracles(cl_device, tuned, rng, dtype):
    a = textured(rng, 97, 121, dtype=dtype)
    b = image.warp(a, image.similarity(1.01, 0.02, (1.7, -2.3)), a.shape, border="replicate")
    pts = np.concatenate([rng.uniform(0, 1, (9, 2)) * [120, 96], [[0, 0], [120, 96], [-2, 50], [60, 97.5]]]).astype(
        np.float32
    )
    for window in (7, 8, 9, 15, 16, 17, 33):
        expected, status, residual = oracle_flow.track(a, b, pts, window=window, levels=2)
        found = flow.track(a, b, pts, window=window, levels=2, device=cl_device)
        np.testing.assert_array_equal(found.status, status)
        # As in test_flow: float32 sums move a point by thousandths of a pixel at most.
        assert np.abs(found.points - expected)[status].max() < 0.004
        np.testing.assert_allclose(found.residual[status], residual[status], atol=0.03)
        assert np.isnan(found.residual[~status]).all()
        assert found.levels == (1 if window == 33 else 2)
    assert last_kernel() == "flow_lk:groups:opencl"


@pytest.mark.parametrize("dtype", DTYPES)
def test_track_is_the_processors_on_a_photograph(cl_device, tuned, photo, dtype):
    """Measured: the same steps everywhere, 3e-5 pixels apart (an ulp of a place of 256 to 512), 6e-5 there and back."""
    a = photo.astype(dtype)
    b = image.warp(photo, image.similarity(0.98, -0.03, (6.4, 3.1)), photo.shape, border="replicate").astype(dtype)
    pts = flow.corners(photo, 200, min_distance=12)
    expected = flow.track(a, b, pts, backward=True)
    found = flow.track(a, b, pts, backward=True, device=cl_device)
    np.testing.assert_array_equal(found.status, expected.status)
    assert expected.status.mean() > 0.9
    assert (found.iterations == expected.iterations).mean() > 0.99
    both = expected.status
    assert np.abs(found.points - expected.points)[both].max() < 1e-3
    assert np.abs(found.points - expected.points)[both].mean() < 1e-5
    np.testing.assert_allclose(found.residual[both], expected.residual[both], atol=1e-3)
    np.testing.assert_allclose(found.backward_error, expected.backward_error, atol=2e-3)


def test_guess_is_where_the_search_begins(cl_device, rng):
    world = textured(rng, 200, 400, smooth=2.5)
    a, b = (np.ascontiguousarray(world[:, x : x + 250]) for x in (0, 90))
    pts = np.float32([[180, 100]])
    found = flow.track(a, b, pts, levels=0, guess=pts - np.float32([88.5, 1]), device=cl_device)
    np.testing.assert_allclose(found.points, pts - [90, 0], atol=0.05)
    assert found.backward_error is None


def test_templates_in_global_memory_give_the_same(cl_device, rng, monkeypatch):
    a = textured(rng, 150, 180, dtype=np.uint8)
    b = np.roll(a, (2, -3), (0, 1))
    pts = grid(150, 180, 25, 5)
    expected = flow.track(a, b, pts, backward=True, device=cl_device)
    own = flow_lk.tuning
    monkeypatch.setattr(flow_lk, "tuning", lambda *args: dataclasses.replace(own(*args), local=False))
    monkeypatch.setattr(flow_lk, "MOST_TEMPLATE_BYTES", 11 * 3 * 4 * 21 * 24)  # several launches
    found = flow.track(a, b, pts, backward=True, device=cl_device)
    np.testing.assert_allclose(found.points, expected.points, atol=1e-4)
    np.testing.assert_array_equal(found.status, expected.status)
    np.testing.assert_array_equal(found.iterations, expected.iterations)
    np.testing.assert_allclose(found.backward_error, expected.backward_error, atol=1e-4)


def test_windows_that_local_memory_does_not_hold(cl_device):
    info = find(cl_device).info
    window = 255
    assert flow_lk.tuning(dataclasses.replace(info, local_bytes=32 << 10), window).local is False
    assert flow_lk.tuning(info, 7).local is True
    y, x = np.mgrid[:300, :320]
    a, b = ((200 * np.exp(-((x - c) ** 2 + (y - 150) ** 2) / 2 / 70**2)).astype(np.float32) for c in (160, 150))
    pts = np.float32([[150, 140]])
    found = flow.track(a, b, pts, window=window, device=cl_device)
    np.testing.assert_allclose(found.points, flow.track(a, b, pts, window=window).points, atol=1e-3)


def test_pyramids_are_used_again(cl_device, rng):
    a, b, c = (np.ascontiguousarray(textured(rng, 130, 160)[i : i + 120]) for i in (0, 3, 6))
    pts = grid(120, 160, 20, 5)
    pyramids = [flow.pyramid(frame, device=cl_device) for frame in (a, b, c)]
    for i, j in ((0, 1), (1, 2), (2, 0), (1, 1)):
        expected = flow.track((a, b, c)[i], (a, b, c)[j], pts, backward=True, device=cl_device)
        for first in (pyramids[i], (a, b, c)[i]):
            found = flow.track(first, pyramids[j], pts, backward=True, device=cl_device)
            for field in ("points", "status", "residual", "backward_error", "iterations"):
                np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))


def test_pyramids_elsewhere_are_refused(cl_device):
    here, there = flow.pyramid(A, device=cl_device), flow.pyramid(A)
    with pytest.raises(
        ValueError, match=r"next is a pyramid on the CPU, device is opencl:\d .*; pass device= to pyramid"
    ):
        flow.track(A, there, P, device=cl_device)
    with pytest.raises(TypeError, match=r"prev must be a NumPy array .* is Pyramid"):
        flow.track(here, A, P)
    here.device = SimpleNamespace(info=find(cl_device).info)  # another device
    with pytest.raises(ValueError, match=r"prev is a pyramid on opencl:\d .*, device is opencl:\d"):
        flow.track(here, A, P, device=cl_device)


@pytest.mark.parametrize("dtype", DTYPES)
def test_frames_of_any_strides(cl_device, rng, dtype):
    a, b = (textured(rng, 60, 75, dtype=dtype) for _ in range(2))
    pts = grid(60, 75, 17, 5)
    expected = flow.track(a, b, pts, device=cl_device)
    wide = np.pad(a, ((0, 0), (0, 42)))
    wide.flags.writeable = False
    for x, y in ((wide[:, :75], b), (np.ascontiguousarray(a[::-1])[::-1], np.repeat(b, 3, axis=0)[::3])):
        np.testing.assert_array_equal(flow.track(x, y, pts, device=cl_device).points, expected.points)


def test_points_that_cannot_be_tracked(cl_device, tuned, rng):
    a = textured(rng, 100, 120, dtype=np.uint8)
    a[:, 80:] = 90
    pts = np.float32(
        [[40, 50], [np.nan, 3], [3, np.inf], [-1e30, 4], [1e30, 1e30], [-40, 50], [40, 150], [108, 50], [3e9, 3]]
    )
    found = flow.track(a, a, pts, backward=True, device=cl_device)
    assert found.status.tolist() == [True] + [False] * 8
    np.testing.assert_array_equal(found.points, pts)
    assert np.isnan(found.residual[1:]).all()
    assert np.isnan(found.backward_error[1:]).all()


def test_nan_in_a_frame_loses_the_points_that_see_it(cl_device, tuned, rng):
    a = textured(rng, 100, 200)
    b = a.copy()
    b[50, 150] = np.nan
    pts = np.float32([[30, 50], [150, 50], [150, 63], [137, 50]])  # the last two: windows that just miss it
    for x, y in ((a, b), (b, a)):
        expected = flow.track(x, y, pts, levels=0)
        found = flow.track(x, y, pts, levels=0, device=cl_device)
        assert found.status.tolist() == expected.status.tolist() == [True, False, True, True]


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_and_grey_frames(cl_device, rng, dtype):
    for shape in ((1, 1), (1, 40), (40, 1), (2, 3), (5, 5), (21, 22), (44, 43)):
        a = rng.uniform(0, 255, shape).astype(dtype)
        pts = np.float32([[0, 0], [shape[1] / 2, shape[0] / 2]])
        found = flow.track(a, a, pts, backward=True, device=cl_device)
        np.testing.assert_allclose(found.points, pts, atol=1e-4)
        expected = flow.track(a, a, pts)
        np.testing.assert_array_equal(found.status, expected.status)
        assert found.levels == expected.levels
        grey = np.full_like(a, 7)
        assert not flow.track(grey, grey, pts, device=cl_device).status.any()


def test_no_points(cl_device):
    for device in ("cpu", cl_device):
        found = flow.track(A, A, np.zeros((0, 2), np.float32), backward=True, device=device)
        assert [(v.shape, v.dtype) for v in dataclasses.astuple(found)[:5]] == [
            ((0, 2), np.float32), ((0,), np.bool_), ((0,), np.float32), ((0,), np.float32), ((0,), np.int32),
        ]  # fmt: skip


def test_a_pyramid_of_another_queue(cl_device, rng):
    """What a recorded queue builds is used by the common one, and the other way round."""
    a, b = (textured(rng, 90, 120, dtype=np.uint8)[i : i + 80] for i in (0, 2))
    pts = grid(80, 120, 20, 5)
    expected = flow.track(a, b, pts, levels=2, device=cl_device)
    first, second = (flow.pyramid(frame, device=cl_device) for frame in (a, b))
    first.build(1)
    with find(cl_device).recording() as timeline:
        second.build(1)
        found = flow.track(first, second, pts, levels=2, device=cl_device)
        np.testing.assert_array_equal(found.points, expected.points)
        kernels = [span.name for span in timeline.spans() if span.kind == "kernel"]
    assert kernels == ["pyramid_halve"] * (2 * expected.levels - 1) + ["flow_lk_track"]
    np.testing.assert_array_equal(flow.track(second, first, pts, device=cl_device).levels, expected.levels)


def test_a_pyramid_is_shared_by_threads(cl_device, rng):
    frames = [textured(rng, 100, 140, dtype=np.uint8) for _ in range(2)]
    pyramids = [flow.pyramid(f, device=cl_device) for f in frames]
    sets = [(rng.uniform(0, 1, (6, 2)) * [140, 100]).astype(np.float32) for _ in range(8)]
    expected = [flow.track(*frames, p, device=cl_device).points for p in sets]
    results = [None] * len(sets)

    def work(first: int) -> None:
        for k in range(first, len(sets), 4):
            results[k] = flow.track(*pyramids, sets[k], device=cl_device).points

    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for got, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(("change", "error", "match"), WRONG, ids=lambda v: str(v)[:40].replace("\n", ""))
def test_wrong_input_gets_the_same_message(cl_device, change, error, match):
    messages = []
    for device in ("cpu", cl_device):
        call = {"prev": A, "next": A, "pts": P, **change}
        with pytest.raises(error, match=match) as caught:
            flow.track(call.pop("prev"), call.pop("next"), call.pop("pts"), **call, device=device)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
