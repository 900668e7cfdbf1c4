"""The same work by ferkern and by others, measured in turns: the tables that the programs in ``benchmarks`` write."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from ferkern.registry import ISAS
from ferkern.report.parts import COLORS, Axis, Chart, Section, Table, Trace, filter_of, scale_of
from ferkern.report.sources import Source
from ferkern.report.words import seconds, share, times

__all__ = ["sections"]

_UNITS = {"ms": 1e-3, "us": 1e-6, "seconds": 1.0}
_OWN = "ferkern"
_FEW = 4  # rows that a sentence names
_DEVICE = "device"  # ferkern's kernels there, beside others elsewhere
_OTHER_WORDS = ("platform", "python", "brand", "cpu", "processor", "system", "date", "isa")
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Beside:
    """A row: what it is of, and the seconds of each side."""

    name: str
    setting: str
    spent: Mapping[str, float]
    least: Mapping[str, float]
    row: Row

    @property
    def own(self) -> tuple[str, float] | None:
        """ferkern's side and its seconds; of several instruction sets the fastest."""
        ours = [side for side in self.spent if side in (_OWN, _DEVICE) or side in ISAS]
        best = min(ours, key=self.spent.__getitem__, default=None)
        return None if best is None else (best, self.spent[best])

    @property
    def peer(self) -> tuple[str, float] | None:
        """The fastest of the others."""
        others = [side for side in self.spent if not _is_own(side)]
        best = min(others, key=self.spent.__getitem__, default=None)
        return None if best is None else (best, self.spent[best])


def _is_own(side: str) -> bool:
    return side.partition(" ")[0] in (_OWN, _DEVICE, *ISAS)


def sections(sources: Sequence[Source]) -> list[Section]:
    """One for each file."""
    return [_section(number, source) for number, source in enumerate(sources, start=1)]


def _section(number: int, source: Source) -> Section:
    rows = source.values.get("rows", source.values.get("layers"))
    named = [{"row": name, **row} for name, row in rows.items()] if isinstance(rows, dict) else rows
    # Rows with a name each stand beside each other, however they were run.
    known = [replace(_beside(row), setting="") if isinstance(rows, dict) else _beside(row) for row in named]
    timed = [one for one in known if one.spent]
    charts = (_chart(f"beside-{number}", source, timed),) if timed else ()
    title = source.name.removesuffix(".json").replace("_", " ")
    return Section(
        id=f"beside-{number}",
        title=f"Side by side: {title}",
        words="All sides did the same work in one run, in turns on the same processors, and their results were "
        "compared first. Times are medians.",
        charts=charts,
        tables=(("All figures", _all(named)), *_more(source)),
        findings=_findings(title, timed),
        notes=tuple(_versions(source)),
    )


def _beside(row: Row) -> _Beside:
    spent: dict[str, float] = {}
    least: dict[str, float] = {}
    for unit, factor in _UNITS.items():
        value = row.get(unit)
        if isinstance(value, dict):
            spent |= {side: factor * float(v) for side, v in value.items() if _is_time(v)}
        elif unit == "seconds" and isinstance(value, list) and value:
            spent[_OWN] = median(map(float, value))
        for key, v in row.items():
            match = re.fullmatch(rf"(\w+?)(_least)?_{unit}", key)
            if match and _is_time(v):
                (least if match[2] else spent)[match[1]] = factor * float(v)
    name = str(row.get("row") or row.get("pair") or row.get("name") or row.get("layer") or "row")
    name = f"{name}, {row['preset']}" if isinstance(row.get("preset"), str) else name
    parts = [f"batch {row['batch']}"] if isinstance(row.get("batch"), int) else []
    threads = row.get("threads")
    parts += [f"{threads} thread{'' if threads == 1 else 's'}"] if isinstance(threads, int) else []
    parts += [str(row["device"])] if isinstance(row.get("device"), str) else []
    return _Beside(name, ", ".join(parts), spent, least, row)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _chart(chart: str, source: Source, rows: Sequence[_Beside]) -> Chart:
    sides = list(dict.fromkeys(side for one in rows for side in one.spent))
    sides.sort(key=lambda side: not _is_own(side))
    traces = []
    for setting in dict.fromkeys(one.setting for one in rows):
        of_setting = [one for one in rows if one.setting == setting]
        for color, side in enumerate(sides):
            known = [one for one in of_setting if side in one.spent]
            if not known:
                continue
            hover = [
                f"<b>{one.name}</b>, {one.setting}<br>{side} {seconds(one.spent[side])}"
                + (f", least {seconds(one.least[side])}" if side in one.least else "")
                + f"<br>{_faster(one)}"
                for one in known
            ]
            traces.append(
                Trace(
                    "dots",
                    side,
                    [one.spent[side] for one in known],
                    [one.name for one in known],
                    color % COLORS + 1,
                    hover,
                    {"setting": setting},
                    hollow=not _is_own(side),
                    sizes=[11.0] * len(known),
                )
            )
    heads = ("row", "", *sides, "fastest other / ferkern")
    cells = [(one.name, one.setting, *(seconds(one.spent.get(side)) for side in sides), _ratio(one)) for one in rows]
    return Chart(
        id=f"{chart}-times",
        title="Time of each side",
        words="Further left is faster. Filled: ferkern. Rings: the others.",
        x=Axis("time", "log", unit="s"),
        y=Axis("", "category"),
        traces=tuple(traces),
        table=Table(heads, tuple(cells), words=2),
        controls=(*filter_of("setting", "Setting", [one.setting for one in rows]), scale_of("x", "Horizontal axis")),
    )


