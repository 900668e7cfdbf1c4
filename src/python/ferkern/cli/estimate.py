"""``ferkern estimate``: a network on another machine, the papers' rule beside it, and what inferences cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ferkern.cli.bench import measure_machine
from ferkern.cli.output import check_folders, messages, results, track, write_json

if TYPE_CHECKING:
    from ferkern.bench.estimate import Estimate
    from ferkern.bench.estimate_calibrate import State
    from ferkern.bench.estimate_rule import Price

__all__ = ["estimate"]


def estimate(
    net: Annotated[
        str | None,
        typer.Argument(metavar="[NET]", help="A network by its name, file or builder; not needed for the rule alone."),
    ] = None,
    machine: Annotated[
        Path | None,
        typer.Option("--machine", metavar="FILE", help="The other machine: its ferkern bench machine --json FILE."),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images a call.")] = 1,
    threads: Annotated[int | None, typer.Option("--threads", min=1, max=1024, help="There; all that it has.")] = None,
    run: Annotated[bool, typer.Option("--run/--no-run", help="Also run the network here, which is surer.")] = True,
    layers: Annotated[bool, typer.Option("--layers", help="Print every layer.")] = False,
    fps: Annotated[float | None, typer.Option("--fps", help="Wanted speed, frames a second.")] = None,
    score: Annotated[float | None, typer.Option("--score", help="A machine's points in some benchmark.")] = None,
    at: Annotated[float | None, typer.Option("--at", help="Its speed, frames a second.")] = None,
    other: Annotated[float | None, typer.Option("--other-score", help="Another machine's points.")] = None,
    price: Annotated[float, typer.Option("--price", help="Of a device.")] = 0.0,
    years: Annotated[float, typer.Option("--years", help="That it serves.")] = 3.0,
    watts: Annotated[float, typer.Option("--watts", help="Its power at work.")] = 0.0,
    per_kwh: Annotated[float, typer.Option("--per-kwh", help="Price of a kilowatt-hour.")] = 0.0,
    busy: Annotated[float, typer.Option("--busy", help="Part of its life that it works.")] = 1.0,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write everything as JSON; - is stdout.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no sentences.")] = False,
) -> None:
    """Estimate the speed of a network on another machine, the score that a speed needs, the price of a million calls.

    NET --machine FILE: per layer from that machine's profile and the efficiency of the kernels here. --score 2812 --at
    2.7 --fps 60: the papers' rule, speed goes with the score of a benchmark, solved for the score; with --other-score
    for the speed. --price, --watts: of a million inferences at the speed that is estimated, or given by --at.
    """
    given = {"fps": fps, "score": score, "at": at, "other_score": other}
    paid = {"price": price, "years": years, "watts": watts, "per_kwh": per_kwh, "busy": busy}
    check_folders(json=json_path)
    _check(net, machine, given, paid)
    values, sentences, seconds = _rule(fps, score, at, other)
    try:
        found = (
            None if net is None or machine is None else _estimate(net, machine, batch, threads, run=run, quiet=quiet)
        )
        if price or watts:
            cost = _cost(seconds if found is None else found.seconds / batch, paid)
            values["price_of_a_million"] = {"device": cost.device, "energy": cost.energy, "total": cost.total}
            sentences.append(_price(cost))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if not quiet and json_path != Path("-"):
        if found is not None:
            _print(found, layers=layers)
        for sentence in sentences:
            results().print(sentence, markup=False, soft_wrap=True)
    if json_path is not None:
        write_json(json_path, _whole(given, paid, values, found))


def _check(net: str | None, machine: Path | None, given: Mapping[str, float | None], paid: Mapping[str, float]) -> None:
    """What does not go together, before anything is measured."""
    from ferkern.bench.estimate_rule import price_of_a_million

    if (net is None) != (machine is None):
        raise typer.BadParameter("NET and --machine belong together")
    for name, value in given.items():
        if value is not None and not 0 < value < math.inf:
            raise typer.BadParameter(f"--{name.replace('_', '-')} must be above 0, is {value:g}")
    known = given["score"] is not None and given["at"] is not None
    asked = given["fps"] is not None or given["other_score"] is not None
    if asked and not known:
        raise typer.BadParameter("--fps and --other-score need --score and --at, a machine's points and its speed")
    if bool(paid["watts"]) != bool(paid["per_kwh"]):
        raise typer.BadParameter("--watts and --per-kwh belong together")
    try:
        price_of_a_million(1.0, **paid)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    bought = given["at"] is not None and bool(paid["price"] or paid["watts"])
    if net is None and not asked and not bought:
        raise typer.BadParameter(
            "nothing to estimate: give NET and --machine, or --score, --at and --fps, or --at and --price"
        )


def _whole(
    given: Mapping[str, float | None], paid: Mapping[str, float], values: dict[str, Any], found: Estimate | None
) -> dict[str, Any]:
    """Everything, for JSON: where it was asked, what was given, what came out."""
    from ferkern.bench.measure import identity

    told = {name: value for name, value in given.items() if value is not None}
    told |= paid if "price_of_a_million" in values else {}
    estimated = None if found is None else found.to_dict()
    return {"kind": "estimate", "machine": identity(), "given": told, **values, "estimate": estimated}


def _cost(seconds: float | None, paid: Mapping[str, float]) -> Price:
    from ferkern.bench.estimate_rule import price_of_a_million

    if seconds is None:
        raise typer.BadParameter("--price and --watts need a speed: NET and --machine, or --at")
    return price_of_a_million(seconds, **paid)


def _price(cost: Price) -> str:
    return (
        f"A million inferences cost {cost.total:,.4g}: {cost.device:,.4g} of the device's price, "
        f"{cost.energy:,.4g} for energy."
    )


def _rule(
    fps: float | None, score: float | None, at: float | None, other: float | None
) -> tuple[dict[str, Any], list[str], float | None]:
    """Values, sentences, and the seconds of a frame by the rule."""
    from ferkern.bench.estimate_rule import by_score, score_for

    values: dict[str, Any] = {}
    sentences: list[str] = []
    if score is None or at is None:
        return values, sentences, None if at is None else 1 / at
    speed = at
    if fps is not None:
        values["score_for_fps"] = score_for(fps, score, at)
        sentences.append(
            f"By the papers' rule {fps:g} frames/s need a machine of {values['score_for_fps']:,.0f} points "
            f"({score:,.0f} points give {at:g} frames/s)."
        )
        speed = fps
    if other is not None:
        values["fps_by_score"] = speed = by_score(at, score, other)
        sentences.append(f"By the papers' rule a machine of {other:,.0f} points gives {speed:,.3g} frames/s.")
    return values, sentences, 1 / speed


def _estimate(name: str, file: Path, batch: int, threads: int | None, *, run: bool, quiet: bool) -> Estimate:
    from ferkern.bench import estimate as estimated
    from ferkern.bench import load_profile, named
    from ferkern.bench.estimate_calibrate import calibrate, saved_efficiencies

    if not file.exists():
        raise typer.BadParameter(
            f"--machine {file}: there is no such file; 'ferkern bench machine --json {file.name}' writes it there"
        )
    net, there = named(name), load_profile(file)
    try:
        here = load_profile()
    except FileNotFoundError:
        here = measure_machine(quiet=quiet, unasked=True)
    if saved_efficiencies() is None:

        def shown(states: Iterable[State]) -> Iterator[State]:
            every = list(states)
            return track(every, "measuring the kernels here, once", total=len(every), quiet=quiet)

        if not quiet:
            messages().print("the kernels of this machine were not measured yet: that is done first, once")
        calibrate(here, wrap=shown)
    return estimated(net, there, batch=batch, threads=threads, run=run, here=here)


def _print(found: Estimate, *, layers: bool) -> None:
    console, m = results(), found.machine
    console.print(
        f"[bold]{escape(found.network)}[/], batch {found.batch}, float32, on {escape(str(m.get('brand')))} "
        f"({found.isa}, {found.threads} thread{'s' if found.threads != 1 else ''})"
    )
    if layers:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for title in ("layer", "kernel", "us", "mostly"):
            table.add_column(title, justify="right" if title == "us" else "left")
        for row in found.layers:
            table.add_row(escape(row.layer), row.kernel, f"{row.seconds * 1e6:.1f}", row.by)
        console.print(table)
    ms, low, high = (1e3 * s for s in (found.seconds, found.low, found.high))
    console.print(
        f"a call takes about [bold]{ms:.3f} ms[/] ({low:.3f} to {high:.3f}, 19 of 20 times if nothing else runs), "
        f"{found.batch / found.seconds:,.0f} images/s",
        soft_wrap=True,
    )
    if found.here_seconds is not None and found.rule_seconds is not None:
        console.print(
            f"here it takes {1e3 * found.here_seconds:.3f} ms; by the papers' rule (ratio of scores, here the fp32 "
            f"peaks of all threads) {1e3 * found.rule_seconds:.3f} ms there",
            soft_wrap=True,
        )
    for note in found.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
