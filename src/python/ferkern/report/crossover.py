"""From which size on a device is faster than the processor: the map of all calls, and the times behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from ferkern.bench.crossover_crossing import Crossing
from ferkern.bench.crossover_map import STATES, Crossover, Ladder, Rung, State
from ferkern.report.parts import Axis, Chart, Control, Section, Table, Trace, filter_of, scale_of
from ferkern.report.sources import Source
from ferkern.report.words import rate, seconds, times

__all__ = ["section"]

_STATES = {"call": "with copies", "resident": "without copies", "first": "first call"}
_FULL = math.log(8)  # the ratio whose colour is the strongest
_EVEN = 1.1  # times: below it neither side is said to win
_LISTED = 4  # calls in a sentence
Row = tuple[Crossover, Ladder]


def section(sources: Sequence[Source]) -> Section | None:
    """Of the maps of ``ferkern crossover``."""
    maps = _latest([one for source in sources for one in source.values])
    rows = [(one, ladder) for one in maps for ladder in one.ladders if ladder.rungs]
    if not rows:
        return None
    return Section(
        id="crossover",
        title="Crossover",
        words="The same call on the processor and on the device, in turns. A device starts slower, because of its "
        "copies and its launches, and gains with the size. Without copies: arrays that are on the device already, as "
        "between the layers of a network. First call: in a fresh process, where the device's programs are still to be "
        "fetched or built.",
        charts=(_map(rows), _curves(rows)),
        tables=(("From which size on the device wins", _crossings(rows)),),
        findings=_findings(rows),
        notes=tuple(f"{one.op}, {ladder.family} ended early: {ladder.ended}" for one, ladder in rows if ladder.ended),
    )


def _latest(maps: Sequence[Crossover]) -> list[Crossover]:
    """One map of each op, processor and device: the last that was measured."""
    found = {(one.op, one.identity): one for one in sorted(maps, key=lambda one: one.date)}
    return list(found.values())


def _device(one: Crossover) -> str:
    threads = f"{one.identity.threads} thread{'' if one.identity.threads == 1 else 's'}"
    return f"{one.identity.device} ({one.identity.platform}) against {one.identity.brand}, {threads}"


def _name(one: Crossover, ladder: Ladder) -> str:
    return one.op if ladder.family in ("", one.op) else f"{one.op}, {ladder.family}"


def _times(rung: Rung, state: State) -> tuple[float, float] | None:
    """Processor's and device's seconds; None where that was not measured."""
    if state == "first":
        return (rung.first[0], rung.first[1]) if len(rung.first) == 2 else None
    far = rung.device if state == "call" else rung.resident
    return (median(rung.cpu), median(far)) if far else None


def _map(rows: Sequence[Row]) -> Chart:
    traces = []
    for one, ladder in rows:
        for state in STATES:
            known = [(rung, pair) for rung in ladder.rungs if (pair := _times(rung, state)) is not None]
            if not known:
                continue
            hover = [
                f"<b>{_name(one, ladder)}</b>, {ladder.axis} {rung.size:g}<br>processor {seconds(cpu)}, device "
                f"{_STATES[state]} {seconds(far)}<br>{_verdict(cpu, far)}"
                for rung, (cpu, far) in known
            ]
            traces.append(
                Trace(
                    "dots",
                    _name(one, ladder),
                    [cpu for _, (cpu, _) in known],
                    [_name(one, ladder)] * len(known),
                    hover=hover,
                    keys={"device": _device(one), "state": state},
                    shades=[max(-1.0, min(1.0, math.log(cpu / far) / _FULL)) for _, (cpu, far) in known],
                    sizes=[13.0] * len(known),
                )
            )
    states = [state for state in STATES if any(t.keys["state"] == state for t in traces)]
    return Chart(
        id="crossover-map",
        title="Who is faster, call by call",
        words="Every mark is one size of one kind of call, placed by the time that the processor needs. Blue circles: "
        "the device is faster. Orange diamonds: the processor is. The stronger the colour, the larger the difference, "
        "up to eight times.",
        x=Axis("time of the call on the processor", "log", unit="s"),
        y=Axis("", "category"),
        traces=tuple(traces),
        table=_all_times(rows),
        controls=(
            *filter_of("device", "Device", [_device(one) for one, _ in rows]),
            *filter_of("state", "The device's time", states, **_STATES),
        ),
    )


def _verdict(cpu: float, far: float) -> str:
    if max(cpu, far) < _EVEN * min(cpu, far):
        return "neither is faster by more than a tenth"
    return f"the {'device' if far < cpu else 'processor'} is {times(max(cpu, far) / min(cpu, far))} times as fast"


def _curves(rows: Sequence[Row]) -> Chart:
    traces: list[Trace] = []
    axes = {}
    for one, ladder in rows:
        call = _name(one, ladder)
        axes[call] = {"x": {"title": f"size: {ladder.axis}"}}
        keys = {"device": _device(one), "call": call}
        sides = (
            ("processor", 2, False, [(r.size, r.cpu) for r in ladder.rungs]),
            ("device", 1, False, [(r.size, r.device) for r in ladder.rungs]),
            ("device without copies", 6, False, [(r.size, r.resident) for r in ladder.rungs if r.resident]),
            ("processor, first call", 2, True, [(r.size, r.first[:1]) for r in ladder.rungs if len(r.first) == 2]),
            ("device, first call", 1, True, [(r.size, r.first[1:]) for r in ladder.rungs if len(r.first) == 2]),
        )
        for name, color, dashed, known in sides:
            if known:
                middle = [median(spent) for _, spent in known]
                hover = [
                    f"<b>{ladder.axis} {size:g}</b>, {name}<br>{seconds(m)} (least {seconds(min(spent))})"
                    for (size, spent), m in zip(known, middle, strict=True)
                ]
                sizes = [size for size, _ in known]
                traces.append(Trace("line", name, sizes, middle, color, hover, keys, dashed=dashed))
        traces += _interval(ladder, keys)
    return Chart(
        id="crossover-curves",
        title="Times over size",
        words="Medians of one kind of call. Where the device's line falls below the processor's, it wins; the band is "
        "the 95 % interval of that place for calls with their copies. Dotted: the first call of a process.",
        x=Axis("size", "log"),
        y=Axis("time of a call", "log", unit="s"),
        traces=tuple(traces),
        table=_all_times(rows),
        controls=(
            *filter_of("device", "Device", [_device(one) for one, _ in rows]),
            *_with_axes(filter_of("call", "Call", [_name(*row) for row in rows]), axes),
            scale_of("x", "Horizontal axis"),
            scale_of("y", "Vertical axis"),
        ),
        ends=True,
    )


def _with_axes(controls: Sequence[Control], axes: dict[str, dict[str, dict[str, str]]]) -> tuple[Control, ...]:
    return tuple(Control(c.kind, c.key, c.label, c.options, axes) for c in controls)


def _interval(ladder: Ladder, keys: dict[str, str]) -> list[Trace]:
    """A band over the sizes among which the device starts to win."""
    found = ladder.crossing("call")
    if found is None or found.answer != "from":
        return []
    spent = [s for r in ladder.rungs for s in (*r.cpu, *r.device, *r.resident, *r.first)]
    low, high = max(found.low, ladder.rungs[0].size), min(found.high, ladder.rungs[-1].size)
    bottom, top = min(spent) / 3, max(spent) * 3
    band = Trace("band", "the device starts to win", [low, high, high, low], [bottom, bottom, top, top], 3, keys=keys)
    return [band] if high > low else []


def _answer(found: Crossing | None) -> str:
    """In words, as a cell of the table."""
    if found is None:
        return "–"
    if found.answer != "from":
        return found.answer if found.share > 0.975 else f"{found.answer} ({100 * found.share:.0f} % sure)"
    ends = (times(x) if 0 < x < math.inf else "always" if x == 0 else "never" for x in (found.low, found.high))
    return f"from {times(found.size)} ({' to '.join(ends)})"


def _crossings(rows: Sequence[Row]) -> Table:
    cells = []
    for one, ladder in rows:
        span = f"{ladder.rungs[0].size:,.0f} to {ladder.rungs[-1].size:,.0f}"
        answers = tuple(_answer(ladder.crossing(state)) for state in STATES)
        cells.append((_device(one), _name(one, ladder), ladder.axis, *answers, span))
    heads = ("device", "call", "size", *(_STATES[s] for s in STATES), "measured")
    return Table(heads, tuple(cells), words=3)


def _all_times(rows: Sequence[Row]) -> Table:
    cells = []
    for one, ladder in rows:
        for rung in ladder.rungs:
            pairs = [_times(rung, state) for state in STATES]
            spent = [seconds(median(rung.cpu)), *("–" if p is None else seconds(p[1]) for p in pairs[:2])]
            first = pairs[2]
            spent += ["–", "–"] if first is None else [seconds(first[0]), seconds(first[1])]
            faster = times(median(rung.cpu) / median(rung.device))
            words = (_device(one), _name(one, ladder), ladder.axis)
            cells.append((*words, f"{rung.size:g}", rate(rung.features.moved, "B"), *spent, faster))
    heads = (
        "device",
        "call",
        "size",
        "",
        "moved",
        "processor",
        "device",
        "without copies",
        "first, processor",
        "first, device",
        "processor / device",
    )
    return Table(heads, tuple(cells), words=3)


def _findings(rows: Sequence[Row]) -> tuple[str, ...]:
    """Of each device: what it wins from some size on, always and never."""
    found = []
    for device in dict.fromkeys(_device(one) for one, _ in rows):
        answers: dict[str, list[str]] = {"from": [], "always": [], "never": []}
        for one, ladder in rows:
            place = ladder.crossing("call") if _device(one) == device else None
            if place is not None:
                where = f" from {ladder.axis} {times(place.size)}" if place.answer == "from" else ""
                answers[place.answer].append(f"{_name(one, ladder)}{where}")
        words = [f"faster in {_some(answers['from'])}"] if answers["from"] else []
        words += [f"faster at every measured size of {_some(answers['always'])}"] if answers["always"] else []
        words += [f"never faster in {_some(answers['never'])}"] if answers["never"] else []
        found.append(f"{device}, copies included: the device is {', '.join(words)}.")
    return tuple(found)


def _some(names: Sequence[str]) -> str:
    """The names, or how many there are and the first."""
    if len(names) <= _LISTED:
        return "; ".join(names)
    return f"{len(names)} kinds of calls ({'; '.join(names[:_LISTED])}, ...)"
