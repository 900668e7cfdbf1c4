"""Which side a call should take, by what was measured on this machine (`ferkern.bench.crossover`)."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import ferkern
from ferkern import _core
from ferkern.bench.crossover_features import Features
from ferkern.bench.crossover_map import Crossover, Identity, saved_maps
from ferkern.bench.timefit import Expected, Point, TimeFit, fit, missed, spread_of

__all__ = ["Choice", "Rule", "choose", "device_of", "rule_of", "rule_of_map"]

CPU = "cpu"
_ENOUGH = 4  # points of a kind that make curves of their own
_BETTER = 0.5  # times the errors of the curves that all kinds share
_APART = 1.5  # distance between kinds, in powers of e, over the root of 2


@dataclass(frozen=True, slots=True)
class _Curves:
    """Both sides' times, and the least and the most work that was measured."""

    cpu: TimeFit
    device: TimeFit
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Rule:
    """What a map says of calls, those that were measured and those that were not."""

    kinds: tuple[str, ...]
    pooled: _Curves
    own: dict[str, _Curves]
    """Kinds whose times are no more than loosely like the others'."""
    known: Mapping[Features, tuple[Expected, Expected]] = field(default_factory=dict)
    """Calls that were measured: nothing says more of them than their own times."""

    def expect(self, features: Features) -> tuple[Expected, Expected]:
        """Time on the processor and on the device, copies included."""
        if features in self.known:
            return self.known[features]
        curves = self.own.get(features.kind, self.pooled)
        place = _place(features, self.kinds)
        return curves.cpu.expect(features.terms, place), curves.device.expect(features.terms, place)

    def picks_device(self, features: Features) -> bool:
        """Whether the device is expected to be faster."""
        cpu, device = self.expect(features)
        return device.seconds < cpu.seconds

    def range_of(self, features: Features) -> tuple[float, float, bool]:
        """Least and most work that was measured of such calls, and whether some were of this very kind."""
        curves = self.own.get(features.kind, self.pooled)
        return curves.least, curves.most, features.kind in self.kinds


def rule_of(points: Sequence[tuple[Features, float, float]]) -> Rule:
    """Fit the rule to (features, seconds on the processor, seconds on the device).

    All kinds of call share their coefficients, so that what one ladder does not vary another does; a kind whose own
    times tell its own times better by far (singular values of small and of large matrices have little in common) has
    curves of its own.

    Raises
    ------
    ValueError
        There is no point.
    """
    kinds = tuple(sorted({f.kind for f, _, _ in points}))
    pooled = _curves(points, kinds)
    own: dict[str, _Curves] = {}
    for kind in kinds if len(kinds) > 1 else ():
        rows = [i for i, (f, _, _) in enumerate(points) if f.kind == kind]
        if len(rows) < _ENOUGH:
            continue
        alone = _curves([points[i] for i in rows], kinds)
        together = [spread_of([errors[i] for i in rows]) for errors in _errors(points, kinds)]
        if alone.cpu.spread + alone.device.spread < _BETTER * sum(together):
            own[kind] = alone
    return Rule(kinds, pooled, own)


def _curves(points: Sequence[tuple[Features, float, float]], kinds: tuple[str, ...]) -> _Curves:
    cpu, device = (fit(side) for side in _sides(points, kinds))
    work = [f.work for f, _, _ in points]
    return _Curves(cpu, device, min(work), max(work))


def _errors(points: Sequence[tuple[Features, float, float]], kinds: tuple[str, ...]) -> list[list[float]]:
    return [missed(side) for side in _sides(points, kinds)]


def _sides(points: Sequence[tuple[Features, float, float]], kinds: tuple[str, ...]) -> list[list[Point]]:
    return [[Point(f.terms, _place(f, kinds), seconds[side]) for f, *seconds in points] for side in range(2)]


def _place(features: Features, kinds: tuple[str, ...]) -> tuple[float, ...]:
    """Other kinds stand apart, so that they lend their coefficients more than their residuals."""
    return (*features.place, *(_APART if features.kind == kind else 0.0 for kind in kinds))


