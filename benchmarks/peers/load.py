"""MobileNet at 160 px with two threads while other processes keep the processors busy: ferkern beside its peers.

``python benchmarks/peers/load.py [--seconds 5] [--json OUT]``

Each side runs alone for the time, on an idle machine and with one spinning process pinned on each processor; sides and
states take turns of a second, since a machine is not equally fast all the time. Printed: calls in the time and what
share of them is left under load, the median call, and the slowest 1 % of calls over the idle median.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
from networks import PEERS, Call, settled
from onnx_export import to_onnx

from ferkern import _core, models

THREADS = 2


def spin(processor: int) -> None:
    """Keep one processor busy until killed."""
    os.sched_setaffinity(0, {processor})
    while True:
        pass


def timed(call: Call, x: np.ndarray, seconds: float) -> np.ndarray:
    """Seconds of every call that began within the time."""
    for _ in range(3):
        call(x)
    spent = []
    finish = perf_counter() + seconds
    while (begin := perf_counter()) < finish:
        call(x)
        spent.append(perf_counter() - begin)
    return np.array(spent)


@contextmanager
def busy(processors: list[int]) -> Iterator[None]:
    """Keep processors busy meanwhile."""
    spinners = [multiprocessing.get_context("spawn").Process(target=spin, args=(p,), daemon=True) for p in processors]
    for spinner in spinners:
        spinner.start()
    try:
        sleep(0.5)  # until they spin
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.join()


def idle_and_loaded(
    calls: dict[str, Call], x: np.ndarray, processors: list[int], seconds: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Seconds of every call of each side, idle and loaded."""
    turns = max(1, round(seconds))
    spent: tuple[dict[str, list[np.ndarray]], ...] = ({side: [] for side in calls}, {side: [] for side in calls})
    for _ in range(turns):
        for loaded in (False, True):
            with busy(processors) if loaded else nullcontext():
                for side, call in calls.items():
                    spent[loaded][side].append(timed(call, x, seconds / turns))
    idle, busily = ({side: np.concatenate(parts) for side, parts in state.items()} for state in spent)
    return idle, busily


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))[:THREADS]
    os.sched_setaffinity(0, processors)
    network = settled(models.mobilenet(resolution=160), np.random.default_rng(1))
    x = np.random.default_rng(0).standard_normal((1, *network.input_shape)).astype(np.float32)
    session = network.plan(threads=THREADS)
    out = session.run(x)
    calls: dict[str, Call] = {"ferkern": lambda x: session.run(x, out=out)}
    model = to_onnx(network, batch=1)
    for peer, make in PEERS.items():
        calls[peer] = make(network, model, THREADS)
        theirs = calls[peer](x)
        np.testing.assert_allclose(out, theirs, atol=2e-4 * max(1.0, float(np.abs(theirs).max())), err_msg=peer)
    idle, loaded = idle_and_loaded(calls, x, processors, arguments.seconds)
    heads = f"{'idle calls':>10} {'loaded':>8} {'share':>6} {'idle ms':>8} {'loaded ms':>9} {'p99 / idle median':>18}"
    print(f"{'':12} {heads}")
    rows = []
    for side in calls:
        free, held_up = idle[side], loaded[side]
        row = {
            "side": side,
            "idle_calls": len(free),
            "loaded_calls": len(held_up),
            "throughput_share": len(held_up) / len(free),
            "idle_median_ms": 1e3 * float(np.median(free)),
            "loaded_median_ms": 1e3 * float(np.median(held_up)),
            "p99_over_idle_median": float(np.percentile(held_up, 99) / np.median(free)),
        }
        rows.append(row)
        print(
            f"{side:12} {row['idle_calls']:10} {row['loaded_calls']:8} {row['throughput_share']:6.2f} "
            f"{row['idle_median_ms']:8.2f} {row['loaded_median_ms']:9.2f} {row['p99_over_idle_median']:18.1f}"
        )
    if arguments.json:
        machine = {"cpu": _core.cpu(), "platform": platform.platform()}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
