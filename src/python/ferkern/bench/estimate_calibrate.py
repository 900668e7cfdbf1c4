"""Measuring probes: what `ferkern.bench.estimate_model` learns a machine's kernels from."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

import ferkern
from ferkern import _core, cache
from ferkern.bench.estimate_layers import Layer, layers_of, terms_of
from ferkern.bench.estimate_model import Efficiencies, Sample, fit_efficiencies
from ferkern.bench.estimate_probes import BATCHES, probes
from ferkern.bench.machine import MachineProfile
from ferkern.bench.network import median
from ferkern.config import config
from ferkern.registry import ISAS, isa_levels

if TYPE_CHECKING:
    from ferkern.models.network import Network

__all__ = ["FILE", "State", "calibrate", "lesser", "load_samples", "measure", "saved_efficiencies", "states_here"]

log = logging.getLogger(__name__)

FILE = "efficiencies.json"
FORMAT_VERSION = 2
_SECONDS = 7.0  # for each state
_LARGE = 20e6  # bytes of weights or operations for each image beyond which a probe runs with batch 1 alone
_FEWEST = 5  # rounds


@dataclass(frozen=True, slots=True)
class State:
    """What the processor is forced to while probes are measured."""

    isa: str
    threads: int


def states_here() -> list[State]:
    """Every vector width that has kernels of its own, on one thread and on all."""
    sets = [isa for isa in ("avx2", "avx512") if isa in isa_levels()]
    highest = isa_levels()[-1]
    named = [highest if isa == sets[-1] else isa for isa in sets] or [highest]
    return [State(isa, threads) for isa in named for threads in sorted({1, _core.default_threads()})]


def lesser(machine: MachineProfile, state: State) -> MachineProfile:
    """A profile without what a forced state cannot use: higher instruction sets, passages of more threads."""
    allowed = ISAS[: ISAS.index(state.isa) + 1]
    peaks = {kind: {isa: m for isa, m in rows.items() if isa in allowed} for kind, rows in machine.peaks.items()}
    return replace(
        machine,
        machine={**machine.machine, "isa": state.isa, "threads": state.threads},
        peaks={kind: rows for kind, rows in peaks.items() if rows},
        passages=tuple(p for p in machine.passages if p.threads <= state.threads),
    )


def calibrate(
    machine: MachineProfile,
    *,
    states: Sequence[State] | None = None,
    networks: Sequence[Network] | None = None,
    seconds: float = _SECONDS,
    save: bool = True,
    wrap: Callable[[Iterable[State]], Iterable[State]] = iter,
) -> tuple[Sample, ...]:
    """Measure the probes on this machine, under nothing else: some ten seconds for each state.

    Parameters
    ----------
    machine
        This machine's profile.
    states
        None: `states_here`.
    networks
        None: the probes.
    save
        Keep the samples for `ferkern.bench.estimate`.
    wrap
        Given the states, gives them back one by one: for a display of progress.
    """
    nets = list(probes()) if networks is None else list(networks)
    found: list[Sample] = []
    for state in wrap(states_here() if states is None else states):
        found += measure(nets, state, lesser(machine, state), seconds)
    if save:
        rows = [asdict(sample) for sample in found]
        cache.write_json(FILE, {"format": FORMAT_VERSION, "machine": _identity(), "samples": rows})
    return tuple(found)


def measure(networks: Iterable[Network], state: State, machine: MachineProfile, seconds: float) -> list[Sample]:
    """Layers of networks in a forced state, medians over rounds through all networks."""
    samples = []
    with config(isa=state.isa, threads=state.threads):
        runs = [(net, session, x, list[Any]()) for net in networks for session, x in _sessions(net, state.threads)]
        begin, rounds = perf_counter(), 0
        while rounds < _FEWEST or perf_counter() - begin < seconds:
            for _, session, x, ledgers in runs:
                session.run(x)
                ledgers.append(session.profile(x)[1])
            rounds += 1
    for net, session, _, ledgers in runs:
        spans = median(ledgers).seconds
        for layer, span in zip(layers_of(net, session, threads=state.threads), spans, strict=True):
            if span > 0:
                samples.append(Sample(layer, terms_of(layer, machine), span, f"{net.name}/{session.batch}"))
    return samples


def _sessions(net: Network, threads: int) -> Iterable[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    for batch in BATCHES:
        session = net.plan(batch=batch, threads=threads)
        work, weights = (sum(getattr(c, name) for c in session.costs) for name in ("flops", "weight_bytes"))
        if batch > 1 and (work > _LARGE * 10 or weights > _LARGE):
            continue
        x = rng.standard_normal((batch, *net.input_shape)).astype(np.float32)
        session.run(x)
        yield session, x


def load_samples() -> tuple[Sample, ...]:
    """Samples that were saved on this processor with this version; none where there are none, or they are damaged."""
    stored = cache.read_json(FILE)
    if not isinstance(stored, dict) or stored.get("format") != FORMAT_VERSION or stored.get("machine") != _identity():
        return ()
    try:
        return tuple(_sample(row) for row in stored["samples"])
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        log.warning("%s is not used: %s", cache.folder() / FILE, error)
        return ()


def _sample(row: dict[str, Any]) -> Sample:
    kinds = {f.name: {"str": str, "bool": bool}.get(str(f.type), float) for f in fields(Layer)}
    given = row["layer"]
    layer = Layer(**{name: kind(given[name]) for name, kind in kinds.items()})
    terms = tuple(map(float, row["terms"]))
    seconds = float(row["seconds"])
    if len(terms) != 4 or not all(math.isfinite(t) and t >= 0 for t in (*terms, seconds)) or seconds <= 0:
        raise ValueError(f"a sample's times must be positive, are {terms}, {seconds}")
    return Sample(layer, terms, seconds, str(row["network"]))


def saved_efficiencies() -> Efficiencies | None:
    """What the saved samples show; None where there are none."""
    file = cache.folder() / FILE
    try:
        return _fitted(file, file.stat().st_mtime_ns)
    except OSError:
        return None


@functools.lru_cache(maxsize=2)
def _fitted(file: Path, changed: int) -> Efficiencies | None:
    samples = load_samples()
    return fit_efficiencies(samples) if samples else None


def _identity() -> dict[str, str]:
    return {"cpu": str(_core.cpu()["brand"]), "isa": _core.isa_supported(), "version": ferkern.__version__}
