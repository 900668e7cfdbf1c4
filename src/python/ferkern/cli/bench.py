"""``ferkern bench``: what this machine can do at most, and how near to that each layer of a network comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ferkern.cli.output import check_folders, check_plot, messages, results, track, write_json
from ferkern.cli.tables import show

if TYPE_CHECKING:
    from ferkern.bench import MachineProfile, Measured, NetworkBench

__all__ = ["bench", "measure_machine"]

_MACHINE = "machine"
_REPEATS = 50


def bench(
    what: Annotated[
        str,
        typer.Argument(
            metavar="machine|NET",
            help="machine, or a network: shipped, a .safetensors or .onnx file, or a builder such as resnet50 or "
            "mobilenet:alpha=0.25,resolution=160.",
        ),
    ],
    device: Annotated[
        str | None, typer.Option("--device", help="Of a network: cpu, opencl, opencl:0, opencl:name or auto (cpu).")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Images a call (1).")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, max=1024, help="Threads of a call.")] = None,
    isa: Annotated[
        str | None, typer.Option("--isa", help="Of machine: as if it had no higher instruction set; not saved.")
    ] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="As in Network.plan (float32).")] = None,
    repeats: Annotated[int | None, typer.Option("--repeats", min=1, help=f"Calls measured ({_REPEATS}).")] = None,
    profile: Annotated[
        Path | None, typer.Option("--profile", metavar="FILE", help="Profile of a machine instead of the saved one.")
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write everything as JSON; - is stdout.")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="OUT.png", help="Draw the roofline.")] = None,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="OUT.json", help="Write a run as a trace for Perfetto or chrome://tracing."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Measure this machine, or a network on it, layer by layer.

    machine: peaks of one core and bandwidth of each level of memory; saved in the user's cache folder (or that named by
    FERKERN_CACHE_DIR), where everything else finds them. NET: time of each layer, and its share of what the machine
    allows. Nothing else should run meanwhile.
    """
    check_folders(json=json_path, plot=plot, trace=trace)
    if what == _MACHINE:
        only_networks = {
            "--device": device,
            "--trace": trace,
            "--batch": batch,
            "--precision": precision,
            "--repeats": repeats,
            "--profile": profile,
            "--plot": plot,
        }
        _refuse("machine has no option", only_networks)
        measured = measure_machine(quiet=quiet, isa=isa, threads=threads)
        if not quiet and json_path != Path("-"):
            _print_machine(measured)
        if json_path is not None:
            write_json(json_path, measured.to_dict())
        return
    if isa is not None:
        raise typer.BadParameter("--isa is for machine; FERKERN_ISA forces one for a network")
    if device not in (None, "cpu", "auto"):
        _refuse(f"--device {device} has no option", {"--threads": threads, "--profile": profile})
    if plot is not None:
        if device not in (None, "cpu"):
            raise typer.BadParameter("--plot draws the processor's roofline, not a device's")
        check_plot(plot)
    done = _bench_network(what, device or "cpu", profile, batch, threads, precision, repeats, quiet=quiet)
    if not quiet and json_path != Path("-"):
        _print_network(done)
    if json_path is not None:
        write_json(json_path, done.to_dict())
    if trace is not None:
        write_json(trace, {"traceEvents": done.ledger.to_chrome_trace()}, "--trace")
    if plot is not None:
        _draw(plot, done)


def _refuse(why: str, options: Mapping[str, object]) -> None:
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise typer.BadParameter(f"{why} {', '.join(given)}")


def measure_machine(
    *, quiet: bool, isa: str | None = None, threads: int | None = None, unasked: bool = False
) -> MachineProfile:
    """Measure and save, unless as a lesser machine; `unasked`: because what was asked for needs it."""
    from ferkern.bench.measure import Measurement, machine

    if unasked and not quiet:
        messages().print("this machine was not measured yet: that is done first, once")

    def shown(planned: Iterable[Measurement]) -> Iterator[Measurement]:
        every = list(planned)
        return track(every, "measuring this machine", total=len(every), quiet=quiet)

    try:
        measured = machine(isa=isa, threads=threads, wrap=shown)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if isa is not None or threads is not None:
        return measured
    try:
        path = measured.save()
    except OSError as error:
        messages().print(f"not saved: {error.filename or ''}: {error.strerror or error}", markup=False)
    else:
        if not quiet:
            messages().print(f"saved in {path}", markup=False)
    return measured


