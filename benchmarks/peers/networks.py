"""ferkern beside onnxruntime on the same networks: outputs compared, then timed interleaved in one run.

``python benchmarks/peers/networks.py [--threads 1] [--batch 1 32] [--rounds 200] [--json OUT]``
The peer does its own folding and fusing (all optimisations on).
Prints the median of each side, their ratio, and the rate.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).parent))
from onnx_export import to_onnx

from ferkern import _core
from ferkern.models import build, load, shipped

NETWORKS = ("fer_2conv", "fer_4conv", "mini_xception", "fer_small")


def onnx_session(network, batch: int, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(to_onnx(network, batch=batch), options, providers=["CPUExecutionProvider"])


def compare(name: str, batch: int, threads: int, rounds: int) -> dict[str, object]:
    network = load(name) if name in shipped() else build(name)
    ours = network.plan(batch=batch, threads=threads)
    peer = onnx_session(network, batch, threads)
    x = np.random.default_rng(0).standard_normal((batch, *network.input_shape)).astype(np.float32)
    out = ours.run(x)
    np.testing.assert_allclose(out, peer.run(None, {network.input: x})[0], atol=1e-4)
    sides = {
        "ferkern": lambda: ours.run(x, out=out),
        "onnxruntime": lambda: peer.run(None, {network.input: x}),
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for round_ in range(rounds + 10):
        for side, call in sides.items():
            begin = perf_counter()
            call()
            if round_ >= 10:
                seconds[side].append(perf_counter() - begin)
    medians = {side: float(np.median(t)) for side, t in seconds.items()}
    return {
        "network": name,
        "batch": batch,
        "threads": threads,
        "ms": {side: 1e3 * t for side, t in medians.items()},
        "ratio": medians["ferkern"] / medians["onnxruntime"],
        "gflops": 2e-9 * network.multiply_adds() * batch / medians["ferkern"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))[: arguments.threads]
    os.sched_setaffinity(0, cpus)
    rows = []
    print(f"{_core.cpu()['brand']}, {_core.isa_default()}, threads {arguments.threads} on CPUs {cpus}")  # noqa: T201
    print(f"{'network':15} {'batch':>5} {'ferkern ms':>11} {'onnxruntime ms':>15} {'ratio':>6} {'GFLOP/s':>8}")  # noqa: T201
    for name in NETWORKS:
        for batch in arguments.batch:
            row = compare(name, batch, arguments.threads, max(10, arguments.rounds // batch))
            rows.append(row)
            ms = row["ms"]
            print(  # noqa: T201
                f"{name:15} {batch:5} {ms['ferkern']:11.3f} {ms['onnxruntime']:15.3f} "
                f"{row['ratio']:6.2f} {row['gflops']:8.1f}"
            )
    if arguments.json:
        machine = {"cpu": _core.cpu(), "platform": platform.platform(), "onnxruntime": onnxruntime.__version__}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
