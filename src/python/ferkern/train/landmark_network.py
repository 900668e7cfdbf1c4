"""Training of the landmark network: crops of annotated faces under random similarities, error in eye distances.

``python -m ferkern.train.landmark_network --path landmarks68 [--more landmarks68_video] --out DIR [--resume]``
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from ferkern import image, models
from ferkern.face.landmark_network import LandmarkNetwork, attach, unit_to_pixels
from ferkern.face.landmarks import MIRRORED_68
from ferkern.models.builder import GraphBuilder
from ferkern.models.network import Network
from ferkern.train.average import WeightAverage
from ferkern.train.face_windows import face_box, grey, is_held_out
from ferkern.train.landmark_samples import detected_box
from ferkern.train.module import GraphModule

__all__ = ["LandmarkConfig", "LandmarkTrainer", "MarkedFace", "interocular_error", "landmarks68_net", "read_marked"]

SIDE = 64
FRAMING = 1.3  # side of the first crop over the larger side of the box
OUTER_EYES = (36, 45)


@dataclass(slots=True)
class MarkedFace:
    """A grey picture uint8 [H, W], the points float64 [P, 2] and the box float64 [4] of one of its faces."""

    gray: NDArray[np.uint8]
    points: NDArray[np.float64]
    box: NDArray[np.float64]
    name: str
    weight: float = 1.0


@dataclass(slots=True)
class LandmarkConfig:
    """Settings of one run.

    Attributes
    ----------
    steps
        Steps of gradient descent.
    batch_size
        Crops a step.
    learning_rate
        Highest rate of AdamW: a linear rise over the first 3 % of the steps, then half a cosine down to zero.
    first_share
        Share of crops that are framed as boxes frame faces; the others as the second look sees them.
    """

    steps: int = 8000
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    average_decay: float = 0.999
    first_share: float = 0.5
    validation: int = 87
    seed: int = 0
    threads: int = 1
    widths: tuple[int, ...] = field(default=(16, 24, 48, 96, 160))


def landmarks68_net(*, widths: Sequence[int] = (16, 24, 48, 96, 160), points: int = 68, seed: int = 0) -> Network:
    """The network: 3x3 convolutions where planes are large, depthwise-separable residual blocks where they are deep."""
    g = GraphBuilder("landmarks68_net", (1, SIDE, SIDE), seed=seed)
    stem, first, second, third, fourth = widths
    x = g.conv_bn("input", stem, 3, stride=2)
    x = g.conv_bn(x, first, 3)
    y = g.conv_bn(g.conv_bn(x, second, 3, stride=2), second, 3, activation=None)
    x = g.activation(g.add(y, g.conv_bn(x, second, 1, stride=2, activation=None)))
    for channels, blocks in ((third, 3), (fourth, 2)):
        x = _separable(g, x, channels, stride=2)
        for _ in range(blocks):
            x = g.activation(g.add(x, _separable(g, x, channels, activation=None)))
    g.dense(g.dropout(g.flatten(x), 0.1), 2 * points)
    return g.finish(
        preprocessing={"size": [SIDE, SIDE], "channels": 1, "normalization": "per_image", "epsilon": 1.0}, classes=()
    )


def _separable(g: GraphBuilder, x: str, channels: int, *, stride: int = 1, activation: str | None = "relu") -> str:
    depth = g.shapes[x][0]
    x = g.activation(g.batch_norm(g.conv2d(x, depth, 3, stride=stride, groups=depth, bias=False)))
    return g.conv_bn(x, channels, 1, activation=activation)


def interocular_error(found: NDArray[np.floating], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean distance of found points [n, 68, 2] over the distance of the outer eye corners, [n]."""
    eyes = np.linalg.norm(points[:, OUTER_EYES[0]] - points[:, OUTER_EYES[1]], axis=-1)
    result: NDArray[np.float64] = np.linalg.norm(found - points, axis=-1).mean(axis=1) / eyes
    return result


