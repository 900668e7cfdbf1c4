"""What goes wrong on a device is a DeviceError with its cause; nothing hangs, and the processor serves on."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest

from ferkern import nn
from ferkern.models import build
from ferkern.opencl import DeviceError, find, memory, program

pytestmark = pytest.mark.slow


class Failing:
    """Stands for pyopencl; the named call raises as a driver would."""

    def __init__(self, cl, name, code, after=0):
        self._cl, self._name, self._code, self._left = cl, name, code, after

    def __getattr__(self, name):
        there = getattr(self._cl, name)
        if name != self._name:
            return there

        def call(*arguments, **options):
            if self._left > 0:
                self._left -= 1
                return there(*arguments, **options)
            kind = self._cl.MemoryError if "MEM" in self._code else self._cl.RuntimeError
            raise kind(f"{name} failed: {self._code}")

        return call


@pytest.fixture
def session(cl_device):
    return build("fer_2conv").plan(device=cl_device, batch=2)


X = np.zeros((2, 1, 48, 48), np.float32)


@pytest.mark.parametrize("after", [0, 3])
def test_a_device_that_is_lost_in_the_middle(cl_device, session, monkeypatch, after):
    device = find(cl_device)
    expected = session.run(X)
    monkeypatch.setattr(device, "cl", Failing(device.cl, "enqueue_nd_range_kernel", "DEVICE_NOT_AVAILABLE", after))
    with pytest.raises(DeviceError, match=r"could not run the kernel .*DEVICE_NOT_AVAILABLE.*; start the") as caught:
        session.run(X)
    assert caught.value.cause == "lost"
    assert (np.abs(build("fer_2conv").plan().run(X) - expected) < 1e-5).all()
    monkeypatch.undo()
    assert (session.run(X) == expected).all()  # what failed held no lock


@pytest.mark.parametrize(("call", "what"), [("enqueue_copy", "take"), ("enqueue_barrier", "stream")])
def test_a_stream_on_a_device_that_is_lost(cl_device, session, monkeypatch, call, what):
    device = find(cl_device)
    expected = session.run(X)
    results = []
    monkeypatch.setattr("ferkern.opencl.network._overlaps", lambda info: True)
    monkeypatch.setattr(device, "cl", Failing(device.cl, call, "OUT_OF_RESOURCES", after=1))
    with pytest.raises(DeviceError, match=r"could not (take|stream) .*OUT_OF_RESOURCES") as caught:
        results.extend(session.stream([X] * 6))
    assert caught.value.cause == "lost"
    monkeypatch.undo()
    assert all((y == expected).all() for y in [*results, *session.stream([X] * 3)])


def test_a_stream_goes_on_beside_its_uploads(cl_device):
    """In a process of its own: one that waits for an upload has Python's lock, and this one's waits for Python."""
    code = f"""