def _bench_network(
    name: str,
    device: str,
    profile: Path | None,
    batch: int | None,
    threads: int | None,
    precision: str | None,
    repeats: int | None,
    *,
    quiet: bool,
) -> NetworkBench:
    from ferkern.auto import AUTO, for_network
    from ferkern.bench import load_profile, named, network
    from ferkern.opencl import DeviceError

    try:
        net = named(name)
        if device == AUTO:
            device = for_network(net, batch=batch or 1, precision=precision or "float32", threads=threads)
        try:
            machine = load_profile(profile) if device == "cpu" else None
        except FileNotFoundError:
            if profile is not None:
                raise typer.BadParameter(f"--profile {profile}: there is no such file") from None
            machine = measure_machine(quiet=quiet, unasked=True)
        return network(
            net,
            device=device,
            batch=batch or 1,
            threads=threads,
            precision=precision or "float32",
            repeats=repeats or _REPEATS,
            machine=machine,
            wrap=lambda rounds: track(rounds, net.name, total=repeats or _REPEATS, quiet=quiet, unit="runs"),
        )
    except (ValueError, DeviceError) as error:
        raise typer.BadParameter(str(error)) from error


def _draw(target: Path, done: NetworkBench) -> None:
    from ferkern.bench.chart import draw_roofline

    try:
        draw_roofline(done, target)
    except OSError as error:
        raise typer.BadParameter(f"--plot {target}: {error.strerror or error}") from error
    messages().print(f"roofline drawn: {target}", markup=False)


def _table(*columns: str, words: int = 1) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index < words else "right", no_wrap=True)
    return table


def _spread(m: Measured) -> str:
    return f"{m.value / 1e9:,.1f} [dim]({m.low / 1e9:,.1f} to {m.high / 1e9:,.1f})[/]"


def _print_machine(profile: MachineProfile) -> None:
    from ferkern.registry import ISAS

    console = results()
    m = profile.machine
    threads = f"{m['threads']} thread{'s' if m['threads'] != 1 else ''}"
    console.print(f"[bold]{escape(str(m['brand']))}[/], {m['isa']}, {threads}; {m['date']}")
    console.print("\nPeaks of one core, Gop/s (a multiply-add is two): median, lowest and highest")
    isas = [isa for isa in ISAS if any(isa in rows for rows in profile.peaks.values())]
    table = _table("kind", *isas)
    for kind, rows in profile.peaks.items():
        table.add_row(kind, *(_spread(rows[isa]) if isa in rows else "" for isa in isas))
    show(console, table, spare=isas)
    console.print("\nMemory, GB/s; of a copy, bytes read and bytes written count")
    table = _table("level", "holds", "threads", "through", "read", "copy")
    holds = {level.name: level.size_bytes for level in profile.levels}
    for level, size, count in dict.fromkeys((p.level, p.size_bytes, p.threads) for p in profile.passages):
        rates = {p.kind: p.rate for p in profile.passages if (p.level, p.size_bytes, p.threads) == (level, size, count)}
        found = [_spread(rates[kind]) if kind in rates else "" for kind in ("read", "copy")]
        table.add_row(level, _bytes(holds.get(level)), str(count), _bytes(size), *found)
    console.print(table)
    for name, reason in profile.missing.items():
        console.print(f"not measured: {escape(name)}: {escape(reason)}")


def _bytes(size: int | None) -> str:
    if size is None:
        return ""
    return f"{size / 2**20:.3g} MiB" if size >= 2**20 else f"{size / 2**10:.3g} KiB"


def _where(done: NetworkBench) -> str:
    on_device = done.ledger.device != "cpu"
    return escape(done.isa) if on_device else f"threads {done.ledger.threads}, up to {done.isa}"


def _print_network(done: NetworkBench) -> None:
    from ferkern.ledger import HEADINGS, foot_cells, row_cells

    console, ledger = results(), done.ledger
    s = done.seconds
    console.print(
        f"[bold]{escape(done.name)}[/], {done.precision}, batch {ledger.batch}, {_where(done)}; "
        f"medians of {done.repeats} calls"
    )
    console.print(
        f"a call [bold]{s.value * 1e3:.3f} ms[/] ({s.low * 1e3:.3f} to {s.high * 1e3:.3f}), "
        f"{ledger.batch / s.value:,.0f} images/s; with the ledger {done.ledger_seconds.value * 1e3:.3f} ms\n"
    )
    table = _table(*HEADINGS, words=2)
    table.columns[-1].justify = "left"
    for row in ledger.rows:
        table.add_row(*map(escape, row_cells(row, ledger.wall_seconds)))
    table.add_section()
    for label, seconds in ledger.feet():
        table.add_row(*foot_cells(label, seconds, ledger.wall_seconds))
    show(console, table, spare=("MB", "Mop", "work", "bound by", "of work", "time", "Gop/s", "share", "kernel"))
    for note in ledger.notes():
        console.print(f"\n{note}", soft_wrap=True, markup=False)
