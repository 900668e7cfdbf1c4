"""``ferkern eval smile``: the whole pipeline on photographs that are labelled with smile or not."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.markup import escape

from ferkern.cli.output import describe, messages, results, track, warn
from ferkern.cli.recognize import make_recognizer

if TYPE_CHECKING:
    from ferkern.data import SmileSet
    from ferkern.evaluate import BinaryScores
    from ferkern.face.pipeline import Recognizer

__all__ = ["evaluate_smile"]

HAPPY = "happy"


@dataclass(frozen=True)
class _Answers:
    """What the pipeline said of each picture; NaN where no face was found."""

    smile: NDArray[np.float64]
    happy: NDArray[np.float64]
    pose: NDArray[np.float64]
    unreadable: int
    seconds: float

    @property
    def found(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.happy)


def evaluate_smile(
    form: str,
    path: Path,
    *,
    model: str,
    landmarks: str,
    device: str,
    json_path: Path | None,
    picture: Path | None,
    quiet: bool,
) -> None:
    """Evaluate and report; a picture that cannot be read counts as missed and makes the exit code 1."""
    from ferkern.data import read_smiles

    try:
        data = read_smiles(path, form)
    except ValueError as error:
        raise typer.BadParameter(f"--path {describe(error, path)}") from error
    recognizer = make_recognizer(model=model, detector=None, landmarks=landmarks, device=device)
    if HAPPY not in recognizer.classifier.classes:
        raise typer.BadParameter(f"--model {model}: has no class {HAPPY!r}")
    answers = _ask(recognizer, data, quiet=quiet)
    scores = _scores(recognizer, data, answers)
    record = _record(recognizer, data, answers, scores) | {"model": model, "landmarks": landmarks}
    if json_path is not None and str(json_path) == "-":
        typer.echo(json.dumps(record, indent=2))
    else:
        _print(record)
        if json_path is not None:
            json_path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if picture is not None:
        _draw(picture, record, scores)
    if answers.unreadable:
        raise typer.Exit(1)


def _ask(recognizer: Recognizer, data: SmileSet, *, quiet: bool) -> _Answers:
    """The largest face of every picture."""
    smile, happy = np.full(len(data), np.nan), np.full(len(data), np.nan)
    pose = np.full((len(data), 3), np.nan)
    unreadable = 0
    begun = time.perf_counter()
    with closing(recognizer.stream(data.paths)) as stream:
        for row, done in enumerate(track(stream, "evaluating", total=len(data), quiet=quiet, unit="pictures")):
            if done.error is not None:
                unreadable += 1
                warn(describe(done.error, data.paths[row]))
            elif done.faces:
                face = done.faces[0]
                happy[row] = face.probabilities[HAPPY]
                smile[row] = np.nan if face.smile is None else face.smile
                pose[row] = np.nan if face.pose is None else face.pose
    return _Answers(smile, happy, pose, unreadable, time.perf_counter() - begun)


def _scores(recognizer: Recognizer, data: SmileSet, answers: _Answers) -> dict[str, BinaryScores]:
    from ferkern.evaluate import score_binary

    asked = {HAPPY: answers.happy}
    if recognizer.smile is not None:
        asked = {"smile": answers.smile, **asked}
    try:
        return {name: score_binary(data.smiles, values) for name, values in asked.items()}
    except ValueError as error:
        raise typer.BadParameter(f"--path: {error}") from error


def _record(
    recognizer: Recognizer, data: SmileSet, answers: _Answers, scores: dict[str, BinaryScores]
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "dataset": data.form,
        "n": len(data),
        "smiling": int(data.smiles.sum()),
        "found": float(answers.found.mean()),
        "unreadable": answers.unreadable,
        "smile": None,
        "trained_on_these": _was_trained_on(recognizer, data.form),
        "pictures_per_second": len(data) / answers.seconds,
        "pose_mean_error_degrees": _pose_errors(data, answers),
    }
    for name, each in scores.items():
        roc = {"false_positives": each.roc.false_positives, "true_positives": each.roc.true_positives}
        points = {key: np.round(values, 6).tolist() for key, values in roc.items()}
        record[name] = {"accuracy": each.accuracy, "auc": each.auc, "roc": points}
    return record


def _was_trained_on(recognizer: Recognizer, form: str) -> bool:
    """Whether the smile head's file says that it was trained on this data set."""
    if recognizer.smile is None:
        return False
    facts = " ".join(recognizer.smile.head.network.metadata.values()).lower()
    return form != "folder" and form.removesuffix("4k") in facts


def _pose_errors(data: SmileSet, answers: _Answers) -> dict[str, float] | None:
    """Mean distance of yaw, pitch and roll from the labels, over the faces that have both."""
    known = ~np.isnan(answers.pose[:, 0])
    if data.pose is None or not known.any():
        return None
    errors = np.degrees(np.abs(answers.pose[known] - data.pose[known]).mean(axis=0))
    return dict(zip(("yaw", "pitch", "roll"), errors.tolist(), strict=True))


_WHO = {"smile": "smile head", HAPPY: "expression network, probability of happy"}


def _print(record: dict[str, Any]) -> None:
    console = results()
    console.print(
        f"[bold]{escape(record['dataset'])}[/]: {record['n']:,} photographs, {record['smiling']:,} smiling; "
        f"landmarks {escape(record['landmarks'])}, model {escape(record['model'])}"
    )
    console.print(f"faces found in {record['found']:.2%}; where none is found the answer counts as wrong")
    for name, who in _WHO.items():
        if record[name] is None:
            console.print(f"{who}: none for this model and these landmarks")
        else:
            console.print(f"{who}: accuracy [bold]{record[name]['accuracy']:.2%}[/], AUC {record[name]['auc']:.4f}")
    if record["trained_on_these"]:
        console.print(
            "[bold]The smile head was trained on this data set: its figures here are no test.[/] The honest "
            "ones, by five folds, stand in its card and come from python -m ferkern.train.smile."
        )
    if record["pose_mean_error_degrees"]:
        parts = (f"{name} {value:.1f}°" for name, value in record["pose_mean_error_degrees"].items())
        console.print(f"mean distance of the pose from the labels: {', '.join(parts)}")
    console.print(f"{record['pictures_per_second']:.1f} pictures/s, from the file to the answer")


def _draw(target: Path, record: dict[str, Any], scores: dict[str, BinaryScores]) -> None:
    from ferkern.chart import roc_picture

    note = f"{record['n']:,} photographs; faces found in {record['found']:.1%}, the others score 0.5"
    if record["trained_on_these"]:
        note += "; the smile head was trained on them"
    image = roc_picture(
        {("smile head" if name == "smile" else "happy alone"): each for name, each in scores.items()},
        title=f"Smiles on {record['dataset']}",
        note=note,
    )
    try:
        image.save(target)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"--picture {target}: {error}") from error
    messages().print(f"ROC curve drawn: {target}", markup=False)
