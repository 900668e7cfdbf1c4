"""``ferkern train landmarks68_trees``: regression trees for landmarks, from annotated pictures. Needs no torch."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from ferkern.face.detect import Detector
    from ferkern.face.landmark_trees import TreeTables
    from ferkern.train.landmark_recipe import Recipe, Source

__all__ = ["train_trees"]


def train_trees(path: Path, also: list[str], out: Path, *, seed: int | None, resume: bool, quiet: bool) -> None:
    """Train on four fifths of the faces of `path` and all of `also` (``PATH=WEIGHT``); print the error on the rest."""
    from ferkern.data.landmarks import read_landmarks
    from ferkern.face.detect import Detector
    from ferkern.face.landmark_trees import LandmarkTrees
    from ferkern.train.landmark_eval import part_of, score
    from ferkern.train.landmark_recipe import Recipe, Source

    recipe = Recipe()
    if seed is not None:
        recipe = replace(recipe, trees=replace(recipe.trees, seed=seed))
    faces = read_landmarks(path)
    sources = [Source(part_of(faces, "training"))]
    for text in also:
        name, _, weight = text.rpartition("=")
        if not name or not _is_weight(weight):
            raise ValueError(f"--also {text}: expected PATH=WEIGHT, a weight above 0")
        sources.append(Source(read_landmarks(name), float(weight), recipe.extra_copies))
    detector = Detector.load()
    model = _run(sources, out, recipe, detector, resume=resume, quiet=quiet)
    typer.echo(f"weights {model}")
    held_out = part_of(faces, "held-out")
    if held_out and held_out[0].points.shape == (68, 2):
        found = score(LandmarkTrees.load(model), held_out, detect=lambda gray: detector.detect(gray).boxes)
        typer.echo(found.text())


def _is_weight(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def _run(sources: list[Source], out: Path, recipe: Recipe, detector: Detector, *, resume: bool, quiet: bool) -> Path:
    from ferkern.train.landmark_recipe import train_landmarks

    console = Console(stderr=True, highlight=False)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    cutting, growing = progress.add_task("faces"), progress.add_task("trees")

    def on_face(done: int, total: int) -> None:
        progress.update(cutting, completed=done, total=total)

    def on_trees(level: int, trees: int) -> None:
        settings = recipe.trees
        progress.update(growing, completed=level * settings.trees + trees, total=settings.levels * settings.trees)

    def on_level(level: int, error: float, _: TreeTables) -> None:
        if not quiet:
            console.print(f"level {level + 1}/{recipe.trees.levels}: {error:.4f} of the box is left on the samples")

    show = console.is_terminal and not quiet
    with progress if show else nullcontext():
        return train_landmarks(
            sources,
            out,
            boxes=lambda gray: detector.detect(gray).boxes,
            recipe=recipe,
            resume=resume,
            on_face=on_face,
            on_trees=on_trees,
            on_level=on_level,
        )
