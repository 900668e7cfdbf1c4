"""Layers below what the machine allows: operations a second over operations a byte, and the machine's own figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ferkern.bench.machine import LEVELS, MachineProfile
from ferkern.bench.roofline import kind_of
from ferkern.bench.transfers_words import size_words, three_digits
from ferkern.report.ledgers import Run
from ferkern.report.parts import COLORS, Axis, Chart, Section, Table, Trace, filter_of, scale_of
from ferkern.report.sources import Source
from ferkern.report.words import binary_ticks, rate, seconds, share

__all__ = ["machine_section", "section"]

_LEAST_SHARE = 0.002  # of the time, for a point of its own
_NAMED = 6  # discs with their numbers: those of the layers that take the most time
_APART = 0.05  # logarithms: discs nearer than that hide each other's numbers
_KINDS = {"fp32": "fp32", "int8": "int8", "bf16": "bfloat16", "xor_popcount": "bits (xor, popcount)"}
Row = Mapping[str, Any]


def section(runs: Sequence[Run], sources: Sequence[Source]) -> Section | None:
    """Of ledgers of the processor, below the roofs of a profile of the same processor, if there is one."""
    known = [run for run in runs if run.ledger["device"] == "cpu" and _points(run)]
    if not known:
        return None
    profiles = [_profile(run, sources) for run in known]
    lacking = [run.name for run, profile in zip(known, profiles, strict=True) if profile is None]
    return Section(
        id="roofline",
        title="Roofline",
        words="A layer can be limited by arithmetic or by memory: the more operations it does for each byte that it "
        "moves, the further right it stands. The slopes are what a level of memory delivers, the flat roofs what "
        "the cores compute. No "
        "layer passes the roof above it but those of Winograd, which do fewer operations than are counted.",
        charts=(_chart(known, profiles),),
        findings=_findings(known),
        notes=tuple(
            f"{name}: no roofs, since no profile of its machine is among the files (ferkern bench machine --json)."
            for name in lacking
        ),
    )


def _profile(run: Run, sources: Sequence[Source]) -> MachineProfile | None:
    """The profile of the processor that the run was measured on."""
    return next((s.values for s in sources if s.brand == run.brand), None)


def _points(run: Run) -> list[tuple[int, Row, float, float]]:
    """(number from 1, row, operations a byte, operations a second) of the layers that compute and take time."""
    found = []
    for number, row in enumerate(run.ledger["rows"], start=1):
        moved = row["bytes_read"] + row["bytes_written"]
        if row["flops"] > 0 and moved > 0 and row["seconds"] > _LEAST_SHARE * run.wall:
            found.append((number, row, row["flops"] / moved, row["flops"] / row["seconds"]))
    return found


def _chart(runs: Sequence[Run], profiles: Sequence[MachineProfile | None]) -> Chart:
    ops = list(dict.fromkeys(row["kernel"].partition(":")[0] for run in runs for _, row, _, _ in _points(run)))
    traces: list[Trace] = []
    for run, profile in zip(runs, profiles, strict=True):
        if profile is not None:
            traces += _roofs(run, profile)
        for op in ops:
            of_op = [p for p in _points(run) if p[1]["kernel"].partition(":")[0] == op]
            if of_op:
                traces.append(_dots(run, op, ops.index(op) % COLORS + 1, of_op))
    return Chart(
        id="roofline-layers",
        title="Layers below the roofs",
        words="One disc for each layer, as large as its share of the time; those that take the most are numbered as in "
        "the ledger.",
        x=Axis("operations for each byte", "log"),
        y=Axis("operations a second", "log", unit="op/s"),
        traces=tuple(traces),
        table=_table(runs),
        controls=filter_of("run", "Call", [run.name for run in runs]),
    )


def _dots(run: Run, op: str, color: int, points: Sequence[tuple[int, Row, float, float]]) -> Trace:
    hover = [
        f"<b>{number}  {row['layer']}</b><br>{row['kernel']}<br>{rate(speed, 'op/s')}, "
        f"{three_digits(intensity)} operations a byte<br>"
        f"{seconds(row['seconds'])}, {share(row['seconds'] / run.wall)} of the call<br>"
        f"{share(row['share'])} of the bound ({(row.get('bound') or {}).get('by', 'no bound')})"
        for number, row, intensity, speed in points
    ]
    return Trace(
        "dots",
        op,
        [p[2] for p in points],
        [p[3] for p in points],
        color,
        hover,
        {"run": run.name},
        sizes=[8 + 40 * (row["seconds"] / run.wall) ** 0.5 for _, row, _, _ in points],
        labels=_numbers(run, points),
    )


def _numbers(run: Run, points: Sequence[tuple[int, Row, float, float]]) -> list[str]:
    """Of the layers that take the most time; of several that stand in one place the first."""
    least = sorted((row["seconds"] for row in run.ledger["rows"]), reverse=True)[:_NAMED][-1]
    named: list[tuple[float, float]] = []
    found = []
    for number, row, intensity, speed in points:
        apart = all(abs(math.log(x / intensity)) + abs(math.log(y / speed)) > _APART for x, y in named)
        found.append(str(number) if row["seconds"] >= least and apart else "")
        if found[-1]:
            named.append((intensity, speed))
    return found


def _roofs(run: Run, profile: MachineProfile) -> list[Trace]:
    """Slopes of memory up to the highest roof, and the roofs from the nearest memory's slope on."""
    points, threads = _points(run), int(run.ledger["threads"])
    left, right = min(p[2] for p in points) / 2, max(p[2] for p in points) * 4
    used = {kind_of(row["kernel"]): row["kernel"].rpartition(":")[2] for _, row, _, _ in points}
    peaks = {kind: found for kind, isa in used.items() if (found := profile.peak(kind, isa)) is not None}
    if not peaks:
        return []
    highest = threads * max(peak for peak, _ in peaks.values())
    made: list[Trace] = []
    keys, nearest = {"run": run.name}, 0.0
    for level in LEVELS:
        bandwidth = profile.bandwidth(level, threads)
        if bandwidth is None:
            continue
        nearest = max(nearest, bandwidth)
        start, end = min(left, highest / bandwidth / 8), highest / bandwidth
        label = f"{level} {rate(bandwidth, 'B/s')}"
        x, y = [start, end], [start * bandwidth, highest]
        made.append(Trace("rule", level, x, y, "dim", keys=keys, labels=[label]))
    for kind, (peak, isa) in peaks.items():
        label = f"{_KINDS[kind]} {isa}, {rate(peak * threads, 'op/s')}"
        ends, start = [peak * threads] * 2, peak * threads / nearest if nearest else left
        right = max(right, start * 20)
        made.append(Trace("rule", kind, [start, right], ends, "ink", keys=keys, labels=[label]))
    return made


