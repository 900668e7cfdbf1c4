"""``ferkern eval``: accuracy and all that goes with it on a labelled data set, as text, JSON and picture."""

from __future__ import annotations

import json
import os
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ferkern.cli.evaluate_smile import evaluate_smile
from ferkern.cli.output import describe, messages, results, track
from ferkern.face.landmarks import LANDMARKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ferkern.data import FaceSet
    from ferkern.evaluate import Evaluation
    from ferkern.face.expression import ExpressionClassifier

__all__ = ["evaluate"]

_STEP = 512  # faces between two looks at the progress bar


class Task(StrEnum):
    """What can be evaluated."""

    FER2013 = "fer2013"
    SMILE = "smile"


class SmileForm(StrEnum):
    """Forms of photographs that are labelled with smile or not."""

    GENKI4K = "genki4k"
    FOLDER = "folder"
    CELEBA = "celeba"


def evaluate(
    task: Annotated[Task, typer.Argument(help="fer2013: expressions of cropped faces; smile: whole photographs.")],
    path: Annotated[
        Path,
        typer.Option(
            "--path",
            metavar="P",
            help="fer2013: fer2013.csv, a folder of class folders or of sheets. smile: folder or label file.",
        ),
    ],
    dataset: Annotated[
        SmileForm | None, typer.Option("--dataset", help="smile: the form of the labelled photographs.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="fer_small, fer_2conv, fer_4conv or a .safetensors file.")
    ] = "fer_small",
    usage: Annotated[
        str | None,
        typer.Option("--usage", help="fer2013: Training, PublicTest or PrivateTest; default: all but Training."),
    ] = None,
    landmarks: Annotated[str, typer.Option("--landmarks", help="smile: trees, network, none, or a file.")] = LANDMARKS,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write everything as JSON; - is stdout.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="OUT", help="Draw confusion matrix or ROC curve (.png).")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="Where the network runs.")] = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Evaluate on labelled pictures.

    fer2013: a network on cropped faces; accuracy, precision, recall, F1, AUC, confusion matrix, time. smile: the whole
    pipeline from the photograph; accuracy, AUC, ROC curve, share of faces found.
    """
    for option, target in (("--json", json_path), ("--picture", picture)):
        _check_target(option, target)
    if task is Task.SMILE:
        if dataset is None or usage is not None:
            raise typer.BadParameter("smile needs --dataset genki4k, folder or celeba, and takes no --usage")
        evaluate_smile(
            dataset.value,
            path,
            model=model,
            landmarks=landmarks,
            device=device,
            json_path=json_path,
            picture=picture,
            quiet=quiet,
        )
        return
    if dataset is not None:
        raise typer.BadParameter("--dataset belongs to smile")
    _evaluate_expressions(path, usage, model=model, device=device, json_path=json_path, picture=picture, quiet=quiet)


def _evaluate_expressions(
    path: Path,
    usage: str | None,
    *,
    model: str,
    device: str,
    json_path: Path | None,
    picture: Path | None,
    quiet: bool,
) -> None:
    faces = _read(path, usage)
    classifier = _classifier(model, device)

    probabilities, seconds = _classify(classifier, faces, quiet=quiet)
    from ferkern.evaluate import score

    try:
        evaluation = score(faces.labels, probabilities, classifier.classes)
    except ValueError as error:
        raise typer.BadParameter(f"{model} on {path}: {error}") from error
    record = _record(model, faces, evaluation, probabilities, seconds)
    to_stdout = json_path is not None and str(json_path) == "-"
    if to_stdout:
        typer.echo(json.dumps(record, indent=2))
    else:
        _print(record, evaluation)
    if json_path is not None and not to_stdout:
        _write(json_path, json.dumps(record, indent=2) + "\n")
    if picture is not None:
        _draw(picture, model, record, evaluation)


def _check_target(option: str, target: Path | None) -> None:
    """Refuse before the work what could not be written after it."""
    if target is None or str(target) == "-":
        return
    if target.is_dir():
        raise typer.BadParameter(f"{option} {target}: is a folder")
    folder = target.parent
    if not folder.is_dir():
        raise typer.BadParameter(f"{option} {target}: there is no folder {folder}")
    if not os.access(target if target.exists() else folder, os.W_OK):
        raise typer.BadParameter(f"{option} {target}: not writable")


def _read(path: Path, usage: str | None) -> FaceSet:
    from ferkern import data

    try:
        faces = data.read_faces(path)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"--path {describe(error, path)}") from error
    found = sorted(set(faces.usage.tolist()))
    if usage is None:
        rows = faces.usage != "Training"
        chosen = faces.select(rows) if rows.any() else faces
    else:
        chosen = faces.part(usage)
    if len(chosen) == 0:
        raise typer.BadParameter(f"--usage {usage}: no such faces in {path}, which holds {', '.join(found) or 'none'}")
    return chosen


def _classifier(model: str, device: str) -> ExpressionClassifier:
    from ferkern.errors import ModelError
    from ferkern.face.expression import ExpressionClassifier

    try:
        return ExpressionClassifier(model, device=device)
    except (ModelError, OSError, ValueError) as error:
        raise typer.BadParameter(f"--model {model}: {error}") from error


def _classify(classifier: ExpressionClassifier, faces: FaceSet, *, quiet: bool) -> tuple[NDArray[np.float32], float]:
    """Probabilities [n, K], and the seconds that preprocessing and network took."""
    import numpy as np

    classifier(faces.images[:1])  # the first call pays for memory that is touched first
    starts = range(0, len(faces), _STEP)
    parts: list[NDArray[np.float32]] = []
    seconds = 0.0
    for start in track(starts, "evaluating", total=len(starts), quiet=quiet):
        begun = time.perf_counter()
        parts.append(classifier(faces.images[start : start + _STEP]))
        seconds += time.perf_counter() - begun
    return np.concatenate(parts), seconds


def _record(
    model: str, faces: FaceSet, evaluation: Evaluation, probabilities: NDArray[np.float32], seconds: float
) -> dict[str, Any]:
    hit = probabilities.argmax(axis=1) == faces.labels
    record = evaluation.to_dict()
    record["ms_per_face"] = seconds * 1000 / evaluation.n
    record["model"] = model
    if faces.has_twin is not None:
        alone = ~faces.has_twin
        record["accuracy_without_twins"] = float(hit[alone].mean()) if alone.any() else None
        record["n_without_twins"] = int(alone.sum())
    record["usage"] = {
        name: {"n": int((faces.usage == name).sum()), "accuracy": float(hit[faces.usage == name].mean())}
        for name in sorted(set(faces.usage.tolist()))
    }
    return record


def _print(record: dict[str, Any], evaluation: Evaluation) -> None:
    console = results()
    usage = ", ".join(f"{name} {part['n']:,}" for name, part in record["usage"].items())
    console.print(f"[bold]{escape(record['model'])}[/] on {evaluation.n:,} faces ({escape(usage)})")
    console.print(f"accuracy [bold]{evaluation.accuracy:.2%}[/]")
    if record.get("accuracy_without_twins") is not None:
        console.print(
            f"without the {evaluation.n - record['n_without_twins']:,} faces that also stand in Training or test: "
            f"{record['accuracy_without_twins']:.2%}"
        )
    if len(record["usage"]) > 1:
        parts = (f"{name} {part['accuracy']:.2%}" for name, part in record["usage"].items())
        console.print(f"by usage: {escape(', '.join(parts))}")
    console.print(f"{record['ms_per_face']:.3f} ms a face, preprocessing and network\n")

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("class")
    for name in ("faces", "share", "precision", "recall", "F1", "AUC"):
        table.add_column(name, justify="right")
    for name, count in evaluation.class_distribution.items():
        c = evaluation.per_class[name]
        shares = [_percent(v) for v in (c.precision, c.recall, c.f1)]
        auc = "-" if c.auc is None else f"{c.auc:.4f}"
        table.add_row(name, f"{count:,}", f"{count / evaluation.n:.1%}", *shares, auc)
    console.print(table)

    console.print("\nConfusion matrix: rows are the truth, columns what was recognized")
    matrix = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    matrix.add_column("")
    for name in evaluation.classes:
        matrix.add_column(name, justify="right")
    for i, name in enumerate(evaluation.classes):
        row = [f"[bold]{n:,}[/]" if i == j else f"{n:,}" for j, n in enumerate(evaluation.confusion[i].tolist())]
        matrix.add_row(f"[bold]{name}[/]", *row)
    console.print(matrix)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _draw(target: Path, model: str, record: dict[str, Any], evaluation: Evaluation) -> None:
    from ferkern.chart import confusion_picture

    image = confusion_picture(evaluation, title=f"{Path(model).stem} on {', '.join(record['usage'])}")
    try:
        image.save(target)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"--picture {target}: {error}") from error
    messages().print(f"confusion matrix drawn: {target}", markup=False)


def _write(target: Path, text: str) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"--json {target}: {error.strerror}") from error
