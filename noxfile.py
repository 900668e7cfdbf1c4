"""Sessions: tests, lint, tidy, asan, tsan, isa, same_bits, emulated, bench.

``nox -s NAME`` makes an environment of its own. ``nox --no-venv -s NAME`` uses the one it is called from, and installs
nothing. Words after ``--`` go to pytest, where a session runs it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

ROOT = Path(__file__).parent
BUILD = ROOT / "build"
PACKAGE = ROOT / "src" / "python" / "ferkern"
TOOLS = ("ruff==0.17.*", "mypy==2.*", "clang-format==23.*")
BUILD_TOOLS = ("cmake>=3.24", "ninja", "pybind11>=3")
SANITIZED = ("-p", "no:cacheprovider", "-m", "not dataset")
# Test modules that a sanitizer learns nothing from, by how their names begin, each with the reason.
NOT_SANITIZED = {
    "test_walls": "reads and compiles sources",
    "test_data_readers": "Python alone",
    "test_draw": "Python alone",
    "test_eval": "Python alone",
    "test_tracks": "Python alone",
    "test_memory": "counts pages; under a sanitizer every piece ends",
    "test_analyze": "scikit-learn; the decomposition under it, test_svd and test_pca call",
    "test_cli": "starts other programs; what they call, test_recognize calls",
    "test_emulated": "starts an emulator",
    "test_train": "needs torch; the native code under it is called by test_session, test_detect and test_cascade",
    "test_video": "Python, and FFmpeg, which is not ours; what they call, test_track, test_session and test_warp call",
    "test_transfers": "Python, and the devices' drivers, which are not ours",
    "test_crossover": "Python, and the devices' drivers",
    "test_estimate": "Python; the plans under it, test_session calls",
    "test_compare": "Python alone",
    "test_pytest_plugin": "Python alone",
    "test_report": "Python alone",
    "test_opencl": "the devices' compilers and drivers, which are not ours; arguments are judged as in test_conv2d",
}

nox.options.sessions = ["tests", "lint"]
nox.options.default_venv_backend = "venv"


def install(session: nox.Session, *packages: str) -> None:
    if session.virtualenv.is_sandboxed:
        session.install(*packages)


def native_files(*suffixes: str) -> list[str]:
    folders = (ROOT / "src" / "cpp", ROOT / "kernels", ROOT / "tests" / "native")
    return sorted(str(p) for folder in folders for p in folder.rglob("*") if p.suffix in suffixes)


def cmake(session: nox.Session, preset: str, *, build: bool = True) -> Path:
    """Configure a preset and build it; its folder."""
    found = session.run("python", "-m", "pybind11", "--cmakedir", silent=True)
    environment = {"pybind11_DIR": str(found).strip()}
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    python = session.run("python", "-c", "import sys; print(sys.executable)", silent=True)
    session.run("cmake", "--preset", preset, f"-DPython_EXECUTABLE={str(python).strip()}", *launcher, env=environment)
    if build:
        session.run("cmake", "--build", "--preset", preset, "-j", str(os.cpu_count() or 1), env=environment)
    return BUILD / preset


@nox.session
def tests(session: nox.Session) -> None:
    """The suite on the installed package."""
    install(session, ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Form and types of Python, the native stub, form of the C++; after ``--`` a wheel that is built already."""
    install(session, *TOOLS, *(session.posargs or ["."]))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("python", "-m", "mypy.stubtest", "ferkern._core")
    session.run("clang-format", "--dry-run", "-Werror", *native_files(".cpp", ".hpp", ".h"))


@nox.session
def tidy(session: nox.Session) -> None:
    """clang-tidy on our sources, or on those named after ``--``."""
    install(session, "clang-tidy==23.*", *BUILD_TOOLS)
    folder = cmake(session, "dev", build=False)
    commands = {entry["file"]: entry for entry in json.loads((folder / "compile_commands.json").read_text())}
    wanted = [str(Path(p).resolve()) for p in session.posargs] or sorted(commands)
    units = BUILD / "tidy"
    shutil.rmtree(units, ignore_errors=True)
    units.mkdir(parents=True)
    # The standard library takes most of the time: files that go well together share one translation unit.
    alone = [p for p in wanted if p in commands]
    for name, pattern in (("plans", r"/ops/(\w+)/\1\.cpp$"), ("border", r"/bind/(?!module)\w+\.cpp$")):
        group = [p for p in alone if re.search(pattern, p)]
        if len(group) > 1:
            alone = [p for p in alone if p not in group] + [str(units / f"{name}.cpp")]
            (units / f"{name}.cpp").write_text("".join(f'#include "{p}"\n' for p in group))
            like = commands[group[0]]
            command = like["command"].replace(like["file"], alone[-1])
            commands[alone[-1]] = {"directory": like["directory"], "file": alone[-1], "command": command}
    (units / "compile_commands.json").write_text(json.dumps(list(commands.values())))
    program = shutil.which("clang-tidy", path=os.pathsep.join([*(session.bin_paths or ()), os.environ["PATH"]]))
    options = [f"--config-file={ROOT / '.clang-tidy'}", "--header-filter=src/cpp/.*", "-p", str(units), "--quiet"]
    options += ["--checks=-bugprone-suspicious-include"]

    def check(path: str) -> tuple[str, int, str]:
        run = subprocess.run([str(program), *options, path], capture_output=True, text=True)
        return path, run.returncode, run.stdout

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        bad = [(path, text) for path, code, text in pool.map(check, alone) if code != 0]
    for path, text in bad:
        session.log(f"{path}\n{text}")
    if bad:
        session.error(f"clang-tidy: {len(bad)} of {len(alone)} translation units are not clean")


