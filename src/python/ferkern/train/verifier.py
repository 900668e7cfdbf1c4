"""The small network that looks at what the cascade proposes: says whether it is a face, and where exactly.

Input: the proposed square, widened (`ferkern.face.verify.CONTEXT`), as 32x32 grey values without mean and contrast.
Output: four numbers: logit of "face", then x, y and log side of the face's square relative to the proposed one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from ferkern import _core as native
from ferkern.face.verify import widened
from ferkern.models.builder import GraphBuilder
from ferkern.models.network import Network
from ferkern.train.face_windows import Face, Grey
from ferkern.train.module import GraphModule

log = logging.getLogger(__name__)

SIZE = 32
Boxes = NDArray[np.float64]


@dataclass(slots=True)
class Samples:
    """Cut-outs with what the network should say of them.

    Attributes
    ----------
    crops : float32 [n, 32, 32]
    truth : float32 [n], 1 face, 0 not
    offsets : float32 [n, 3], x, y (of the side) and log side of the face; nan where there is none
    """

    crops: NDArray[np.float32]
    truth: NDArray[np.float32]
    offsets: NDArray[np.float32]

    def some(self, most: int, rng: np.random.Generator) -> Samples:
        """At most so many samples, taken at random."""
        index = rng.permutation(len(self.truth))[:most]
        return Samples(self.crops[index], self.truth[index], self.offsets[index])

    @staticmethod
    def join(parts: list[Samples]) -> Samples:
        """All samples in one."""
        return Samples(
            np.concatenate([p.crops for p in parts]),
            np.concatenate([p.truth for p in parts]),
            np.concatenate([p.offsets for p in parts]),
        )


def build_network(seed: int = 0) -> Network:
    """Four convolutions and two dense layers, 1.1 million multiply-adds."""
    g = GraphBuilder("face_verifier", (1, SIZE, SIZE), seed=seed)
    x = g.conv_bn("input", 16, 5, stride=2)
    x = g.conv_bn(g.max_pool2d(x, 2), 28, 3)
    x = g.conv_bn(x, 32, 3)
    x = g.conv_bn(g.max_pool2d(x, 2), 48, 3)
    x = g.flatten(x)
    x = g.activation(g.dense(x, 64))
    x = g.dense(x, 4)
    network = g.network
    network.classes = ()
    return network


def cut(picture: Grey, boxes: Boxes) -> NDArray[np.float32]:
    """Network inputs [n, 32, 32] for squares [n, 3]."""
    return native.crop_squares(picture, np.ascontiguousarray(widened(boxes)), SIZE)


def offsets_to(box: tuple[float, float, float], boxes: Boxes) -> NDArray[np.float64]:
    """Where the face's square lies relative to each of the squares: [n, 3]."""
    centre = np.array([box[0] + box[2] / 2, box[1] + box[2] / 2])
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    return np.concatenate([(centre - centres) / boxes[:, 2:], np.log(box[2] / boxes[:, 2:])], 1)