def read_marked(folder: Path, *, held_out: bool | None, weight: float = 1.0) -> list[MarkedFace]:
    """Faces of a folder with points68.npz and images/, boxed by the detector that comes with ferkern.

    Where it finds nothing on the face the box follows from the points (`face_box`). `held_out`: the part kept for
    evaluation, or the other; None: all.
    """
    from ferkern.face.detect import Detector

    detector = Detector.load()
    stored = np.load(folder / "points68.npz")
    faces = []
    for place, row in enumerate(np.argsort(stored["names"])):
        if held_out is not None and is_held_out(place) != held_out:
            continue
        name = str(stored["names"][row])
        points = stored["points"][row].astype(np.float64)
        picture = grey(folder / "images" / name)
        box = detected_box(stored["points"][row], detector.detect(picture).boxes)
        if box is None:
            x, y, side = face_box(stored["points"][row])
            box = np.array([x, y, side, side])
        faces.append(MarkedFace(picture, points, box, name, weight))
    return faces


def mean_shape(faces: Sequence[MarkedFace]) -> NDArray[np.float64]:
    """The symmetric mean of upright shapes (generalised Procrustes), where boxes of the detector put it in a crop."""
    shapes = np.stack([f.points for f in faces])
    boxes = np.stack([f.box for f in faces])
    centre, side = boxes[:, None, :2] + boxes[:, None, 2:] / 2 - 0.5, FRAMING * boxes[:, None, 2:].max(2, keepdims=True)
    shapes = (shapes - centre) / side
    mean = np.median(shapes, axis=0)
    for _ in range(10):
        turned = image.transform_points(image.fit_similarity(shapes, mean), shapes)
        now = turned.mean(axis=0)
        now = (now + now[MIRRORED_68] * (-1, 1)) / 2
        mean = image.transform_points(image.fit_similarity(now, mean), now)
        mean = (mean + mean[MIRRORED_68] * (-1, 1)) / 2
    return mean


def near(face: MarkedFace, *, side: float = 144.0) -> MarkedFace:
    """The surroundings of a face, reduced so that its first crop has about `side` pixels: quick to sample again."""
    extent = float(face.box[2:].max()) * FRAMING
    middle = face.box[:2] + face.box[2:] / 2
    height, width = face.gray.shape
    x0, y0 = (max(int(v), 0) for v in middle - 1.5 * extent)
    x1, y1 = min(int(middle[0] + 1.5 * extent), width), min(int(middle[1] + 1.5 * extent), height)
    cut = np.ascontiguousarray(face.gray[y0:y1, x0:x1])
    offset = np.array([x0, y0], np.float64)
    size = tuple(max(round(n * min(side / extent, 1.0)), 1) for n in cut.shape)
    scale = np.array([size[1] / cut.shape[1], size[0] / cut.shape[0]])
    if size != cut.shape:
        cut = image.resize(cut, size, method="area")
    points = (face.points - offset + 0.5) * scale - 0.5
    box = np.concatenate([(face.box[:2] - offset) * scale, face.box[2:] * scale])
    return replace(face, gray=cut, points=points, box=box)