def _table(runs: Sequence[Run]) -> Table:
    rows = []
    for run in runs:
        for number, row, intensity, speed in _points(run):
            by = (row.get("bound") or {}).get("by", "–")
            cells = (seconds(row["seconds"]), three_digits(intensity), rate(speed, "op/s"), share(row["share"]))
            rows.append((run.name, str(number), row["layer"], row["kernel"], by, *cells))
    heads = ("call", "", "layer", "kernel", "bound by", "time", "operations a byte", "operations", "of the bound")
    return Table(heads, tuple(rows), words=5)


def _findings(runs: Sequence[Run]) -> tuple[str, ...]:
    found = []
    for run in runs:
        bounds = [(row["work_bound"]["seconds"], row["seconds"]) for row in run.ledger["rows"] if row.get("work_bound")]
        spent = sum(s for _, s in bounds)
        if spent > 0:
            reached = sum(least for least, _ in bounds) / spent
            rates = sum(row["flops"] for row in run.ledger["rows"]) / run.wall
            found.append(
                f"{run.name}: {rate(rates, 'op/s')}; its layers together reach {share(reached)} of what the machine "
                "allows the operations that they really do."
            )
    return tuple(found)


def machine_section(sources: Sequence[Source]) -> Section | None:
    """Of machine profiles."""
    if not sources:
        return None
    names = {
        s.name: f"{s.brand} ({s.name})" if [t.brand for t in sources].count(s.brand) > 1 else s.brand for s in sources
    }
    traces, peaks, memory = [], [], []
    for s in sources:
        profile: MachineProfile = s.values
        ways = dict.fromkeys((p.kind, p.threads) for p in profile.passages)
        for color, (kind, threads) in enumerate(ways, start=1):
            rows = sorted(
                (p for p in profile.passages if (p.kind, p.threads) == (kind, threads)), key=lambda p: p.size_bytes
            )
            name = f"{kind}, {threads} thread{'' if threads == 1 else 's'}"
            hover = [
                f"<b>{size_words(p.size_bytes)}</b>, {p.level}, {name}<br>{rate(p.rate.value, 'B/s')} "
                f"({rate(p.rate.low, 'B/s')} to {rate(p.rate.high, 'B/s')})"
                for p in rows
            ]
            traces.append(
                Trace(
                    "line",
                    name,
                    [p.size_bytes for p in rows],
                    [p.rate.value for p in rows],
                    (color - 1) % COLORS + 1,
                    hover,
                    {"machine": names[s.name]},
                    [p.rate.low for p in rows],
                    [p.rate.high for p in rows],
                )
            )
        memory += [
            (
                names[s.name],
                p.level,
                p.kind,
                str(p.threads),
                size_words(p.size_bytes),
                rate(p.rate.value, "B/s"),
                rate(p.rate.low, "B/s"),
                rate(p.rate.high, "B/s"),
            )
            for p in profile.passages
        ]
        peaks += [
            (
                names[s.name],
                _KINDS.get(kind, kind),
                isa,
                rate(m.value, "op/s"),
                rate(m.low, "op/s"),
                rate(m.high, "op/s"),
            )
            for kind, isas in profile.peaks.items()
            for isa, m in isas.items()
        ]
    sizes = [p.size_bytes for s in sources for p in s.values.passages] or [1]
    chart = Chart(
        id="machine-memory",
        title="Bandwidth of memory",
        words="So many bytes gone through again and again: the smaller, the nearer the cache that holds them. Of a "
        "copy, bytes read and bytes written both count.",
        x=Axis("bytes gone through", "log", ticks=binary_ticks(min(sizes), max(sizes))),
        y=Axis("bandwidth", "log", unit="B/s"),
        traces=tuple(traces),
        table=Table(
            ("machine", "level", "kind", "threads", "through", "median", "lowest", "highest"), tuple(memory), words=3
        ),
        controls=(*filter_of("machine", "Machine", list(names.values())), scale_of("y", "Vertical axis")),
        ends=True,
    )
    table = Table(("machine", "arithmetic", "instruction set", "median", "lowest", "highest"), tuple(peaks), words=3)
    return Section(
        id="machine",
        title="The machine",
        words="What one core computes at most in registers, and how fast each level of memory is: the denominators of "
        "the shares.",
        charts=(chart,),
        tables=(("Peaks of one core; a multiply-add counts two operations", table),),
        findings=tuple(text for s in sources if (text := _machine_finding(names[s.name], s.values))),
        notes=tuple(
            f"{names[s.name]}: {name} was not measured: {why}"
            for s in sources
            for name, why in s.values.missing.items()
        ),
    )


def _machine_finding(name: str, profile: MachineProfile) -> str:
    fp32 = profile.peaks.get("fp32", {})
    one = profile.bandwidth("memory")
    if not fp32 or one is None:
        return ""
    isa = max(fp32, key=lambda i: fp32[i].value)
    speed = rate(fp32[isa].value, "op/s")
    return f"One core of {name} computes {speed} in fp32 ({isa}) and moves {rate(one, 'B/s')} of memory."
