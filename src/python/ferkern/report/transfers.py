"""What moving bytes costs: bandwidth and time over the size, for every way between host, device and disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferkern.bench.transfers_limits import Limits, RatedLink
from ferkern.bench.transfers_measure import DIRECTIONS, Reading, Way
from ferkern.bench.transfers_words import size_words
from ferkern.report.parts import COLORS, Axis, Chart, Control, Section, Table, Trace, filter_of, scale_of
from ferkern.report.sources import Source
from ferkern.report.words import binary_ticks, rate, seconds

__all__ = ["busy", "section"]

_BUSY = 0.5  # processes that wanted a processor in the minute before
_MAP, _MAP_COPIES = "only a map", "the map copies"
Row = Mapping[str, Any]


def section(sources: Sequence[Source]) -> Section | None:
    """Of the results of ``ferkern transfers``."""
    if not sources:
        return None
    runs = [(_label(s, sources), s.values) for s in sources]
    return Section(
        id="transfers",
        title="Transfers",
        words="Bytes that a device is to work on must reach it, and results must come back. A transfer takes a fixed "
        "time, its latency, and then as long as its bytes need at the bandwidth of the way; small ones are nearly all "
        "latency.",
        charts=(_curves(runs),),
        tables=tuple((f"Latency and bandwidth of each way: {label}", _fits(run)) for label, run in runs),
        findings=tuple(text for label, run in runs if (text := _finding(label, run))),
        notes=tuple(note for label, run in runs for note in _notes(label, run)),
    )


def busy(source: Source) -> str:
    """What must be known first of transfers that were measured while others worked; empty: nobody did."""
    load = source.values.get("load", 0.0) if source.kind == "transfers" else 0.0
    if load <= _BUSY:
        return ""
    return f"{load:.1f} processes wanted a processor in the minute before; times of a busy machine are too long."


def _label(source: Source, sources: Sequence[Source]) -> str:
    device = source.values["device"]
    label = f"{device['name']} ({device['platform']})"
    same = [
        s
        for s in sources
        if (s.values["device"]["name"], s.values["device"]["platform"]) == (device["name"], device["platform"])
    ]
    return label if len(same) == 1 else f"{label}, {source.name}"


def _curves(runs: Sequence[tuple[str, Row]]) -> Chart:
    traces: list[Trace] = []
    memories = list(dict.fromkeys(r["way"]["memory"] for _, run in runs for r in run["readings"]))
    for label, run in runs:
        for (direction, memory), rows in _by_way(run).items():
            traces += _lines(label, direction, memory, memories.index(rows[0]["way"]["memory"]), rows)
        traces += _limits(label, run)
    sizes = [r["size_bytes"] for _, run in runs for r in run["readings"]] or [1]
    directions = sorted({t.keys["direction"] for t in traces if "direction" in t.keys}, key=_place)
    axes = {"time": {"y": {"title": "time of a transfer", "unit": "s"}}}
    quantity = Control("filter", "quantity", "Show", (("rate", "bandwidth"), ("time", "time")), axes)
    return Chart(
        id="transfer-curves",
        title="Bandwidth over size",
        words="Each line is a kind of memory at the host's end, each point the median of repeated transfers of one "
        "size. Flat on the right: the way's bandwidth. Rising on the left: latency alone. Mappings that move nothing "
        "have no bandwidth. Dashed: the most that the host's memory, or the link, allows; what lies above it is "
        "flagged in the numbers, such as bytes that never left a cache.",
        x=Axis("bytes of a transfer", "log", ticks=binary_ticks(min(sizes), max(sizes))),
        y=Axis("bandwidth", "log", unit="B/s"),
        traces=tuple(traces),
        table=_readings(runs),
        controls=(
            *filter_of("device", "Device", [label for label, _ in runs]),
            *filter_of("direction", "Direction", directions),
            quantity,
            scale_of("y", "Vertical axis"),
        ),
        ends=True,
    )


def _place(direction: str) -> int:
    known: tuple[str, ...] = DIRECTIONS
    return known.index(direction) if direction in known else len(known)


def _by_way(run: Row) -> dict[tuple[str, str], list[Row]]:
    """The readings at the start of a page, by direction and memory."""
    found: dict[tuple[str, str], list[Row]] = {}
    for reading in sorted(run["readings"], key=lambda r: r["size_bytes"]):
        if not reading["offset_bytes"]:
            way = reading["way"]
            found.setdefault((way["direction"], _memory(way, run)), []).append(reading)
    return found


def _memory(way: Row, run: Row) -> str:
    """The kind of memory, with who moves the bytes where that alone tells two ways apart."""
    twins = {
        r["way"]["carrier"]
        for r in run["readings"]
        if (r["way"]["memory"], r["way"]["direction"]) == (way["memory"], way["direction"])
    }
    return str(way["memory"]) if len(twins) == 1 else f"{way['memory']}, {way['carrier']}"


def _lines(label: str, direction: str, memory: str, number: int, rows: Sequence[Row]) -> list[Trace]:
    """The kind of memory that has `number` looks the same everywhere."""
    color, dashed = number % COLORS + 1, number >= COLORS
    keys = {"device": label, "direction": direction}
    moved = [r for r in rows if r["bytes_per_second"] and _MAP not in r["flags"]]
    made = [
        Trace(
            "line",
            memory,
            [r["size_bytes"] for r in rows],
            [r["median_seconds"] for r in rows],
            color,
            [_hover(r, direction, memory) for r in rows],
            {**keys, "quantity": "time"},
            dashed=dashed,
        )
    ]
    if moved:
        rates = [r["bytes_per_second"] for r in moved]
        made.append(
            Trace(
                "line",
                memory,
                [r["size_bytes"] for r in moved],
                rates,
                color,
                [_hover(r, direction, memory) for r in moved],
                {**keys, "quantity": "rate"},
                dashed=dashed,
            )
        )
    return made


def _hover(r: Row, direction: str, memory: str) -> str:
    low, high = r["quartile_seconds"]
    flags = f"<br>{', '.join(r['flags'])}" if r["flags"] else ""
    return (
        f"<b>{size_words(r['size_bytes'])}</b>, {direction}, {memory}<br>{seconds(r['median_seconds'])} "
        f"(quartiles {seconds(low)} to {seconds(high)})<br>{rate(r['bytes_per_second'], 'B/s')}{flags}"
    )


def _limits(label: str, run: Row) -> list[Trace]:
    """What the rated link and the host's memory allow in each direction: what readings are flagged by."""
    found = {**run["limits"]}
    link = None if found["link"] is None else RatedLink(**found["link"])
    limits = Limits(**{**found, "link": link})
    traces = []
    for direction in dict.fromkeys(r["way"]["direction"] for r in run["readings"]):
        sizes = [r["size_bytes"] for r in run["readings"] if r["way"]["direction"] == direction]
        ends = [min(sizes), max(sizes)]
        one = Reading(Way("", direction, "driver"), max(sizes), 0, (1.0,), 0)
        name = "" if link is None else f"rated link, PCIe {link.generation}.0 x{link.lanes}"
        for words, value in (("host memory", limits.memory_rate(one)), (name, limits.link_rate(one))):
            if value:
                keys = {"device": label, "direction": direction, "quantity": "rate"}
                told = [f"{words} {rate(value, 'B/s')}"]
                traces.append(Trace("rule", words, ends, [value, value], "dim", keys=keys, dashed=True, labels=told))
    return traces


