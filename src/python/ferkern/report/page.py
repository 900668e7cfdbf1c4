"""The page: one file, with everything in it that it needs."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path

import ferkern
from ferkern.report import beside, crossover, estimates, ledgers, roofline, timed, transfers, tuning
from ferkern.report.parts import Chart, Section, Table
from ferkern.report.sources import KINDS, Source, read, select
from ferkern.report.words import count

__all__ = ["page", "report", "sections", "write"]

_FINDINGS = 7  # on the first screen
# Nothing but what stands in the page: a browser refuses whatever else might be asked for.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)


def report(
    paths: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str] = "report.html", *, title: str | None = None
) -> Path:
    """Make a page of results: one HTML file that needs no network, no server and no instructions.

    Parameters
    ----------
    paths
        JSON files, each recognised by what it holds: transfers, crossover maps, machine profiles, networks, ledgers,
        estimates, tuned convolutions, tables of ``benchmarks/peers`` and ``benchmarks/opencl_*.py``, pytest-benchmark.
    output
        The page's file; what stood there is replaced.
    title
        None: "ferkern: " and the processor's name.

    Returns
    -------
    Where it stands.

    Raises
    ------
    ValueError
        There is no file, or one is not known or damaged; the message names it and what was found.
    ImportError
        plotly is missing (extra ``[report]``).
    OSError
        The page cannot be written.
    """
    return write(read(paths), output, title=title)


def write(sources: Sequence[Source], output: str | os.PathLike[str], *, title: str | None = None) -> Path:
    """`report` of files that have been read."""
    target = Path(output)
    target.write_text(page(sources, title=title), encoding="utf-8")
    return target


def sections(sources: Sequence[Source]) -> list[Section]:
    """What there is to show, in the order of the page."""
    runs = ledgers.runs_of(select(sources, "network", "ledger"))
    profiles = select(sources, "machine")
    made = (
        crossover.section(select(sources, "crossover")),
        transfers.section(select(sources, "transfers")),
        ledgers.section(runs),
        roofline.section(runs, profiles),
        estimates.section(select(sources, "estimate")),
        tuning.section(select(sources, "tune")),
        *beside.sections(select(sources, "rows")),
        timed.section(select(sources, "pytest-benchmark")),
        roofline.machine_section(profiles),
    )
    return [section for section in made if section is not None]


def _checked(sources: Sequence[Source]) -> None:
    """Each file alone gives its part of the page; the message names the one that does not."""
    for source in sources:
        try:
            made = sections([source])
            _main([source], made), _data(made)
        except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            words = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{source.name}: looks like a {KINDS[source.kind]}, but: {words}") from error


def page(sources: Sequence[Source], *, title: str | None = None) -> str:
    """The page as a text.

    Raises
    ------
    ValueError
        A file is damaged; the message names it.
    ImportError
        plotly is missing.
    """
    _checked(sources)
    made = sections(sources)
    head = title or f"ferkern: {', '.join(_brands(sources)) or 'results'}"
    asset = files("ferkern.report").joinpath
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="color-scheme" content="light dark">
<title>{escape(head)}</title>
<link rel="icon" href="data:,">
<style>
{asset("page.css").read_text(encoding="utf-8")}</style>
</head>
<body>
<a class="skip" href="#main">To the results</a>
<header><h1>{escape(head)}</h1><button id="theme" type="button">Dark colours</button></header>
<main id="main">
{_main(sources, made)}
</main>
<footer>Made by ferkern {escape(ferkern.__version__)}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. Charts by plotly.js (MIT
licence); click a name in a key to hide or show it, drag to zoom, double-click to zoom out.</footer>
<script type="application/json" id="charts">{_data(made)}</script>
<script type="text/plain" id="library">{_library() if any(section.charts for section in made) else ""}</script>
<script>
{asset("page.js").read_text(encoding="utf-8")}</script>
</body>
</html>
"""


def _brands(sources: Sequence[Source]) -> list[str]:
    return list(dict.fromkeys(s.brand for s in sources if s.brand))


def _main(sources: Sequence[Source], made: Sequence[Section]) -> str:
    return "\n".join((_opening(sources, made, _brands(sources)), *map(_section, made), _files(sources)))


