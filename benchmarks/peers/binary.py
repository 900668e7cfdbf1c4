"""Binary convolutions beside float32 convolutions of the same shape in onnxruntime, OpenVINO and torch.

``python benchmarks/peers/binary.py [--rows conv128 conv256] [--seconds 3] [--json OUT]``

One thread, pinned to one processor, all sides call by call in turn; the median of each. ferkern packs its float input
into bits within the time, once with every instruction set that this machine runs; the peers run as their users would
run them at their best. "bits" is the same layer with its input packed before, and its share of the peak that a loop of
xor and popcount in registers reaches (`_core.machine_peak`). Signs go in, so every side must give the same whole sums.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from time import perf_counter

import numpy as np
import onnxruntime
import openvino
import torch
from onnx import TensorProto, helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from cases import BINARY, BinaryLayer
from ferkern import _core, nn
from ferkern.config import config
from ferkern.registry import isa_levels

Call = Callable[[np.ndarray], np.ndarray]


ROWS = {layer.name: layer for layer in BINARY}


def onnx_model(layer: BinaryLayer, w: np.ndarray, y: np.ndarray) -> bytes:
    c, s, p = layer.channels, layer.side, layer.size // 2
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[p] * 4, strides=[layer.stride] * 2)
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, c, s, s])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y.shape)],
        [helper.make_tensor("w", TensorProto.FLOAT, w.shape, w.tobytes(), raw=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model.SerializeToString()


def onnxruntime_call(layer: BinaryLayer, w: np.ndarray, model: bytes) -> Call:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def openvino_call(layer: BinaryLayer, w: np.ndarray, model: bytes) -> Call:
    hints = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    core = openvino.Core()
    request = core.compile_model(core.read_model(model), "CPU", hints).create_infer_request()
    return lambda x: request.infer(x, share_inputs=True, share_outputs=True)[0]


def torch_call(layer: BinaryLayer, w: np.ndarray, model: bytes) -> Call:
    torch.set_num_threads(1)
    module = torch.nn.Conv2d(*w.shape[1::-1], layer.size, layer.stride, layer.size // 2, bias=False).eval()
    with torch.inference_mode():
        module.weight.copy_(torch.from_numpy(w))
        module = module.to(memory_format=torch.channels_last)
        example = torch.zeros(1, layer.channels, layer.side, layer.side).to(memory_format=torch.channels_last)
        traced = torch.jit.optimize_for_inference(torch.jit.trace(module, example))

    def call(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return traced(torch.from_numpy(x).to(memory_format=torch.channels_last)).numpy()

    return call


PEERS = {"onnxruntime": onnxruntime_call, "openvino": openvino_call, "torch": torch_call}


def ferkern_call(layer: BinaryLayer, filters: nn.BinaryFilters, isa: str, out: np.ndarray, packed: bool) -> Call:
    def call(x: np.ndarray) -> np.ndarray:
        with config(isa=isa, threads=1):
            return nn.binary_conv2d(
                bits if packed else x, filters, stride=layer.stride, padding=layer.size // 2, out=out
            )

    bits = nn.sign_bits(np.zeros((1, layer.channels, layer.side, layer.side), np.float32))
    return call


def compare(name: str, layer: BinaryLayer, peaks: dict[str, float], seconds: float) -> dict[str, object]:
    """Median times of all sides on one layer."""
    rng = np.random.default_rng(0)
    x = rng.choice(np.float32([-1, 1]), (1, layer.channels, layer.side, layer.side))
    w = rng.choice(np.float32([-1, 1]), (layer.filters, layer.channels, layer.size, layer.size))
    filters = nn.binarize(w)
    out = nn.binary_conv2d(x, filters, stride=layer.stride, padding=layer.size // 2)
    model = onnx_model(layer, w, out)
    calls: dict[str, Call] = {}
    for peer, isa in zip_longest(PEERS, peaks):  # a peer before each of ours, whose data it finds far from the core
        if peer is not None:
            calls[peer] = PEERS[peer](layer, w, model)
        if isa is not None:
            calls[isa] = ferkern_call(layer, filters, isa, np.empty_like(out), packed=False)
            calls[f"{isa} bits"] = ferkern_call(layer, filters, isa, np.empty_like(out), packed=True)
    for side, call in calls.items():
        if not side.endswith("bits"):
            np.testing.assert_allclose(call(x), out, rtol=0, atol=1e-2, err_msg=side)
    spent: dict[str, list[float]] = {side: [] for side in calls}
    finish = perf_counter() + seconds
    while perf_counter() < finish or len(spent["torch"]) < 13:
        for side, call in calls.items():
            begin = perf_counter()
            call(x)
            spent[side].append(perf_counter() - begin)
    ms = {side: 1e3 * float(np.median(times[3:])) for side, times in spent.items()}
    best = min(PEERS, key=ms.__getitem__)
    operations = 2.0 * out.size * layer.channels * layer.size**2
    return {
        "row": name,
        "ms": ms,
        "best_peer": best,
        "times_faster": {isa: ms[best] / ms[isa] for isa in peaks},
        "share_of_peak": {isa: operations / (1e-3 * ms[f"{isa} bits"]) / peak for isa, peak in peaks.items()},
        "rounds": len(spent["torch"]) - 3,
    }


def print_row(row: dict) -> None:
    peers = "  ".join(f"{peer} {row['ms'][peer]:.3f}" for peer in PEERS)
    print(f"{row['row']}: {peers}")
    for isa, faster in row["times_faster"].items():
        print(
            f"  {isa:10} {row['ms'][isa]:8.4f} ms, {faster:5.1f} times faster than {row['best_peer']}; bits "
            f"{row['ms'][isa + ' bits']:8.4f} ms, {row['share_of_peak'][isa]:5.0%} of the peak",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--isa", nargs="+", choices=isa_levels(), default=[i for i in isa_levels() if i != "scalar"])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each row, all sides together")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cpu = _core.cpu()
    peaks = {}
    for isa in arguments.isa:
        with config(isa=isa):
            peaks[isa] = _core.machine_peak("xor_popcount", 0.5)[0]
    found = ", ".join(f"{isa} {peak / 1e9:.0f}" for isa, peak in peaks.items())
    print(f"{cpu['brand']}; xor-popcount peak of one core, GOP/s: {found}")
    rows = []
    for name in arguments.rows:
        rows.append(compare(name, ROWS[name], peaks, arguments.seconds))
        print_row(rows[-1])
    if arguments.json:
        versions = {p.__name__: p.__version__ for p in (onnxruntime, openvino, torch)}
        machine = {"cpu": cpu, "platform": platform.platform(), "python": sys.version, **versions}
        arguments.json.write_text(json.dumps({"machine": machine, "peaks": peaks, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
