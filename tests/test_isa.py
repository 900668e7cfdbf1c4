"""Processor and instruction sets: what is detected is true, what is forced runs, what is unknown is refused."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ferkern import _core, image, nn, registry
from ferkern.config import config
from ferkern.face.detect import Detector
from ferkern.models.builder import GraphBuilder

CPUINFO = Path("/proc/cpuinfo")
X86 = platform.machine() in {"x86_64", "AMD64"}
CODE = """
import numpy as np
from ferkern import nn, registry
nn.conv2d(np.ones((1, 16, 5, 5), np.float32), np.ones((16, 16, 3, 3), np.float32))
print(registry.last_kernel())
"""


def run(isa: str, code: str = CODE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "FERKERN_ISA": isa},
        capture_output=True,
        text=True,
        timeout=120,
    )


def kernel_flags() -> set[str]:
    for line in CPUINFO.read_text().splitlines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()


@pytest.mark.skipif(not X86 or not CPUINFO.exists(), reason="compares with Linux's list of x86 features")
def test_detected_features_are_those_the_kernel_lists():
    facts, flags = _core.cpu(), kernel_flags()
    listed = {name: name in flags for name in facts if name not in {"brand", "os_ymm", "os_zmm"}}
    assert {name: facts[name] for name in listed} == listed
    # Linux lists a vector extension only when it saves the registers.
    assert facts["os_ymm"] == ("avx" in flags)
    assert facts["os_zmm"] == ("avx512f" in flags)
    assert facts["brand"] in CPUINFO.read_text()


def test_levels_need_all_their_features():
    facts, levels = _core.cpu(), registry.isa_levels()
    needs = {
        "scalar": (),
        "avx2": ("avx2", "fma", "f16c", "bmi2", "os_ymm"),
        "avx512": ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd", "os_zmm"),
        "avx512icl": ("avx512_vnni", "avx512vbmi", "avx512_vbmi2", "avx512_bitalg", "avx512_vpopcntdq"),
    }
    met = True
    for isa in registry.ISAS:
        met = met and all(facts.get(name) for name in needs[isa])
        assert (isa in levels) == met, isa


def test_default_is_the_variable_or_the_highest():
    assert _core.isa_default() == (os.environ.get("FERKERN_ISA") or _core.isa_supported())


def processor_kernels() -> list[registry.Kernel]:
    """conv2d's rows without those of devices, which no instruction set chooses."""
    return [k for k in registry.kernels("conv2d") if k.isa in registry.ISAS]


@pytest.mark.parametrize("isa", registry.isa_levels())
def test_variable_forces_an_instruction_set(isa):
    result = run(isa)
    assert result.returncode == 0, result.stderr
    ran = result.stdout.strip().split(":")[2]
    rows = [k.isa for k in processor_kernels()]
    assert ran == max((r for r in rows if registry.ISAS.index(r) <= registry.ISAS.index(isa)), key=registry.ISAS.index)


@pytest.mark.parametrize("name", ["sse9", "AVX2", "avx2 ", "-1"])
def test_unknown_name_is_an_error_that_lists_the_known(name):
    result = run(name)
    assert result.returncode != 0
    assert f"ValueError: unknown instruction set '{name}'; known: scalar, avx2, avx512, avx512icl" in result.stderr


def test_empty_variable_counts_as_none():
    code = "from ferkern import _core; print(_core.isa_default() == _core.isa_supported())"
    assert run("", code).stdout.strip() == "True"


def test_config_forces_and_puts_back():
    x, w = np.ones((1, 16, 5, 5), np.float32), np.ones((16, 16, 3, 3), np.float32)
    before = _core.get_choice()
    for row in processor_kernels():
        if not row.supported:
            with pytest.raises(ValueError, match="this machine runs only up to"), config(isa=row.isa):
                pass
            continue
        with config(isa=row.isa, kernel=row.name, exact=True):
            nn.conv2d(x, np.ones((16, 16, 5, 5), np.float32) if row.name.endswith("_5x5") else w)
        assert registry.last_kernel() == f"conv2d:{row.name}:{row.isa}"
    assert _core.get_choice() == before
    with pytest.raises(ValueError, match="unknown instruction set 'neon'"), config(isa="neon"):
        pass
    with pytest.raises(ValueError, match="no kernel named 'nothing'"), config(kernel="nothing"):
        nn.conv2d(x, w)
    assert _core.get_choice() == before


def test_strict_refuses_the_plain_reference():
    x, w = np.ones((1, 6, 5, 5), np.float32), np.ones((6, 3, 3, 3), np.float32)  # groups of 3 channels fill no block
    with config(strict=True), pytest.raises(ValueError, match="only the plain reference serves this shape"):
        nn.conv2d(x, w, groups=2)
    nn.conv2d(x, w, groups=2)
    assert registry.last_kernel() == "conv2d:reference:scalar"


@pytest.mark.parametrize("isa", registry.isa_levels())
def test_strict_refuses_nothing_that_is_the_best_there_is(isa, rng):
    """Also where that is called "reference": the set has no other row to fall back from."""
    picture = rng.integers(0, 256, (64, 64), np.uint8)
    g = GraphBuilder("features", (4, 3, 3), seed=1)
    g.dense(g.activation(g.batch_norm(g.global_avg_pool("input"))), 7)
    with config(isa=isa, strict=True):
        Detector.load().detect(picture)
        assert image.integral(picture).sum[-1, -1] == picture.sum()
        nn.batch_norm(np.ones((3, 5), np.float32), *np.ones((4, 5), np.float32))
        assert registry.last_kernel().startswith("batch_norm:features:")
        kernels = dict(g.finish(preprocessing={}).plan().kernels)
    assert "batch_norm:features:" in str(kernels)


def test_every_op_has_a_plain_reference_and_a_row_for_each_width():
    if not X86:
        assert {k.isa for k in registry.kernels()} == {"scalar", "opencl"}
        return
    # machine: loops that measure, there is nothing to mean. separable: two ops' rows here, one kernel on devices.
    for op in {k.op for k in registry.kernels()} - {"machine", "separable"}:
        rows = registry.kernels(op)
        assert any(r.name == "reference" and r.isa == "scalar" for r in rows), op
        # Bytes that are copied or looked up, or of which 32 fit a narrow vector, gain nothing from more.
        narrow = {"concat_int8": {"scalar"}, "lookup_int8": {"scalar"}, "pool_int8": {"scalar", "avx2"}}
        narrow["depthwise_int8"] = {"scalar", "avx2"}  # and the dot products of avx512icl
        assert narrow.get(op, {"scalar", "avx2", "avx512"}) <= {r.isa for r in rows}, op
