"""The pool of threads: many callers, nested loops, fork, and the variables that steer it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ferkern import _core, image, nn
from ferkern.config import config

ROOT = Path(__file__).parent.parent


def convolve(threads: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 24, 31, 29)).astype(np.float32)
    w = rng.standard_normal((40, 24, 3, 3)).astype(np.float32)
    with config(threads=threads):
        return nn.conv2d(x, w, padding=1, activation="relu")


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **variables}, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def native(tmp_path_factory) -> Path:
    compiler = shutil.which("g++") or shutil.which("c++")
    assert compiler, "the tests need the C++ compiler that built the extension"
    program = tmp_path_factory.mktemp("native") / "threads_check"
    base = ROOT / "src/cpp/base"
    sources = [
        ROOT / "tests/native/threads_check.cpp",
        *(base / f"{n}.cpp" for n in ("threads", "tick", "isa", "cpu", "cgroup")),
    ]
    flags = [
        "-std=c++20",
        "-O1",
        "-g",
        "-pthread",
        f"-I{ROOT / 'src/cpp'}",
        "-DFK_X86=" + str(int(os.uname().machine == "x86_64")),
    ]
    flags += os.environ.get("FERKERN_TEST_CXXFLAGS", "").split()
    subprocess.run([compiler, *flags, *map(str, sources), "-o", str(program)], check=True)
    return program


def test_loops_nested_concurrent_and_after_fork(native):
    result = subprocess.run([native], capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("files", "membership", "cpus"),
    [
        ({}, "0::/", 0),
        ({"cpu.max": "max 100000"}, "0::/", 0),
        ({"cpu.max": "150000 100000"}, "0::/", 1.5),
        ({"a/b/cpu.max": "300000 100000", "a/cpu.max": "50000 100000"}, "0::/a/b", 0.5),
        ({"a/b/cpu.max": "300000 100000", "a/cpu.max": "max 100000"}, "1:name=systemd:/x\n0::/a/b", 3),
        ({"cpu.max": "200000 100000"}, "0::/not/seen/in/here", 2),
        ({"cpu.max": "nonsense"}, "0::/", 0),
        ({"cpu.max": "100000 0"}, "0::/", 0),
        ({"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/", 2.5),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/", 0),
    ],
)
def test_share_of_a_control_group(native, tmp_path, files, membership, cpus):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "membership").write_text(membership + "\n")
    result = subprocess.run(
        [native, "cgroup", tmp_path / "membership", tmp_path], capture_output=True, text=True, check=True
    )
    assert float(result.stdout) == cpus


def test_many_python_threads_at_once_give_the_same_bits():
    expected = [convolve(1, seed) for seed in range(4)]
    with ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(convolve, threads, seed) for threads in (1, 2, 3, 7) for seed in range(4) for _ in range(5)]
        for i, run in enumerate(runs):
            np.testing.assert_array_equal(run.result(), expected[i // 5 % 4])


def test_choices_belong_to_the_thread_that_made_them():
    seen = {}
    with config(threads=3, isa="scalar"):
        other = threading.Thread(target=lambda: seen.update(choice=_core.get_choice()))
        other.start()
        other.join()
        assert _core.get_choice()[3] == 3
    assert seen["choice"][3] == 0
    assert seen["choice"][0] == _core.isa_default()


def test_other_python_threads_run_while_a_kernel_runs():
    """The GIL is released: a counter in Python goes on while one long call lasts."""
    ticks = []
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    big = np.zeros((6000, 6000), np.float32)
    counter = threading.Thread(target=count)
    counter.start()
    began = time.perf_counter()
    with config(threads=1, isa="scalar", kernel="reference"):
        image.resize(big, (3000, 3000))
    ended = time.perf_counter()
    stop.set()
    counter.join()
    during = [t for t in ticks if began < t < ended]
    assert len(during) >= 3, f"{len(during)} ticks in {ended - began:.3f} s"


def test_a_forked_child_computes_the_same_bits():
    expected = convolve(3)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if np.array_equal(convolve(3), expected) else 1)
        finally:
            os._exit(2)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid == child:
            assert os.waitstatus_to_exitcode(status) == 0
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    np.testing.assert_array_equal(convolve(3), expected)


def test_variable_sets_the_number_of_threads():
    run = python("from ferkern import _core; print(_core.default_threads())", FERKERN_NUM_THREADS="5")
    assert run.stdout.strip() == "5", run.stderr


def test_without_the_variable_as_many_threads_as_processors_are_left():
    variables = {k: v for k, v in os.environ.items() if k != "FERKERN_NUM_THREADS"}
    code = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from ferkern import _core
print(_core.default_threads())
"""
    run = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "1", run.stderr


@pytest.mark.parametrize("value", ["0", "-1", "two", "2.5", "1025", " ", "3 4", "1e3", "9" * 30])
def test_variable_that_is_no_number_of_threads(value):
    code = "import numpy as np\nfrom ferkern import image\nimage.resize(np.zeros((2, 2), np.uint8), (1, 1))"
    run = python(code, FERKERN_NUM_THREADS=value)
    assert run.returncode != 0
    assert f"ValueError: FERKERN_NUM_THREADS='{value}': expected a number from 1 to 1024" in run.stderr


@pytest.mark.parametrize("threads", [0, -3, 1025])
def test_config_refuses_numbers_out_of_range(threads):
    with pytest.raises(ValueError, match=rf"threads must be from 1 to 1024, is {threads}"), config(threads=threads):
        pass


def test_more_threads_than_the_machine_gives_still_finish():
    """Under a limit on processes that leaves no room for threads the caller does the work alone."""
    code = """
import resource, numpy as np
from ferkern import image
from ferkern.config import config
x = np.arange(1_000_000, dtype=np.float32).reshape(1000, 1000)
with config(threads=1):
    alone = image.resize(x, (500, 500))
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))  # room for a few stacks of 8 MiB, not for 1000
with config(threads=1000):
    np.testing.assert_array_equal(image.resize(x, (500, 500)), alone)
"""
    if "san" in os.environ.get("LD_PRELOAD", ""):
        code = code.replace(
            "resource.setrlimit", "0 and resource.setrlimit"
        )  # shadow memory needs terabytes of addresses
    run = python(code, OPENBLAS_NUM_THREADS="1")
    assert run.returncode == 0, run.stderr


def test_workers_that_share_the_callers_processor_move_off_and_keep_their_choice_of_processors():
    # All threads are put on one processor, then given back the others. The scheduler of a busy machine leaves them
    # there; a worker moves by itself, and may still run wherever it might before.
    done = python(
        """
import os, time
from pathlib import Path
import numpy as np
from ferkern import nn
from ferkern.config import config
allowed = os.sched_getaffinity(0)
os.sched_setaffinity(0, {min(allowed)})
x = np.ones((1, 32, 64, 64), np.float32)
w = np.ones((32, 32, 3, 3), np.float32)
with config(threads=3):
    y = nn.conv2d(x, w, padding=1)
    tasks = [int(t) for t in os.listdir("/proc/self/task")]
    for task in tasks:
        os.sched_setaffinity(task, allowed)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        assert np.array_equal(nn.conv2d(x, w, padding=1), y)
print(all(os.sched_getaffinity(t) == allowed for t in tasks), len(tasks) > 2)
"""
    )
    assert done.stdout == "True True\n", done.stderr
