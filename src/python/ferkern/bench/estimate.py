"""How long a network would take on another machine: per layer, from that machine's profile and this one's kernels."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkern import _core
from ferkern.bench.estimate_calibrate import State, calibrate, lesser, saved_efficiencies
from ferkern.bench.estimate_layers import LANES, layers_of, terms_of
from ferkern.bench.estimate_model import Efficiencies, fit_efficiencies
from ferkern.bench.estimate_rule import by_score
from ferkern.bench.machine import MachineProfile, load_profile
from ferkern.config import config
from ferkern.registry import ISAS, isa_levels

if TYPE_CHECKING:
    from ferkern.models.network import Network

__all__ = ["Estimate", "LayerEstimate", "estimate", "predict"]

_Z = 1.96  # 95 % of a normal distribution
_CALLS, _SECONDS = 9, 1.0  # of the network here, at least and about
_OWN_SPREAD = 0.08  # of a network that was run here: what scaling from one state to another adds to probes
_MOST_THREADS = 64  # that a network is planned for, to learn its portions
_MORE_THREADS = 0.05  # standard deviation for each doubling of threads beyond those that were measured


@dataclass(frozen=True, slots=True)
class LayerEstimate:
    """Seconds of one layer, and what most of them are by its bound: ``"arithmetic"``, ``"memory"``, ``"overhead"``."""

    layer: str
    kernel: str
    seconds: float
    by: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """The time of a call.

    Attributes
    ----------
    seconds, low, high
        Expected, and where it lies 19 times of 20 if the other machine's kernels come as near to its bounds as here,
        and nothing else runs there.
    here_seconds
        The network on this machine, as measured, with nothing else running; None where it was not run.
    rule_seconds
        By the papers' rule, time here times the ratio of scores, the fp32 peaks of all threads; None without
        `here_seconds`.
    notes
        What a reader must know.
    """

    network: str
    machine: Mapping[str, str | int]
    batch: int
    threads: int
    isa: str
    seconds: float
    low: float
    high: float
    layers: tuple[LayerEstimate, ...]
    here_seconds: float | None = None
    rule_seconds: float | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def estimate(
    net: Network,
    machine: MachineProfile | str | os.PathLike[str],
    *,
    batch: int = 1,
    threads: int | None = None,
    run: bool = True,
    here: MachineProfile | None = None,
) -> Estimate:
    """Estimate the time of a network's call on another machine, in float32.

    Each layer has two bounds there, its operations at the machine's peak and its bytes at the bandwidth of the level of
    memory that they come from. How near a kernel comes to them is learned here from probes (`calibrate`, forty seconds,
    once): by kernel, shape, vector width and threads. With `run` the network itself is run here as well, with the
    other machine's instruction set and threads as far as they are there, and each of its layers keeps the ratio of its
    own time to what is expected of it.

    Parameters
    ----------
    net
        The stored graph; `named` finds one by its name.
    machine
        The other machine's profile, or its file (``ferkern bench machine --json other.json`` there).
    batch
        Images a call.
    threads
        There; None: all that its profile names.
    run
        Also run the network here.
    here
        This machine's profile; None: the saved one.

    Raises
    ------
    FileNotFoundError, ModelError
        A profile is missing or damaged.
    ValueError
        An argument is out of range, or the profile lacks what is asked.
    """
    there = machine if isinstance(machine, MachineProfile) else load_profile(machine)
    if batch < 1:
        raise ValueError(f"batch must be at least 1, is {batch}")
    count = int(there.machine.get("threads", 1)) if threads is None else threads
    if count < 1:
        raise ValueError(f"threads must be at least 1, is {threads}")
    this = load_profile() if here is None else here
    known = saved_efficiencies() or fit_efficiencies(calibrate(this))
    own, seconds = _own(net, batch, this, known, _nearest(there, count)) if run else ({}, None)
    found = predict(net, there, known, batch=batch, threads=count, own=own)
    rule = None
    if seconds is not None:
        scores = [_score(p, t) for p, t in ((this, int(this.machine["threads"])), (there, count))]
        rule = 1 / by_score(1 / seconds, scores[0], scores[1])
    return Estimate(**{**_fields(found), "here_seconds": seconds, "rule_seconds": rule})


def _fields(found: Estimate) -> dict[str, Any]:
    return {name: getattr(found, name) for name in Estimate.__dataclass_fields__}


def predict(
    net: Network,
    machine: MachineProfile,
    known: Efficiencies,
    *,
    batch: int = 1,
    threads: int = 1,
    own: Mapping[tuple[str, str], float] | None = None,
) -> Estimate:
    """What `estimate` does with efficiencies that are at hand.

    Parameters
    ----------
    own
        Layer and family of kernels to its time here over the time expected here.
    """
    isa, notes = str(machine.machine.get("isa", "scalar")), []
    if isa not in ISAS:
        raise ValueError(f"machine: unknown instruction set {isa!r}")
    planned = isa if isa in isa_levels() else isa_levels()[-1]
    with config(isa=planned):
        session = net.plan(batch=batch, threads=min(threads, _MOST_THREADS))
    layers = layers_of(net, session, threads=threads, isa=None if planned == isa else isa)
    if planned != isa:
        notes.append(f"kernels were chosen as for {planned}, since {isa} does not run here")
    every = [terms_of(layer, machine) for layer in layers]
    ratios = own or {}
    spans = [
        known.expect(layer, t) * ratios.get((layer.name, layer.family), 1.0)
        for layer, t in zip(layers, every, strict=True)
    ]
    rows = tuple(
        LayerEstimate(layer.name, layer.kernel, span, _by(t))
        for layer, t, span in zip(layers, every, spans, strict=True)
    )
    most = max(t for _, t in known.states)
    beyond = max(0.0, math.log2(threads / most)) * _MORE_THREADS
    if beyond:
        notes.append(f"kernels were measured with up to {most:g} threads; {threads} are a guess from that")
    if not any(LANES.get(s) == LANES[isa] for s, _ in known.states):
        beyond += 0.15
        notes.append(f"no kernel of {isa} was measured here")
    spread = math.hypot(_OWN_SPREAD if own else known.spread, beyond)
    total = math.fsum(spans)
    wide = math.exp(_Z * spread)
    return Estimate(
        net.name,
        dict(machine.machine),
        batch,
        threads,
        isa,
        total,
        total / wide,
        total * wide,
        rows,
        notes=tuple(notes),
    )


def _nearest(there: MachineProfile, threads: int) -> State:
    """The state of this machine that is most like another: its kernels, and as many threads as there are."""
    isa = str(there.machine.get("isa", "scalar"))
    return State(isa if isa in isa_levels() else isa_levels()[-1], min(threads, _core.default_threads()))


def _own(
    net: Network, batch: int, this: MachineProfile, known: Efficiencies, state: State
) -> tuple[dict[tuple[str, str], float], float]:
    """Of each layer its time in a state of this machine over the time that is expected of it, and the time of a call
    as this machine is."""
    from ferkern.bench.network import undisturbed, undisturbed_seconds

    x = np.random.default_rng(0).standard_normal((batch, *net.input_shape)).astype(np.float32)
    plain = net.plan(batch=batch)
    with config(isa=state.isa, threads=state.threads):
        forced = net.plan(batch=batch, threads=state.threads)
    y = plain.run(x)
    forced.run(x)
    spent: list[float] = []
    ledgers = []
    begin = perf_counter()
    while len(spent) < _CALLS or (perf_counter() - begin < _SECONDS and len(spent) < 50 * _CALLS):
        plain.run(x, out=y)
        start = perf_counter()
        plain.run(x, out=y)
        spent.append(perf_counter() - start)
        forced.run(x, out=y)
        ledgers.append(forced.profile(x)[1])
    layers = layers_of(net, forced, threads=state.threads)
    profile = lesser(this, state)
    spans = undisturbed(ledgers).seconds
    ratios = {
        (layer.name, layer.family): span / known.expect(layer, terms_of(layer, profile))
        for layer, span in zip(layers, spans, strict=True)
        if span > 0
    }
    return ratios, undisturbed_seconds(spent)


def _score(machine: MachineProfile, threads: int) -> float:
    peak = machine.peak("fp32", str(machine.machine["isa"]))
    if peak is None:
        raise ValueError("machine: its profile has no peak of fp32")
    return peak[0] * threads


def _by(terms: tuple[float, ...]) -> str:
    arithmetic, memory, *overhead = terms
    return max((arithmetic, "arithmetic"), (memory, "memory"), (0.3 * sum(overhead), "overhead"))[1]
