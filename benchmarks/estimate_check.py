"""How far estimates are off: forced instruction sets and threads stand in for other machines.

Every state of this machine (AVX2 and its widest set, one thread and all) is measured, all of them in turn in every
round: its profile, the probes, and the networks of the zoo. Each state is then estimated as if it were another
machine, from its profile and the probes of the other states. The networks of the zoo are used to fit nothing; neither
is anything that ran in the state in question, but for its profile. The second figure also knows how the network
itself runs in one other state, as
``ferkern estimate`` does unless it is told ``--no-run``.

    python benchmarks/estimate_check.py [--seconds 7] [--json OUT]        # some four minutes, nothing else running
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from ferkern.bench.estimate import predict
from ferkern.bench.estimate_calibrate import State, measure, states_here
from ferkern.bench.estimate_model import Sample, fit_efficiencies
from ferkern.bench.estimate_probes import probes
from ferkern.bench.machine import MachineProfile
from ferkern.bench.measure import machine
from ferkern.bench.network import named
from ferkern.config import config
from ferkern.models.network import Network

ZOO = (
    "fer_2conv", "fer_4conv", "fer_small", "mini_xception", "mobilenet:alpha=0.25,resolution=160",
    "mobilenet:resolution=160", "squeezenet", "resnet50", "vgg_s",
)  # fmt: skip
LARGE = ("resnet50", "vgg_s")  # with batch 1 alone
WITHIN = 0.15
ROUNDS = 4
Key = tuple[str, int]


def times(nets: dict[str, Network], state: State, seconds: float) -> dict[Key, float]:
    """Median seconds of a call of every network, in rounds through all of them."""
    with config(isa=state.isa, threads=state.threads):
        runs = []
        for name, net in nets.items():
            for batch in (1,) if name in LARGE else (1, 8):
                x = np.random.default_rng(0).standard_normal((batch, *net.input_shape)).astype(np.float32)
                session = net.plan(batch=batch, threads=state.threads)
                runs.append(((name, batch), session, x, session.run(x), list[float]()))
        begin, rounds = perf_counter(), 0
        while rounds < 5 or perf_counter() - begin < seconds:
            for _, session, x, y, spent in runs:
                session.run(x, out=y)
                start = perf_counter()
                session.run(x, out=y)
                spent.append(perf_counter() - start)
            rounds += 1
    return {key: median(spent) for key, *_, spent in runs}


def joined(rounds: list[list[Sample]]) -> list[Sample]:
    """Each layer once, with the median of its times in the rounds."""
    found: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in (sample for samples in rounds for sample in samples):
        found[sample.network, sample.layer.name].append(sample)
    return [replace(same[0], seconds=median(one.seconds for one in same)) for same in found.values()]


def own_ratios(samples: list[Sample], known: Any) -> dict[Key, dict[tuple[str, str], float]]:
    """Of each network's layers in one state, their time over what is expected."""
    found: dict[Key, dict[tuple[str, str], float]] = defaultdict(dict)
    for s in samples:
        name, _, batch = s.network.rpartition("/")
        found[name, int(batch)][s.layer.name, s.layer.family] = s.seconds / known.expect(s.layer, s.terms)
    return found


def base_of(target: State, states: list[State]) -> State:
    """The state that the network is run in: another of as many threads where there is one."""
    return min((s for s in states if s != target), key=lambda s: s.threads != target.threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seconds", type=float, default=7.0, help="for the probes, and for the networks, of each state"
    )
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args()
    states = states_here()
    nets, probing = {name: replace(named(name), name=name) for name in ZOO}, list(probes())
    profiles: dict[State, MachineProfile] = {}
    learned: dict[State, list[Sample]] = {}
    seen: dict[State, list[Sample]] = {}
    truth: dict[State, dict[Key, float]] = {}
    for state in states:
        profiles[state] = machine(isa=state.isa, threads=state.threads)
        peak = profiles[state].peak("fp32", state.isa)
        print(f"{state.isa}, {state.threads}: fp32 peak of a core {(peak or (0, ''))[0] / 1e9:.1f} Gop/s")
    # All states in every round: what the host does meanwhile falls on all of them.
    part = options.seconds / ROUNDS
    parts: dict[State, list[tuple[list[Sample], dict[Key, float], list[Sample]]]] = {state: [] for state in states}
    for _ in range(ROUNDS):
        for state in states:
            profile = profiles[state]
            # Plans of the networks by name, for the second figure.
            own = measure(nets.values(), state, profile, part / 2)
            parts[state].append((measure(probing, state, profile, part), times(nets, state, part), own))
    for state in states:
        learned[state] = joined([one for one, _, _ in parts[state]])
        truth[state] = {key: median(one[key] for _, one, _ in parts[state]) for key in parts[state][0][1]}
        seen[state] = joined([one for _, _, one in parts[state]])
    rows = []
    for target in states:
        known = fit_efficiencies([s for state in states if state != target for s in learned[state]])
        base = base_of(target, states)
        ratios_of = own_ratios(seen[base], known)
        for (name, batch), seconds in truth[target].items():
            asked = {"batch": batch, "threads": target.threads}
            alone = predict(nets[name], profiles[target], known, **asked)
            ratios = ratios_of.get((name, batch), {})
            run = predict(nets[name], profiles[target], known, own=ratios, **asked)
            rows.append(
                {
                    "machine": asdict(target),
                    "network": name,
                    "batch": batch,
                    "seconds": seconds,
                    "estimate": alone.seconds,
                    "low": alone.low,
                    "high": alone.high,
                    "estimate_after_run": run.seconds,
                    "run_in": asdict(base),
                }
            )
    report(rows)
    if options.json is not None:
        options.json.write_text(
            json.dumps({"machine": dict(profiles[states[-1]].machine), "rows": rows}, indent=1) + "\n"
        )


def report(rows: list[dict[str, Any]]) -> None:
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
    for name, words in (("estimate", "not run anywhere"), ("estimate_after_run", "run in another state")):
        errors = np.abs([row[name] / row["seconds"] - 1 for row in rows])
        print(
            f"networks {words}: {100 * np.mean(errors <= WITHIN):.0f} % of {len(errors)} within 15 %, mean "
            f"{100 * errors.mean():.1f} %, largest {100 * errors.max():.0f} %"
        )
    inside = np.mean([row["low"] <= row["seconds"] <= row["high"] for row in rows])
    print(f"{100 * inside:.0f} % within the band of 95 %")


if __name__ == "__main__":
    main()
