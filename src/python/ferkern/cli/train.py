"""``ferkern train``: train a network by its recipe, and write weights, curves, evaluation and card."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from ferkern.data import FaceSet
    from ferkern.train.config import TrainConfig
    from ferkern.train.curves import EpochRecord
    from ferkern.train.finish import Result

__all__ = ["train"]


class Dataset(StrEnum):
    """Data sets that can be trained on."""

    FER2013 = "fer2013"


def train(
    name: Annotated[str, typer.Argument(help="fer_small, fer_4conv, fer_2conv, mini_xception or landmarks68_trees.")],
    path: Annotated[
        Path,
        typer.Option(
            "--path",
            metavar="P",
            help="fer2013.csv, a folder of class folders, or of sheets; for landmarks annotated faces: a folder with "
            "points68.npz or .pts files, .xml or .npz.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for everything written.")],
    dataset: Annotated[Dataset, typer.Option("--dataset", help="What is trained on.")] = Dataset.FER2013,
    votes: Annotated[
        Path | None, typer.Option("--votes", metavar="CSV", help="FER+ votes, if not beside fer2013.csv.")
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option("--also", metavar="P=WEIGHT", help="More annotated faces, for landmarks; may be repeated."),
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the faces.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=2, help="Faces a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Highest rate.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of everything drawn.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Threads of torch.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from DIR's checkpoint.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train a model from scratch by its recipe; options change single settings of it."""
    if name == "landmarks68_trees":
        network_only = {
            "--votes": votes,
            "--epochs": epochs,
            "--batch-size": batch_size,
            "--learning-rate": learning_rate,
        }
        _refuse(name, network_only)
        _train_trees(path, also or [], out, seed=seed, threads=threads, resume=resume, quiet=quiet)
        return
    _refuse(name, {"--also": also})
    if importlib.util.find_spec("torch") is None:
        raise typer.BadParameter('training needs torch: pip install "ferkern[train]"', param_hint="train")
    from ferkern.data import read_faces
    from ferkern.train.config import recipe

    try:
        config = recipe(
            name,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            threads=threads,
        )
        faces = read_faces(path, votes=votes)
        result = _run(config, faces, out, resume=resume, quiet=quiet)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(f"weights {result.weights}")
    typer.echo(f"sha256 {result.sha256}")
    for what, evaluation in (("all", result.evaluation), ("without twins", result.without_twins)):
        if evaluation is not None:
            typer.echo(f"accuracy, {what}: {100 * evaluation.accuracy:.2f} % of {evaluation.n}")


def _refuse(name: str, options: Mapping[str, object]) -> None:
    """Options that a model has no use for are errors, not forgotten."""
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise typer.BadParameter(f"{name} has no option {', '.join(given)}")


def _train_trees(
    path: Path, also: list[str], out: Path, *, seed: int | None, threads: int | None, resume: bool, quiet: bool
) -> None:
    from ferkern.cli.train_landmarks import train_trees
    from ferkern.config import config

    try:
        with config(threads=threads) if threads is not None else nullcontext():
            train_trees(path, also, out, seed=seed, resume=resume, quiet=quiet)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _run(config: TrainConfig, faces: FaceSet, out: Path, *, resume: bool, quiet: bool) -> Result:
    from ferkern.train.finish import finish
    from ferkern.train.loop import Trainer

    trainer = Trainer(config, faces, out, resume=resume)
    console = Console(stderr=True, highlight=False)
    if not quiet:
        for part, counts in trainer.distribution().items():
            console.print(f"{part}: " + ", ".join(f"{name} {n}" for name, n in counts.items()))
    progress = Progress(
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    total = config.total_epochs * trainer.steps
    done = len(trainer.history) * trainer.steps
    task = progress.add_task(
        "train", total=total, completed=done, epoch=len(trainer.history), epochs=config.total_epochs
    )

    def on_step(epoch: int, step: int, steps: int) -> None:
        progress.update(task, completed=epoch * steps + step + 1, epoch=epoch + 1)

    def on_epoch(record: EpochRecord) -> None:
        if not quiet:
            console.print(
                f"epoch {record.epoch}: training {record.train_loss:.4f} {100 * record.train_accuracy:.2f} %, "
                f"held out {record.validation_loss:.4f} {100 * record.validation_accuracy:.2f} %, "
                f"{record.seconds:.1f} s"
            )

    show = console.is_terminal and not quiet
    with progress if show else nullcontext():
        network = trainer.run(on_step=on_step if show else None, on_epoch=on_epoch)
    return finish(network, config, faces, out)
