"""``ferkern why``: which side ``device="auto"`` takes, and by what evidence."""

from __future__ import annotations

import ast
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferkern.cli.output import results

if TYPE_CHECKING:
    from ferkern.bench.crossover_features import Features
    from ferkern.bench.decide import Choice
    from ferkern.bench.timefit import Expected

__all__ = ["explain", "why"]


def why(
    what: Annotated[
        str,
        typer.Argument(metavar="NET|OP", help="A network by its name or file, or conv2d, dense, svd, flow, xnor, ..."),
    ],
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Of a network: images a call (1).")] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="Of a network (float32).")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, max=1024, help="Threads of the processor.")] = None,
    shape: Annotated[
        str | None,
        typer.Option(
            "--shape",
            metavar="AxB,CxD",
            help="Of a function: shapes of its arrays in their order, 1x64x56x56,64x64x3x3.",
        ),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="Of a function: stride=2, padding=same.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say which side device="auto" would take, what each side is expected to need, and why."""
    from ferkern.bench.crossover_described import Unserved
    from ferkern.bench.decide import choose

    try:
        op, features, title = _asked(what, batch, precision, shape, option or [])
    except Unserved as error:
        _print_unserved(what, str(error), as_json=as_json)
        return
    choice = choose(op, features, threads=threads)
    if as_json:
        typer.echo(json.dumps(_plain(choice), indent=1))
        return
    results().print("\n".join(explain(choice, title)), markup=False, soft_wrap=True)


def _print_unserved(what: str, why: str, *, as_json: bool) -> None:
    remark = f"no device serves it: {why}"
    if as_json:
        typer.echo(json.dumps({"op": what, "device": "cpu", "remarks": [remark]}, indent=1))
    else:
        results().print(f"{what}: the CPU, because {remark}.", markup=False, soft_wrap=True)


def _asked(
    what: str, batch: int | None, precision: str | None, shape: str | None, options: list[str]
) -> tuple[str, Features, str]:
    from ferkern.bench.crossover_cases import ALIASES
    from ferkern.bench.crossover_features import FEATURES, network_features, pipeline_features
    from ferkern.bench.network import named
    from ferkern.session import PRECISIONS

    op = ALIASES.get(what, what)
    if op in FEATURES:
        if shape is None or batch or precision:
            raise typer.BadParameter(
                f"{what} is a function: it needs --shape, the shapes of its arrays, as in "
                f"'ferkern why conv2d --shape 1x64x56x56,64x64x3x3', and no --batch or --precision"
            )
        return op, *_function(op, what, shape, options)
    if op == "pipeline":
        if shape is not None or options or precision:
            raise typer.BadParameter(f"{what} has --batch, the number of faces, and neither --shape nor --precision")
        return (
            op,
            pipeline_features(768, 1024, batch or 1),
            f"pipeline on 1024x768 pixels with {_counted(batch or 1, 'face')}",
        )
    try:
        net = named(what)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; functions: {', '.join((*FEATURES, 'pipeline', *ALIASES))}") from error
    if shape is not None or options:
        raise typer.BadParameter(f"--shape and --option are for functions, {what} is a network")
    if precision not in (None, *PRECISIONS):
        raise typer.BadParameter(f"--precision must be {', '.join(PRECISIONS)}, is {precision}")
    count = batch or 1
    features = network_features(net, count, precision or "float32")
    return "network", features, f"{net.name}, batch {count}, {precision or 'float32'}"


def _function(op: str, what: str, shape: str, options: list[str]) -> tuple[Features, str]:
    from ferkern.bench.crossover_described import Unserved, described

    given = dict(_option(one) for one in options)
    shapes = [_numbers(one) for one in shape.split(",")]
    try:
        features = described(op, shapes, given)
    except Unserved:
        raise
    except (TypeError, ValueError, LookupError, ArithmeticError, MemoryError) as error:
        asked = " ".join(["--shape", shape, *(f"--option {one}" for one in options)])
        raise typer.BadParameter(f"{asked}: not a call of {what}: {error}") from error
    return features, f"{op} on {', '.join('x'.join(map(str, s)) for s in shapes)}"


def _numbers(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.strip().split("x"))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise typer.BadParameter(
            f"--shape {text!r}: must be whole numbers from 1 with x between them, as in 1x64x56x56"
        )
    return sizes


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"--option {text!r}: must be NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):  # same, relu
        return name, value


def explain(choice: Choice, title: str) -> list[str]:
    """The choice in sentences: which side, expected times, by what evidence."""
    if choice.by is None or choice.cpu is None:
        return [f"{title}: the CPU, because {choice.remarks[0]}."]
    it = choice.by.identity
    there = f"{choice.device} ({it.device})" if choice.device != "cpu" else "the CPU"
    lines = [f"{title}: {there}.", ""]
    lines.append(f"  CPU     {_time(choice.cpu)}   {it.brand}, {it.isa}, {_counted(it.threads, 'thread')}")
    lines += [
        f"  device  {_time(e)}   {m.identity.device} ({m.identity.platform}), copies included"
        for m, e in choice.devices
    ]
    lines += ["", *_evidence(choice)]
    lines += [f"{remark}." for remark in choice.remarks]
    return lines


def _evidence(choice: Choice) -> list[str]:
    from ferkern.bench.decide import rule_of_map
    from ferkern.cli.crossover import words

    assert choice.by is not None
    assert choice.cpu is not None
    f, measured = choice.features, choice.by
    device = next(e for m, e in choice.devices if m is measured)
    ratio = choice.cpu.seconds / device.seconds
    faster = f"the device is expected to be {ratio:.2g} times as fast" if ratio > 1 else (
        f"the CPU is expected to be {1 / ratio:.2g} times as fast"
    )  # fmt: skip
    overlap = choice.cpu.low < device.high and device.low < choice.cpu.high
    lines = [f"{faster[0].upper()}{faster[1:]}{'; the intervals overlap, so it is not sure' if overlap else ''}."]
    sizes = sum(len(ladder.rungs) for ladder in measured.ladders)
    lines.append(
        f"Evidence: {sizes} sizes of {measured.op} in {_counted(len(measured.ladders), 'ladder')}, both sides in turn, "
        f"measured {measured.date}, driver {measured.identity.driver}."
    )
    least, most, known = rule_of_map(measured).range_of(f)
    unit = "pixels" if measured.op in ("flow", "pipeline") else "operations"
    this = f"This call has {_many(f.work)} {unit} and copies {f.moved / 1e6:.3g} MB"
    if f in rule_of_map(measured).known:
        lines.append(
            f"{this}. This very call was measured: the times are its own, the lowest and the highest with them."
        )
    elif least <= f.work <= most:
        lines.append(f"{this}: between the least and the most that were measured ({_many(least)} and {_many(most)}).")
    else:
        lines.append(f"{this}: outside what was measured ({_many(least)} to {_many(most)}), so a guess from afar.")
    if not known:
        lines.append(f"No call of its kind ({f.kind or 'plain'}) was measured; others stand in for it.")
    for ladder in measured.ladders:
        answer, _, more = words(ladder.crossing()).partition(" ")
        wins = f"{answer} wins" if answer in ("never", "always") else f"wins {answer}"
        lines.append(f"  {ladder.family}, by {ladder.axis}: the device {wins} {more}".rstrip())
    return lines


def _many(number: float) -> str:
    """Three digits and a word: ``"57.0 billion"``."""
    scales = ((1e9, " billion"), (1e6, " million"), (1e3, " thousand"))
    factor, word = next((one for one in scales if number >= 0.9995 * one[0]), (1.0, ""))
    digits = number / factor
    return f"{digits:,.0f}{word}" if digits >= 99.95 else f"{digits:.3g}{word}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _time(e: Expected) -> str:
    return f"{e.seconds * 1e3:9.3f} ms ({e.low * 1e3:.3f} to {e.high * 1e3:.3f})"


def _plain(choice: Choice) -> dict[str, Any]:
    return {
        "op": choice.op,
        "features": asdict(choice.features),
        "device": choice.device,
        "cpu": None if choice.cpu is None else asdict(choice.cpu),
        "devices": [{"identity": asdict(m.identity), "expected": asdict(e)} for m, e in choice.devices],
        "measured": None if choice.by is None else choice.by.date,
        "remarks": list(choice.remarks),
    }
