"""The host side of OpenCL: finding devices, telling causes apart, building programs once, keeping within limits."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ferkern import bench, flow, image, linalg, nn, opencl
from ferkern.opencl import DeviceError, memory, program, tune, vendors
from ferkern.opencl import device as host_side
from ferkern.opencl.ops import conv2d_direct as op
from opencl_devices import required

KERNELS = Path(__file__).parent.parent / "kernels" / "opencl"


def run(code: str, tmp_path: Path, **environment: str) -> str:
    """What a fresh interpreter prints; `tmp_path` stands first on its path."""
    paths = [str(tmp_path), *sys.path]
    env = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(paths), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


REPORT_ERROR = """
from ferkern.opencl import DeviceError, find
try:
    find("opencl")
except DeviceError as error:
    print(error.cause, "|", error)
"""

FAKE = """
class Error(Exception): pass
class device_type: GPU, ACCELERATOR, CPU = 4, 8, 2
VERSION = (1, 0)
class Platform:
    name, vendor, version = "Silent", "", ""
    def get_devices(self): raise Error("DEVICE_NOT_FOUND")
def get_platforms(): return [Platform()]
"""


def test_without_pyopencl_the_package_works_and_says_what_is_missing(tmp_path):
    code = """
import sys
sys.modules["pyopencl"] = None
import numpy as np
import ferkern
from ferkern import nn, registry
nn.conv2d(np.ones((1, 1, 3, 3), np.float32), np.ones((1, 1, 3, 3), np.float32))
rows = [k.supported for k in registry.kernels("conv2d") if k.isa == "opencl"]
assert rows and not any(rows)
assert ferkern.opencl.describe().problems[0].cause == "host"
"""
    said = run(code + REPORT_ERROR, tmp_path)
    assert said.startswith("host | pyopencl is not installed; pip install 'ferkern[opencl]'")


def test_importing_the_package_imports_no_opencl(tmp_path):
    code = "import sys, ferkern, ferkern.nn, ferkern.opencl; print('pyopencl' in sys.modules)"
    assert run(code, tmp_path).strip() == "False"


def test_a_missing_loader_is_told_apart(tmp_path):
    (tmp_path / "pyopencl.py").write_text("raise ImportError('libOpenCL.so.1: cannot open shared object file')")
    said = run(REPORT_ERROR, tmp_path)
    assert said.startswith("loader | pyopencl finds no OpenCL loader: libOpenCL.so.1: cannot open")
    assert "ocl-icd-libopencl1" in said


def test_a_missing_driver_is_told_apart(tmp_path, cl_device):
    empty = tmp_path / "vendors"
    empty.mkdir()
    said = run(REPORT_ERROR, tmp_path, OCL_ICD_VENDORS=str(empty))
    assert said.startswith(f"platform | OCL_ICD_VENDORS is set to {empty}: no OpenCL driver is found through it; unset")
    said = run(REPORT_ERROR, tmp_path, OCL_ICD_VENDORS=str(empty / "no"))
    assert said.startswith(f"platform | OCL_ICD_VENDORS is set to {empty / 'no'}, which is not there: no OpenCL driver")
    (tmp_path / "pyopencl.py").write_text(FAKE.replace("[Platform()]", "[]"))
    nothing = (
        "from ferkern.opencl import vendors; vendors.SYSTEM_FOLDER = vendors.Path('/nowhere'); vendors._DRIVERS = {}"
    )
    said = run(nothing + REPORT_ERROR, tmp_path)
    assert said.startswith("platform | no OpenCL driver is installed; ")
    assert "ferkern[opencl-cpu]" in said


def test_a_device_that_the_user_may_not_open_is_told_apart(tmp_path):
    """Drivers then offer nothing, and say nothing."""
    (tmp_path / "pyopencl.py").write_text(FAKE)
    node = tmp_path / "renderD128"
    node.touch()
    code = f"""
import os
from ferkern.opencl import describe, nodes
nodes.PATTERNS = ({str(node)!r},)
allowed, nodes.os.access = os.access, lambda path, mode: str(path) != {str(node)!r} and allowed(path, mode)
"""
    said = run(code + REPORT_ERROR, tmp_path)
    assert said.startswith(
        f"device | this user may not open {node} (group {node.group()}); add this user to that group"
    )
    said = run(code + "print([p.text for p in describe().problems if 'may not' in p.text])", tmp_path)
    assert str(node) in said


def test_a_driver_without_devices_is_told_apart(tmp_path):
    (tmp_path / "pyopencl.py").write_text(FAKE)
    said = run(REPORT_ERROR, tmp_path)
    assert said.startswith("device | the OpenCL driver is there (Silent), but it offers no device; ")


def test_a_loader_that_others_started_is_told_apart(tmp_path):
    (tmp_path / "pyopencl.py").write_text(FAKE.replace("[Platform()]", "[]"))
    said = run("import pyopencl" + REPORT_ERROR, tmp_path)
    assert said.startswith("platform | pyopencl was used before ferkern")


def test_a_forked_process_is_refused(tmp_path, cl_device):
    """Also where it asks for no device: it has what its parent made there."""
    code = f"""
