"""ferkern beside onnxruntime and OpenVINO on the same networks in 8 bits: outputs compared, then timed interleaved.

``python benchmarks/peers/networks_int8.py [--rows fer_small vgg_s] [--threads 1 2] [--batch 1 32] [--json OUT]``

Every side is calibrated by min-max on the same images: ferkern by ``ferkern.quantize``; the peers get one model that
onnxruntime's own tool made of the same weights (QDQ, uint8 activations, int8 weights for each filter), after its own
preprocessing, which folds batch normalisation. A column each says how far a side lies from float32, as a part of the
largest output. Sides take turns call by call, pinned to as many processors as threads; medians are printed, and
ferkern's time over that of the best peer.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.registry import QDQRegistry
from onnxruntime.quantization.shape_inference import quant_pre_process

sys.path.insert(0, str(Path(__file__).parent))
from networks import ROWS, Call, asked, onnxruntime_call, options
from onnx_export import to_onnx
from turns import in_turns

from ferkern import _core, quantize
from ferkern.models import Network

SAMPLES = 8


class Samples(CalibrationDataReader):
    """The calibration images, one batch after the other."""

    def __init__(self, name: str, images: np.ndarray, batch: int) -> None:
        self.batches: Iterator[dict[str, np.ndarray]] = iter(
            [{name: images[i : i + batch]} for i in range(0, len(images) - batch + 1, batch)]
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def quantized_onnx(network: Network, images: np.ndarray, batch: int) -> bytes:
    """What onnxruntime's static quantisation makes of the network."""
    with tempfile.TemporaryDirectory() as folder:
        plain, ready, done = (str(Path(folder) / name) for name in ("plain.onnx", "ready.onnx", "done.onnx"))
        Path(plain).write_bytes(to_onnx(network, batch=batch))
        quant_pre_process(plain, ready)
        quantize_static(
            ready,
            done,
            Samples(network.input, images, batch),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # A softmax's bytes would have the scale 1 / 256, whatever the samples: of 1,000 classes nothing is left.
            op_types_to_quantize=[op for op in QDQRegistry if op != "Softmax"],
        )
        return Path(done).read_bytes()


def openvino_call(network: Network, model: bytes, threads: int) -> Call:
    hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    core = openvino.Core()
    request = core.compile_model(core.read_model(model), "CPU", hints).create_infer_request()
    return lambda x: request.infer(x, share_inputs=True, share_outputs=True)[0]


PEERS = {"onnxruntime": onnxruntime_call, "openvino": openvino_call}


def compare(row: str, network: Network, batch: int, threads: int, seconds: float) -> dict[str, object]:
    """Median times of all sides on one network, and how far each lies from float32."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((max(SAMPLES, batch), *network.input_shape)).astype(np.float32)
    model = quantized_onnx(network, images, batch)
    session = quantize.calibrate(network, images).plan(precision="int8", batch=batch, threads=threads)
    x = images[:batch]
    exact = network.plan(batch=batch, threads=threads).run(x)
    out = session.run(x)
    calls: dict[str, Call] = {"ferkern": lambda x: session.run(x, out=out)}
    calls |= {peer: make(network, model, threads) for peer, make in PEERS.items()}
    errors = {
        side: float(np.abs(call(x).reshape(exact.shape) - exact).max() / np.abs(exact).max())
        for side, call in calls.items()
    }
    assert errors["ferkern"] <= 2 * max(errors[peer] for peer in PEERS) + 0.02, errors
    spent = in_turns({side: partial(call, x) for side, call in calls.items()}, seconds)
    medians = {side: float(np.median(times)) for side, times in spent.items()}
    best = min(PEERS, key=medians.__getitem__)
    return {
        "row": row,
        "class": ROWS[row][1],
        "batch": batch,
        "threads": threads,
        "ms": {side: 1e3 * t for side, t in medians.items()},
        "least_ms": {side: 1e3 * min(times) for side, times in spent.items()},
        "error": errors,
        "rounds": len(spent["ferkern"]),
        "best_peer": best,
        "ratio": medians["ferkern"] / medians[best],
        "gops": 2e-9 * network.multiply_adds() * batch / medians["ferkern"],
    }


def print_row(row: dict) -> None:
    sides = ("ferkern", *PEERS)
    times = " ".join(f"{row['ms'][side]:11.3f}" for side in sides)
    errors = " ".join(f"{row['error'][side]:6.3f}" for side in sides)
    print(
        f"{row['row']:18} {row['batch']:5} {row['threads']:7} {times} {row['ratio']:6.2f} {row['best_peer']:12} "
        f"{row['gops']:8.1f}  {errors}",
        flush=True,
    )


def main() -> None:
    arguments = options(__doc__)
    cpu = _core.cpu()
    print(f"{cpu['brand']}, {_core.isa_default()}")
    heads = " ".join(f"{side + ' ms':>11}" for side in ("ferkern", "ORT", "OpenVINO"))
    print(f"{'network':18} {'batch':>5} {'threads':>7} {heads} {'ratio':>6} {'to':12} {'GOP/s':>8}  errors")
    rows = []
    for name, network, batch, threads in asked(arguments):
        rows.append(compare(name, network, batch, threads, arguments.seconds))
        print_row(rows[-1])
    mean = float(np.exp(np.mean(np.log([row["ratio"] for row in rows]))))
    print(f"geometric mean of all rows: {mean:.2f} of the best peer's time")
    if arguments.json:
        versions = {"onnxruntime": onnxruntime.__version__, "openvino": openvino.__version__}
        machine = {"cpu": cpu, "platform": platform.platform(), **versions}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
