"""``ferkern transfers``: what moving bytes between host, OpenCL device and disk costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ferkern.cli.output import check_folders, check_plot, messages, results, track, write_json
from ferkern.cli.tables import show

if TYPE_CHECKING:
    from ferkern.bench.transfers import Case, Transfers
    from ferkern.bench.transfers_measure import Reading, Way

__all__ = ["transfers"]

_BUSY = 0.5  # processes that wanted a processor in the minute before


def transfers(
    device: Annotated[
        str, typer.Argument(metavar="DEVICE", help="opencl (the first), opencl:0 or opencl:name.")
    ] = "opencl",
    full: Annotated[
        bool, typer.Option("--full", help="Every power of two up to 1 GiB, more copies of each: minutes.")
    ] = False,
    limit: Annotated[str, typer.Option("--limit", metavar="SIZE", help="Largest transfer, such as 64M.")] = "1G",
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Where the file of the leg from disk is written.")
    ] = None,
    files: Annotated[bool, typer.Option("--files/--no-files", help="With the leg from disk, or without.")] = True,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write everything as JSON; - is stdout.")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="OUT.png", help="Draw bandwidth over size.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Measure latency and bandwidth of every way between host, device and disk.

    Pageable, pinned, mapped and shared memory; both directions, both at once, within the device, from a cold and a warm
    file. Bytes that arrived are verified; readings faster than memory or link can be are flagged. Nothing else should
    run meanwhile. Exit code 1: bytes did not arrive.
    """
    from ferkern import bench
    from ferkern.bench.transfers_words import parse_size
    from ferkern.opencl import DeviceError

    _check(folder, json_path, plot)

    def shown(cases: Iterable[Case]) -> Iterator[Case]:
        every = list(cases)
        return track(every, "measuring transfers", total=len(every), quiet=quiet)

    try:
        done = bench.transfers(device, full=full, limit=parse_size(limit), folder=folder, files=files, wrap=shown)
    except (ValueError, DeviceError) as error:
        raise typer.BadParameter(str(error)) from error
    if not quiet and json_path != Path("-"):
        _print(done)
    if json_path is not None:
        write_json(json_path, done.to_dict())
    if plot is not None:
        _draw(plot, done)
    if any(r.wrong_bytes for r in done.readings):
        raise typer.Exit(1)


def _check(folder: Path | None, json_path: Path | None, plot: Path | None) -> None:
    if folder is not None and not folder.is_dir():
        raise typer.BadParameter(f"--folder {folder}: there is no such folder")
    check_folders(json=json_path, plot=plot)
    if plot is not None:
        check_plot(plot)


def _draw(target: Path, done: Transfers) -> None:
    from ferkern.bench.transfers_chart import draw_transfers

    try:
        draw_transfers(done, target)
    except OSError as error:
        raise typer.BadParameter(f"--plot {target}: {error.strerror or error}") from error
    messages().print(f"transfers drawn: {target}", markup=False)


def _print(done: Transfers) -> None:
    from ferkern.bench.transfers_limits import FLAGS

    console, limits = results(), done.limits
    console.print(f"[bold]{escape(str(done.device))}[/], driver {escape(done.device.driver)}")
    link = "unknown to the system" if limits.link is None else str(limits.link)
    console.print(f"link {link if not limits.shared else 'none: the memory is the host’s'}")
    copied = "not known" if limits.host_copy is None else f"{limits.host_copy / 1e9:.1f} GB/s"
    read = "not known" if limits.host_read is None else f"{limits.host_read / 1e9:.1f} GB/s"
    if done.load > _BUSY:
        console.print(
            f"[bold]a load of {done.load:.1f} when this began: other programs were running, which costs speed[/]"
        )
    console.print(f"memory of the host: read {read}, copy {copied} (bytes read and bytes written)\n")
    show(console, _fits(done), spare=("moved by", "line misses", "GB/s at", "flags"))
    console.print(
        "latency and GB/s: the line time = latency + bytes / GB/s through all sizes, in brackets 95 %; "
        "line misses: how far the worst size is off it",
        soft_wrap=True,
    )
    console.print()
    aligned = _alignments(done)
    if aligned.row_count:
        console.print("Alignment of the host's end: GB/s at the start of a page, 64 bytes and 1 byte past it")
        console.print(aligned)
        console.print()
    for memory in ("pageable", "pinned"):
        gain = done.overlap(memory)
        if gain is not None:
            console.print(f"{memory}: both directions at once {gain:.2f} times as fast as one after the other")
    for name, why in done.missing.items():
        console.print(f"not measured: {escape(name)}: {escape(why)}", soft_wrap=True)
    used = dict.fromkeys(flag for r in done.readings for flag in r.flags)
    for flag in used:
        console.print(f"{flag}: {FLAGS[flag]}", soft_wrap=True)