def _data(made: Sequence[Section]) -> str:
    """What the charts are drawn from, as JSON that may stand within a page."""
    charts = [asdict(chart) for section in made for chart in section.charts]
    for chart in charts:
        del chart["table"]
    return json.dumps(charts, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _library() -> str:
    """plotly.js, packed: 4.8 MB become 2."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ImportError('a report needs plotly: pip install "ferkern[report]"') from error
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode("ascii")


def _opening(sources: Sequence[Source], made: Sequence[Section], brands: Sequence[str]) -> str:
    """What was measured on which machine, and what came out."""
    dates = sorted(s.date[:10] for s in sources if s.date)
    when = "" if not dates else dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    facts = [*_processors(sources, brands), *_devices(sources), when]
    lines = [f'<p class="machine">{escape(" · ".join(fact for fact in facts if fact))}</p>']
    if len(brands) > 1:
        lines.append(
            f'<p class="note">The files come from {count(len(brands), "processor")}: figures of different '
            "machines say nothing about each other.</p>"
        )
    lines += [f'<p class="note">{escape(s.name)}: {text}</p>' for s in sources if (text := transfers.busy(s))]
    first = [
        (section, text)
        for depth in range(_FINDINGS)
        for section in made
        for text in section.findings[depth : depth + 1]
    ]
    order = {section.id: i for i, section in enumerate(made)}
    first = sorted(first[:_FINDINGS], key=lambda one: order[one[0].id])
    items = "".join(f'<li><a href="#{section.id}">{escape(text)}</a></li>' for section, text in first)
    lines.append(f'<ul class="findings" aria-label="Main findings">{items}</ul>')
    links = "".join(f'<li><a href="#{s.id}">{escape(s.title)}</a></li>' for s in made)
    lines.append(f'<nav aria-label="Sections"><ul>{links}<li><a href="#files">Files</a></li></ul></nav>')
    return "\n".join(lines)


def _processors(sources: Sequence[Source], brands: Sequence[str]) -> list[str]:
    """Each processor, with its instruction set and threads where a file says them."""
    if not brands:
        return ["The files do not say on which processor"]
    machines = [dict(s.values.machine) for s in select(sources, "machine")]
    machines += [s.values["machine"] for s in select(sources, "transfers", "estimate", "tune")]
    known = {machine["brand"]: machine for machine in machines}
    found = []
    for brand in brands:
        machine = known.get(brand, {})
        words = [str(machine["isa"])] if "isa" in machine else []
        words += [count(machine["threads"], "thread")] if "threads" in machine else []
        found.append(f"{brand} ({', '.join(words)})" if words else brand)
    return found


def _devices(sources: Sequence[Source]) -> list[str]:
    """OpenCL devices that the files are about."""
    own = [s.values["device"] for s in select(sources, "transfers", "tune")]
    found = [f"{device['name']} ({device['platform']})" for device in own]
    found += [
        f"{one.identity.device} ({one.identity.platform})" for s in select(sources, "crossover") for one in s.values
    ]
    known = list(dict.fromkeys(found))
    return [f"OpenCL: {', '.join(known)}"] if known else []


def _section(section: Section) -> str:
    parts = [f'<section id="{section.id}">\n<h2>{escape(section.title)}</h2>\n<p>{escape(section.words)}</p>']
    parts += [f'<p class="finding">{escape(text)}</p>' for text in section.findings[1:]]
    parts += map(_figure, section.charts)
    parts += [f"<h3>{escape(title)}</h3>{_table(table, title)}" for title, table in section.tables]
    if section.notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in section.notes)
        parts.append(f"<details><summary>Notes ({len(section.notes)})</summary><ul>{items}</ul></details>")
    return "\n".join([*parts, "</section>\n"])


def _figure(chart: Chart) -> str:
    return f"""<h3 id="{chart.id}-title">{escape(chart.title)}</h3>
<p class="words">{escape(chart.words)}</p>
<div class="controls" id="{chart.id}-controls"></div>
<figure><div class="plot" id="{chart.id}" role="img" aria-labelledby="{chart.id}-title"></div>
<p class="empty" hidden>Nothing was measured for this choice.</p></figure>
<details><summary>The numbers behind “{escape(chart.title)}”</summary>{_table(chart.table, chart.title)}</details>"""


def _table(table: Table, title: str) -> str:
    """Scrolls inside itself, by the keyboard too; what is the same in every row stands above it, once."""
    table, same = _common(table)
    kinds = [' class="w"' if i < table.words else "" for i in range(len(table.heads))]
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(table.heads, kinds, strict=True))
    rows = "".join(
        "<tr>" + "".join(f"<td{k}>{escape(cell)}</td>" for cell, k in zip(row, kinds, strict=True)) + "</tr>\n"
        for row in table.rows
    )
    return (
        f'{same}<div class="scroll" role="region" tabindex="0" aria-label="{escape(title)}"><table>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>"
    )


def _common(table: Table) -> tuple[Table, str]:
    """The table without the columns of words that say the same in every row, and what these say."""
    columns = list(zip(*table.rows, strict=True))
    same = {i for i in range(table.words) if len(table.rows) > 1 and len(set(columns[i])) == 1}
    said = [
        f"{table.heads[i]}: {columns[i][0]}".removeprefix(": ") for i in sorted(same) if columns[i][0] not in ("", "–")
    ]
    kept = [i for i in range(len(table.heads)) if i not in same]
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    words = f'<p class="dim">{escape("; ".join(said))}</p>' if said else ""
    return Table(tuple(table.heads[i] for i in kept), rows, table.words - len(same)), words


def _files(sources: Sequence[Source]) -> str:
    rows = tuple((s.name, KINDS[s.kind], s.brand or "–", s.date[:19].replace("T", " ") or "–") for s in sources)
    table = Table(("file", "what it holds", "processor", "measured (UTC)"), rows, words=4)
    return (
        '<section id="files"><h2>Files</h2><p>This page was made from these files; every number on it is one of theirs '
        f"or follows from them.</p>{_table(table, 'Files')}</section>"
    )
