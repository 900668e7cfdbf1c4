"""ferkern beside onnxruntime, OpenVINO and torch on the same networks: outputs compared, then timed interleaved.

``python benchmarks/peers/networks.py [--rows fer_small mobilenet_160] [--threads 1 2] [--batch 1 32] [--json OUT]``

Every side has the same weights and runs as its users would run it at its best: onnxruntime with all optimisations,
OpenVINO for latency in float32, torch traced, frozen and in channels_last. Sides take turns, pinned to as many
processors as threads: a pause, in which the other sides' threads stop waiting busily, a call that does not count, and
calls for some milliseconds that do; the median of each is printed, and
ferkern's time over that of the best peer. "of peak" is the rate of the direct sums' operations over the cores' fp32
peak, measured at the start (`ferkern.bench.machine`): Winograd does fewer, and may come out above 100 %.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import torch

sys.path.insert(0, str(Path(__file__).parent))
from onnx_export import to_onnx
from turns import in_turns

from ferkern import _core, bench, models
from ferkern.models import Network
from ferkern.train.module import GraphModule

Call = Callable[[np.ndarray], np.ndarray]

# Name: builder with options, class of the geometric mean.
ROWS: dict[str, tuple[Callable[[], Network], str]] = {
    "fer_2conv": (lambda: models.load("fer_2conv"), "faces"),
    "fer_4conv": (lambda: models.load("fer_4conv"), "faces"),
    "mini_xception": (lambda: models.mini_xception(input_size=48), "faces"),
    "fer_small": (lambda: models.load("fer_small"), "faces"),
    "landmarks68_net": (lambda: models.load("landmarks68_net"), "faces"),
    "mobilenet_025_160": (lambda: models.mobilenet(alpha=0.25, resolution=160), "mobile"),
    "mobilenet_160": (lambda: models.mobilenet(resolution=160), "mobile"),
    "mobilenet_224": (lambda: models.mobilenet(), "mobile"),
    "squeezenet": (lambda: models.squeezenet(), "mobile"),
    "resnet50": (lambda: models.resnet50(), "large"),
    "vgg_s": (lambda: models.vgg_s(), "large"),
}
ONLY_ONE = ("mobilenet_224", "resnet50", "vgg_s")  # batch 1 alone


def onnxruntime_call(network: Network, model: bytes, threads: int) -> Call:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {network.input: x})[0]


def openvino_call(network: Network, model: bytes, threads: int) -> Call:
    hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    core = openvino.Core()
    request = core.compile_model(core.read_model(model), "CPU", hints).create_infer_request()
    return lambda x: request.infer(x, share_inputs=True, share_outputs=True)[0]


def torch_call(network: Network, model: bytes, threads: int) -> Call:
    torch.set_num_threads(threads)
    module = GraphModule(network).eval().to(memory_format=torch.channels_last)
    tail = torch.nn.Softmax(dim=1) if network.nodes[-1].op == "softmax" else torch.nn.Identity()
    x = torch.zeros(1, *network.input_shape).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        traced = torch.jit.optimize_for_inference(torch.jit.trace(torch.nn.Sequential(module, tail), x))

    def call(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return traced(torch.from_numpy(x).to(memory_format=torch.channels_last)).numpy()

    return call


PEERS = {"onnxruntime": onnxruntime_call, "openvino": openvino_call, "torch": torch_call}


def settled(network: Network, rng: np.random.Generator) -> Network:
    """Untrained sums made to stay in range, so that outputs can be compared and nothing runs on denormals."""
    for name, w in network.weights.items():
        if name.endswith(".gamma"):
            w[...] = rng.uniform(0.3, 0.6, w.shape)
    return network


def compare(row: str, network: Network, batch: int, threads: int, seconds: float, peak: float) -> dict[str, object]:
    """Median times of all sides on one network; `peak` is one core's, in operations a second."""
    rng = np.random.default_rng(0)
    model = to_onnx(network, batch=batch)
    session = network.plan(batch=batch, threads=threads)
    x = rng.standard_normal((batch, *network.input_shape)).astype(np.float32)
    out = session.run(x)
    calls: dict[str, Call] = {"ferkern": lambda x: session.run(x, out=out)}
    for peer, make in PEERS.items():
        call = make(network, model, threads)
        theirs = call(x).reshape(out.shape)
        np.testing.assert_allclose(out, theirs, atol=2e-4 * max(1.0, float(np.abs(theirs).max())), err_msg=peer)
        calls[peer] = call
    spent = in_turns({side: partial(call, x) for side, call in calls.items()}, seconds)
    medians = {side: float(np.median(times)) for side, times in spent.items()}
    best = min(PEERS, key=medians.__getitem__)
    rate = 2.0 * network.multiply_adds() * batch / medians["ferkern"]
    return {
        "row": row,
        "class": ROWS[row][1],
        "batch": batch,
        "threads": threads,
        "ms": {side: 1e3 * t for side, t in medians.items()},
        "rounds": len(spent["ferkern"]),
        "best_peer": best,
        "ratio": medians["ferkern"] / medians[best],
        "gflops": 1e-9 * rate,
        "of_peak": rate / (peak * threads),
    }


