"""The first call of a process, on either side: ``python -m ferkern.bench.crossover_first OP FAMILY SIZE DEVICE``.

A process of its own is the only place where a first call can be timed: programs, plans, threads and the driver stay for
the next. Programs are built anew, since the caches of compiled programs are pointed at an empty folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import ferkern

__all__ = ["FirstCall", "first_call"]

_PATIENCE = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class FirstCall:
    """Seconds of the first call on each side, and of finding the device and starting its driver before it."""

    cpu: float
    device: float
    opening: float


def first_call(name: str, family: str, size: int, device: str) -> FirstCall | None:
    """Time first calls in a new process; None where it fails there (with the device's memory, say)."""
    package = str(Path(ferkern.__file__).parents[1])
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as empty:
        caches = {
            "FERKERN_CACHE_DIR": empty,
            "XDG_CACHE_HOME": empty,
            "POCL_CACHE_DIR": empty,
            "CUDA_CACHE_PATH": empty,
            "PYOPENCL_NO_CACHE": "1",
        }
        command = [sys.executable, "-m", "ferkern.bench.crossover_first", name, family, str(size), device]
        environment = {**os.environ, "PYTHONPATH": path, **caches}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=_PATIENCE, check=True
            )
            return FirstCall(**json.loads(done.stdout.splitlines()[-1]))
        except (subprocess.SubprocessError, ValueError, TypeError, IndexError):
            return None


def _main(name: str, family: str, size: str, device: str) -> None:
    from ferkern.bench.crossover_cases import cases_of
    from ferkern.opencl import find

    call = next(f for f in cases_of(name).families if f.name == family).make(int(size))
    begin = perf_counter()
    call.prepare("cpu")()
    cpu = perf_counter() - begin
    begin = perf_counter()
    find(device)
    opening = perf_counter() - begin
    begin = perf_counter()
    call.prepare(device)()
    print(json.dumps({"cpu": cpu, "device": perf_counter() - begin, "opening": opening}))  # noqa: T201


if __name__ == "__main__":
    _main(*sys.argv[1:])
