"""``ferkern report``: results of measurements as one page that a person can read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ferkern.cli.output import check_folders, messages, pip_install, warn

__all__ = ["report"]


def report(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS.json...", help="Files, in any order.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.html", help="The page.")] = Path("report.html"),
    title: Annotated[str | None, typer.Option("--title", help="Instead of the processor's name.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not say where the page stands.")] = False,
) -> None:
    """Make one page of results, to be opened in a browser: charts that answer, and the numbers behind them.

    It needs no network. Files are recognised by what they hold: ferkern transfers, crossover, bench machine, bench NET,
    estimate, tune (each with --json), ledgers of Session.profile, tables of benchmarks/peers, pytest --benchmark-json.
    Others are named and left out. Exit code: 0 done, 1 some files were left out, 2 usage.
    """
    import importlib.util

    from ferkern.report.page import write
    from ferkern.report.sources import sift

    check_folders(output=output)
    if importlib.util.find_spec("plotly") is None:
        raise typer.BadParameter(f"a report needs plotly: {pip_install('report')}")
    sources, trouble = sift(results)
    if not sources:
        raise typer.BadParameter(trouble[0])
    for words in trouble:
        warn(words.partition("; a report knows")[0])
    try:
        write(sources, output, title=title)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    except OSError as error:
        raise typer.BadParameter(f"--output {output}: {error.strerror or error}") from error
    if not quiet:
        size = output.stat().st_size / 1e6
        messages().print(f"{output}: {size:.1f} MB, opens in any browser", markup=False)
    if trouble:
        raise typer.Exit(1)