def sanitized_package(session: nox.Session, preset: str) -> Path:
    """The Python sources beside the instrumented module; the folder for PYTHONPATH."""
    folder = cmake(session, preset)
    stage = folder / "python"
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(PACKAGE, stage / "ferkern", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (module,) = folder.glob("_core*.so")
    shutil.copy2(module, stage / "ferkern")
    return stage


def runtime(name: str) -> str:
    path = subprocess.run(
        ["g++", f"-print-file-name={name}"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return str(Path(path).resolve())


def sanitized_tests() -> list[str]:
    return [str(p) for p in sorted((ROOT / "tests").glob("test_*.py")) if not p.stem.startswith(tuple(NOT_SANITIZED))]


def leaks_of_ours(folder: Path) -> list[str]:
    """LeakSanitizer's records with a frame in our module. The interpreter's and NumPy's own are not ours to judge."""
    records = []
    for log in folder.glob("report.*"):
        blocks = re.split(r"\n\s*\n", log.read_text(errors="replace"))
        records += [b for b in blocks if "leak of" in b and "/ferkern/_core" in b]
    return records


@nox.session
def asan(session: nox.Session) -> None:
    """AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer over the suite."""
    install(session, *BUILD_TOOLS, ".[test]")
    stage = sanitized_package(session, "asan")
    reports = BUILD / "asan" / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    session.run(
        "python", "-m", "pytest", *SANITIZED, *(session.posargs or sanitized_tests()),
        env={
            "PYTHONPATH": str(stage),
            # The C++ library must be there from the start: exceptions are caught by name.
            "LD_PRELOAD": f"{runtime('libasan.so')} {runtime('libstdc++.so.6')}",
            "PYTHONMALLOC": "malloc",
            "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1:detect_stack_use_after_return=1",
            "LSAN_OPTIONS": f"exitcode=0:log_path={reports}/report",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "FERKERN_TEST_CXXFLAGS": "-fsanitize=address,undefined -fno-sanitize-recover=all",
        },
    )  # fmt: skip
    leaks = leaks_of_ours(reports)
    if leaks:
        session.error("memory that our module lost:\n\n" + "\n\n".join(leaks))


@nox.session
def tsan(session: nox.Session) -> None:
    """ThreadSanitizer over the suite."""
    install(session, *BUILD_TOOLS, ".[test]")
    stage = sanitized_package(session, "tsan")
    session.run(
        "python", "-m", "pytest", *SANITIZED, *(session.posargs or sanitized_tests()),
        env={
            "PYTHONPATH": str(stage),
            "LD_PRELOAD": f"{runtime('libtsan.so')} {runtime('libstdc++.so.6')}",
            # Python and NumPy are not instrumented: what they do with memory among themselves cannot be judged.
            "TSAN_OPTIONS": "halt_on_error=1:ignore_noninstrumented_modules=1:die_after_fork=0:second_deadlock_stack=1",
            "OPENBLAS_NUM_THREADS": "1",
            "FERKERN_NUM_THREADS": "4",
            "FERKERN_TEST_CXXFLAGS": "-fsanitize=thread",
        },
    )  # fmt: skip


@nox.session
def isa(session: nox.Session) -> None:
    """The suite once for each instruction set of this machine."""
    install(session, ".[test]")
    code = "from ferkern.registry import isa_levels; print(*isa_levels())"
    for level in str(session.run("python", "-c", code, silent=True)).split():
        session.log(f"FERKERN_ISA={level}")
        session.run("pytest", "-m", "not slow", *session.posargs, env={"FERKERN_ISA": level})


@nox.session
def same_bits(session: nox.Session) -> None:
    """100,000 random shapes of each op of whole numbers: the same bits on every set. Words after ``--`` go to it."""
    install(session, ".[test]")
    session.run("python", "tests/fuzz_same_bits.py", *session.posargs)


@nox.session
def emulated(session: nox.Session) -> None:
    """A recognition run on an emulated processor without AVX2 and FMA (needs qemu-x86_64)."""
    install(session, ".[test]")
    session.run("pytest", "-rs", "tests/test_emulated.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmark cases; results as JSON in build/bench.json."""
    install(session, ".[test]")
    BUILD.mkdir(exist_ok=True)
    arguments = session.posargs or ["benchmarks", f"--benchmark-json={BUILD / 'bench.json'}"]
    session.run("pytest", "-o", "python_files=bench_*.py", "--benchmark-only", *arguments)


if __name__ == "__main__":
    sys.exit(nox.main())