import os, signal
import numpy as np
from ferkern import flow
from ferkern.models import build
from ferkern.opencl import DeviceError, find
session = build("fer_2conv").plan(device="{cl_device}")
pyramid = flow.pyramid(np.zeros((8, 8), np.uint8), device="{cl_device}")
x = np.zeros((1, 1, 48, 48), np.float32)
calls = [lambda: find("{cl_device}"), lambda: session.run(x), lambda: session.profile(x), lambda: pyramid.level(1)]
child = os.fork()
if child == 0:
    signal.alarm(60)  # drivers wait for threads that are not there
    for call in calls:
        try:
            call()
            os._exit(2)
        except DeviceError as error:
            if error.cause != "fork" or "spawn" not in str(error):
                os._exit(1)
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code, tmp_path).strip() == "7"


def test_the_required_number_of_implementations_is_there(cl_device):
    assert len({info.platform for info in opencl.devices()}) >= max(1, required())


def test_every_function_with_a_device_has_a_benchmark():
    text = "".join(path.read_text() for path in (KERNELS.parents[1] / "benchmarks").glob("bench_opencl*.py"))
    functions = [
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in (nn, linalg, flow, image)
        for name, value in vars(module).items()
        if inspect.isfunction(value) and "device" in inspect.signature(value).parameters and name[0] != "_"
    ]
    assert len(functions) > 30
    assert [name for name in functions if f"{name}(" not in text] == []


def test_device_strings(cl_device):
    infos = opencl.devices()
    assert opencl.find("opencl").info == infos[0]
    assert opencl.find(cl_device) is opencl.find(cl_device)
    for info in infos:
        assert opencl.find(f"opencl:{info.platform}").info == info
        assert opencl.find(f"opencl:{info.platform.upper()}").info == info
    with pytest.raises(
        DeviceError, match=r'"opencl:99": \d+ device\(s\) found: opencl:0 .*; give one of these'
    ) as caught:
        opencl.find("opencl:99")
    assert caught.value.cause == "selection"
    with pytest.raises(DeviceError, match="no device fits that name; found: opencl:0"):
        opencl.find("opencl:abacus")
    twins = [dataclasses.replace(infos[0], index=i) for i in range(2)]
    with pytest.raises(DeviceError, match="2 devices fit that name"):
        host_side._select(twins, "opencl:x", infos[0].name)


@pytest.mark.parametrize("wrong", ["gpu", "cuda:0", "opencl:", "", "CPU"])
def test_wrong_device_strings(wrong):
    one = np.ones((1, 1, 1, 1), np.float32)
    with pytest.raises(ValueError, match=f'device must be "cpu", "auto", "opencl".*, is "{wrong}"'):
        nn.conv2d(one, one, device=wrong)
    with pytest.raises(ValueError, match=f'must be an OpenCL device here, "opencl", .*, is "{wrong}"'):
        bench.transfers(wrong)
    with pytest.raises(ValueError, match=f'must be an OpenCL device here, "opencl", .*, is "{wrong}"'):
        list(tune.tune([], wrong))


@pytest.mark.parametrize("word", ["cpu", "auto"])
def test_where_the_processor_is_no_choice(word):
    with pytest.raises(ValueError, match=f'must be an OpenCL device here, "opencl", .*, is "{word}"'):
        opencl.find(word)


def test_device_must_be_a_string():
    with pytest.raises(TypeError, match="device must be a string, is int"):
        opencl.find(0)


def test_describe(cl_device):
    report = opencl.describe()
    assert report.host is not None
    assert report.host.startswith("pyopencl 20")
    assert report.devices == tuple(opencl.devices())
    assert {info.platform for info in report.devices} <= set(report.platforms)
    assert report.usable == report.devices, report.problems
    assert [info.index for info in report.devices] == list(range(len(report.devices)))


def test_programs_are_built_once(cl_device):
    target = opencl.find(cl_device)
    one = program.build(target, op.FILE, {"FK_LANES": 4, "FK_TILE": 2})
    assert program.build(target, op.FILE, {"FK_TILE": 2, "FK_LANES": 4}) is one
    assert program.build(target, op.FILE, {"FK_LANES": 4, "FK_TILE": 3}) is not one


def test_sources_come_from_the_named_folder(cl_device, tmp_path, monkeypatch):
    monkeypatch.setenv("FERKERN_CL_DIR", str(tmp_path))
    with pytest.raises(DeviceError, match=r"kernel source conv2d\.cl cannot be read") as caught:
        program.read_source(op.FILE)
    assert caught.value.cause == "source"
    for path in KERNELS.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    assert program.read_source(op.FILE).count("typedef struct fk_conv2d_shape") == 1
    (tmp_path / op.FILE).write_text('#include "fk_common.h"\n\n__kernel void broken(void) { int a = nowhere; }\n')
    with pytest.raises(DeviceError, match=r"does not compile conv2d\.cl") as caught:
        program.build(opencl.find(cl_device), op.FILE, {})
    assert caught.value.cause == "build"
    assert "conv2d.cl:3" in str(caught.value)  # the place in the file, although headers were put in


