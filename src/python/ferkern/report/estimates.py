"""What ``ferkern estimate`` expects of other machines, the papers' rule beside it, and what inferences cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferkern.report.parts import Axis, Chart, Section, Table, Trace, filter_of, scale_of
from ferkern.report.sources import Source
from ferkern.report.words import count, seconds, share

__all__ = ["section"]

Row = Mapping[str, Any]
_BY = {"arithmetic": 1, "memory": 2, "overhead": 3}  # colours


def section(sources: Sequence[Source]) -> Section | None:
    """Of ``ferkern estimate --json``."""
    if not sources:
        return None
    found = [one for source in sources if (one := source.values["estimate"]) is not None]
    rules = [row for source in sources for row in _rule(source.values)]
    prices = [row for source in sources for row in _price(source)]
    tables = []
    if rules:
        table = Table(("known", "asked", "by the papers' rule"), tuple(rules), words=2)
        tables.append(("The papers' rule: speed goes with the score", table))
    if prices:
        table = Table(("of", "given", "device", "energy", "together"), tuple(prices), words=2)
        tables.append(("Price of a million inferences", table))
    return Section(
        id="estimates",
        title="Estimates",
        words="A network on a machine that was not at hand: each layer's time from that machine's profile and from how "
        "near this machine's kernels come to their bounds. The interval holds the time 19 times of 20, if nothing else "
        "runs there.",
        charts=(_times(found), _layers(found)) if found else (),
        tables=tuple(tables),
        findings=(
            *(_finding(one) for one in found),
            *(f"By the papers' rule: {known}; {asked}: {answer}." for known, asked, answer in rules),
            *(f"A million inferences cost {row[-1]} ({row[0]})." for row in prices),
        ),
        notes=tuple(f"{_name(one)}: {note}" for one in found for note in one["notes"]),
    )


def _name(one: Row) -> str:
    threads = count(one["threads"], "thread")
    images = count(one["batch"], "image")
    return f"{one['network']}, {images}, {one['machine'].get('brand', 'a machine')} ({one['isa']}, {threads})"


def _finding(one: Row) -> str:
    here = "" if one["here_seconds"] is None else f"; here it takes {seconds(one['here_seconds'])}"
    return (
        f"A call of {_name(one)} is expected to take {seconds(one['seconds'])} ({seconds(one['low'])} to "
        f"{seconds(one['high'])}){here}."
    )


def _times(found: Sequence[Row]) -> Chart:
    names = [_name(one) for one in found]
    told = [f"<b>{name}</b><br>{_finding(one)}" for name, one in zip(names, found, strict=True)]
    low, high = ([one[end] for one in found] for end in ("low", "high"))
    traces = [Trace("dots", "expected there", [one["seconds"] for one in found], names, 1, told, low=low, high=high)]
    others = {"here_seconds": ("measured here", 2), "rule_seconds": ("there, by the papers' rule", 3)}
    for key, (name, color) in others.items():
        known = [one for one in found if one[key] is not None]
        if known:
            spent = [one[key] for one in known]
            hover = [f"<b>{_name(one)}</b><br>{name} {seconds(one[key])}" for one in known]
            traces.append(Trace("dots", name, spent, [_name(one) for one in known], color, hover, hollow=True))
    heads = ("call", "expected", "from", "to", "images a second", "measured here", "by the papers' rule")
    rows = tuple(
        (
            _name(one),
            *(seconds(one[key]) for key in ("seconds", "low", "high")),
            f"{one['batch'] / one['seconds']:,.0f}",
            *(seconds(one[key]) for key in others),
        )
        for one in found
    )
    return Chart(
        id="estimate-times",
        title="Time of a call",
        words="Filled: what is expected of the other machine, with its interval. Rings: the same network measured "
        "here, and what the ratio of both machines' fp32 peaks alone would promise.",
        x=Axis("time of a call", "log", unit="s"),
        y=Axis("", "category"),
        traces=tuple(traces),
        table=Table(heads, rows),
        controls=(scale_of("x", "Horizontal axis"),),
    )


def _short(layer: str) -> str:
    return layer.rpartition("-> ")[2].replace("'", "")


def _layers(found: Sequence[Row]) -> Chart:
    traces, rows = [], []
    for one in found:
        name = _name(one)
        layers = [(f"{i}  {_short(row['layer'])}", row) for i, row in enumerate(one["layers"], start=1)]
        for label, row in layers:  # each by itself: the rows of a chart stand in the order of its traces
            told = f"<b>{label}</b><br>{seconds(row['seconds'])}, {share(row['seconds'] / one['seconds'])} of the call"
            color, keys = _BY[row["by"]], {"call": name}
            traces.append(Trace("bars", f"mostly {row['by']}", [row["seconds"]], [label], color, [told], keys))
        rows += [
            (name, label, row["kernel"], row["by"], seconds(row["seconds"]), share(row["seconds"] / one["seconds"]))
            for label, row in layers
        ]
    return Chart(
        id="estimate-layers",
        title="Layer by layer",
        words="What is expected of each layer there, and what most of that time is by its bound: arithmetic, memory, "
        "or what a layer costs however small it is.",
        x=Axis("time", unit="s"),
        y=Axis("", "category"),
        traces=tuple(traces),
        table=Table(("call", "layer", "kernel", "mostly", "time", "of the call"), tuple(rows), words=4),
        controls=filter_of("call", "Call", [_name(one) for one in found]),
    )


def _rule(values: Row) -> list[tuple[str, str, str]]:
    """What was known, what was asked, the answer."""
    given = values["given"]
    known = f"{given.get('score', 0):,g} points give {given.get('at', 0):,g} frames/s"
    found = []
    if "score_for_fps" in values:
        found.append((known, f"for {given['fps']:,g} frames/s", f"{values['score_for_fps']:,.0f} points"))
    if "fps_by_score" in values:
        found.append((known, f"with {given['other_score']:,g} points", f"{values['fps_by_score']:,.3g} frames/s"))
    return found


def _price(source: Source) -> list[tuple[str, ...]]:
    price, given, one = source.values.get("price_of_a_million"), source.values["given"], source.values["estimate"]
    if price is None:
        return []
    speed = _name(one) if one is not None else f"{given.get('fps', given.get('at', 0)):,g} frames/s"
    told = f"price {given['price']:,g} over {given['years']:g} years, {share(given['busy'])} busy"
    told += f"; {given['watts']:g} W at {given['per_kwh']:g} a kWh" if given["watts"] else ""
    return [(speed, told, *(f"{price[key]:,.4g}" for key in ("device", "energy", "total")))]
