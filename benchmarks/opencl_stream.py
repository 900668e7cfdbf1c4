"""A data set larger than a device's memory budget, streamed within it.

``python benchmarks/opencl_stream.py [--network fer_2conv] [--device opencl:0] [--times 5] [--budget MIB] [--rounds 5]
[--json OUT]``

The images of the data set take `--times` the budget. Three ways of running them, in turn in every round, each checked
against the others: "unsliced", the data set on the device at once, without a budget; "sliced", `Session.run` within the
budget, one piece after the other; "streamed", `Session.stream` within the budget, copies beside kernels. Memory is the
most that buffers on the device took together, as the allocations say. Then the first array of a profiled stream beside
the median of those after it: where the time went.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from time import perf_counter

import numpy as np

from ferkern import models
from ferkern.bench.measure import identity
from ferkern.opencl import find
from ferkern.opencl.timeline import KINDS
from ferkern.session import Session

MIB = 1 << 20
ARRAYS = 20  # that the data set comes in


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="fer_2conv")
    parser.add_argument("--device", default="opencl")
    parser.add_argument("--times", type=float, default=5.0)
    parser.add_argument("--budget", type=float, default=32.0, help="MiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    return parser.parse_args()


def streamed(session: Session, x: np.ndarray) -> np.ndarray:
    return np.concatenate(list(session.stream(np.array_split(x, ARRAYS))))


def peak(device: str, call: Callable[[], object]) -> int:
    """Bytes that buffers of the session's queue took at most so far, its weights included."""
    target = find(device)
    target.peak_bytes = 0
    call()
    return target.peak_bytes


def measure(options: argparse.Namespace) -> dict[str, object]:
    network = models.load(options.network)
    budget = int(options.budget * MIB)
    images = int(options.times * budget / (4 * np.prod(network.input_shape)))
    x = np.random.default_rng(0).random((images, *network.input_shape), np.float32)
    sessions: dict[str, Session] = {}
    held: dict[str, int] = {}

    def plan(name: str, budget: int | None) -> None:
        sessions[name] = network.plan(device=options.device, batch=images, budget=budget)

    for name, most in (("unsliced", None), ("sliced", budget)):
        held[name] = peak(options.device, lambda name=name, most=most: plan(name, most))
    sessions["streamed"] = sessions["sliced"]
    calls: dict[str, Callable[[], np.ndarray]] = {
        "unsliced": lambda: sessions["unsliced"].run(x),
        "sliced": lambda: sessions["sliced"].run(x),
        "streamed": lambda: streamed(sessions["streamed"], x),
    }
    held["streamed"] = held["sliced"]
    expected = calls["unsliced"]()
    rows = {}
    for name, call in calls.items():
        assert np.abs(call() - expected).max() <= 1e-6, name
        rows[name] = {
            "batch": sessions[name].batch,
            "peak_bytes": max(held[name], peak(options.device, call)),
            "seconds": [],
        }
    for _ in range(options.rounds):
        for name, call in calls.items():
            begin = perf_counter()
            call()
            rows[name]["seconds"].append(perf_counter() - begin)
    ledgers = [ledger for _, ledger in sessions["streamed"].profile_stream(np.array_split(x, ARRAYS))]
    first = ledgers[0].kinds | {"wall": ledgers[0].wall_seconds}
    steady = {kind: float(np.median([ledger.kinds.get(kind, 0.0) for ledger in ledgers[1:]])) for kind in KINDS} | {
        "wall": float(np.median([ledger.wall_seconds for ledger in ledgers[1:]]))
    }
    return {
        "device": str(find(options.device).info),
        "network": options.network,
        "images": images,
        "data_bytes": x.nbytes,
        "budget_bytes": budget,
        "rows": rows,
        "first_seconds": first,
        "steady_seconds": steady,
    }


def show(found: dict) -> None:
    data, budget = found["data_bytes"] / MIB, found["budget_bytes"] / MIB
    print(f"{found['device']}, {found['network']}, {found['images']:,} images, {data:.0f} MiB, budget {budget:.0f} MiB")
    whole = float(np.median(found["rows"]["unsliced"]["seconds"]))
    print(f"{'':10}{'batch':>8}{'most MiB':>10}{'ms':>10}{'images/s':>10}{'of unsliced speed':>19}")
    for name, row in found["rows"].items():
        seconds = float(np.median(row["seconds"]))
        print(
            f"{name:10}{row['batch']:8,}{row['peak_bytes'] / MIB:10.1f}{1e3 * seconds:10.1f}"
            f"{found['images'] / seconds:10,.0f}{100 * whole / seconds:17.0f} %"
        )
    print("\nof a stream, ms an array      first    steady")
    for kind in (*KINDS, "wall"):
        first, steady = (1e3 * found[f"{when}_seconds"].get(kind, 0.0) for when in ("first", "steady"))
        print(f"{kind:24}{first:11.2f}{steady:10.2f}")


def main() -> None:
    options = arguments()
    machine = identity()
    found = measure(options) | {"machine": {**machine, "processor": machine["brand"]}}
    show(found)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
