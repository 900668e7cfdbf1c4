"""The training loop: one cycle of gradient descent, averaged weights, resumable after any epoch."""

from __future__ import annotations

import json
import logging
import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor

from ferkern.data.faceset import FaceSet
from ferkern.models.network import Network
from ferkern.models.store import load
from ferkern.models.zoo import build
from ferkern.train.align import upright
from ferkern.train.augment import augment, standardise
from ferkern.train.average import WeightAverage
from ferkern.train.config import TrainConfig
from ferkern.train.curves import EpochRecord, draw_curves, write_curves
from ferkern.train.module import GraphModule
from ferkern.train.targets import soft_targets

__all__ = ["Trainer", "split_held_out"]

logger = logging.getLogger(__name__)
CHECKPOINT = "checkpoint.pt"


def split_held_out(faces: FaceSet, count: int, *, seed: int) -> tuple[FaceSet, FaceSet]:
    """Training faces less blank ones, and `count` of them held out, drawn by `seed`."""
    faces = faces.part("Training")
    faces = faces.select(faces.images.reshape(len(faces), -1).std(axis=1) > 1.0)
    if not 0 < count < len(faces):
        raise ValueError(f"held_out must be in 1..{len(faces) - 1} for {len(faces)} faces, is {count}")
    order = np.random.default_rng(seed).permutation(len(faces))
    return faces.select(np.sort(order[count:])), faces.select(np.sort(order[:count]))