def test_memory_limits_are_checked_before_anything_is_allocated(cl_device):
    target = opencl.find(cl_device)
    info = dataclasses.replace(target.info, allocation_bytes=1000, memory_bytes=2500)
    small = copy.copy(target)
    small.info = info
    memory.check_sizes(small, {"x": 1000, "w": 1000})
    with pytest.raises(DeviceError, match=r"x takes 1,001 bytes, .* allocates at most 1,000 in one piece") as caught:
        memory.check_sizes(small, {"x": 1001})
    assert caught.value.cause == "limit"
    with pytest.raises(DeviceError, match=r"3,000 bytes are needed \(x 1,000, w 1,000, y 1,000\), .* has 2,500"):
        memory.check_sizes(small, {"x": 1000, "w": 1000, "y": 1000})


def test_groups_are_cut_to_what_the_device_admits(cl_device):
    target = opencl.find(cl_device)
    assert program.fit_group(target, (16, 4, 1), 1024) == (16, 4, 1)
    assert program.fit_group(target, (16, 4, 1), 20) == (4, 4, 1)
    assert program.fit_group(target, (16, 4, 1), 1) == (1, 1, 1)
    sides = target.handle.max_work_item_sizes
    assert program.fit_group(target, (2 * sides[0], 1, 1), 4 * sides[0]) == (sides[0], 1, 1)


def test_drivers_of_the_environment_are_registered_beside_the_system_s(tmp_path, monkeypatch):
    library = tmp_path / "libintelocl.so"
    library.touch()
    system = tmp_path / "system"
    system.mkdir()
    (system / "present.icd").write_text("libpocl.so.2\n")
    (system / "gone.icd").write_text("/nowhere/libgone.so\n")
    monkeypatch.setattr(vendors, "SYSTEM_FOLDER", system)
    monkeypatch.setattr(vendors, "environment_drivers", lambda: {"intel-opencl-rt": library})
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "nothing"))
    monkeypatch.delenv("FERKERN_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in vendors.CHOICES:
        monkeypatch.delenv(name, raising=False)
    for _ in range(2):
        with vendors.vendors_registered():
            folder = Path(os.environ["OCL_ICD_VENDORS"])
            assert folder.is_relative_to(tmp_path / "cache")
            found = {path.name: path.read_text() for path in folder.iterdir()}
        assert found == {"present.icd": "libpocl.so.2\n", "ferkern-intel-opencl-rt.icd": f"{library}\n"}
        assert "OCL_ICD_VENDORS" not in os.environ

    monkeypatch.setenv("OCL_ICD_VENDORS", "/chosen")  # the user's choice stands
    with vendors.vendors_registered():
        assert os.environ["OCL_ICD_VENDORS"] == "/chosen"
    monkeypatch.delenv("OCL_ICD_VENDORS")

    (system / "intel.icd").write_text(f"{library}\n")  # the system has it already
    with vendors.vendors_registered():
        assert "OCL_ICD_VENDORS" not in os.environ


def broken(folder: Path) -> dict[str, str]:
    """Files that no loader can use, and what is wrong with each."""
    folder.mkdir()
    (folder / "gone.icd").write_text("/nowhere/libgone.so\n")
    (folder / "empty.icd").write_text("\n")
    (folder / "zeros.icd").write_bytes(bytes(64))
    (folder / "odd.icd").write_bytes(b"\xff\xfe\x00")
    return {
        "gone.icd": "names /nowhere/libgone.so, which is not there",
        "empty.icd": "is empty",
        "zeros.icd": "holds zero bytes instead of a library's name",
        "odd.icd": "cannot be read: ",
    }


@pytest.mark.parametrize("chosen", [True, False])
def test_broken_icd_files_are_named_and_end_nothing(tmp_path, chosen):
    """In a chosen folder and in the system's; pyopencl's loader ends the process at a first byte of zero."""
    pytest.importorskip("pyopencl")
    folder = tmp_path / "vendors"
    troubles = broken(folder)
    code = f"""
from pathlib import Path
from ferkern.opencl import vendors
if not {chosen}:
    vendors.SYSTEM_FOLDER = Path({str(folder)!r})
    vendors._DRIVERS = {{}}
from ferkern.opencl import describe
for problem in describe().problems:
    print(problem.cause, problem.text)
"""
    told = run(code, tmp_path, **({"OCL_ICD_VENDORS": str(folder)} if chosen else {"OCL_ICD_VENDORS": ""}))
    for name, trouble in troubles.items():
        assert f"platform {folder / name} {trouble}" in told
    assert ("OCL_ICD_VENDORS is set to" if chosen else "no OpenCL driver is installed; /") in told


def test_without_a_cache_folder_a_temporary_one_serves(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.delenv("FERKERN_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = vendors._write_folder({"a.icd": "liba.so"})
    assert (folder / "a.icd").read_text() == "liba.so\n"
    (folder / "a.icd").unlink()
    folder.rmdir()