import signal
import numpy as np
from ferkern.models import build
from ferkern.opencl.streaming import _Lanes
network = build("fer_2conv").plan(device="{cl_device}")._native
x, y, cl = np.zeros((1, 1, 48, 48), np.float32), np.empty((1, 7), np.float32), network.device.cl
lanes, gate = _Lanes(network, 1, None), cl.UserEvent(network.device.context)
cl.enqueue_barrier(lanes.up.queue, wait_for=[gate])
signal.alarm(20)
sent = lanes.send(0, x, y)
gate.set_status(cl.command_execution_status.COMPLETE)
lanes.finish()
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_recorded_run_waits_for_what_an_interrupted_one_has_queued(cl_device, session, monkeypatch):
    """It has a queue of its own, and the values between the layers are there once."""
    device = find(cl_device)
    expected = session.run(X)
    network = session._native
    first, last = (layer.plan for layer in (network.layers[0], network.layers[-1]))
    gate, begin = device.cl.UserEvent(device.context), first.run

    def held(*arguments):
        device.cl.enqueue_barrier(network.lane.queue, wait_for=[gate])
        begin(*arguments)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(first, "run", held)
        patch.setattr(last, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.run(X)
    with ThreadPoolExecutor(1) as thread:
        profiled = thread.submit(session.profile, X)
        early = wait([profiled], timeout=1).done  # all the time it needs; a right one needs the gate
        gate.set_status(device.cl.command_execution_status.COMPLETE)
        assert (profiled.result()[0] == expected).all()
    assert not early


def test_out_of_memory(cl_device, monkeypatch):
    device = find(cl_device)

    class Empty:
        active_bytes = 0

        def allocate(self, size):
            raise device.cl.MemoryError(f"no {size} bytes: MEM_OBJECT_ALLOCATION_FAILURE")

        def bin_number(self, size):
            return size

        def alloc_size(self, size):
            return size

        def free_held(self): ...

    monkeypatch.setattr(device.stream, "pool", Empty())
    monkeypatch.setattr("ferkern.opencl.device.Stream.__post_init__", lambda stream: setattr(stream, "pool", Empty()))
    with pytest.raises(DeviceError, match=r"could not allocate 1,024 bytes.*; use smaller batches") as caught:
        memory.empty(device, 1024)
    assert caught.value.cause == "limit"
    with pytest.raises(DeviceError, match="could not allocate"):
        build("fer_2conv").plan(device=cl_device)
    one = np.ones((1, 1, 1, 1), np.float32)
    with pytest.raises(DeviceError, match="could not allocate"):
        nn.conv2d(one, one, device=cl_device)
    assert nn.conv2d(one, one)[0, 0, 0, 0] == 1


def test_a_network_that_is_too_large_is_refused_before_anything_is_allocated(cl_device, monkeypatch):
    monkeypatch.setattr("ferkern.opencl.network.empty", None)
    with pytest.raises(DeviceError, match="the budget is 1,000") as caught:
        build("fer_2conv").plan(device=cl_device, budget=1000)
    assert caught.value.cause == "limit"


def test_a_kernel_that_does_not_compile(cl_device, tmp_path, monkeypatch):
    kernels = Path(__file__).parent.parent / "kernels" / "opencl"
    for path in kernels.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "dense.cl").write_text("__kernel void dense(void) { nonsense }\n")
    monkeypatch.setenv("FERKERN_CL_DIR", str(tmp_path))
    with pytest.raises(DeviceError, match=r"does not compile dense\.cl") as caught:
        build("fer_2conv").plan(device=cl_device)
    assert caught.value.cause == "build"
    assert build("fer_2conv").plan().run(X).shape == (2, 7)


def test_a_wrong_folder_of_kernels(cl_device, tmp_path, monkeypatch):
    monkeypatch.setenv("FERKERN_CL_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(DeviceError, match=r"kernel source .*\.cl cannot be read.*FERKERN_CL_DIR") as caught:
        build("fer_2conv").plan(device=cl_device)
    assert caught.value.cause == "source"


def test_a_broken_icd_file_takes_no_other_driver_along(cl_device, tmp_path):
    """A file that names a library that is none, or nothing at all, beside a good one."""
    from ferkern.opencl.vendors import environment_drivers, system_icds

    good = {**system_icds(), **{name: str(path) for name, path in environment_drivers().items()}}
    folder = tmp_path / "vendors"
    folder.mkdir()
    (tmp_path / "text.so").write_text("no library")
    (folder / "a.icd").write_text(f"{tmp_path / 'text.so'}\n")
    (folder / "b.icd").write_bytes(b"\xff\xfe\x00")
    (folder / "c.icd").write_text("")
    for i, library in enumerate(good.values()):
        (folder / f"d{i}.icd").write_text(f"{library}\n")
    code = "from ferkern.opencl import devices; print(len(devices()))"
    env = {**os.environ, "OCL_ICD_VENDORS": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1


def test_every_cause_says_what_to_do():
    from typing import get_args

    from ferkern.opencl.errors import Cause

    text = (Path(__file__).parent.parent / "docs" / "opencl.md").read_text()
    assert all(f"| `{cause}` |" in text for cause in get_args(Cause))


def test_built_counts_what_was_built(cl_device):
    nn.conv2d(np.ones((1, 1, 2, 2), np.float32), np.ones((1, 1, 1, 1), np.float32), device=cl_device)
    programs, kernels = program.built()[str(find(cl_device).info)]
    assert kernels >= programs >= 1