def print_row(row: dict) -> None:
    times = " ".join(f"{row['ms'][side]:11.3f}" for side in ("ferkern", *PEERS))
    print(
        f"{row['row']:18} {row['batch']:5} {row['threads']:7} {times} {row['ratio']:6.2f} {row['best_peer']:12} "
        f"{row['gflops']:8.1f} {row['of_peak']:7.0%}",
        flush=True,
    )


def print_means(rows: list[dict]) -> None:
    for key in sorted({(r["class"], r["batch"], r["threads"]) for r in rows}):
        ratios = [r["ratio"] for r in rows if (r["class"], r["batch"], r["threads"]) == key]
        mean = float(np.exp(np.mean(np.log(ratios))))
        kind, batch, threads = key
        print(f"geometric mean, {kind}, batch {batch}, {threads} threads: {mean:.2f} of the best peer's time")


def options(description: str) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each row, all sides together")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def asked(arguments: argparse.Namespace) -> Iterator[tuple[str, Network, int, int]]:
    """Name, network, batch and threads of each row that is asked for, pinned to as many processors as threads."""
    processors = sorted(os.sched_getaffinity(0))
    for name in arguments.rows:
        network = ROWS[name][0]()
        if ROWS[name][1] != "faces":
            network = settled(network, np.random.default_rng(1))
        for threads in arguments.threads:
            os.sched_setaffinity(0, processors[:threads])
            for batch in arguments.batch:
                if batch == 1 or name not in ONLY_ONE:
                    yield name, network, batch, threads


def main() -> None:
    arguments = options(__doc__)
    cpu = _core.cpu()
    profile = bench.machine(quick=True)
    peak, peak_isa = profile.peak("fp32", _core.isa_default())
    print(f"{cpu['brand']}, {_core.isa_default()}; fp32 peak of one core ({peak_isa}) {1e-9 * peak:.0f} GFLOP/s")
    heads = " ".join(f"{side + ' ms':>11}" for side in ("ferkern", "ORT", "OpenVINO", "torch"))
    print(f"{'network':18} {'batch':>5} {'threads':>7} {heads} {'ratio':>6} {'to':12} {'GFLOP/s':>8} {'of peak':>7}")
    rows = []
    for name, network, batch, threads in asked(arguments):
        rows.append(compare(name, network, batch, threads, arguments.seconds, peak))
        print_row(rows[-1])
    print_means(rows)
    if arguments.json:
        versions = {
            "onnxruntime": onnxruntime.__version__,
            "openvino": openvino.__version__,
            "torch": torch.__version__,
        }
        machine = {"cpu": cpu, "platform": platform.platform(), **versions, "profile": profile.to_dict()}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
