"""The walls of the house: what may include what, and what code built for an instruction set may hold."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CPP = ROOT / "src" / "cpp"
KERNELS = ROOT / "kernels" / "opencl"
ORDER = ["base", "simd", "ops", "net", "bind"]
ISA_FILES = {"scalar.cpp", "avx2.cpp", "avx512.cpp", "avx512icl.cpp"}
INCLUDE = re.compile(r'#\s*include\s+["<]([^">]+)[">]')

sources = sorted([*CPP.rglob("*.cpp"), *CPP.rglob("*.hpp")])


def includes(path: Path) -> list[str]:
    return INCLUDE.findall(path.read_text())


@pytest.mark.parametrize("path", sources, ids=lambda p: str(p.relative_to(CPP)))
def test_includes_point_left_only(path):
    own = path.relative_to(CPP).parts
    for name in includes(path):
        area = name.split("/")[0]
        if area in ORDER:
            assert ORDER.index(area) <= ORDER.index(own[0]), f"{path} includes {name}"
        if name.startswith("pybind11"):
            assert own[0] == "bind", f"{path} includes {name}: pybind11 belongs in bind/"
        parts = name.split("/")
        if own[0] == "ops" and len(own) > 2 and parts[0] == "ops" and len(parts) > 2 and parts[1] != own[1]:
            assert parts[2] == f"{parts[1]}.hpp", f"{path} includes the inside of another op: {name}"


@pytest.mark.parametrize(
    "path",
    [p for p in sources if p.name in ISA_FILES or p.name.endswith(".inl.hpp")],
    ids=lambda p: str(p.relative_to(CPP)),
)
def test_vector_code_includes_no_library(path):
    for name in includes(path):
        assert (
            name in {"stdint.h", "stddef.h", "fk_shapes.h"}
            or name.startswith("simd/")
            or name.endswith(("leaf.hpp", ".inl.hpp"))
        ), f"{path} includes {name}"


def test_source_files_stay_short():
    for path in sources:
        assert len(path.read_text().splitlines()) <= 400, path


def test_device_functions_have_bodies_of_their_own():
    """C99's plain `inline` gives a function none: what a GPU's compiler leaves out of line is not found."""
    checked = 0
    for path in sorted(KERNELS.iterdir()):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.match(r"[^/*]*\binline\b", line):
                assert re.match(r"\s*static inline\b", line), f"{path}:{number}: {line}"
                checked += 1
    assert checked >= 10


@pytest.mark.slow
def test_vector_objects_hold_no_weak_symbols(tmp_path):
    """A weak symbol in an object built for AVX could be the copy that the linker keeps for everybody."""
    compiler, nm = shutil.which("g++") or shutil.which("c++"), shutil.which("nm")
    assert compiler, "the tests need the C++ compiler that built the extension"
    assert nm, "the tests need nm from binutils"
    flags = {
        "scalar": "",
        "avx2": "-mavx2 -mfma -mf16c -mbmi2",
        "avx512": "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mavx2 -mfma",
    }
    flags["avx512icl"] = flags["avx512"] + " -mavx512vnni -mavx512vbmi -mavx512vbmi2 -mavx512bitalg -mavx512vpopcntdq"
    levels = {"scalar": 0, "avx2": 1, "avx512": 2, "avx512icl": 3}
    checked = 0
    for path in sources:
        if path.name not in ISA_FILES or path.name == "scalar.cpp":
            continue
        isa = path.stem
        target = tmp_path / f"{path.parent.name}-{isa}.o"
        # -O0 keeps every function that was written: the strictest case.
        command = [
            compiler,
            "-std=c++20",
            "-fno-exceptions",
            "-O0",
            "-w",
            "-fno-exceptions",  # as in cmake/isa.cmake
            "-c",
            str(path),
            "-o",
            str(target),
            f"-I{CPP}",
            f"-I{KERNELS}",
        ]
        command += [*flags[isa].split(), f"-DFK_ISA={isa}", f"-DFK_ISA_LEVEL={levels[isa]}", "-DFK_X86=1"]
        subprocess.run(command, check=True, capture_output=True)
        symbols = subprocess.run([nm, "-C", str(target)], check=True, capture_output=True, text=True).stdout
        weak = [line for line in symbols.splitlines() if re.search(r" [WVu] ", line)]
        assert not weak, f"{path}: {weak}"
        checked += 1
    assert checked >= 2
