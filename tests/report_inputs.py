"""Files of results for tests of the report, made by what makes them in earnest, as small as they can be."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from command import ENVIRONMENT
from ferkern.bench.crossover_features import Features
from ferkern.bench.crossover_map import Crossover, Identity, Ladder, Rung
from ferkern.bench.estimate import Estimate, LayerEstimate
from ferkern.bench.machine import KINDS, LEVELS, Level, MachineProfile, Measured, Passage
from ferkern.bench.measure import identity
from ferkern.bench.network import NetworkBench, network
from ferkern.bench.transfers import Transfers, conclude
from ferkern.bench.transfers_limits import Limits, RatedLink
from ferkern.bench.transfers_measure import Effort, Way, measure
from ferkern.ledger import Ledger
from ferkern.models import load
from ferkern.opencl import DeviceInfo
from ferkern.opencl.timeline import KINDS as SPANS
from ferkern.opencl.timeline import Span
from simulated_link import SimulatedLink

DEVICE = DeviceInfo(
    index=0, name="Card <A&B>", kind="gpu", platform="Made", vendor="Makers", version="OpenCL 3.0", driver="1",
    compute_units=8, memory_bytes=1 << 33, allocation_bytes=1 << 31, local_bytes=1 << 15, work_group_size=256,
    vector_width=1, fp16=True, fp64=False,
)  # fmt: skip
WAYS = {  # latency and bytes a second
    Way("pageable", "host to device", "driver"): (10e-6, 6e9),
    Way("pinned", "host to device", "driver"): (8e-6, 12e9),
    Way("pageable", "device to host", "driver"): (12e-6, 5e9),
}


def transfers(name: str = DEVICE.name) -> Transfers:
    effort = Effort(0.001, least=7, most=7)
    readings = [
        measure(SimulatedLink(*line), way, 1 << k, 0, effort) for way, line in WAYS.items() for k in range(0, 27, 2)
    ]
    limits = Limits(RatedLink("0000:65:00.0", 4, 16, 31.5e9), 50e9, 40e9, 1 << 25, shared=False)
    return conclude(replace(DEVICE, name=name), identity(), limits, readings, {"file to host, cold": "not allowed"})


def crossovers() -> list[Crossover]:
    """One op in which the device wins from 16 to 32 on, and one in which it never does."""
    who = Identity(str(identity()["brand"]), "avx2", 2, DEVICE.name, DEVICE.platform, "1", "0.1.0")

    def ladder(family: str, cpu: float, device: float) -> Ladder:
        rng = np.random.default_rng(0)
        rungs = []
        for size in (4, 16, 64, 256):
            spread = rng.uniform(0.99, 1.01, (3, 7))
            cost = Features(2e3 * size, 64.0 * size)
            here, there = cpu * size * spread[0], (1e-3 + device * size) * spread[1]
            near = (0.5e-3 + device * size) * spread[2]
            first = (1e-2, 2e-1) if size in (4, 256) else ()
            rungs.append(Rung(size, cost, tuple(here), tuple(there), tuple(near), first))
        return Ladder(family, "image side", tuple(rungs))

    date = "2026-01-02T03:04:05+00:00"
    return [
        Crossover("conv2d", who, date, (ladder("3x3", 5e-5, 1e-6), ladder("1x1", 1e-6, 2e-6)), 0.1),
        Crossover("dense", who, date, (ladder("dense", 1e-3, 1e-6),), 0.1),
    ]


def profile() -> MachineProfile:
    def about(value: float) -> Measured:
        return Measured(value, 0.98 * value, 1.01 * value)

    rates = dict(zip(LEVELS, (200e9, 100e9, 60e9, 20e9), strict=True))
    sizes = dict(zip(LEVELS, (1 << 14, 1 << 19, 1 << 24, 1 << 27), strict=True))
    passages = [
        Passage(kind, level, sizes[level], threads, about(threads * rates[level]))
        for kind in ("read", "copy") for level in LEVELS for threads in (1, 2)
    ]  # fmt: skip
    levels = tuple(Level(name, None if name == "memory" else 2 * size) for name, size in sizes.items())
    peaks = {kind: {"scalar": about(2e10), "avx2": about(1e11)} for kind in KINDS}
    return MachineProfile(identity(), peaks, levels, tuple(passages), {"bf16, avx512icl": "no such processor"})


def bench(machine: MachineProfile) -> NetworkBench:
    return network(load("fer_2conv"), threads=1, repeats=3, machine=machine)


def device_ledger(machine: MachineProfile) -> Ledger:
    """A ledger of a device, with a span of every kind."""
    x = np.zeros((2, 1, 48, 48), np.float32)
    ledger = load("fer_2conv").plan(batch=2, threads=1).profile(x, machine=machine)[1]
    layers = [cost.layer for cost in ledger.costs]
    spans = [Span(kind, "" if kind == "compile" else layers[i % 3], kind, 1e-3 * i, 1e-3 * (1 + i), 64)
             for i, kind in enumerate(SPANS)]  # fmt: skip
    wall = sum(span.seconds for span in spans) + 1e-4
    return replace_ledger(ledger, wall, tuple(spans))


def replace_ledger(ledger: Ledger, wall: float, spans: tuple[Span, ...]) -> Ledger:
    return Ledger(
        ledger.costs, ledger.seconds, wall, ledger.images, ledger.batch, ledger.threads, ledger.value_bytes,
        ledger.machine, "opencl:0 Card <A&B> (Made)", spans,
    )  # fmt: skip


def estimate() -> dict[str, object]:
    """A network on another machine, the papers' rule and a price."""
    layers = tuple(LayerEstimate(f"conv2d -> 'conv2d_{i}'", "conv2d:direct:avx2", 1e-5 * i, by)
                   for i, by in enumerate(("arithmetic", "memory", "overhead"), start=1))  # fmt: skip
    there = {"brand": "Another <Processor>", "isa": "avx2", "threads": 8}
    found = Estimate("fer_2conv", there, 2, 8, "avx2", 6e-5, 5e-5, 7.5e-5, layers, 1e-4, 8e-5, ("a note",))
    given = {"fps": 60.0, "score": 2812.0, "at": 2.7, "other_score": 56240.0}
    paid = {"price": 400.0, "years": 3.0, "watts": 65.0, "per_kwh": 0.3, "busy": 0.5}
    answers = {"score_for_fps": 62488.9, "fps_by_score": 54.0}
    price = {"device": 0.3, "energy": 0.1, "total": 0.4}
    head = {"kind": "estimate", "machine": identity(), "given": {**given, **paid}, **answers}
    return {**head, "price_of_a_million": price, "estimate": found.to_dict()}