def _faster(one: _Beside) -> str:
    if one.own is None or one.peer is None:
        return ""
    ratio = times(one.peer[1] / one.own[1])
    return f"{one.peer[0]}, the fastest other, takes {ratio} times as long as {_named(one.own[0])}"


def _named(own: str) -> str:
    return "the device" if own == _DEVICE else _OWN


def _ratio(one: _Beside) -> str:
    return "–" if one.own is None or one.peer is None else times(one.peer[1] / one.own[1])


def _findings(title: str, rows: Sequence[_Beside]) -> tuple[str, ...]:
    ratios = {
        f"{one.name}{', ' if one.setting else ''}{one.setting}": one.peer[1] / one.own[1]
        for one in rows
        if one.own is not None and one.peer is not None
    }
    if not ratios:
        told = [f"{one.name} {seconds(min(one.spent.values()))}" for one in rows if not one.setting]
        return (f"Side by side, {title}: {', '.join(told)}.",) if 1 < len(told) <= _FEW else ()
    own = next(_named(one.own[0]) for one in rows if one.own is not None)
    mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    low, high = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
    if len(ratios) == 1:
        return (f"Side by side, {title}: the fastest other takes {times(mean)} times as long as {own} ({low}).",)
    return (
        f"Side by side, {title}: the fastest other takes {times(mean)} times as long as {own} (geometric mean of "
        f"{len(ratios)} rows); the least {times(ratios[low])} ({low}), the most {times(ratios[high])} ({high}).",
    )


def _all(rows: Sequence[Row]) -> Table:
    """Every figure of every row; objects within a row are columns of their own."""
    flat = [dict(_flat(row)) for row in rows]
    heads = list(dict.fromkeys(key for row in flat for key in row))
    words = [head for head in heads if any(isinstance(row.get(head), str) for row in flat)]
    order = [*words, *(head for head in heads if head not in words)]
    cells = tuple(tuple(_cell(head, row.get(head)) for head in order) for row in flat)
    return Table(tuple(head.replace("_", " ") for head in order), cells, words=len(words))


def _flat(row: Row, before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in row.items():
        name = f"{before}{key}"
        if isinstance(value, dict):
            found += _flat(value, f"{name}: ")
        elif isinstance(value, list):
            if value and all(isinstance(v, int) for v in value):
                found.append((name, "×".join(map(str, value))))
                continue
            numbers = [v for v in value if isinstance(v, int | float)]
            found.append((f"{name} (median)", median(numbers) if numbers else None))
        else:
            found.append((name, value))
    return found


def _more(source: Source) -> list[tuple[str, Table]]:
    """What stands beside the rows: objects of numbers, each with its name; those of seconds beside each other."""
    found, timed = [], {}
    for name, value in source.values.items():
        if isinstance(value, dict) and name not in ("machine", "rows", "layers") and value:
            if name.endswith("_seconds"):
                timed[name.removesuffix("_seconds")] = value
                continue
            cells = tuple((key, _cell(key, one)) for key, one in _flat(value))
            found.append((name.replace("_", " ").capitalize(), Table(("", "value"), cells)))
    if timed:
        kinds = dict.fromkeys(kind for value in timed.values() for kind in value)
        cells = tuple((kind, *(seconds(value.get(kind)) for value in timed.values())) for kind in kinds)
        found.append(("Where the time went", Table(("", *timed), cells)))
    return found


def _cell(head: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        words = f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
        return share(value) if head.startswith(("share", "of_peak")) else words
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _versions(source: Source) -> list[str]:
    """What the others were, as the file says."""
    machine = source.values["machine"]
    if not isinstance(machine, dict):
        return []
    known = {k: v for k, v in machine.items() if isinstance(v, str) and k not in _OTHER_WORDS}
    return [f"Versions: {', '.join(f'{name} {version}' for name, version in known.items())}."] if known else []