def overlap(box: tuple[float, float, float], boxes: Boxes) -> NDArray[np.float64]:
    """Intersection over union of a square with squares [n, 3]."""
    low = np.maximum(np.array(box[:2]), boxes[:, :2])
    high = np.minimum(np.array(box[:2]) + box[2], boxes[:, :2] + boxes[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    return np.asarray(common / (box[2] ** 2 + boxes[:, 2] ** 2 - common))


def face_samples(face: Face, rng: np.random.Generator, *, turns: int = 4, each: int = 6) -> Samples:
    """Squares near the face, on turned and shrunk copies of the picture; far ones among them are not faces."""
    parts = []
    for turn in range(turns):
        picture, box = _copy(face, rng, 0.0 if turn == 0 else float(rng.normal(0, 14)))
        side = box[2] * np.exp(rng.uniform(-0.3, 0.3, each))
        shift = rng.uniform(-0.18, 0.18, (each, 2)) * box[2]
        near = _squares(box, shift, side)
        angle, reach = rng.uniform(0, 2 * np.pi, 2), rng.uniform(0.45, 1.1, 2)
        away = np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None] * box[2]
        wrong = np.concatenate(
            [
                _squares(box, away, box[2] * np.exp(rng.uniform(-0.6, 0.6, 2))),
                _squares(box, rng.uniform(-0.2, 0.2, (1, 2)) * box[2], np.array([box[2] * rng.uniform(0.3, 0.48)])),
                _squares(box, rng.uniform(-0.2, 0.2, (1, 2)) * box[2], np.array([box[2] * rng.uniform(2.1, 3.0)])),
            ]
        )
        parts.append(labelled(picture, box, np.concatenate([near, wrong])))
    return Samples.join(parts)


def _squares(box: tuple[float, float, float], shift: NDArray[np.float64], side: NDArray[np.float64]) -> Boxes:
    centre = np.array([box[0] + box[2] / 2, box[1] + box[2] / 2]) + shift
    return np.concatenate([centre - side[:, None] / 2, side[:, None]], 1)


def labelled(picture: Grey, box: tuple[float, float, float], boxes: Boxes) -> Samples:
    """Squares of a picture by their overlap with the one face: 0.45 and more a face, under 0.3 not, others left out."""
    common = overlap(box, boxes)
    keep = (common >= 0.45) | (common < 0.3)
    boxes, common = boxes[keep], common[keep]
    truth = (common >= 0.45).astype(np.float32)
    offsets = offsets_to(box, boxes).astype(np.float32)
    offsets[truth == 0] = np.nan
    return Samples(cut(picture, boxes), truth, offsets)


def background_samples(picture: Grey, boxes: Boxes) -> Samples:
    """Squares of a picture without faces."""
    count = len(boxes)
    return Samples(cut(picture, boxes), np.zeros(count, np.float32), np.full((count, 3), np.nan, np.float32))


def _copy(face: Face, rng: np.random.Generator, degrees: float) -> tuple[Grey, tuple[float, float, float]]:
    """The picture turned about the face's centre and shrunk so that the face is 20 to 90 pixels wide."""
    x, y, side = face.box
    centre = (x + side / 2, y + side / 2)
    image = Image.fromarray(face.picture)
    if degrees:
        margin = int(side)
        padded = np.pad(face.picture, margin, mode="edge")
        centre = (centre[0] + margin, centre[1] + margin)
        image = Image.fromarray(padded).rotate(degrees, Image.Resampling.BILINEAR, center=centre)
    scale = min(1.0, float(np.exp(rng.uniform(np.log(20), np.log(90)))) / side)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    shrunk = np.asarray(image.resize(size, Image.Resampling.BOX if rng.random() < 0.5 else Image.Resampling.BILINEAR))
    sx, sy = size[0] / image.width, size[1] / image.height
    return shrunk, (centre[0] * sx - side * sx / 2, centre[1] * sy - side * sx / 2, side * sx)


def fit(
    network: Network, samples: Samples, *, epochs: int, rate: float, seed: int, faces_weight: float = 1.0
) -> Network:
    """Train with AdamW in one cycle: up for 15 % of the steps, then down, both along a cosine.

    Half of what is seen is mirrored, and light noise is added.
    """
    torch.manual_seed(seed)
    module = GraphModule(network)
    crops, truth, offsets = (torch.from_numpy(a) for a in (samples.crops, samples.truth, samples.offsets))
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=1e-3)
    batch = 256
    steps = epochs * (len(truth) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.15)
    for epoch in range(epochs):
        module.train()
        total = 0.0
        for index in torch.randperm(len(truth)).split(batch):
            if len(index) < batch:
                continue
            loss = _loss(module, crops[index], truth[index], offsets[index], faces_weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        log.info("epoch %d: loss %.4f", epoch + 1, total / max(1, len(truth) // batch))
    module.eval()
    return module.to_network()


def _loss(
    module: nn.Module, crops: torch.Tensor, truth: torch.Tensor, offsets: torch.Tensor, faces_weight: float
) -> torch.Tensor:
    mirror = torch.rand(len(crops)) < 0.5
    x = torch.where(mirror[:, None, None], crops.flip(2), crops)
    offsets = torch.where(mirror[:, None], offsets * torch.tensor([-1.0, 1.0, 1.0]), offsets)
    x = x + torch.randn_like(x) * 0.08 * torch.rand(len(x), 1, 1)
    out = module(x[:, None])
    weight = torch.where(truth > 0, faces_weight, 1.0)
    face = nn.functional.binary_cross_entropy_with_logits(out[:, 0], truth, weight=weight)
    here = truth > 0
    if not here.any():  # the mean over no face is no number
        return face
    place = nn.functional.smooth_l1_loss(out[here, 1:], offsets[here], beta=0.05)
    return face + 2.0 * place
