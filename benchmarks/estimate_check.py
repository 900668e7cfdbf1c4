"""How far estimates are off: forced instruction sets and threads stand in for other machines.

Every state of this machine (AVX2 and its widest set, one thread and all) is measured, all of them in turn in every
round: its profile, the probes, and the networks of the zoo. Each state is then estimated as if it were another
machine, from its profile and the probes of the other states. The networks of the zoo are used to fit nothing; neither
is anything that ran in the state in question, but for its profile. The second figure also knows how the network
itself runs in one other state, as ``ferkern estimate`` does unless it is told ``--no-run``.

A profile stands for a machine in one condition; a virtual machine is in another one every tenth of a second, since what
other guests do to the cores' pipelines, the last cache and memory makes a call up to twice as slow. So the truth of a
case is the call that had the machine for itself, the median of the fastest quarter of the rounds, and so are the times
of the probes; peaks and bandwidths are medians over the same rounds, as in ``ferkern bench machine``. Two figures tell
what the host does to this: the floor, which is the error of the best estimate that there could be, the same network in
the same state as measured in every other round, judged by the rounds between; and the estimates judged by the median
of all rounds.

    python benchmarks/estimate_check.py [--seconds 220] [--json OUT]        # some five minutes, nothing else running
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from ferkern.bench.estimate import predict
from ferkern.bench.estimate_calibrate import State, Visits, states_here
from ferkern.bench.estimate_model import Sample, fit_efficiencies
from ferkern.bench.estimate_probes import probes
from ferkern.bench.machine import LEVELS, MachineProfile, Measured
from ferkern.bench.measure import find_levels, measurements, run_all
from ferkern.bench.network import named, undisturbed_seconds

ZOO = (
    "fer_2conv", "fer_4conv", "fer_small", "mini_xception", "mobilenet:alpha=0.25,resolution=160",
    "mobilenet:resolution=160", "squeezenet", "resnet50", "vgg_s",
)  # fmt: skip
LARGE = ("resnet50", "vgg_s")  # with batch 1 alone
WITHIN = 0.15
FEWEST = 6  # rounds
Key = tuple[str, int]


def short_profile(state: State) -> MachineProfile:
    """What estimates of float32 need of a profile, in half a second; memory at one size."""
    levels = find_levels()
    planned = measurements(levels, isa=state.isa, threads=state.threads)
    largest = max((m.size_bytes for m in planned), default=0)
    needed = [m for m in planned if (m.kind == "fp32" if m.isa else m.level != LEVELS[-1] or m.size_bytes < largest)]
    profile = run_all(needed, levels, quick=True, isa=state.isa)
    return replace(profile, machine={**profile.machine, "isa": state.isa, "threads": state.threads})


def joined(profiles: Sequence[MachineProfile]) -> MachineProfile:
    """Medians, lowest and highest of several profiles of one state."""

    def over(rates: Sequence[Measured]) -> Measured:
        return Measured(median(r.value for r in rates), min(r.low for r in rates), max(r.high for r in rates))

    first = profiles[0]
    peaks = {
        kind: {isa: over([p.peaks[kind][isa] for p in profiles]) for isa in rows} for kind, rows in first.peaks.items()
    }
    passages = tuple(
        replace(p, rate=over([one.passages[i].rate for one in profiles])) for i, p in enumerate(first.passages)
    )
    return replace(first, peaks=peaks, passages=passages)


def own_ratios(samples: Sequence[Sample], known: Any) -> dict[Key, dict[tuple[str, str], float]]:
    """Of each network's layers in one state, their time over what is expected."""
    found: dict[Key, dict[tuple[str, str], float]] = defaultdict(dict)
    for s in samples:
        name, _, batch = s.network.rpartition("/")
        found[name, int(batch)][s.layer.name, s.layer.family] = s.seconds / known.expect(s.layer, s.terms)
    return found


def base_of(target: State, states: Sequence[State]) -> State:
    """The state that the network is run in: another of as many threads where there is one."""
    return min((s for s in states if s != target), key=lambda s: s.threads != target.threads)


