"""The list of commands and what holds for all of them."""

from __future__ import annotations

import logging
from typing import Annotated

import typer
from rich.logging import RichHandler

from ferkern.cli import (
    analyze,
    bench,
    crossover,
    demo,
    doctor,
    estimate,
    evaluate,
    recognize,
    report,
    train,
    transfers,
    tune,
    video,
    why,
)
from ferkern.cli.output import guarded, messages

__all__ = ["app"]

app = typer.Typer(
    name="ferkern",
    help="Find the faces on photographs and say what they express. Nothing leaves this machine.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import ferkern

        typer.echo(f"ferkern {ferkern.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say on stderr what is being done.")] = False,
) -> None:
    level = logging.INFO if verbose else logging.WARNING
    handler = RichHandler(console=messages(), show_time=False, show_path=False, markup=False)
    logging.basicConfig(level=level, format="%(message)s", handlers=[handler], force=True)


app.command("demo")(guarded(demo.demo))
app.command("recognize")(guarded(recognize.recognize))
app.command("video")(guarded(video.video))
app.command("eval")(guarded(evaluate.evaluate))
app.command("train")(guarded(train.train))
app.command("analyze")(guarded(analyze.analyze))
app.command("bench")(guarded(bench.bench))
app.command("crossover")(guarded(crossover.crossover))
app.command("why")(guarded(why.why))
app.command("tune")(guarded(tune.tune))
app.command("transfers")(guarded(transfers.transfers))
app.command("estimate")(guarded(estimate.estimate))
app.command("report")(guarded(report.report))
app.command("doctor")(guarded(doctor.doctor))
