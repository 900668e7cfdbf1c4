"""Where the time of a call went: by kind of work, and layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferkern.opencl.timeline import KINDS
from ferkern.report.parts import Axis, Chart, Control, Section, Table, Trace, filter_of
from ferkern.report.sources import Source
from ferkern.report.words import rate, seconds, share

__all__ = ["Run", "runs_of", "section"]

_OUTSIDE = "outside all spans"
_COLORS = {"kernel": 1, "host to device": 2, "device to host": 3, "compile": 4, "queue": 7, "host": 6, _OUTSIDE: 8}
_WORDS = {"kernel": "kernels", "host to device": "host to device", "device to host": "device to host"}
_NAMED = 60  # layers that a chart shows, those that take most of the time


@dataclass(frozen=True, slots=True)
class Run:
    """A ledger and what it is of."""

    name: str
    ledger: Mapping[str, Any]
    brand: str

    @property
    def wall(self) -> float:
        return float(self.ledger["wall_seconds"])

    @property
    def total(self) -> str:
        """The name with the time of the call."""
        return f"{self.name}: {seconds(self.wall)}".replace(" ms", "\N{NO-BREAK SPACE}ms").replace(
            " µs", "\N{NO-BREAK SPACE}µs"
        )

    def kinds(self) -> dict[str, float]:
        """Seconds of each kind; on the processor layers are kernels."""
        known = dict(self.ledger["kinds"]) or {"kernel": sum(row["seconds"] for row in self.ledger["rows"])}
        return {**{kind: known.get(kind, 0.0) for kind in KINDS}, _OUTSIDE: max(0.0, self.ledger["remainder_seconds"])}


def runs_of(sources: Sequence[Source]) -> list[Run]:
    """Ledgers of ``Session.profile`` and of ``ferkern bench NET``."""
    found = []
    for source in sources:
        v = source.values
        ledger = v["ledger"] if source.kind == "network" else v
        what = v["network"] if source.kind == "network" else source.name.removesuffix(".json")
        known = any(row["flops"] > 0 for row in ledger["rows"])  # a network, not any call (`ferkern.profile`)
        images = f", {ledger['images']} image{'' if ledger['images'] == 1 else 's'}" if known else ""
        threads = f", {ledger['threads']} thread{'' if ledger['threads'] == 1 else 's'}"
        where = f"processor{threads}" if ledger["device"] == "cpu" else ledger["device"].partition(" ")[0]
        precision = f", {v['precision']}" if source.kind == "network" and v["precision"] != "float32" else ""
        found.append(Run(f"{what}{precision}{images}, {where}", ledger, source.brand))
    found.sort(key=lambda run: run.ledger["device"] == "cpu")  # devices first
    names = [run.name for run in found]
    return [
        run if names.count(run.name) == 1 else Run(f"{run.name} ({source.name})", run.ledger, run.brand)
        for run, source in zip(found, sources, strict=True)
    ]


def section(runs: Sequence[Run]) -> Section | None:
    """Of ledgers."""
    if not runs:
        return None
    return Section(
        id="ledger",
        title="Where the time of a call went",
        words="Measured spans of one call; none is what the others leave over, and what no span covers is shown as "
        "such. Copies: host to device and back. Queue: a command waits for its start, or the host for the news of its "
        "end. Compile: a program is built or fetched. Host: preparation in Python.",
        charts=(_whole(runs), _layers(runs)),
        findings=_findings(runs),
        notes=tuple(
            f"{run.name}: {share(run.ledger['remainder_seconds'] / run.wall)} of the time lies outside all spans."
            for run in runs
            if run.wall > 0 and run.ledger["remainder_seconds"] > 0.03 * run.wall and run.ledger["spans"]
        ),
    )


def _whole(runs: Sequence[Run]) -> Chart:
    traces = []
    for kind in (*KINDS, _OUTSIDE):
        if not any(run.kinds()[kind] for run in runs):
            continue
        for unit in ("share", "time"):
            spent = [run.kinds()[kind] for run in runs]
            x = spent if unit == "time" else [100 * s / run.wall for s, run in zip(spent, runs, strict=True)]
            hover = [
                f"<b>{run.name}</b><br>{_WORDS.get(kind, kind)} {seconds(s)}, {share(s / run.wall)} of the call"
                for run, s in zip(runs, spent, strict=True)
            ]
            names = [run.total for run in runs]
            traces.append(Trace("bars", _WORDS.get(kind, kind), x, names, _COLORS[kind], hover, {"unit": unit}))
    axes = {"time": {"x": {"title": "time", "unit": "s"}}}
    heads = ("call", *(_WORDS.get(k, k) for k in (*KINDS, _OUTSIDE)), "total")
    rows = tuple((run.name, *(seconds(s) for s in run.kinds().values()), seconds(run.wall)) for run in runs)
    return Chart(
        id="ledger-kinds",
        title="By kind of work",
        words="One bar for each call; its parts sum to the time that a clock outside the call saw.",
        x=Axis("share of the call", unit="%"),
        y=Axis("", "category"),
        traces=tuple(traces),
        table=Table(heads, rows),
        controls=(Control("filter", "unit", "Show", (("share", "share"), ("time", "time")), axes),),
    )


def _spent(run: Run) -> list[tuple[str, dict[str, float]]]:
    """Of each layer, in the order of the run, the seconds of each kind."""
    found: list[tuple[str, dict[str, float]]] = []
    spans: dict[str, dict[str, float]] = {}
    for span in run.ledger["spans"]:
        kinds = spans.setdefault(span["layer"] or "outside the layers", {})
        kinds[span["kind"]] = kinds.get(span["kind"], 0.0) + span["seconds"]
    if spans:
        order = [row["layer"] for row in run.ledger["rows"]]
        names = [*dict.fromkeys(order), *(name for name in spans if name not in order)]
        found = [(name, spans[name]) for name in names if name in spans]
    else:
        found = [(row["layer"], {"kernel": row["seconds"]}) for row in run.ledger["rows"]]
    least = sorted((sum(kinds.values()) for _, kinds in found), reverse=True)[:_NAMED][-1:] or [0.0]
    return [(name, kinds) for name, kinds in found if sum(kinds.values()) >= least[0]]


def _short(layer: str) -> str:
    """The name of what a layer makes: ``"conv2d_1"`` of ``"conv2d -> 'conv2d_1'"``."""
    return layer.rpartition("-> ")[2].strip("'")


def _layers(runs: Sequence[Run]) -> Chart:
    traces = []
    for run in runs:
        layers = [(f"{i}  {_short(name)}", kinds) for i, (name, kinds) in enumerate(_spent(run), start=1)]
        for kind in KINDS:
            known = [(name, kinds[kind]) for name, kinds in layers if kinds.get(kind)]
            if known:
                hover = [
                    f"<b>{name}</b><br>{_WORDS.get(kind, kind)} {seconds(s)}, {share(s / run.wall)} of the call"
                    for name, s in known
                ]
                traces.append(
                    Trace(
                        "bars",
                        _WORDS.get(kind, kind),
                        [s for _, s in known],
                        [n for n, _ in known],
                        _COLORS[kind],
                        hover,
                        {"run": run.name},
                    )
                )
    rows = []
    for run in runs:
        for i, row in enumerate(run.ledger["rows"], start=1):
            moved = row["bytes_read"] + row["bytes_written"]
            speed = rate(row["flops"] / row["seconds"], "op/s") if row["seconds"] > 0 else "–"
            bound = (row.get("bound") or {}).get("by", "–")
            cells = (
                seconds(row["seconds"]),
                share(row["seconds"] / run.wall),
                speed,
                rate(moved, "B"),
                share(row["share"]),
            )
            rows.append((run.name, str(i), row["layer"], row["kernel"], bound, *cells))
    heads = ("call", "", "layer", "kernel", "bound by", "time", "of the call", "operations", "moved", "of the bound")
    return Chart(
        id="ledger-layers",
        title="Layer by layer",
        words="The layers of one call in their order, from the top. Of a device a layer's copies, waits and launches "
        "stand beside its kernels.",
        x=Axis("time", unit="s"),
        y=Axis("", "category"),
        traces=tuple(traces),
        table=Table(heads, tuple(rows), words=5),
        controls=filter_of("run", "Call", [run.name for run in runs]),
    )


def _findings(runs: Sequence[Run]) -> tuple[str, ...]:
    found = []
    for run in runs:
        kinds = sorted(run.kinds().items(), key=lambda one: -one[1])
        if run.wall <= 0 or not run.ledger["rows"]:
            continue
        parts = [f"{share(s / run.wall)} {_WORDS.get(k, k)}" for k, s in kinds[:3] if s >= 0.01 * run.wall]
        top = max(run.ledger["rows"], key=lambda row: row["seconds"])
        slowest = f"the slowest layer ({top['layer']}) takes {share(top['seconds'] / run.wall)}"
        found.append(f"A call of {run.name} takes {seconds(run.wall)}: {', '.join(parts)}; {slowest}.")
    return tuple(found)
