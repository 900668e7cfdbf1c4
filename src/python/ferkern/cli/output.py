"""Where words go: results to stdout, everything else to stderr; progress, interruption, exit codes."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

__all__ = [
    "INTERRUPTED",
    "check_folders",
    "check_plot",
    "describe",
    "guarded",
    "messages",
    "pip_install",
    "results",
    "say_kept",
    "track",
    "warn",
    "write_json",
]

INTERRUPTED = 130  # 128 + SIGINT
_BROKEN_PIPE = 141  # 128 + SIGPIPE
_PATIENCE = 1.0  # seconds before a progress bar appears
_PIPED_WIDTH = 160  # columns of a table that goes to a file or another program

P = ParamSpec("P")
T = TypeVar("T")


def results() -> Console:
    """Console of stdout, wide enough to lose nothing where it is no terminal."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_PIPED_WIDTH if piped else None, highlight=False)


def messages() -> Console:
    """Console of stderr."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """One failure, on stderr."""
    messages().print(f"[bold red]failed[/] {escape(text)}")


def describe(error: BaseException, path: object) -> str:
    """What went wrong with a file, with its name once."""
    if isinstance(error, OSError) and error.strerror:
        return f"{path}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"{path}: does not fit into memory"
    text = str(error) or type(error).__name__
    return text if str(path) in text else f"{path}: {text}"


def pip_install(extra: str) -> str:
    """The line that brings an extra."""
    return f'pip install "ferkern[{extra}]"'


def say_kept(file: Path, since: float) -> None:
    """Says where results are kept, if the file was written since then; a folder that cannot be written was logged."""
    if file.exists() and file.stat().st_mtime >= since - 1:  # file systems may keep whole seconds
        messages().print(f"saved in {file}", markup=False)


def check_folders(**targets: Path | None) -> None:
    """Refuses options (``json=...``) whose file would stand in a folder that is not there."""
    for option, target in targets.items():
        if target is not None and not target.absolute().parent.is_dir():
            raise typer.BadParameter(f"--{option} {target}: there is no folder {target.absolute().parent}")


def check_plot(target: Path) -> None:
    """Refuses what matplotlib cannot draw to, before anything is measured."""
    if importlib.util.find_spec("matplotlib") is None:
        raise typer.BadParameter(f"--plot needs matplotlib: {pip_install('plot')}")
    if target.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise typer.BadParameter(f"--plot {target}: must end in .png, .svg or .pdf")


def write_json(target: Path, values: object, option: str = "--json") -> None:
    """Writes the file that an option names; ``-`` is stdout."""
    text = json.dumps(values, indent=1)
    if target == Path("-"):
        typer.echo(text)
        return
    try:
        target.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{option} {target}: {error.strerror or error}") from error


def track(items: Iterable[T], what: str, *, total: int | None, quiet: bool, unit: str | None = None) -> Iterator[T]:
    """Give the items; after a second, show a progress bar on stderr if that is a terminal, with `unit`/s if given."""
    console = messages()
    if quiet or not console.is_terminal:
        yield from items
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
    )
    task = bar.add_task(what, total=total, rate="")
    started, shown = time.monotonic(), False
    try:
        for done, item in enumerate(items, start=1):
            elapsed = time.monotonic() - started
            if not shown and elapsed > _PATIENCE:
                bar.start()
                shown = True
            yield item
            bar.update(task, completed=done, rate=f"{done / max(elapsed, 1e-9):.1f} {unit}/s" if unit else "")
    finally:
        if shown:
            bar.stop()


def guarded(command: Callable[P, T]) -> Callable[P, T]:
    """End a command cleanly on Ctrl-C and when the reader of stdout goes away."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            value = command(*args, **kwargs)
            sys.stdout.flush()
            return value
        except MemoryError as error:
            warn(str(error) if str(error) not in ("", "std::bad_alloc") else "this does not fit into memory")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            messages().print("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # What is still buffered has no reader; without this the interpreter would complain at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_BROKEN_PIPE) from None

    return wrapper