def measured(seconds: float) -> tuple[dict[State, MachineProfile], dict[State, Visits], dict[State, Visits]]:
    """Profiles, probes and networks of every state, in rounds through all of them."""
    nets = [replace(named(name), name=name) for name in ZOO]
    batches = {name: (1,) if name in LARGE else (1, 8) for name in ZOO}
    states, probing = states_here(), list(probes())
    profiles: dict[State, list[MachineProfile]] = {state: [] for state in states}
    learning = {state: Visits(probing, state) for state in states}
    judged = {state: Visits(nets, state, batches=batches) for state in states}
    begin, rounds = perf_counter(), 0
    while rounds < FEWEST or perf_counter() - begin < seconds:
        for state in states:
            profiles[state].append(short_profile(state))
            judged[state].round(calls=True)
            learning[state].round()
        rounds += 1
    print(f"{rounds} rounds in {perf_counter() - begin:.0f} s")
    return {state: joined(found) for state, found in profiles.items()}, learning, judged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=220.0, help="for all rounds")
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args()
    profiles, learning, judged = measured(options.seconds)
    states = list(profiles)
    learned = {state: visits.samples(profiles[state]) for state, visits in learning.items()}
    rows = []
    for target in states:
        known = fit_efficiencies([s for state in states if state != target for s in learned[state]])
        base = base_of(target, states)
        ratios_of = own_ratios(judged[base].samples(profiles[base]), known)
        nets = {net.name: net for net in judged[target].networks}
        for (name, batch), calls in judged[target].calls.items():
            asked = {"batch": batch, "threads": target.threads}
            alone = predict(nets[name], profiles[target], known, **asked)
            run = predict(nets[name], profiles[target], known, own=ratios_of[name, batch], **asked)
            rows.append(
                {
                    "machine": asdict(target),
                    "network": name,
                    "batch": batch,
                    "seconds": undisturbed_seconds(calls),
                    "median_seconds": median(calls),
                    "earlier_seconds": undisturbed_seconds(calls[::2]),
                    "later_seconds": undisturbed_seconds(calls[1::2]),
                    "estimate": alone.seconds,
                    "band": [alone.low, alone.high],
                    "estimate_after_run": run.seconds,
                    "band_after_run": [run.low, run.high],
                    "run_in": asdict(base),
                }
            )
    report(rows)
    if options.json is not None:
        found = {
            "machine": dict(profiles[states[-1]].machine),
            "rows": rows,
            "layers": {
                f"{state.isa}, {state.threads}": [asdict(s) for s in judged[state].samples(profiles[state])]
                for state in states
            },
        }
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def summary(rows: Sequence[dict[str, Any]], guess: str, truth: str) -> str:
    errors = np.abs([row[guess] / row[truth] - 1 for row in rows])
    return (
        f"{100 * np.mean(errors <= WITHIN):.0f} % of {len(errors)} within 15 %, mean {100 * errors.mean():.1f} %, "
        f"largest {100 * errors.max():.0f} %"
    )


def report(rows: Sequence[dict[str, Any]]) -> None:
    print(
        f"{'as if':16} {'network':36} {'batch':>5} {'ms':>9} {'estimate':>9} {'off':>6} {'after a run':>11} {'off':>6}"
    )
    for row in rows:
        error, after = (row[name] / row["seconds"] - 1 for name in ("estimate", "estimate_after_run"))
        state = f"{row['machine']['isa']}, {row['machine']['threads']}"
        print(
            f"{state:16} {row['network']:36} {row['batch']:5} {1e3 * row['seconds']:9.3f} {1e3 * row['estimate']:9.3f} "
            f"{100 * error:+5.0f}% {1e3 * row['estimate_after_run']:11.3f} {100 * after:+5.0f}%"
        )
    print(f"floor, one half of the rounds for the other: {summary(rows, 'earlier_seconds', 'later_seconds')}")
    for name, band, words in (
        ("estimate", "band", "not run anywhere"),
        ("estimate_after_run", "band_after_run", "run in another state"),
    ):
        inside = np.mean([row[band][0] <= row["seconds"] <= row[band][1] for row in rows])
        print(
            f"networks {words}: {summary(rows, name, 'seconds')}; {100 * inside:.0f} % within the band of 95 %; by the "
            f"median of all rounds: {summary(rows, name, 'median_seconds')}"
        )


if __name__ == "__main__":
    main()
