"""``ferkern crossover``: from which size on a device is faster than the processor, on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ferkern.cli.output import check_folders, messages, results, say_kept, track, warn, write_json

if TYPE_CHECKING:
    from ferkern.bench.crossover import Step
    from ferkern.bench.crossover_crossing import Crossing
    from ferkern.bench.crossover_map import Crossover, Ladder

__all__ = ["crossover"]


def crossover(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[OP|NET]...",
            help="conv2d, depthwise_separable, binary_conv2d (xnor), dense, svd, flow, network, pipeline, or a network "
            "by its name; all ops that have a form for devices where none is given.",
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="opencl, opencl:0 or opencl:name.")] = "opencl",
    threads: Annotated[int | None, typer.Option("--threads", min=1, max=1024, help="Threads of the processor.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A rough look; it is not saved.")] = False,
    first: Annotated[bool, typer.Option("--first/--no-first", help="Time the first calls of a process, too.")] = True,
    times: Annotated[bool, typer.Option("--times", help="Print the time of each size.")] = False,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write everything as JSON; - is stdout.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Measure processor and device beside each other, and save from which size on the device wins.

    device="auto" decides by what is saved (in the user's cache folder, or that named by FERKERN_CACHE_DIR), ferkern why
    explains it. Nothing else should run meanwhile. Exit code 1: of some calls no size could be measured.
    """
    from ferkern import cache
    from ferkern.bench.crossover_cases import CASES
    from ferkern.bench.crossover_map import FILE

    check_folders(json=json_path)
    began = time.time()
    for name in what or ():  # all, before minutes are spent on the first
        _check(name)
    done: list[Crossover] = []
    try:
        for name in what or list(CASES):
            if not what and not CASES[name].on_device():
                messages().print(f"{name} has no form for devices and is left out")
                continue
            done.append(_measure(name, device, threads, quick=quick, first=first, quiet=quiet))
            if not quiet and json_path != Path("-"):
                _print(done[-1], times=times)
    finally:  # also what was measured before a later op failed or the user stopped it
        if json_path is not None and done:
            write_json(json_path, {"crossover": [one.to_dict() for one in done]})
    if not quiet and quick:
        messages().print('a rough look: not saved, device="auto" does not go by it', markup=False)
    elif not quiet:
        say_kept(cache.folder() / FILE, began)
    failed = [(one, ladder) for one in done for ladder in one.ladders if not ladder.rungs]
    for one, ladder in failed:
        warn(f"{one.op}, {ladder.family}: {ladder.ended}")
    if failed:
        raise typer.Exit(1)


def _check(name: str) -> None:
    from ferkern.bench.crossover_cases import cases_of

    try:
        cases_of(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _measure(name: str, device: str, threads: int | None, *, quick: bool, first: bool, quiet: bool) -> Crossover:
    from ferkern.bench.crossover import crossover as measure
    from ferkern.config import config
    from ferkern.opencl import DeviceError

    def shown(steps: Iterable[Step]) -> Iterator[Step]:
        every = list(steps)
        return track(every, f"measuring {name}", total=len(every), quiet=quiet)

    try:
        with config(threads=threads):
            return measure(name, device=device, quick=quick, first=first, save=not quick, wrap=shown)
    except (ValueError, DeviceError) as error:
        raise typer.BadParameter(str(error)) from error


def _print(measured: Crossover, *, times: bool) -> None:
    console, it = results(), measured.identity
    threads = f"{it.threads} thread{'s' if it.threads != 1 else ''}"
    console.print(
        f"[bold]{measured.op}[/]: {escape(it.brand)} ({it.isa}, {threads}) against {escape(it.device)} "
        f"({escape(it.platform)}, driver {escape(it.driver)})"
    )
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("calls", "size", "sizes measured", "the device wins with copies", "without copies", "first call"):
        table.add_column(name)
    for ladder in measured.ladders:
        sizes = [r.size for r in ladder.rungs]
        span = f"{sizes[0]:,.0f} to {sizes[-1]:,.0f}" if sizes else "nothing"
        found = (ladder.crossing("call"), ladder.crossing("resident"), ladder.crossing("first"))
        table.add_row(escape(ladder.family), ladder.axis, span, *map(words, found))
    console.print(table)
    if measured.opening_seconds:
        console.print(f"starting the driver took {measured.opening_seconds * 1e3:.0f} ms, once a process")
    for ladder in measured.ladders:
        if ladder.ended and ladder.rungs:
            console.print(f"{ladder.family} ended early: {ladder.ended}", markup=False)
        if times:
            _print_times(ladder)
    console.print()


def _print_times(ladder: Ladder) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0), title=escape(ladder.family))
    firsts = ("first call: CPU ms", "device ms") if any(r.first for r in ladder.rungs) else ()
    for name in (ladder.axis, "Mop", "MB", "CPU ms", "device ms", "without copies", *firsts):
        table.add_column(name, justify="right")
    for r in ladder.rungs:
        measured = [median(r.cpu), median(r.device), *([median(r.resident)] if r.resident else [math.nan]), *r.first]
        cells = ["" if math.isnan(s) else f"{s * 1e3:.3f}" for s in measured]
        table.add_row(f"{r.size:g}", f"{r.features.work / 1e6:.3g}", f"{r.features.moved / 1e6:.3g}", *cells)
    results().print(table)


def words(found: Crossing | None) -> str:
    """Where the device starts to win, with the interval."""
    if found is None:
        return "not measured"
    sure = "" if found.share > 0.975 else f" ({100 * found.share:.0f} % sure)"
    if found.answer != "from":
        return f"{found.answer}{sure}"
    low, high = (_size(x) if 0 < x < math.inf else "always" if x == 0 else "never" for x in (found.low, found.high))
    odd = "" if not found.exceptions else f", but not at {', '.join(f'{x:g}' for x in found.exceptions)}"
    interval = "" if found.low == found.high else f" ({low} to {high})"
    return f"from {_size(found.size)}{interval}{odd}"


def _size(size: float) -> str:
    return f"{size:,.0f}" if size >= 100 else f"{size:.3g}"
