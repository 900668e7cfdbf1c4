"""What pytest-benchmark timed, with the device's own times from ``extra_info``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferkern.report.parts import COLORS, Axis, Chart, Section, Table, Trace, filter_of, scale_of
from ferkern.report.sources import Source
from ferkern.report.words import rate, seconds, share

__all__ = ["section"]

Row = Mapping[str, Any]


def section(sources: Sequence[Source]) -> Section | None:
    """Of ``pytest --benchmark-json``."""
    rows = [(source, one) for source in sources for one in source.values["benchmarks"]]
    if not rows:
        return None
    known = [one for _, one in rows]
    charts = (_chart(known),)
    return Section(
        id="timed",
        title="Benchmarks",
        words="Timed by pytest-benchmark: the median of repeated calls. Where a device worked, the time of its kernels "
        "and copies stands beside, from the device's own clock.",
        charts=charts,
        findings=_findings(known),
    )


def _group(one: Row) -> str:
    """File and function: ``"bench_opencl_conv2d: call"``."""
    file, _, name = str(one["fullname"]).rpartition("/")[2].partition("::")
    return f"{file.removesuffix('.py').removeprefix('bench_')}: {name.partition('[')[0].removeprefix('test_')}"


def _name(one: Row) -> str:
    return str(one.get("param") or one["name"])


def _chart(rows: Sequence[Row]) -> Chart:
    groups = list(dict.fromkeys(_group(one) for one in rows))
    traces = []
    for i, group in enumerate(groups):
        of_group = [one for one in rows if _group(one) == group]
        keys = {"group": group}
        stats = [one["stats"] for one in of_group]
        hover = [
            f"<b>{_name(one)}</b><br>median {seconds(one['stats']['median'])} ({seconds(one['stats']['min'])} to "
            f"{seconds(one['stats']['max'])}, {one['stats']['rounds']} rounds)<br>{_work(one)}"
            for one in of_group
        ]
        traces.append(
            Trace(
                "dots",
                "whole call",
                [s["median"] for s in stats],
                [_name(one) for one in of_group],
                i % COLORS + 1,
                hover,
                keys,
                [s.get("q1", s["min"]) for s in stats],
                [s.get("q3", s["max"]) for s in stats],
                sizes=[10.0] * len(stats),
            )
        )
        device = [one for one in of_group if one["extra_info"].get("device_seconds")]
        if device:
            spent = [one["extra_info"]["device_seconds"] for one in device]
            told = [
                f"<b>{_name(one)}</b><br>device {seconds(s)}<br>{_spans(one)}"
                for one, s in zip(device, spent, strict=True)
            ]
            names = [_name(one) for one in device]
            traces.append(
                Trace(
                    "dots", "device's own time", spent, names, "dim", told, keys, hollow=True, sizes=[10.0] * len(spent)
                )
            )
    return Chart(
        id="timed-calls",
        title="Time of a call",
        words="The bar at a mark spans the quartiles. Rings: kernels and copies alone, as the device's clock has them.",
        x=Axis("time of a call", "log", unit="s"),
        y=Axis("", "category"),
        traces=tuple(traces),
        table=_table(rows),
        controls=(*filter_of("group", "Benchmark", groups), scale_of("x", "Horizontal axis")),
    )


def _spans(one: Row) -> str:
    spans = one["extra_info"].get("device_spans") or {}
    return ", ".join(f"{kind} {seconds(s)}" for kind, s in spans.items())


def _work(one: Row) -> str:
    info, spent = one["extra_info"], one["stats"]["median"]
    words = [str(info["kernel"])] if info.get("kernel") else []
    words += [rate(info["flops"] / spent, "op/s")] if info.get("flops") else []
    return ", ".join(words)


def _table(rows: Sequence[Row]) -> Table:
    cells = []
    for one in rows:
        stats, info = one["stats"], one["extra_info"]
        flops, device = info.get("flops"), info.get("device_seconds")
        operations = rate(flops / stats["median"], "op/s") if flops else "–"
        words = (_group(one), _name(one), str(info.get("kernel", "–")), str(info.get("device", "processor")))
        figures = (seconds(stats["median"]), seconds(stats["min"]), seconds(stats["iqr"]), operations, seconds(device))
        cells.append((*words, *figures, share(device / stats["median"] if device else None), f"{stats['rounds']:,}"))
    heads = (
        "benchmark",
        "case",
        "kernel",
        "device",
        "median",
        "least",
        "between quartiles",
        "operations",
        "device's own time",
        "of the call",
        "rounds",
    )
    return Table(heads, tuple(cells), words=4)


def _findings(rows: Sequence[Row]) -> tuple[str, ...]:
    both = [
        (one["extra_info"]["device_seconds"], one["stats"]["median"])
        for one in rows
        if one["extra_info"].get("device_seconds")
    ]
    words = [f"{len(rows)} benchmarks of pytest-benchmark"]
    fast = max(
        (one for one in rows if one["extra_info"].get("flops")),
        default=None,
        key=lambda one: one["extra_info"]["flops"] / one["stats"]["median"],
    )
    if fast is not None:
        speed = rate(fast["extra_info"]["flops"] / fast["stats"]["median"], "op/s")
        words.append(f"the fastest reaches {speed} ({_group(fast)}, {_name(fast)})")
    if both:
        part = sum(device for device, _ in both) / sum(call for _, call in both)
        words.append(f"of {len(both)} with device times {share(part)} of the time is kernels and copies")
    return ("; ".join(words) + ".",)
