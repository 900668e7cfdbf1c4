"""Curves of a run: a CSV line an epoch, and a picture with loss, accuracy and the classes' distribution."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

__all__ = ["EpochRecord", "draw_curves", "write_curves"]


@dataclass(slots=True)
class EpochRecord:
    """One line of the curves.

    Attributes
    ----------
    epoch
        Counted from 1.
    learning_rate
        At its last step.
    train_loss, train_accuracy
        Over its augmented training faces, soft targets for the loss and original labels for the accuracy,
        with the weights as they were at each step.
    validation_loss, validation_accuracy
        On the faces held out, with the averaged weights and the original labels.
    seconds
        Wall time.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


def write_curves(history: Sequence[EpochRecord], path: Path) -> None:
    """Write all epochs as CSV with a header."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(EpochRecord))
        for record in history:
            writer.writerow(f"{v:.6g}" if isinstance(v, float) else v for v in asdict(record).values())


def draw_curves(
    history: Sequence[EpochRecord], distribution: dict[str, dict[str, int]], path: Path, *, title: str
) -> None:
    """Draw loss, accuracy and the class distribution of each part side by side.

    Parameters
    ----------
    history
        The epochs.
    distribution
        Part (such as ``"training"``) to class to number of faces.
    path
        PNG file to write.
    title
        Line on top.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), layout="constrained")
    figure.suptitle(title)
    loss, accuracy, classes = figure.subplots(1, 3)
    epochs = [r.epoch for r in history]
    loss.plot(epochs, [r.train_loss for r in history], label="training")
    loss.plot(epochs, [r.validation_loss for r in history], label="held out")
    loss.set(xlabel="epoch", ylabel="cross-entropy, nats")
    accuracy.plot(epochs, [100 * r.train_accuracy for r in history], label="training, augmented")
    accuracy.plot(epochs, [100 * r.validation_accuracy for r in history], label="held out, averaged weights")
    accuracy.set(xlabel="epoch", ylabel="accuracy, %")
    width = 0.8 / max(len(distribution), 1)
    for index, (part, counts) in enumerate(distribution.items()):
        total = max(sum(counts.values()), 1)
        at = [i + (index - (len(distribution) - 1) / 2) * width for i in range(len(counts))]
        classes.bar(at, [100 * n / total for n in counts.values()], width, label=f"{part}, {total:,} faces")
        classes.set_xticks(range(len(counts)), list(counts), rotation=45)
    classes.set(ylabel="share of faces, %")
    for axes in (loss, accuracy, classes):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=110)
