"""The convolution layers of networks on an OpenCL device beside the same layers elsewhere, in one run.

``python benchmarks/opencl_layers.py [--device opencl:0] [--batch N] [--isa avx2] [--seconds 0.5] [--only TEXT]
[--json OUT] [--markdown docs/results/opencl_layers.md]``

On a CPU device the other side is ferkern's own kernels on the processor, forced to the instruction set of the vectors
that the device compiles for, with as many threads as the device has compute units. On a GPU it is the vendor's library
through torch (TF32 off), if torch is installed with CUDA.

A layer's weights are packed and its arrays are where the side computes before the clock starts; a call of the device
is its kernels queued and waited for, many in a row, a call of the processor the kernel's own time in a network of this
one layer (without reordering to and from NCHW). Results are compared before anything is timed. The sides take turns of
ten milliseconds behind a pause as long, in which the other's threads fall asleep (ferkern's stay awake for 0.2 ms);
medians. The device's time holds what the host takes to queue its kernels, the processor's does not. Small networks run
eight images a call, the others one, unless --batch says otherwise.
Depthwise layers are an op of their own and not in the table. Intel's CPU runtime is told to keep its threads on cores
of their own, unless its variables are set: without that, in some processes both stay on one core and everything takes
twice as long. It binds the calling thread as well, so the processor's threads are started before it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from turns import in_turns

import ferkern
from ferkern import _core, nn
from ferkern.bench import named
from ferkern.config import config
from ferkern.models.builder import GraphBuilder
from ferkern.opencl import Device, DeviceInfo, find
from ferkern.opencl.memory import download, empty, upload
from ferkern.opencl.ops.conv2d import by_list, preferred
from ferkern.opencl.tune import BUILT_IN, Layer, layers_of

SMALL = ("fer_2conv", "fer_4conv", "fer_small")
PINNED = {"DPCPP_CPU_PLACES": "cores", "DPCPP_CPU_CU_AFFINITY": "close"}
TIMED = 2e-3  # seconds of calls in a row that the device is waited for once


@dataclass
class Row:
    layer: str
    x: tuple[int, ...]
    w: tuple[int, ...]
    stride: int
    flops: float
    device_kernel: str
    other_kernel: str
    device_ms: float
    other_ms: float
    ratio: float
    """Speed of the device's kernels over the other's."""


def main() -> None:
    options = parsed()
    warm = np.ones((1, 64, 56, 56), np.float32)
    nn.conv2d(
        warm, np.ones((64, 64, 3, 3), np.float32), padding=1
    )  # threads take over what the calling one is bound to
    for name, value in PINNED.items():  # read when the driver starts
        os.environ.setdefault(name, value)
    device = find(options.device)
    rows = []
    for layer in every_layer(options.batch, options.only):
        rows.append(measure(device, layer, options))
        print(text_of(rows[-1]), flush=True)
    head = machine(device.info, options)
    print(summary(rows))
    if options.json:
        options.json.write_text(json.dumps({"machine": head, "layers": [asdict(row) for row in rows]}, indent=1) + "\n")
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text(markdown(head, rows))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="opencl:0")
    parser.add_argument("--batch", type=int, help="images a call (small networks 8, others 1)")
    parser.add_argument("--isa", help="instruction set of the processor's side (the device's vector width)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each layer")
    parser.add_argument("--only", default="", help="layers whose name holds this")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args()


def every_layer(batch: int | None, only: str) -> Iterator[Layer]:
    seen = set()
    for name in BUILT_IN:
        network = named(name)
        for layer in layers_of(network, batch or (8 if name in SMALL else 1)):
            key = layer.shape().tobytes()
            if key not in seen and only in layer.name:
                seen.add(key)
                yield layer


def measure(device: Device, layer: Layer, options: argparse.Namespace) -> Row:
    rng = np.random.default_rng(1)
    x = rng.standard_normal(layer.x, np.float32)
    w = rng.standard_normal(layer.w, np.float32) / np.float32(np.sqrt(np.prod(layer.w[1:])))
    b = rng.standard_normal(layer.w[0], np.float32)
    call, y, device_kernel = on_device(device, layer, x, w, b)
    other, expected, other_kernel = other_side(device.info, layer, x, w, b, options)
    off = np.abs(y - expected).max() / np.abs(expected).max()
    assert off <= 1e-4, f"{layer.name}: the sides differ by {off:.1e} of the largest output"
    calls = {"device": call, "other": other}
    own = {side: [] for side in calls}

    def timed(side: str) -> Callable[[], None]:
        return lambda: own[side].append(calls[side]())

    in_turns({side: timed(side) for side in calls}, options.seconds, least=5)
    device_ms, other_ms = (1e3 * float(np.median(own[side][1:])) for side in calls)
    flops = _core.device_cost("conv2d", layer.shape())[0]
    names = layer.name, layer.x, layer.w, layer.stride[0], flops, device_kernel, other_kernel
    return Row(*names, device_ms, other_ms, other_ms / device_ms)


def on_device(device: Device, layer: Layer, x, w, b) -> tuple[Callable[[], float], np.ndarray, str]:
    """Seconds of a call, the result and the kernel."""
    shape = layer.shape()
    plan = preferred(device, shape) or by_list(device, shape)
    kernel = _core.last_kernel().split(":")[1]
    y = np.empty([int(shape[name]) for name in ("n", "oc", "oh", "ow")], np.float32)
    plan.load({"w": upload(device, w), "b": upload(device, b)})
    x_there, y_there = upload(device, x), empty(device, y.nbytes)

    def run(calls: int) -> float:
        begin = perf_counter()
        for _ in range(calls):
            plan.run([x_there], None, y_there, len(x))
        device.finish()
        return (perf_counter() - begin) / calls

    run(1)
    download(device, y_there, y)
    calls = max(1, int(TIMED / run(3)))
    return lambda: run(calls), y, kernel


def other_side(info: DeviceInfo, layer: Layer, x, w, b, options) -> tuple[Callable[[], float], np.ndarray, str]:
    return on_processor(info, layer, x, w, b, options) if info.kind == "cpu" else through_torch(layer, x, w, b)


def isa_of(info: DeviceInfo, options: argparse.Namespace) -> str:
    return options.isa or ("avx512" if info.vector_width >= 16 else "avx2")


def on_processor(info: DeviceInfo, layer: Layer, x, w, b, options) -> tuple[Callable[[], float], np.ndarray, str]:
    g = GraphBuilder("layer", layer.x[1:])
    g.conv2d("input", layer.w[0], layer.w[2], stride=layer.stride[0], groups=layer.groups)
    (node,) = g.network.nodes
    g.network.nodes[0] = type(node)(node.op, node.inputs, node.output, attributes(layer), node.weights)
    g.network.weights[node.weights["w"]], g.network.weights[node.weights["b"]] = w, b
    g.network.classes = ()
    with config(isa=isa_of(info, options)):
        session = g.network.plan(batch=len(x), threads=info.compute_units)
    rows = [i for i, (_, kernel) in enumerate(session.kernels) if kernel.startswith("conv2d:")]
    (row,) = rows
    return lambda: session.profile(x)[1].seconds[row], session.run(x), session.kernels[row][1].split(":", 1)[1]


def attributes(layer: Layer) -> dict[str, object]:
    return {
        "stride": list(layer.stride),
        "padding": list(layer.padding),
        "dilation": list(layer.dilation),
        "groups": layer.groups,
    }


def through_torch(layer: Layer, x, w, b) -> tuple[Callable[[], float], np.ndarray, str]:
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("the device is a GPU, and torch has no CUDA to compare it with")
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    xs, ws, bs = (torch.from_numpy(array).cuda() for array in (x, w, b))
    top, bottom, left, right = layer.padding
    # torch pads both sides alike: where they differ, the zeros are there before.
    if top != bottom or left != right:
        xs, top, left = torch.nn.functional.pad(xs, (left, right, top, bottom)), 0, 0

    def forward():
        return torch.nn.functional.conv2d(xs, ws, bs, layer.stride, (top, left), layer.dilation, layer.groups)

    def run(calls: int) -> float:
        torch.cuda.synchronize()
        begin = perf_counter()
        for _ in range(calls):
            forward()
        torch.cuda.synchronize()
        return (perf_counter() - begin) / calls

    with torch.inference_mode():
        y = forward().cpu().numpy()
    run(3)
    calls = max(1, int(TIMED / run(3)))
    return lambda: run(calls), y, f"torch {torch.__version__}"


def machine(info: DeviceInfo, options: argparse.Namespace) -> dict[str, object]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "ferkern": ferkern.__version__,
        "processor": str(_core.cpu()["brand"]),
        "system": platform.platform(),
        "python": platform.python_version(),
        "device": info.name,
        "platform": info.platform,
        "driver": info.driver,
        "version": info.version,
        "compute_units": info.compute_units,
        "vector_width": info.vector_width,
        "other_side": f"ferkern, {isa_of(info, options)}, {info.compute_units} threads"
        if info.kind == "cpu"
        else "torch with CUDA, TF32 off",
    }


def text_of(row: Row) -> str:
    sizes = " ".join("x".join(map(str, dims)) for dims in (row.x, row.w))
    speeds = [row.flops / ms / 1e6 for ms in (row.device_ms, row.other_ms)]
    sides = [
        f"{kernel:20} {ms:8.3f} ms {speed:6.0f} GFLOP/s"
        for kernel, ms, speed in zip(
            (row.device_kernel, row.other_kernel), (row.device_ms, row.other_ms), speeds, strict=True
        )
    ]
    return f"{row.layer:26} {sizes:34} /{row.stride}  {'   '.join(sides)}   {row.ratio:5.2f}"


def summary(rows: list[Row]) -> str:
    ratios = [row.ratio for row in rows]
    total = [sum(getattr(row, f"{side}_ms") for row in rows) for side in ("device", "other")]
    below = [row.layer for row in rows if row.ratio < 0.5]
    return (
        f"{len(rows)} layers: speed of the device over the other side, least {min(ratios):.2f}, median "
        f"{np.median(ratios):.2f}, geometric mean {np.exp(np.mean(np.log(ratios))):.2f}, most {max(ratios):.2f}; all "
        f"layers once each {total[0]:.2f} ms against {total[1]:.2f} ({total[1] / total[0]:.2f}); below one half: "
        f"{', '.join(below) or 'none'}"
    )


def markdown(head: dict[str, object], rows: list[Row]) -> str:
    lines = [
        "# Convolution layers on an OpenCL device",
        "",
        "Written by `python benchmarks/opencl_layers.py --markdown docs/results/opencl_layers.md`, which says how the",
        "sides are measured. GFLOP/s are those of the definition, also where Winograd's filtering does fewer.",
        "",
        *(f"- {name.replace('_', ' ')}: {value}" for name, value in head.items()),
        "",
        summary(rows),
        "",
        "| layer | input | filters | stride | device kernel | ms | GFLOP/s | other side | ms | GFLOP/s | ratio |",
        "| --- | --- | --- | --- | --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        x, w = ("×".join(map(str, dims)) for dims in (row.x, row.w))
        speeds = [f"{row.flops / ms / 1e6:.0f}" for ms in (row.device_ms, row.other_ms)]
        lines.append(
            f"| {row.layer} | {x} | {w} | {row.stride} | {row.device_kernel} | {row.device_ms:.3f} | {speeds[0]} "
            f"| {row.other_kernel} | {row.other_ms:.3f} | {speeds[1]} | {row.ratio:.2f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