def tuned() -> dict[str, object]:
    """Two layers, one of which another tile serves twice as fast."""

    def choice(tile: int, seconds: float) -> dict[str, object]:
        return {"kernel": "direct", "tuning": {}, "words": f"direct {tile} x 1 x 16", "seconds": seconds}

    layers = [
        {"layer": f"net.conv2d_{i}", "x": [1, 3, 8, 8], "w": [4, 3, 3, 3], **choice(8, 1e-5), "by_rule": choice(12, s),
         "flops": 1e6, "tried": 25} for i, s in enumerate((1e-5, 2e-5), start=1)
    ]  # fmt: skip
    return {"kind": "tune", "machine": identity(), "device": asdict(DEVICE), "batch": 1, "layers": layers}


PEERS = {  # as the programs in benchmarks/peers put it: side -> ms, or names that end in _ms
    "svd": [
        {"row": "136x136", "threads": t, "ms": {"ferkern": 1.0 / t, "numpy": 2.0, "torch": 1.5}, "best_peer": "torch"}
        for t in (1, 2)
    ],
    "flow": [{"row": "68 points", "threads": 1, "ferkern_ms": 0.5, "ferkern_least_ms": 0.4, "opencv_ms": 1.25}],
    "layers": [{"layer": "conv_1", "x": [1, 3, 8, 8], "device_kernel": "direct", "device_ms": 2.0, "other_ms": 1.0}],
    "binary": [{"row": "conv128", "ms": {"avx2": 0.2, "avx2 bits": 0.1, "onnxruntime": 1.6, "torch": 2.4}}],
}

STREAM = {  # benchmarks/opencl_stream.py: rows with names, each run another way
    "rows": {"whole": {"batch": 40, "seconds": [0.3, 0.2, 0.25]}, "sliced": {"batch": 4, "seconds": [0.5]}},
    "machine": {"processor": str(identity()["brand"]), "date": "2026-01-02T03:04:05+00:00"},
    "first_seconds": {"kernel": 0.5, "compile": 0.25},
    "steady_seconds": {"kernel": 0.4},
}

TIMED = """
import time
pytest_plugins = ["ferkern.pytest_plugin"]
from ferkern.opencl.timeline import Span
import pytest

@pytest.mark.parametrize("size", [1, 2])
def test_call(benchmark, ferkern_device_times, size):
    benchmark.pedantic(time.sleep, (1e-4 * size,), rounds=5)
    benchmark.extra_info.update(flops=1e6 * size, kernel="conv2d:direct:opencl", device="opencl:0")
    ferkern_device_times([Span("kernel", "", "k", 0.0, 5e-5 * size), Span("host to device", "", "x", 0.0, 1e-5)])

def test_other(benchmark):
    benchmark.pedantic(time.sleep, (1e-4,), rounds=5)
"""


def results(factory: pytest.TempPathFactory) -> list[Path]:
    """One file of each kind, and three tables; made once."""
    folder = factory.getbasetemp() / "report_results"
    if not folder.exists():
        folder.mkdir()
        write_all(folder)
    return sorted(folder.glob("*.json"))


def write_all(folder: Path) -> None:
    machine = profile()
    found = {
        "transfers": transfers().to_json(),
        "crossover": json.dumps({"crossover": [one.to_dict() for one in crossovers()]}),
        "machine": json.dumps(machine.to_dict()),
        "fer_2conv": json.dumps(bench(machine).to_dict()),
        "device": device_ledger(machine).to_json(),
        "estimate": json.dumps(estimate()),
        "tuned": json.dumps(tuned()),
    }
    cpu = {"brand": identity()["brand"]}
    found |= {
        k: json.dumps({"machine": {"cpu": cpu, "numpy": "2"}, "layers" if k == "layers" else "rows": rows})
        for k, rows in PEERS.items()
    }
    for name, text in found.items():
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    (folder / "test_timed.py").write_text(TIMED, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-json", "timed.json"]
    environment = {**ENVIRONMENT, "PYTEST_ADDOPTS": ""}
    done = subprocess.run([*command, "test_timed.py"], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
