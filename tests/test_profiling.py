"""Ledgers of single calls."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import ferkern as fk
from ferkern.opencl import find
from ferkern.opencl.program import _built


@pytest.fixture
def arrays(rng):
    return rng.standard_normal((2, 8, 40, 40), np.float32), rng.standard_normal((8, 8, 3, 3), np.float32)


def assert_over(cl_device):
    """Nothing is recorded any more."""
    stream = find(cl_device).stream
    assert stream is find(cl_device)._shared
    assert stream.timeline is None


@pytest.mark.slow
def test_a_call_on_a_device(cl_device, arrays):
    x, w = arrays
    plain = fk.nn.conv2d(x, w, padding=1, device=cl_device)
    begin = time.perf_counter()
    y, ledger = fk.profile(fk.nn.conv2d, x, w, padding=1, device=cl_device)
    outside = time.perf_counter() - begin
    assert (y == plain).all()
    assert 0 < ledger.wall_seconds < outside
    assert sum(ledger.kinds.values()) + ledger.remainder_seconds == pytest.approx(ledger.wall_seconds)
    assert 0 <= ledger.remainder_seconds < 0.03 * ledger.wall_seconds
    assert {"kernel", "host to device", "device to host", "host"} <= set(ledger.kinds)
    assert "compile" not in ledger.kinds  # built before
    kernels = {span.name for span in ledger.spans if span.kind == "kernel"}
    assert {row.kernel for row in ledger.rows} == kernels
    assert {row.layer for row in ledger.rows} == {"conv2d"} == {span.layer for span in ledger.spans}
    assert sum(ledger.seconds) == pytest.approx(ledger.kinds["kernel"])
    assert ledger.device == str(find(cl_device).info)
    assert_over(cl_device)


@pytest.mark.slow
def test_compiling_counts(cl_device, arrays, monkeypatch):
    x, w = arrays
    for key in list(_built):
        monkeypatch.delitem(_built, key)
    _, ledger = fk.profile(fk.nn.conv2d, x, w, device=cl_device)
    assert ledger.kinds["compile"] > 0


@pytest.mark.slow
def test_the_table_names_kernels_and_has_no_rates(cl_device, arrays):
    lines = str(fk.profile(fk.nn.softmax, arrays[0], device=cl_device)[1]).splitlines()
    assert lines[0].split() == ["layer", "kernel", "us", "time"]
    assert lines[1].split()[:2] == ["softmax", "softmax_rows"]
    assert any(line.startswith("device to host") for line in lines)


@pytest.mark.slow
def test_a_network_keeps_its_layers(cl_device):
    session = fk.load("fer_small").plan(device=cl_device)
    x = np.zeros((1, *session.input_shape), np.float32)
    layers = [row.layer for row in session.profile(x)[1].rows]
    _, ledger = fk.profile(session.run, x)
    assert {row.layer for row in ledger.rows} == set(layers)
    (_, inner), ledger = fk.profile(session.profile, x)  # one record within the other
    assert list(dict.fromkeys(row.layer for row in ledger.rows)) == layers
    assert ledger.kinds["kernel"] == pytest.approx(inner.kinds["kernel"])
    assert_over(cl_device)


@pytest.mark.slow
def test_only_the_calling_thread_is_recorded(cl_device, arrays):
    x, w = arrays

    def elsewhere():
        thread = threading.Thread(target=fk.nn.conv2d, args=(x, w), kwargs={"device": cl_device})
        thread.start()
        thread.join()
        return fk.nn.softmax(x, device=cl_device)

    _, ledger = fk.profile(elsewhere)
    assert {row.kernel for row in ledger.rows} == {"softmax_rows"}
    assert {row.layer for row in ledger.rows} == {"elsewhere"}


@pytest.mark.slow
def test_a_failing_call_ends_the_record(cl_device, arrays):
    x, w = arrays

    def fails():
        fk.nn.conv2d(x, w, device=cl_device)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fk.profile(fails)
    assert_over(cl_device)
    with pytest.raises(RuntimeError, match="recorded already"):
        fk.profile(fk.profile, fk.nn.conv2d, x, w, device=cl_device)
    assert_over(cl_device)
    with pytest.raises(ValueError, match="input channels"):
        fk.profile(fk.nn.conv2d, x, w[:, :3], device=cl_device)
    assert fk.profile(fk.nn.softmax, x, device=cl_device)[1].kinds["kernel"] > 0


def test_a_call_on_the_processor(arrays):
    y, ledger = fk.profile(fk.nn.conv2d, *arrays)
    assert (y == fk.nn.conv2d(*arrays)).all()
    assert ledger.device == "cpu"
    with fk.config(threads=3):
        assert fk.profile(fk.nn.conv2d, *arrays)[1].threads == 3
    assert [row.layer for row in ledger.rows] == ["conv2d"]
    assert ledger.seconds == (ledger.wall_seconds,)
    assert not ledger.spans
    assert "profile" not in str(ledger)  # of what nothing is known that it could be compared with
