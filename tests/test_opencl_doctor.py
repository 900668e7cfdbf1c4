"""``ferkern doctor`` names what keeps a device away, each time with what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from command import ENVIRONMENT, ferkern
from test_opencl import FAKE, KERNELS

pytestmark = pytest.mark.slow


def found(section: str = "OpenCL", **environment: str) -> list[dict[str, str]]:
    done = ferkern("doctor", "--json", **environment)
    assert done.returncode == 0, done.stdout + done.stderr  # ferkern works without any device
    return [one for one in json.loads(done.stdout) if one["section"] == section]


@pytest.mark.parametrize(
    ("module", "trouble", "remedy"),
    [
        ("raise ModuleNotFoundError(name='pyopencl')", "pyopencl is not installed", "pip install 'ferkern[opencl]'"),
        ("raise ImportError('libOpenCL.so.1: gone')", "no OpenCL loader: libOpenCL.so.1", "ocl-icd-libopencl1"),
        (FAKE.replace("[Platform()]", "[]"), "no OpenCL driver", "folder with the .icd files"),
        (FAKE, "offers no device", "ferkern[opencl-cpu]"),
    ],
    ids=["host", "loader", "driver", "device"],
)
def test_what_is_missing(tmp_path: Path, module: str, trouble: str, remedy: str) -> None:
    (tmp_path / "pyopencl.py").write_text(module)
    path = os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]])
    said = [one["text"] for one in found(PYTHONPATH=path, OCL_ICD_VENDORS=str(tmp_path)) if one["name"] == "missing"]
    assert any(trouble in text and remedy in text for text in said), said


def test_a_compiler_that_is_older_than_the_processor(cl_device: str, tmp_path: Path) -> None:
    """As PoCL 3.0 from the package index on a Zen 5: devices are offered, and nothing compiles."""
    for path in KERNELS.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "conv2d.cl").write_text("#error unknown target CPU 'generic'\n")
    listed, trouble = (one for one in found(FERKERN_CL_DIR=str(tmp_path)) if one["name"] == cl_device)
    assert listed["state"] == "note"
    assert listed["text"].endswith("; see below")
    assert "does not compile conv2d.cl" in trouble["text"]
    assert "is older than the processor" in trouble["text"]
    assert "ferkern[opencl-cpu]" in trouble["text"]
