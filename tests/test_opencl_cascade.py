"""The face cascade on every OpenCL device: the same windows and votes as on the processor, to the last bit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from cascades import FORMS, WINDOW, haar, lbp, picture
from command import ferkern, lines
from ferkern import _core, recognize
from ferkern.cli.demo import portraits
from ferkern.face import cascade_xml
from ferkern.face.detect import Detector
from ferkern.opencl import DeviceError, find
from ferkern.opencl.ops import cascade as op
from ferkern.pictures import read
from ferkern.registry import last_kernel
from opencl_structs import layout_on_device

# Kernels of a device do not depend on the processor's instruction set.
pytestmark = pytest.mark.slow

HAAR = Path(cv2.data.haarcascades)


def made_up(form, rng, tmp_path, number=0):
    path = tmp_path / f"{number}.xml"
    path.write_bytes(FORMS[form](rng) if form in FORMS else form)
    return path


def same_windows(here, there, *calls):
    """Compares every window of each call (gray, options of a scan); returns how many passed."""
    windows = 0
    for gray, *options in calls:
        hits, votes = here._scan(gray, *options)
        found, said = there._scan(gray, *options)
        assert last_kernel() == "cascade:windows:opencl"
        np.testing.assert_array_equal(found, hits)
        np.testing.assert_array_equal(said, votes)
        windows += len(hits)
    return windows


def both(path, device):
    return Detector.load(path), Detector.load(path, device=device)


def lenient(path, device, cumulative=False):
    """The same cascade with stages that let much more through."""
    tables = cascade_xml.read(str(path))
    tables = replace(tables, cumulative=cumulative, stage_thresholds=3 * tables.stage_thresholds)
    return Detector(tables, None, "c"), Detector(tables, None, "c", device)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_cascade(cl_device, form, rng, tmp_path):
    windows = 0
    for number in range(2):
        path = made_up(form, rng, tmp_path, number)
        grays = [picture(rng, *size) for size in ((WINDOW + 1, WINDOW + 2), (53, 37), (131, 190))]
        calls = [(gray, 1.1, (0, 0), (0, 0), step) for gray in grays for step in (0, 1)]
        windows += same_windows(*both(path, cl_device), *calls, (grays[2], 1.37, (24, 31), (60, 70), 2))
    assert windows > 100, "the cascades should let windows through"


@pytest.mark.parametrize("stages", [1, 2, 9])
@pytest.mark.parametrize("cumulative", [False, True])
def test_any_number_of_stages(cl_device, rng, tmp_path, stages, cumulative):
    """One stage only; as many as the groups take; votes carried from stage to stage."""
    path = tmp_path / "c.xml"
    path.write_bytes(haar(rng, stages=stages, trees=3))
    assert same_windows(*lenient(path, cl_device, cumulative), (picture(rng, 97, 120), 1.2, (0, 0), (0, 0), 0)) > 20


@pytest.mark.parametrize(
    "tuned",
    [
        op.Tuning(group=64, block=(32, 4), listed=256, stages=(1, 2, 3)),
        op.Tuning(group=1, block=(16, 1), listed=64, stages=()),
    ],
    ids=["groups", "one list"],
)
def test_other_tuning(cl_device, rng, tmp_path, monkeypatch, tuned):
    """As a GPU runs it: a group along each row, lists between all stages; and without any."""
    monkeypatch.setattr(op, "tuning", lambda info, lbp: tuned)
    path = made_up("old trees, tilted", rng, tmp_path)
    assert same_windows(*lenient(path, cl_device), (picture(rng, 83, 150), 1.2, (0, 0), (0, 0), 0)) > 10


def test_more_windows_than_one_download_brings(cl_device, rng, tmp_path, monkeypatch):
    monkeypatch.setattr(op, "_EXPECTED", 100)
    path = made_up("lbp stumps", rng, tmp_path)
    assert same_windows(*lenient(path, cl_device), (picture(rng, 97, 120), 1.2, (0, 0), (0, 0), 1)) > 101


@pytest.mark.parametrize("name", ["frontalface_default", "eye_tree_eyeglasses"])
def test_opencvs_own_files_on_a_portrait(cl_device, name, photo):
    path = HAAR / f"haarcascade_{name}.xml"
    here, there = Detector.load(path), Detector.load(path, device=cl_device)
    for options in ({}, {"scale_factor": 1.3, "min_neighbors": 0}):
        found, expected = there.detect(photo, **options), here.detect(photo, **options)
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)
    assert len(expected) > 0


def test_the_detector_that_comes_with_the_package_on_portraits(cl_device):
    here, there = Detector.load(), Detector.load(device=cl_device)
    assert (here.device, there.device) == ("cpu", cl_device)
    for path in portraits().values():
        gray = read(path, name=str(path)).gray()
        found, expected = there.detect(gray), here.detect(gray)
        assert len(expected) >= 1
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.dataset
def test_photographs(cl_device, data):
    here, there = Detector.load(), Detector.load(device=cl_device)
    boxes = 0
    for folder, step in (("landmarks68", 120), ("genki4k", 400), ("no_faces", 200)):
        for path in islice(sorted((data / folder / "images").iterdir()), 0, None, step):
            gray = read(path, name=path.name).gray()
            found, expected = there.detect(gray), here.detect(gray)
            np.testing.assert_array_equal(found.boxes, expected.boxes)
            np.testing.assert_array_equal(found.scores, expected.scores)
            boxes += len(found)
    assert boxes > 10


def test_small_pictures_hold_nothing(cl_device, rng, tmp_path):
    path = made_up("haar stumps", rng, tmp_path)
    detector = Detector.load(path, device=cl_device)
    for shape in ((1, 1), (WINDOW - 1, 200), (200, WINDOW - 1), (WINDOW, WINDOW)):
        assert len(detector.detect(np.full(shape, 9, np.uint8))) == 0


def test_narrow_and_large_pictures(cl_device, rng, tmp_path):
    path = made_up("haar trees", rng, tmp_path)
    sizes = ((WINDOW, 700), (700, WINDOW), (WINDOW, WINDOW), (240, 401))
    assert same_windows(*both(path, cl_device), *((picture(rng, *size), 1.3, (0, 0), (0, 0), 0) for size in sizes)) > 0


def test_strided_rows_and_the_next_picture_of_a_size(cl_device, rng, tmp_path):
    path = made_up("lbp trees", rng, tmp_path)
    whole = picture(rng, 90, 160)
    calls = [
        (gray, 1.2, (0, 0), (0, 0), 0) for gray in (whole[5:85, 30:140], whole[:80, 50:], whole[80::-1][:80, :110])
    ]
    same_windows(*both(path, cl_device), *calls)
    detector = Detector.load(path, device=cl_device)
    assert len(detector.detect(whole, min_neighbors=0)) == len(detector.detect(whole, min_neighbors=0))
    with pytest.raises(ValueError, match="pixels of a row must stand together"):
        detector.detect(np.asfortranarray(whole))  # although one of this shape was searched before
    with pytest.raises(TypeError, match="gray must be uint8, is float32"):
        detector.detect(whole.astype(np.float32))


def test_several_detectors_in_several_threads(cl_device, rng, tmp_path):
    forms = ("haar stumps", "haar tilted", "lbp stumps")
    paths = [made_up(form, rng, tmp_path, i) for i, form in enumerate(forms)]
    here, there = [Detector.load(p) for p in paths], [Detector.load(p, device=cl_device) for p in paths]
    jobs = [(k, picture(rng, 60 + 7 * i, 90 + 5 * i)) for i in range(6) for k in range(3)]
    with ThreadPoolExecutor(5) as pool:
        together = list(pool.map(lambda job: there[job[0]].detect(job[1], min_neighbors=0), jobs))
    for (k, gray), found in zip(jobs, together, strict=True):
        expected = here[k].detect(gray, min_neighbors=0)
        np.testing.assert_array_equal(found.boxes, expected.boxes)


def test_wrong_input_gets_the_same_message(cl_device, rng, tmp_path):
    path = made_up("haar stumps", rng, tmp_path)
    messages = []
    for where in ("cpu", cl_device):
        detector = Detector.load(path, device=where)
        for call, match in (
            (lambda d: d.detect(np.zeros((0, 9), np.uint8)), "it must hold a pixel"),
            (lambda d: d._scan(np.zeros((40, 40), np.uint8), 1.0, (0, 0), (0, 0), 0), "greater than 1"),
            (lambda d: d._scan(np.zeros((40, 40), np.uint8), 1.1, (-1, 0), (0, 0), 0), "min_size is -1"),
            (lambda d: d._scan(np.zeros((40, 40), np.uint8), 1.1, (0, 0), (0, 0), 3), "step is 3"),
        ):
            with pytest.raises(ValueError, match=match) as caught:
                call(detector)
            messages.append(str(caught.value))
    assert messages[:4] == messages[4:]


def test_a_device_without_float64_is_refused_by_name(cl_device, rng, tmp_path, monkeypatch):
    device = find(cl_device)
    monkeypatch.setattr(device, "info", replace(device.info, fp64=False))
    with pytest.raises(DeviceError, match="has no float64") as caught:
        Detector.load(made_up("haar stumps", rng, tmp_path), device=cl_device)
    assert caught.value.cause == "feature"


def test_what_exceeds_the_device_is_refused_before_it_is_sent(cl_device, rng, tmp_path, monkeypatch):
    detector = Detector.load(made_up("haar stumps", rng, tmp_path), device=cl_device)
    device = find(cl_device)
    with monkeypatch.context() as patch:
        patch.setattr(device, "info", replace(device.info, allocation_bytes=10_000))
        with pytest.raises(DeviceError, match="allocates at most 10,000"):
            detector.detect(picture(rng, 131, 190))
    assert detector.detect(picture(rng, 131, 190), min_neighbors=0) is not None


def records(tmp_path, rng):
    path = tmp_path / "c.xml"
    path.write_bytes(lbp(rng))
    cascade = Detector.load(path)._cascade
    scan = _core.PlannedScan(cascade, picture(rng, 61, 97), 1.2, (0, 0), (0, 0), 0)
    program = _core.cascade_program(cascade, 128)
    return {
        "fk_cascade_shape": scan.shape(),
        "fk_cascade_level": scan.levels()[-1],
        "fk_cascade_row": scan.rows()[-1],
        "fk_cascade_tap": scan.taps()[-1],
        "fk_cascade_window_row": scan.window_rows()[-1],
        "fk_cascade_node": program["nodes"][-1],
        "fk_cascade_tree": program["trees"][-1],
        "fk_cascade_stage": program["stages"][-1],
    }


def test_both_compilers_lay_out_the_same_structs(cl_device, rng, tmp_path):
    for struct, value in records(tmp_path, rng).items():
        record = np.asarray(value)
        size, offsets, content = layout_on_device(cl_device, "fk_cascade.h", struct, record)
        assert size == record.dtype.itemsize
        assert offsets == [record.dtype.fields[name][1] for name in record.dtype.names]
        assert content == record.tobytes()


def test_levels_lie_apart_in_the_plane(rng, tmp_path):
    path = tmp_path / "c.xml"
    path.write_bytes(haar(rng))
    cascade = Detector.load(path)._cascade
    for size in ((21, 20), (240, 401), (700, 33)):
        scan = _core.PlannedScan(cascade, np.zeros(size, np.uint8), 1.1, (0, 0), (0, 0), 0)
        shape, levels = scan.shape(), scan.levels()
        taken = np.zeros((int(shape["lines"]), int(shape["stride"])), np.int32)
        for level in levels:
            top, left = divmod(int(level["origin"]), int(shape["stride"]))
            assert left + level["width"] + 1 <= shape["stride"]
            taken[top : top + level["height"] + 1, left : left + level["width"] + 1] += 1
        assert taken.max() == 1
        assert taken.sum() == ((levels["width"] + 1) * (levels["height"] + 1)).sum()
        assert int(shape["pixels"]) == (levels["width"] * levels["height"]).sum()


def test_the_whole_pipeline(cl_device):
    """Boxes to the last bit; what the network says within float32's rounding over its layers."""
    path = portraits()["Eileen Collins"]
    here, there = recognize(path), recognize(path, device=cl_device)
    assert len(there) == len(here) == 1
    for mine, expected in zip(there, here, strict=True):
        assert (mine.box, mine.score, mine.pose, mine.emotion) == (
            expected.box,
            expected.score,
            expected.pose,
            expected.emotion,
        )
        np.testing.assert_array_equal(mine.landmarks, expected.landmarks)
        np.testing.assert_allclose(
            list(mine.probabilities.values()), list(expected.probabilities.values()), atol=1e-4, rtol=0
        )


def test_the_command_line(cl_device, portrait):
    done = ferkern("recognize", "--json", "--quiet", "--device", cl_device, portrait)
    assert done.returncode == 0, done.stderr
    assert [len(line["faces"]) for line in lines(done.stdout)] == [1]


def test_the_command_line_names_a_device_that_is_not_there(portrait):
    done = ferkern("recognize", "--device", "opencl:99", portrait)
    assert done.returncode == 2
    assert "OpenCL" in done.stderr
    assert "Traceback" not in done.stderr
