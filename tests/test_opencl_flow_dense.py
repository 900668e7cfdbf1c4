"""Dense flow on every OpenCL device, against the processor's and the oracle."""

from __future__ import annotations

import copy
import dataclasses

import cv2
import numpy as np
import pytest

import oracle_flow_dense
from ferkern import _core, flow
from ferkern.opencl import DeviceError, find
from ferkern.opencl.ops import flow_dis
from ferkern.registry import last_kernel
from test_flow_dense import DTYPES, NO_FLOW, PRESETS, WRONG, A, moved
from textures import textured

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow


def apart(found, expected):
    return np.linalg.norm(found - expected, axis=2)


def test_refinement_is_the_oracles_and_the_processors(cl_device, rng):
    for shape in ((1, 1), (1, 9), (7, 5), (2, 33), (33, 2), (31, 15), (40, 16), (45, 63), (52, 97)):
        a, b = moved(rng, *shape)
        start = rng.uniform(-1.5, 1.5, (*shape, 2)).astype(np.float32)
        start[: shape[0] // 2] = np.float32([1.5, -1])
        for numbers in ({}, {"sweeps": 1, "alpha": 5.0}, {"refinements": 2, "sweeps": 3, "gamma": 0.0, "delta": 20.0}):
            small = shape[0] * shape[1] < 100  # the oracle takes its time
            expected = (oracle_flow_dense.refine if small else flow.refine)(a, b, start, **numbers)
            found = flow.refine(a, b, start, **numbers, device=cl_device)
            # As in test_flow_dense: the order of updates is the same.
            np.testing.assert_allclose(found, expected, atol=2e-3 * max(1, np.abs(expected).max()))
            assert np.abs(found - expected).mean() < 1e-4
    assert last_kernel() == "flow_refine:pixels:opencl"


@pytest.mark.parametrize("dtype", DTYPES)
def test_search_is_the_oracles_and_the_processors(cl_device, rng, dtype):
    for shape, finest, stride in (((9, 70), 0, 5), ((64, 97), 1, 3), ((97, 130), 2, 8), ((241, 175), 0, 4)):
        a, b = moved(rng, *shape, dtype)
        search = flow.dense if finest == 0 and shape[0] > 9 else oracle_flow_dense.dense  # the oracle takes its time
        expected = search(a, b, finest=finest, stride=stride, refinements=0)
        found = flow.dense(a, b, finest=finest, stride=stride, refinements=0, device=cl_device)
        # Where two steps leave nearly the same squares, rounding decides which of them is the last.
        distance = apart(found, expected)
        assert np.median(distance) < 1e-4
        assert (distance < 1e-2).mean() > 0.97
    assert last_kernel() == "flow_dis:patches:opencl"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_the_processors(cl_device, guarded, preset, dtype):
    a, b = moved(np.random.default_rng(3), 233, 317, dtype, (6.2, -4.1))
    expected = flow.dense(a, b, preset)
    out = guarded(*expected.shape)
    assert flow.dense(a, b, preset, out=out, device=cl_device) is out
    distance = apart(out, expected)
    assert np.median(distance) < 1e-4
    assert distance.mean() < 2e-3
    assert (distance < 0.05).mean() > 0.99


@pytest.mark.dataset
@pytest.mark.parametrize("pair", ["RubberWhale", "Venus", "Grove2", "Urban2"])
def test_error_is_the_processors_on_real_pairs(cl_device, data, pair):
    """Measured over the four pairs and three presets: end points 2e-6 to 2e-4 pixels apart in the mean, up to 0.5 where
    a patch took another step; the error against the truth within 1e-4 pixels of the processor's.
    """
    folder = data / "flow" / pair
    a, b = (cv2.imread(str(folder / f"frame1{i}.png"), cv2.IMREAD_GRAYSCALE) for i in (0, 1))
    truth = flow.read_flo(folder / "flow10.flo")
    for preset in PRESETS:
        expected, found = flow.dense(a, b, preset), flow.dense(a, b, preset, device=cl_device)
        assert apart(found, expected).mean() < 1e-3
        assert np.percentile(apart(found, expected), 99.9) < 0.25
        assert flow.endpoint_error(found, truth) < flow.endpoint_error(expected, truth) + 1e-3


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_and_grey_frames(cl_device, rng, dtype):
    for shape in ((1, 1), (1, 40), (40, 1), (2, 3), (7, 5), (8, 8), (9, 9), (15, 17), (16, 33), (33, 34), (65, 31)):
        a = rng.uniform(0, 255, shape).astype(dtype)
        grey = np.full(shape, 77, dtype)
        for preset in PRESETS:
            # The same frame twice, and nothing to see: no motion, to the last bit.
            assert (flow.dense(a, a, preset, device=cl_device) == 0).all()
            assert (flow.dense(grey, grey, preset, device=cl_device) == 0).all()
    found = flow.dense(a, grey, iterations=0, refinements=0, device=cl_device)
    assert (found == 0).all()


@pytest.mark.parametrize("stride", range(1, 9))
def test_every_stride(cl_device, rng, stride):
    a, b = moved(rng, 53, 70)
    found = flow.dense(a, b, finest=0, stride=stride, device=cl_device)
    assert np.median(apart(found, flow.dense(a, b, finest=0, stride=stride))) < 1e-4


def test_numbers_and_frames_from_0_to_1(cl_device, rng):
    a, b = (textured(rng, 90, 120) for _ in range(2))
    numbers = {"finest": 1, "iterations": 7, "refinements": 2, "sweeps": 3, "alpha": 9.0, "delta": 3.0, "gamma": 4.0}
    expected = flow.dense(a, b, **numbers)
    found = flow.dense(a / np.float32(255), b / np.float32(255), **numbers, white=1.0, device=cl_device)
    assert np.median(apart(found, expected)) < 1e-3


@pytest.mark.parametrize("dtype", DTYPES)
def test_frames_of_any_strides_and_the_same_bits_again(cl_device, rng, dtype):
    a, b = moved(rng, 60, 75, dtype)
    expected = flow.dense(a, b, device=cl_device)
    flow.dense(b, a, "medium", device=cl_device)  # what a call leaves behind is not seen by the next
    wide = np.pad(a, ((0, 0), (0, 42)))
    wide.flags.writeable = False
    for x, y in ((a, b), (wide[:, :75], b), (np.ascontiguousarray(a[::-1])[::-1], np.repeat(b, 3, axis=0)[::3])):
        np.testing.assert_array_equal(flow.dense(x, y, device=cl_device), expected)


def test_refine_in_place(cl_device, rng):
    a, b = moved(rng, 40, 50)
    start = np.zeros((40, 50, 2), np.float32)
    expected = flow.refine(a, b, start, device=cl_device)
    assert flow.refine(a, b, start, out=start, device=cl_device) is start
    np.testing.assert_array_equal(start, expected)
    np.testing.assert_array_equal(flow.refine(a, b, start, refinements=0, device=cl_device), start)


def test_as_on_a_gpu(cl_device, rng, monkeypatch):
    """What a GPU is given: a pixel a work item, other groups."""
    a, b = moved(rng, 97, 131, np.uint8)
    own = flow.dense(a, b, "medium", device=cl_device)
    device = copy.copy(find(cl_device))
    device.info = dataclasses.replace(device.info, kind="gpu")
    monkeypatch.setattr(flow_dis, "find", lambda _: device)
    found = flow.dense(a, b, "medium", device=cl_device)
    assert np.median(apart(found, own)) < 1e-4
    assert (apart(found, own) < 0.05).mean() > 0.99


def test_memory_is_checked_before(cl_device, monkeypatch):
    monkeypatch.setattr(flow_dis, "_plane_bytes", lambda *_: 1 << 60)
    with pytest.raises(DeviceError, match=r"the levels takes [0-9,]+ bytes, opencl:\d .* allocates at most"):
        flow.dense(A, A, device=cl_device)
    sizes = flow_dis.Search(find(cl_device), _core.flow_dis_shape(A, A, 1, 4, 3, 1, 4, 20, 5, 10, 255, None)[0]).sizes
    assert all(size > 0 for size in sizes.values())


@pytest.mark.parametrize(("change", "error", "match"), WRONG, ids=lambda v: str(v)[:40].replace("\n", ""))
def test_wrong_input_gets_the_same_message(cl_device, change, error, match):
    messages = []
    for device in ("cpu", cl_device):
        call = {"prev": A, "next": A, **change}
        with pytest.raises(error, match=match) as caught:
            flow.dense(call.pop("prev"), call.pop("next"), **call, device=device)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(("known", "error", "match"), NO_FLOW)
def test_refine_refuses_what_is_no_flow(cl_device, known, error, match):
    with pytest.raises(error, match=match):
        flow.refine(A, A, known, device=cl_device)