class LandmarkTrainer:
    """One run, from a folder: start it, or continue it from its checkpoint."""

    def __init__(self, config: LandmarkConfig, faces: list[MarkedFace], out: Path, *, resume: bool = False) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.out = config, out
        out.mkdir(parents=True, exist_ok=True)
        order = np.random.default_rng(config.seed).permutation(sum(f.weight == 1 for f in faces))
        annotated = [f for f in faces if f.weight == 1]
        self.validation = [annotated[i] for i in order[: config.validation]]
        training = [annotated[i] for i in order[config.validation :]] + [f for f in faces if f.weight != 1]
        self.faces = [near(f) for f in training]
        self.template = mean_shape(annotated)
        network = landmarks68_net(widths=config.widths, seed=config.seed)
        last = network.nodes[-1].weights
        network.weights[last["b"]][:] = self.template.reshape(-1)
        network.weights[last["w"]] *= 0.1
        attach(network, template=self.template, framing=(FRAMING, 0.0))
        self.module = GraphModule(network).to(memory_format=torch.channels_last)
        self.average = WeightAverage(self.module, decay=config.average_decay)
        self.optimiser = torch.optim.AdamW(self.module.parameters(), lr=0.0, weight_decay=config.weight_decay)
        # From a crop's units to the picture, with the face upright and framed like the mean shape.
        self.upright = image.fit_similarity(
            np.broadcast_to(self.template, (len(self.faces), 68, 2)), np.stack([f.points for f in self.faces])
        )
        weights = np.array([f.weight for f in self.faces])
        self.chances = weights / weights.sum()
        self.step = 0
        if resume and (out / "checkpoint.pt").exists():
            self._restore()

    def _moves(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Random similarities [count, 2, 3] within a crop's units, as boxes err or as first answers do."""
        first = rng.random(count) < self.config.first_share
        angle = np.where(first, rng.normal(0, 12, count), rng.normal(0, 4, count))
        wide = first & (rng.random(count) < 0.3)
        angle = np.deg2rad(np.where(wide, rng.uniform(-50, 50, count), angle))
        scale = np.exp(np.where(first, rng.normal(0, 0.12, count), rng.normal(0, 0.04, count)))
        shift = np.where(first[:, None], rng.normal(0, 0.045, (count, 2)), rng.normal(0, 0.015, (count, 2)))
        c, s = scale * np.cos(angle), scale * np.sin(angle)
        return np.stack([np.stack([c, -s, shift[:, 0]], 1), np.stack([s, c, shift[:, 1]], 1)], 1)

    def _batches(self, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Crops [b, 1, 64, 64], shapes [b, 68, 2] in their units, and distances of eyes [b]."""
        rng = np.random.default_rng((self.config.seed, seed))
        to_units = unit_to_pixels(SIDE)
        while True:
            rows = rng.choice(len(self.faces), self.config.batch_size, p=self.chances)
            matrices = image.compose(self.upright[rows], self._moves(rng, len(rows)))
            views = image.compose(matrices, to_units)
            crops = np.empty((len(rows), SIDE, SIDE), np.float32)
            for i, (row, view) in enumerate(zip(rows, views, strict=True)):
                crops[i] = image.warp(self.faces[row].gray, view, (SIDE, SIDE), border="replicate", antialias=True)
            points = np.stack([self.faces[row].points for row in rows])
            shapes = image.transform_points(image.invert(matrices), points)
            mirrored = rng.random(len(rows)) < 0.5
            crops[mirrored] = crops[mirrored, :, ::-1]
            shapes[mirrored] = shapes[mirrored][:, MIRRORED_68] * (-1, 1)
            eyes = np.linalg.norm(shapes[:, OUTER_EYES[0]] - shapes[:, OUTER_EYES[1]], axis=1)
            # Profile faces have their eyes near each other; they are not to outweigh all others.
            eyes = np.maximum(eyes, 0.25)
            x = torch.from_numpy(_disturbed(crops, rng))[:, None]
            yield x, torch.from_numpy(shapes.astype(np.float32)), torch.from_numpy(eyes.astype(np.float32))

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        rise = max(self.config.steps * 0.03, 1)
        if step < rise:
            return self.config.learning_rate * (step + 1) / rise
        done = (step - rise) / max(self.config.steps - rise, 1)
        return float(self.config.learning_rate * 0.5 * (1 + np.cos(np.pi * done)))

    def run(self, *, every: int = 250, console: Console | None = None) -> Network:
        """Train to the last step; the network with averaged weights."""
        begin, total = time.perf_counter(), 0.0
        (self.out / "config.json").write_text(json.dumps(asdict(self.config), indent=2) + "\n")
        batches = self._batches(self.step)
        self.module.train()
        while self.step < self.config.steps:
            x, shapes, eyes = next(batches)
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate(self.step)
            found = self.module(x.to(memory_format=torch.channels_last)).view(-1, 68, 2)
            distance = ((found - shapes).square().sum(-1) + 1e-7).sqrt().mean(1) / eyes
            loss = distance.mean()
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
            self.optimiser.step()
            self.average.update(self.module)
            self.step += 1
            total += loss.item()
            if self.step % every == 0 or self.step == self.config.steps:
                error = self.validate()
                if console:
                    console.print(
                        f"step {self.step}/{self.config.steps}: training {100 * total / every:.2f} %, validation "
                        f"{100 * error:.2f} %, {time.perf_counter() - begin:.0f} s"
                    )
                total = 0.0
                self._store()
        return self.network()

    def network(self) -> Network:
        """The graph with averaged weights."""
        with self.average.applied(self.module):
            return self.module.to_network()

    def validate(self) -> float:
        """Mean error of the averaged weights on the faces kept back, from the detector's boxes."""
        return float(errors_on(LandmarkNetwork(self.network(), threads=1), self.validation).mean())

    def _store(self) -> None:
        state = {
            "config": asdict(self.config),
            "step": self.step,
            "module": self.module.state_dict(),
            "average": self.average.state,
            "updates": self.average.updates,
            "optimiser": self.optimiser.state_dict(),
        }
        part = self.out / "checkpoint.part"
        torch.save(state, part)
        part.replace(self.out / "checkpoint.pt")

    def _restore(self) -> None:
        state = torch.load(self.out / "checkpoint.pt", map_location="cpu", weights_only=True)
        self.module.load_state_dict(state["module"])
        self.average.state, self.average.updates = state["average"], state["updates"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]


def errors_on(model: LandmarkNetwork, faces: Sequence[MarkedFace]) -> NDArray[np.float64]:
    """Interocular error of each face, from its box."""
    found = np.concatenate([model(f.gray, f.box[None]) for f in faces])
    return interocular_error(found, np.stack([f.points for f in faces]))


def _disturbed(crops: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Light, contrast, gamma, noise and covered parts; then each crop by its own mean and deviation."""
    n = len(crops)
    gamma = np.exp(rng.normal(0, 0.25, (n, 1, 1))).astype(np.float32)
    x = np.asarray(255 * (np.clip(crops, 0, 255) / 255) ** gamma, np.float32)
    slope = rng.normal(0, 0.5, (n, 2, 1)).astype(np.float32)
    ramp = np.linspace(-1, 1, SIDE, dtype=np.float32)
    x *= np.exp(slope[:, :1] * ramp[None, :, None] * 0.5 + slope[:, 1:] * ramp[None, None] * 0.5)
    x += rng.standard_normal(x.shape, np.float32) * rng.uniform(0, 10, (n, 1, 1)).astype(np.float32)
    for i in np.flatnonzero(rng.random(n) < 0.3):
        height, width = rng.integers(8, 28, 2)
        top, left = rng.integers(0, SIDE - height), rng.integers(0, SIDE - width)
        x[i, top : top + height, left : left + width] = rng.uniform(0, 255)
    x -= x.mean(axis=(1, 2), keepdims=True)
    x /= np.maximum(x.std(axis=(1, 2), keepdims=True), 1.0)
    return x


def main(arguments: list[str] | None = None) -> None:
    """Train, store, and evaluate once on the held-out pictures."""
    parser = argparse.ArgumentParser(
        prog="python -m ferkern.train.landmark_network", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--path", type=Path, required=True, help="folder with images/ and points68.npz")
    parser.add_argument("--more", type=Path, help="another such folder, noisier: its faces count half")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=LandmarkConfig().steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, highlight=False)
    faces = read_marked(options.path, held_out=False)
    if options.more:
        faces += read_marked(options.more, held_out=None, weight=0.5)
    config = LandmarkConfig(steps=options.steps, seed=options.seed)
    trainer = LandmarkTrainer(config, faces, options.out, resume=options.resume)
    console.print(f"{len(trainer.faces)} faces, {len(trainer.validation)} for validation")
    network = trainer.run(console=console)
    path = options.out / f"{network.name}.safetensors"
    models.save(network, path)
    held_out = read_marked(options.path, held_out=True)
    for looks in (1, 2, 3):
        errors = errors_on(LandmarkNetwork(path, looks=looks), held_out)
        console.print(
            f"{len(held_out)} held-out faces, {looks} looks: mean error {100 * errors.mean():.2f} %, "
            f"median {100 * np.median(errors):.2f} %, above 10 %: {100 * (errors > 0.1).mean():.1f} %"
        )


if __name__ == "__main__":
    main()