def _fits(done: Transfers) -> Table:
    from ferkern.bench.transfers_words import size_words

    most = max((r.size_bytes for r in done.readings), default=0)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("way", no_wrap=True)
    table.add_column("moved by", no_wrap=True)
    cached = [] if all(f.cached_bytes_per_second is None for f in done.fits.values()) else ["GB/s in cache"]
    for head in ("latency µs", *cached, "GB/s", "line misses", f"GB/s at {size_words(most)} (quartiles)"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("flags")
    direction = ""
    for way in sorted(done.ways, key=_place):
        if way.direction != direction:
            direction = way.direction
            table.add_row(f"[dim]{direction}[/]")
        cells = _line(done, way, bool(cached))
        table.add_row(f"  {way.memory}", way.carrier, *cells, _rates(done.of(way)[-1], most), _flags(done, way))
    return table


def _place(way: Way) -> int:
    from ferkern.bench.transfers_measure import DIRECTIONS

    return DIRECTIONS.index(way.direction)


def _line(done: Transfers, way: Way, cached: bool) -> list[str]:
    """The cells of a way's fit; `cached`: with those of the caches' line."""
    from ferkern.bench.transfers_words import microseconds, rate_words, size_words, three_digits

    found = done.fits.get(way)
    if found is None:
        return [""] * (4 if cached else 3)
    latency, rates = found.latency_seconds, [found.bytes_per_second]
    if cached:
        rates = [found.cached_bytes_per_second, *rates]
    if any("only a map" in r.flags for r in done.of(way)):
        rates = [None] * len(rates)
    return [
        f"{microseconds(latency.value)} [dim]({microseconds(latency.low)}–{microseconds(latency.high)})[/]",
        *(
            "–"
            if rate is None
            else f"{rate_words(rate)} [dim]({three_digits(rate.low / 1e9)}–{three_digits(rate.high / 1e9)})[/]"
            for rate in rates
        ),
        f"{100 * found.misfit:.0f} % at {size_words(found.misfit_bytes)}",
    ]


def _rates(reading: Reading, most: int) -> str:
    from ferkern.bench.transfers_words import size_words, three_digits

    if reading.bytes_per_second is None or "only a map" in reading.flags:
        return "–"
    rates = (reading.bytes_per_second, *(reading.rate(s) or 0.0 for s in reading.quartile_seconds))
    rate, fast, slow = (three_digits(r / 1e9) for r in rates)
    at = "" if reading.size_bytes == most else f"at {size_words(reading.size_bytes)} "
    return f"{at}{rate} [dim]({slow}–{fast})[/]"


def _flags(done: Transfers, way: Way) -> str:
    from ferkern.bench.transfers_words import size_words

    found: dict[str, list[int]] = {}
    for reading in done.of(way):
        for flag in reading.flags:
            found.setdefault(flag, []).append(reading.size_bytes)
    every = len(done.of(way))
    words = []
    for flag, sizes in found.items():
        ends = [size_words(size) for size in sorted({min(sizes), max(sizes)})]
        words.append(flag if len(sizes) == every else f"{flag}: {' to '.join(ends)}")
    return "; ".join(words)


def _alignments(done: Transfers) -> Table:
    from ferkern.bench.transfers_words import size_words, three_digits

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for index, head in enumerate(("way", "size", "page", "64 B", "1 B")):
        table.add_column(head, justify="left" if index == 0 else "right", no_wrap=True)
    rows = {(r.way, r.size_bytes) for r in done.readings if r.offset_bytes}
    rates = {(r.way, r.size_bytes, r.offset_bytes): r.bytes_per_second for r in done.readings}
    for way, size in sorted(rows, key=lambda row: (_place(row[0]), row[0].memory, row[1])):
        found = [rates.get((way, size, offset)) for offset in (0, 64, 1)]
        cells = ["–" if rate is None else three_digits(rate / 1e9) for rate in found]
        table.add_row(str(way), size_words(size), *cells)
    return table