def _readings(runs: Sequence[tuple[str, Row]]) -> Table:
    rows = []
    for label, run in runs:
        for r in sorted(run["readings"], key=lambda r: (_place(r["way"]["direction"]), r["way"]["memory"])):
            low, high = r["quartile_seconds"]
            cells = (seconds(r["median_seconds"]), seconds(low), seconds(high), rate(r["bytes_per_second"], "B/s"))
            way = (label, r["way"]["direction"], r["way"]["memory"], r["way"]["carrier"], ", ".join(r["flags"]))
            rows.append((*way, size_words(r["size_bytes"]), str(r["offset_bytes"]), *cells))
    heads = (
        "device",
        "direction",
        "memory",
        "moved by",
        "flags",
        "size",
        "bytes past a page",
        "median",
        "lower quartile",
        "upper quartile",
        "bandwidth",
    )
    return Table(heads, tuple(rows), words=5)


def _fits(run: Row) -> Table:
    """What all sizes of each way say together."""
    rows = []
    maps = {_key(r["way"]): flag for r in run["readings"] for flag in r["flags"] if flag in (_MAP, _MAP_COPIES)}
    for fit in sorted(run["fits"], key=lambda f: (_place(f["way"]["direction"]), f["way"]["memory"])):
        way, note = fit["way"], maps.get(_key(fit["way"]), "")
        rates = [None if note == _MAP else fit[name] for name in ("cached_bytes_per_second", "bytes_per_second")]
        cells = tuple("–" if one is None else rate(one["value"], "B/s") for one in rates)
        latency = fit["latency_seconds"]
        spread = f"{seconds(latency['low'])} to {seconds(latency['high'])}"
        rows.append((way["direction"], way["memory"], note, seconds(latency["value"]), spread, *cells))
    heads = ("direction", "memory", "", "latency", "95 % interval", "bandwidth in caches", "bandwidth beyond")
    return Table(heads, tuple(rows), words=3)


def _key(way: Row) -> tuple[str, str, str]:
    return way["memory"], way["direction"], way["carrier"]


def _finding(label: str, run: Row) -> str:
    """The fastest way up and down at the largest size that both have, and the least latency."""
    ways = _by_way(run)
    words = []
    for direction in ("host to device", "device to host"):
        found = [(memory, rows) for (d, memory), rows in ways.items() if d == direction]
        moved = {
            m: [r for r in rows if r["bytes_per_second"] and not r["wrong_bytes"]]
            for m, rows in found
            if rows[0]["way"]["carrier"] != "map"
        }
        most = max((rows[-1]["size_bytes"] for rows in moved.values() if rows), default=None)
        large = {
            m: rows[-1]["bytes_per_second"] for m, rows in moved.items() if rows and rows[-1]["size_bytes"] == most
        }
        if most is None:
            continue
        best = max(large, key=large.__getitem__)
        text = f"{direction} {rate(large[best], 'B/s')} at {size_words(most)} ({best} memory"
        plain = large.get("pageable")
        text += f"; pageable {rate(plain, 'B/s')})" if plain is not None and best != "pageable" else ")"
        words.append(text)
    latencies = [
        f["latency_seconds"]["value"]
        for f in run["fits"]
        if f["way"]["direction"] == "host to device" and f["way"]["memory"] == "pageable"
    ]
    if latencies:
        words.append(f"the smallest pageable copy to the device takes {seconds(min(latencies))}")
    return f"Copies of {label}: {'; '.join(words)}." if words else ""


def _notes(label: str, run: Row) -> list[str]:
    notes = [f"{label}: {name} was not measured: {why}" for name, why in run["missing"].items()]
    notes += [f"{label}, “{name}”: {text}." for name, text in run["flags"].items()]
    return notes
