"""What ``ferkern tune`` found: the fastest kernel and tile of each convolution, beside what the rule had chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ferkern.report.parts import Axis, Chart, Section, Table, Trace, filter_of, scale_of
from ferkern.report.sources import Source
from ferkern.report.words import count, rate, seconds, times

__all__ = ["section"]

Row = Mapping[str, Any]


def section(sources: Sequence[Source]) -> Section | None:
    """Of ``ferkern tune --json``."""
    known = [source for source in sources if source.values["layers"]]
    if not known:
        return None
    return Section(
        id="tuning",
        title="Tuned convolutions",
        words="Every kernel and tile that can serve a convolution was timed on the device, after a check of its "
        "result. Plans take the fastest from then on.",
        charts=(_chart(known),),
        findings=tuple(_finding(source) for source in known),
    )


def _device(source: Source) -> str:
    device = source.values["device"]
    return f"{device['name']} ({device['platform']}), {count(source.values['batch'], 'image')}"


def _gain(row: Row) -> float:
    return float(row["by_rule"]["seconds"]) / float(row["seconds"])


def _finding(source: Source) -> str:
    rows = source.values["layers"]
    gains = [_gain(row) for row in rows]
    mean, best = math.exp(sum(map(math.log, gains)) / len(gains)), max(rows, key=_gain)
    return (
        f"Tuning {count(len(rows), 'convolution')} of {_device(source)} made them {times(mean)} times as fast "
        f"(geometric mean); the most {times(_gain(best))} ({best['layer']})."
    )


def _chart(sources: Sequence[Source]) -> Chart:
    traces, rows = [], []
    for source in sources:
        keys, layers = {"device": _device(source)}, source.values["layers"]
        names = [row["layer"] for row in layers]
        told = [
            f"<b>{row['layer']}</b><br>{row['words']} {seconds(row['seconds'])}, {rate(_speed(row), 'op/s')}<br>by the "
            f"rule {row['by_rule']['words']} {seconds(row['by_rule']['seconds'])}"
            for row in layers
        ]
        traces += [
            Trace("dots", "fastest", [row["seconds"] for row in layers], names, 1, told, keys),
            Trace("dots", "by the rule", [r["by_rule"]["seconds"] for r in layers], names, 2, told, keys, hollow=True),
        ]
        for row in layers:
            sizes = ("×".join(map(str, row["x"])), "×".join(map(str, row["w"])))
            words = (_device(source), row["layer"], *sizes, row["words"], row["by_rule"]["words"])
            figures = (seconds(row["seconds"]), rate(_speed(row), "op/s"), times(_gain(row)), f"{row['tried']:,}")
            rows.append((*words, *figures))
    heads = ("device", "layer", "input", "filters", "fastest", "by the rule", "time", "operations", "gain", "tried")
    return Chart(
        id="tuning-times",
        title="Fastest and by the rule",
        words="Further left is faster. Rings: what a plan takes where nothing was measured.",
        x=Axis("time of the layer", "log", unit="s"),
        y=Axis("", "category"),
        traces=tuple(traces),
        table=Table(heads, tuple(rows), words=6),
        controls=(
            *filter_of("device", "Device", [_device(source) for source in sources]),
            scale_of("x", "Horizontal axis"),
        ),
    )


def _speed(row: Row) -> float:
    return float(row["flops"]) / float(row["seconds"])