class Trainer:
    """One run, from a folder: start it, or continue it from its last epoch.

    Parameters
    ----------
    config
        Settings.
    faces
        All labelled faces; only those of usage ``"Training"`` are used.
    out
        Folder for checkpoint, curves and result.
    resume
        Continue from the checkpoint in `out` if there is one.
    """

    def __init__(self, config: TrainConfig, faces: FaceSet, out: str | Path, *, resume: bool = False) -> None:
        torch.set_num_threads(config.threads)
        self.config, self.out = config, Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        train, held_out = split_held_out(faces, config.held_out, seed=config.seed)
        self.train_faces, self.held_out_faces = train, held_out
        network = load(config.start) if config.start else build(config.network, seed=config.seed)
        if network.name != config.network:
            raise ValueError(f"start: {config.start!r} holds {network.name!r}, the network is {config.network!r}")
        self.epsilon = float(network.preprocessing.get("epsilon", 1.0))
        self.module = GraphModule(network).to(memory_format=torch.channels_last)
        self.average = WeightAverage(self.module, decay=config.average_decay)
        self.optimiser = _optimiser(self.module, config)
        self.images = torch.from_numpy(train.images)
        self.upright = torch.from_numpy(upright(train.images)) if config.second.aligned else self.images
        self.labels = torch.from_numpy(train.labels)
        self.targets = [
            soft_targets(
                train.labels,
                train.votes,
                classes=len(train.classes),
                votes_weight=weight,
                label_smoothing=config.label_smoothing,
            )
            for weight in (config.votes_weight, config.second.votes_weight)
        ]
        self.history: list[EpochRecord] = []
        if resume and (self.out / CHECKPOINT).exists():
            self._restore()

    @property
    def steps(self) -> int:
        """Steps an epoch; the last, smaller batch is left out."""
        return max(len(self.images) // self.config.batch_size, 1)

    def learning_rate(self, step: int) -> float:
        """Rate at a step counted from the start; each cycle: linear rise, half a cosine down to zero."""
        c = self.config
        epochs, warmup, highest = c.epochs, c.warmup, c.learning_rate
        if step >= c.epochs * self.steps:
            step -= c.epochs * self.steps
            epochs, warmup, highest = c.second.epochs, 0.5, c.second.learning_rate
        total, rise = epochs * self.steps, max(warmup * self.steps, 1.0)
        if step < rise:
            return highest * min((step + 1) / rise, 1.0)
        done = (step - rise) / max(total - rise, 1.0)
        return float(highest * 0.5 * (1 + np.cos(np.pi * min(done, 1.0))))

    def distribution(self) -> dict[str, dict[str, int]]:
        """Part to class to number of faces."""
        return {
            "training": self.train_faces.distribution(),
            "held out": self.held_out_faces.distribution(),
        }

    def run(
        self,
        *,
        on_step: Callable[[int, int, int], None] | None = None,
        on_epoch: Callable[[EpochRecord], None] | None = None,
    ) -> Network:
        """Train to the last epoch and return the network with averaged weights.

        After every epoch the checkpoint and ``curves.csv`` are written, at the end ``curves.png``.

        Parameters
        ----------
        on_step
            Called with epoch, step and steps an epoch after every step, for a progress bar.
        on_epoch
            Called with every epoch's record.
        """
        (self.out / "config.json").write_text(json.dumps(self.config.to_dict(), indent=2) + "\n")
        for epoch in range(len(self.history), self.config.total_epochs):
            begin = time.perf_counter()
            if epoch == self.config.epochs:
                self._begin_second()
            loss, accuracy = self._epoch(epoch, on_step)
            held_loss, held_accuracy = self.validate()
            rate = self.learning_rate((epoch + 1) * self.steps - 1)
            record = EpochRecord(epoch + 1, rate, loss, accuracy, held_loss, held_accuracy, time.perf_counter() - begin)
            self.history.append(record)
            logger.info("%s", record)
            if on_epoch is not None:
                on_epoch(record)
            self._store()
            write_curves(self.history, self.out / "curves.csv")
        title = f"{self.config.network}, {len(self.train_faces):,} faces"
        write_curves(self.history, self.out / "curves.csv")
        draw_curves(self.history, self.distribution(), self.out / "curves.png", title=title)
        with self.average.applied(self.module):
            return self.module.to_network()

    def _begin_second(self) -> None:
        """Go on from the averaged weights, with an average of its own."""
        self.module.load_state_dict(self.average.state)
        self.average = WeightAverage(self.module, decay=self.config.second.average_decay)

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "bfloat16")

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Generator]]:
        """Rows of each step and the epoch's source of chance: the same after a resume."""
        generator = torch.Generator().manual_seed(self.config.seed * 100_003 + epoch)
        torch.manual_seed(self.config.seed * 100_003 + epoch)
        order = torch.randperm(len(self.images), generator=generator)
        for step in range(self.steps):
            size = self.config.batch_size
            yield order[step * size : (step + 1) * size], generator

    def _epoch(self, epoch: int, on_step: Callable[[int, int, int], None] | None) -> tuple[float, float]:
        self.module.train()
        losses, hits, seen = 0.0, 0, 0
        second = epoch >= self.config.epochs
        augmentation = (self.config.second if second else self.config).augmentation
        targets = self.targets[second]
        size = self.config.early_size if epoch < self.config.early_epochs else None
        for step, (rows, generator) in enumerate(self._batches(epoch)):
            for group in self.optimiser.param_groups:
                group["lr"] = self.learning_rate(epoch * self.steps + step)
            x = self.images[rows]
            if second and self.config.second.aligned:
                turned = torch.rand(len(rows), generator=generator) < self.config.second.aligned
                x = torch.where(turned[:, None, None], self.upright[rows], x)
            x = x.float()[:, None]
            x = augment(x, augmentation, generator, epsilon=self.epsilon, size=size)
            with self._autocast():
                logits = self.module(x.to(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float(), targets[rows])
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.config.clip)
            self.optimiser.step()
            self.average.update(self.module)
            losses += loss.item() * len(rows)
            hits += int((logits.argmax(dim=1) == self.labels[rows]).sum())
            seen += len(rows)
            if on_step is not None:
                on_step(epoch, step, self.steps)
        return losses / seen, hits / seen

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Class probabilities, float32 [n, classes], of faces uint8 [n, h, w] with the averaged weights."""
        self.module.eval()
        parts = []
        with self.average.applied(self.module), torch.no_grad(), self._autocast():
            for start in range(0, len(images), 256):
                x = torch.from_numpy(images[start : start + 256]).float()[:, None]
                x = standardise(x, epsilon=self.epsilon).to(memory_format=torch.channels_last)
                parts.append(F.softmax(self.module(x).float(), dim=1))
        return torch.cat(parts).numpy()

    def validate(self) -> tuple[float, float]:
        """Cross-entropy with the original labels and accuracy on the held-out faces."""
        p = self.predict(self.held_out_faces.images)
        labels = self.held_out_faces.labels
        chosen = np.maximum(p[np.arange(len(labels)), labels], 1e-12)
        return float(-np.log(chosen).mean()), float((p.argmax(axis=1) == labels).mean())

    def _store(self) -> None:
        state = {
            "config": self.config.to_dict(),
            "module": self.module.state_dict(),
            "average": self.average.state,
            "updates": self.average.updates,
            "optimiser": self.optimiser.state_dict(),
            "history": [asdict(record) for record in self.history],
        }
        part = self.out / (CHECKPOINT + ".part")
        torch.save(state, part)
        part.replace(self.out / CHECKPOINT)

    def _restore(self) -> None:
        path = self.out / CHECKPOINT
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(f"{path}: not a readable checkpoint: {error}") from error
        before = TrainConfig.from_dict(state["config"])
        if before.network != self.config.network:
            raise ValueError(f"{path}: holds a run of {before.network!r}, not of {self.config.network!r}")
        self.module.load_state_dict(state["module"])
        self.average.state = state["average"]
        self.average.updates = state["updates"]
        if len(state["history"]) > self.config.epochs:
            self.average.decay = self.config.second.average_decay
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = [EpochRecord(**record) for record in state["history"]]
        logger.info("resumed %s after epoch %d", path, len(self.history))


def _optimiser(module: GraphModule, config: TrainConfig) -> torch.optim.SGD:
    decayed = [p for p in module.parameters() if p.ndim > 1]
    others = [p for p in module.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=0.0, momentum=config.momentum, nesterov=True, foreach=True)
