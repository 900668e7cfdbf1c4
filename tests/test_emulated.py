"""Import and a recognition run on an emulated processor without AVX2 and FMA: no illegal instruction.

NumPy's own wheel does not start on models without AVX, so the oldest that can be shown is Sandy Bridge.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ferkern

QEMU = shutil.which("qemu-x86_64")
SCRIPT = Path(__file__).with_name("emulated_run.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(QEMU is None, reason="qemu-x86_64 is not installed (Debian: qemu-user)"),
    pytest.mark.skipif(
        platform.machine() not in {"x86_64", "AMD64"}, reason="emulates an older processor of this kind"
    ),
]


@pytest.fixture(scope="module")
def portrait(tmp_path_factory) -> Path:
    from PIL import Image
    from skimage import data

    path = tmp_path_factory.mktemp("picture") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


@pytest.mark.timeout(600)
def test_recognition_on_sandy_bridge(portrait):
    variables = {k: v for k, v in os.environ.items() if k not in {"FERKERN_ISA", "LD_PRELOAD"}}
    variables["PYTHONPATH"] = str(Path(ferkern.__file__).parent.parent)
    command = [str(QEMU), "-cpu", "SandyBridge", sys.executable, str(SCRIPT), str(portrait)]
    run = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=570)
    assert run.returncode == 0, f"exit code {run.returncode}\n{run.stderr[-3000:]}"
    report = json.loads(run.stdout)
    assert report["isa"] == "scalar"
    assert report["cpu"]["avx"]
    assert not report["cpu"]["avx2"]
    assert not report["cpu"]["fma"]
    assert report["finite"]
    for name, sums in report["sums"].items():
        np.testing.assert_allclose(sums, 1, atol=1e-5, err_msg=name)
    here = ferkern.recognize(portrait)
    assert len(report["faces"]) == len(here) >= 1
    for face, there in zip(here, report["faces"], strict=True):
        np.testing.assert_allclose(there["box"], face.box, atol=2)
        assert there["emotion"] == face.emotion