@functools.lru_cache(maxsize=64)
def rule_of_map(measured: Crossover) -> Rule:
    """The rule of a map."""
    rungs = [rung for ladder in measured.ladders for rung in ladder.rungs]
    rule = rule_of([(r.features, statistics.median(r.cpu), statistics.median(r.device)) for r in rungs])
    return replace(rule, known={r.features: (_measured(r.cpu), _measured(r.device)) for r in rungs})


def _measured(rounds: Sequence[float]) -> Expected:
    """Median, lowest and highest."""
    return Expected(statistics.median(rounds), min(rounds), max(rounds))


@dataclass(frozen=True, slots=True)
class Choice:
    """The side of a call, and why.

    Attributes
    ----------
    device
        ``"cpu"`` or a device string.
    by
        The map that decided; None where nothing was measured.
    cpu
        What the processor is expected to take by that map.
    devices
        Of each device that was measured: its map, and what it is expected to take; the best first.
    remarks
        Why there is no map, or what else stood in the way.
    """

    op: str
    features: Features
    device: str
    by: Crossover | None
    cpu: Expected | None
    devices: tuple[tuple[Crossover, Expected], ...]
    remarks: tuple[str, ...]


def choose(op: str, features: Features, *, threads: int | None = None) -> Choice:
    """Choose by the saved maps; without one of this machine, instruction set, threads and version: the processor.

    Devices are looked for only where a map says that one would win.

    Parameters
    ----------
    op
        As in `ferkern.bench.crossover`.
    features
        Of the call (`ferkern.bench.crossover_features`).
    threads
        Of the processor's side; None: as `ferkern.config` has it.
    """
    return _chosen(op, features, _here(threads), saved_maps())


@functools.lru_cache(maxsize=1024)
def _chosen(op: str, features: Features, here: tuple[str, str, int, str], maps: tuple[Crossover, ...]) -> Choice:
    measured = [m for m in maps if m.op == op and any(ladder.rungs for ladder in m.ladders)]
    if not measured:
        return _unmeasured(
            op, features, f"no crossover map of this machine has {op}: 'ferkern crossover {op}' makes one"
        )
    fitting = [m for m in measured if _machine_of(m.identity) == here]
    if not fitting:
        theirs = "; ".join(sorted({_words(*_machine_of(m.identity)) for m in measured}))
        why = f"{op} was measured elsewhere ({theirs}), this is {_words(*here)}: 'ferkern crossover {op}' measures anew"
        return _unmeasured(op, features, why)
    return _compared(op, features, fitting)


def _compared(op: str, features: Features, maps: Sequence[Crossover]) -> Choice:
    expected = [(m, *rule_of_map(m).expect(features)) for m in maps]
    expected.sort(key=lambda e: e[2].seconds / e[1].seconds)
    missing: list[str] = []
    devices = tuple((m, device) for m, _, device in expected)
    for measured, cpu, device in expected:
        if device.seconds >= cpu.seconds:
            return Choice(op, features, CPU, measured, cpu, devices, tuple(missing))
        string = device_of(measured.identity)
        if string is not None:
            return Choice(op, features, string, measured, cpu, devices, tuple(missing))
        missing.append(f"{measured.identity.device} would be faster, but is not there now, or has another driver")
    return Choice(op, features, CPU, expected[0][0], expected[0][1], devices, tuple(missing))


def device_of(identity: Identity) -> str | None:
    """The device string of a measured device; None where it is not there with that driver."""
    from ferkern.opencl import DeviceError, devices

    try:
        found = devices()
    except DeviceError:
        return None
    wanted = (identity.device, identity.platform, identity.driver)
    return next((f"opencl:{d.index}" for d in found if (d.name, d.platform, d.driver) == wanted), None)


def _unmeasured(op: str, features: Features, why: str) -> Choice:
    return Choice(op, features, CPU, None, None, (), (why,))


def _here(threads: int | None) -> tuple[str, str, int, str]:
    isa, _, _, chosen, _ = _core.get_choice()
    return _brand(), isa, threads or chosen or _core.default_threads(), ferkern.__version__


@functools.cache
def _brand() -> str:
    return str(_core.cpu()["brand"])


def _machine_of(identity: Identity) -> tuple[str, str, int, str]:
    return identity.brand, identity.isa, identity.threads, identity.ferkern


def _words(brand: str, isa: str, threads: int, version: str) -> str:
    return f"{brand}, {isa}, {threads} thread{'s' if threads != 1 else ''}, ferkern {version}"
