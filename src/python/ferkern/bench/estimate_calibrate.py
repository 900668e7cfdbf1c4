"""Measuring probes: what `ferkern.bench.estimate_model` learns a machine's kernels from."""

from __future__ import annotations

import functools
import logging
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from ferkern.bench.network import median, undisturbed
from ferkern.config import config
from ferkern.registry import ISAS, isa_levels

if TYPE_CHECKING:
    from ferkern.ledger import Ledger
    from ferkern.models.network import Network
    from ferkern.session import Session

__all__ = [
    "FILE", "State", "Visits", "calibrate", "lesser", "load_samples", "measure", "saved_efficiencies", "states_here",
]  # fmt: skip

log = logging.getLogger(__name__)

FILE = "efficiencies.json"
FORMAT_VERSION = 2
_SECONDS = 7.0  # for each state
_LARGE = 20e6  # bytes of weights or operations for each image beyond which a probe runs with batch 1 alone
_FEWEST = 5  # rounds
_WARM, _TIMED, _MOST = 2e-3, 3e-3, 9  # seconds of a visit before and while something is measured, and calls then


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


class Visits:
    """Networks planned for a forced state, and what was measured of them in rounds through all.

    Attributes
    ----------
    calls
        Of (network, batch): of every round, the median seconds of a call; empty unless rounds are asked for them.
    """

    def __init__(
        self, networks: Iterable[Network], state: State, *, batches: Mapping[str, Sequence[int]] | None = None
    ) -> None:
        """`batches`: of each network by its name; None: 1, and 8 where that takes no long time."""
        self.state = state
        self.calls: dict[tuple[str, int], list[float]] = {}
        rng = np.random.default_rng(0)
        self._planned: list[tuple[Network, Session, Any, Any, list[Ledger]]] = []
        with config(isa=state.isa, threads=state.threads):
            for net in networks:
                for batch in _batches(net) if batches is None else batches[net.name]:
                    x = rng.standard_normal((batch, *net.input_shape)).astype(np.float32)
                    session = net.plan(batch=batch, threads=state.threads)
                    self._planned.append((net, session, x, session.run(x), []))

    @property
    def networks(self) -> list[Network]:
        """As given, once for each batch."""
        return [planned[0] for planned in self._planned]

    def round(self, *, calls: bool = False) -> None:
        """Visit every network once."""
        with config(isa=self.state.isa, threads=self.state.threads):
            for net, session, x, y, ledgers in self._planned:
                count = _warm(session, x, y)
                if calls:
                    spent = []
                    for _ in range(count):
                        session.run(x, out=y)  # workers fell asleep meanwhile
                        begin = perf_counter()
                        session.run(x, out=y)
                        spent.append(perf_counter() - begin)
                    self.calls.setdefault((net.name, session.batch), []).append(statistics.median(spent))
                found = []
                for _ in range(count):
                    session.run(x, out=y)
                    found.append(session.profile(x)[1])
                ledgers.append(median(found))

    def samples(self, machine: MachineProfile) -> list[Sample]:
        """Layers as they are where nothing disturbs, with the profile of the machine as it is forced."""
        samples = []
        for net, session, _, _, ledgers in self._planned:
            spans = undisturbed(ledgers).seconds
            for layer, span in zip(layers_of(net, session, threads=self.state.threads), spans, strict=True):
                if span > 0:
                    samples.append(Sample(layer, terms_of(layer, machine), span, f"{net.name}/{session.batch}"))
        return samples


def _warm(session: Session, x: Any, y: Any) -> int:
    """Run a network until its caches are its own; how many calls are worth measuring then."""
    begin = perf_counter()
    session.run(x, out=y)
    one = perf_counter() - begin
    while perf_counter() - begin < _WARM:
        session.run(x, out=y)
    return min(_MOST, max(1, int(_TIMED / one)))


def measure(networks: Iterable[Network], state: State, machine: MachineProfile, seconds: float) -> list[Sample]:
    """Layers of networks in a forced state, from rounds through all networks."""
    visits = Visits(networks, state)
    begin, rounds = perf_counter(), 0
    while rounds < _FEWEST or perf_counter() - begin < seconds:
        visits.round()
        rounds += 1
    return visits.samples(machine)


def _batches(net: Network) -> Sequence[int]:
    shapes, weights = net.infer_shapes(), {n.output: net.weights[n.weights["w"]] for n in net.nodes if "w" in n.weights}
    work = 2 * sum(w.size * math.prod(shapes[value][1:]) for value, w in weights.items())
    small = work <= 10 * _LARGE and 4 * sum(w.size for w in weights.values()) <= _LARGE
    return BATCHES if small else BATCHES[:1]


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
