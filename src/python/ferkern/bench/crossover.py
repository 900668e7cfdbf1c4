"""Measuring processor and device beside each other, over ladders of sizes: `crossover`."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING

import ferkern
from ferkern import _core
from ferkern.bench.crossover_cases import Case, Family, cases_of
from ferkern.bench.crossover_first import first_call
from ferkern.bench.crossover_map import Crossover, Identity, Ladder, Rung, save_map
from ferkern.bench.crossover_timing import CallSide, Effort, Side, interleaved

if TYPE_CHECKING:
    from ferkern.opencl import Device

__all__ = ["Step", "climb", "crossover", "identity", "measure_family", "steps_of"]

log = logging.getLogger(__name__)

_CAREFUL = Effort(seconds=0.4, least=7, most=25, longest=3.0)
_QUICK = Effort(seconds=0.05, least=3, most=7, longest=0.5)
_REFINEMENTS = 2  # sizes put between the two where the sides change places
_NARROW = 1.3  # no more where those are this near to each other


@dataclass(frozen=True, slots=True)
class Step:
    """A family to be measured, and how."""

    name: str
    family: Family
    effort: Effort
    first: bool


def crossover(
    name: str = "conv2d",
    *,
    device: str = "opencl",
    quick: bool = False,
    first: bool = True,
    save: bool = True,
    wrap: Callable[[Iterable[Step]], Iterable[Step]] = iter,
) -> Crossover:
    """Measure an op on the processor and on a device, from small sizes to large; nothing else should run meanwhile.

    Parameters
    ----------
    name
        ``"conv2d"``, ``"depthwise_separable"``, ``"binary_conv2d"`` (``"xnor"``), ``"dense"``, ``"svd"``, ``"flow"``,
        ``"network"``, ``"pipeline"``, or one network by its name (`ferkern.bench.named`).
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.
    quick
        Fewer rounds and no sizes between: for a look, too rough to be relied on.
    first
        Also time first calls, each in a process of its own.
    save
        Keep the map for ``device="auto"`` and `ferkern why`.
    wrap
        Given the families, gives them back one by one: for a display of progress.

    Raises
    ------
    ValueError
        There is no such op or network, or it has no form for devices.
    ferkern.opencl.DeviceError
        The device is missing.
    """
    from ferkern.opencl import find

    case = cases_of(name)
    target = find(device, only=True)
    if not case.on_device():
        raise ValueError(f"{name}: has no form for devices")
    string = f"opencl:{target.info.index}"
    ladders, opening = [], 0.0
    for step in wrap(steps_of(name, case, quick=quick, first=first)):
        try:
            ladder, opened = measure_family(step, string, target)
        except ImportError as error:
            log.warning("%s: %s is not measured: %s", name, step.family.name, error)
            continue
        ladders.append(ladder)
        opening = max(opening, opened)
    measured = Crossover(
        case.op, identity(target), datetime.now(UTC).isoformat(timespec="seconds"), tuple(ladders), opening
    )
    found = tuple(ladder for ladder in ladders if ladder.rungs)
    if save and found:  # what could not be measured takes the place of nothing that was
        save_map(replace(measured, ladders=found))
    return measured


def steps_of(name: str, case: Case, *, quick: bool, first: bool) -> list[Step]:
    """What there is to measure."""
    return [Step(name, family, _QUICK if quick else _CAREFUL, first) for family in case.families]


def identity(device: Device) -> Identity:
    """Processor, device and versions as they are now."""
    isa, _, _, threads, _ = _core.get_choice()
    info = device.info
    return Identity(
        brand=str(_core.cpu()["brand"]),
        isa=isa,
        threads=threads or _core.default_threads(),
        device=info.name,
        platform=info.platform,
        driver=info.driver,
        ferkern=ferkern.__version__,
    )


def measure_family(step: Step, string: str, device: Device) -> tuple[Ladder, float]:
    """The ladder of a family, and the seconds that the driver took to start (0 without first calls)."""
    from ferkern.opencl import DeviceError

    family = step.family

    def measure(size: int) -> Rung:
        call = family.make(size)
        here, there = call.prepare("cpu"), call.prepare(string)
        copies = _Copies(there, device)
        sides: list[Side] = [CallSide(here), CallSide(there), copies]
        cpu, far, copied = interleaved(sides, step.effort)
        return Rung(size, call.features, cpu, far, _resident(far, copied, copies.kernels))

    rungs, ended = climb(family.sizes, measure, step.effort, (DeviceError, MemoryError))
    opening = 0.0
    if step.first:
        for i in sorted({0, len(rungs) // 2, len(rungs) - 1}) if rungs else ():
            found = first_call(step.name, family.name, int(rungs[i].size), string)
            if found is not None:
                rungs[i] = replace(rungs[i], first=(found.cpu, found.device))
                opening = max(opening, found.opening)
    return Ladder(family.name, family.axis, tuple(rungs), ended), opening


def climb(
    sizes: Sequence[int], measure: Callable[[int], Rung], effort: Effort, refusals: tuple[type[BaseException], ...]
) -> tuple[list[Rung], str]:
    """Measure sizes upwards, and then some between the two where the sides change places.

    Returns
    -------
    The rungs by size, and why the largest sizes are missing (empty: none is).
    """
    rungs: list[Rung] = []
    ended = ""
    for size in sizes:
        begin = perf_counter()
        try:
            rungs.append(measure(size))
        except refusals as error:
            ended = f"{size}: {error}"
            break
        if size != sizes[-1] and max(map(min, (rungs[-1].cpu, rungs[-1].device))) > effort.longest:
            ended = f"a call of size {size} takes more than {effort.longest:g} s"
            break
        log.info("size %d: %.2f s", size, perf_counter() - begin)
    for _ in range(_REFINEMENTS if effort.least > _QUICK.least else 0):
        between = _between(rungs)
        if between is None:
            break
        try:
            rungs.append(measure(between))
        except refusals:
            break
        rungs.sort(key=lambda rung: rung.size)
    return rungs, ended


def _between(rungs: Sequence[Rung]) -> int | None:
    """A size in the geometric middle of the two between which the device starts to win; None where they are near."""
    found = Ladder("", "", tuple(rungs)).crossing() if rungs else None
    if found is None or found.answer != "from":
        return None
    low = max(r.size for r in rungs if r.size <= found.size)
    high = min(r.size for r in rungs if r.size > found.size)
    middle = round(math.sqrt(low * high))
    return middle if high / low > _NARROW and low < middle < high else None


class _Copies:
    """The copies of a call on the device, as the device's own clock has them; `kernels` keeps its kernels' time, call
    by call. Of such a call nothing else is taken: that each command is recorded makes it slower by far."""

    def __init__(self, call: Callable[[], object], device: Device) -> None:
        self._call = call
        self._device = device
        self.kernels: list[float] = []

    def sample(self) -> float:
        from ferkern.opencl.timeline import flatten, totals

        self._call()
        with self._device.recording() as timeline:
            begin = perf_counter()
            self._call()
            end = perf_counter()
        spent = totals(flatten(timeline.spans(), begin, end))
        self.kernels.append(spent["kernel"])
        return spent["host to device"] + spent["device to host"]


def _resident(calls: Sequence[float], copies: Sequence[float], kernels: Sequence[float]) -> tuple[float, ...]:
    """Calls without their copies, round by round: no less than their kernels take, no more than with them."""
    rounds = zip(calls, copies, kernels, strict=True)
    return tuple(max(call - copied, min(call, worked), 1e-9) for call, copied, worked in rounds)
