"""Functions of `ferkern.nn` beside those of torch, called as a user would: arrays in, an array out, nothing planned.

``python benchmarks/peers/functions.py [--threads 1 2] [--seconds 1] [--json OUT]``

The convolutions, depthwise convolutions and poolings of `cases.LAYERS`, the same arrays for both sides, which take
turns, pinned to as many processors as threads; the median of each. Packing of weights, layouts and results is in the
time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))
from turns import in_turns

from cases import LAYERS, Layer
from ferkern import _core, nn
from ferkern.config import config

Call = Callable[[], np.ndarray]
FUNCTIONS = ("conv2d", "max_pool2d", "avg_pool2d")
ROWS = [case for op in ("conv2d", "depthwise", "pool") for case in LAYERS[op] if case.op in FUNCTIONS]


def calls(case: Layer) -> tuple[Call, Callable[[], torch.Tensor]]:
    """What ferkern's user calls, and torch's."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((case.batch, *case.input)).astype(np.float32)
    weights = [rng.standard_normal(shape).astype(np.float32) for shape in case.weights.values()]
    tensors = [torch.from_numpy(a) for a in (x, *weights)]
    given = case.attributes
    stride, pad = given["stride"][0], given["padding"][0]
    if case.op == "conv2d":
        groups = given["groups"]
        ours = nn.conv2d if groups == 1 else nn.depthwise_conv2d
        theirs = partial(functional.conv2d, *tensors, stride=stride, padding=pad, groups=groups)
        return partial(ours, x, *weights, stride=stride, padding=pad), theirs
    more = {} if case.op == "max_pool2d" else {"count_include_pad": given["count_include_pad"]}
    ours = partial(getattr(nn, case.op), x, given["size"][0], stride=stride, padding=pad, **more)
    return ours, partial(getattr(functional, case.op), *tensors, given["size"][0], stride, pad, **more)


def compare(case: Layer, threads: int, seconds: float) -> dict[str, object]:
    torch.set_num_threads(threads)
    os.sched_setaffinity(0, set(sorted(ALLOWED)[:threads]))
    ours, theirs = calls(case)
    with torch.inference_mode(), config(threads=threads):
        y = theirs().numpy()
        np.testing.assert_allclose(ours(), y, rtol=0, atol=1e-4 * np.abs(y).max(), err_msg=case.name)
        spent = in_turns({"ferkern": ours, "torch": lambda: theirs().numpy()}, seconds)
    us = {side: 1e6 * float(np.median(times)) for side, times in spent.items()}
    row = {"row": f"{case.op} {case.name}", "threads": threads, "us": us, "ratio": us["torch"] / us["ferkern"]}
    print(f"{row['row']:36} {threads:7} {us['ferkern']:11.1f} {us['torch']:11.1f} {row['ratio']:8.2f}", flush=True)
    return row


ALLOWED = os.sched_getaffinity(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, len(ALLOWED)}))
    parser.add_argument("--seconds", type=float, default=1.0, help="for each row, both sides together")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"{_core.cpu()['brand']}, torch {torch.__version__}")
    print(f"{'function and layer':36} {'threads':>7} {'ferkern us':>11} {'torch us':>11} {'times':>8}")
    rows = [compare(case, threads, arguments.seconds) for threads in arguments.threads for case in ROWS]
    for threads in arguments.threads:
        ratios = [row["ratio"] for row in rows if row["threads"] == threads]
        print(f"geometric mean, {threads} threads: {np.exp(np.mean(np.log(ratios))):.2f} times torch's speed")
    if arguments.json:
        machine = {"cpu": _core.cpu(), "platform": platform.platform(), "torch": torch.__version__}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
