"""Trains the detector that comes with ferkern: ``python -m ferkern.train.detector --data FOLDER --out FILE``.

Learns from landmarks68, landmarks68_video and no_faces. Every fifth picture of each is held out: every second faceless
one of those sets the constant of the probability, unless ``--constant`` gives it; the others serve nothing here. With
``--rounds 2`` the first detector boxes the faces of GENKI-4K, and a second one learns from both. The detector that is
shipped was made with ``--constant -4.8`` in one round.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ferkern.face import frontal
from ferkern.face.detect import Detector
from ferkern.face.verify import Verifier
from ferkern.models import store
from ferkern.models.network import Network
from ferkern.train import face_windows as windows
from ferkern.train import verifier
from ferkern.train.boosting import SoftCascade
from ferkern.train.cascade_growing import GrowingPlan, grow, varied
from ferkern.train.face_windows import Face, Grey

log = logging.getLogger(__name__)

FEATURES_OF_FUSION = 4
UNWEIGHED = np.array([0.25, 0.25, 0.5, 1.0, -5.0], np.float32)
"""Weights of first look, second look, vote and logarithm of windows, chosen by hand; `weighed` sets the constant."""
FALSE_SHARE = 0.015
"""Proposals a faceless picture that reach a probability of one half."""


@dataclass(slots=True)
class Recipe:
    """What one round costs.

    Attributes
    ----------
    plan : of the cascade
    copies : jittered windows of every face for the cascade
    loosened : how far the thresholds of the cascade are lowered when it proposes
    learning_stages, learning_loosened : the cascade, as it is when it proposes what the network learns from
    turns : turned copies of every face for the network
    squares : most squares that the network learns from
    backgrounds : most squares of one faceless picture
    epochs, rate : of the network
    """

    plan: GrowingPlan
    copies: int = 8
    loosened: float = 2.0
    learning_stages: int = 9
    learning_loosened: float = 0.7
    turns: int = 4
    squares: int = 90_000
    backgrounds: int = 25
    epochs: int = 5
    rate: float = 4e-3
    seed: int = 1


@dataclass(slots=True)
class Pictures:
    """Faces and faceless pictures to learn from, and others to set the constant of the probability on."""

    faces: list[Face]
    backgrounds: list[Grey]
    weigh_faces: list[Face]
    weigh_backgrounds: list[Grey]


def train_round(pictures: Pictures, recipe: Recipe, file: Path, constant: float | None = None) -> None:
    """Cascade, network, and their fusion, written to a detector's file; `constant` as in `weighed`."""
    rng = np.random.default_rng(recipe.seed)
    jitter = {"shift": 0.05, "zoom": 0.12, "turn": 9.0}
    copies = (
        windows.jittered(f, recipe.plan.window, rng, **jitter) for f in pictures.faces for _ in range(recipe.copies)
    )
    cascade = grow(np.stack(list(copies)), pictures.backgrounds, recipe.plan, rng)
    network = verifier.build_network(recipe.seed)
    early = loosened(cascade, recipe.learning_loosened, recipe.learning_stages)
    samples = gather(assembled(network, early, UNWEIGHED, file), pictures, recipe, rng)
    log.info("%d squares, %.3f of them faces", len(samples.truth), samples.truth.mean())
    network = verifier.fit(
        bare(network), samples.some(recipe.squares, rng), epochs=recipe.epochs, rate=recipe.rate, seed=0
    )
    final = loosened(cascade, recipe.loosened, len(cascade.thresholds))
    detector = assembled(network, final, UNWEIGHED, file)
    fusion = weighed(detector, pictures.weigh_faces, pictures.weigh_backgrounds, constant)
    log.info("weights of the evidence %s", fusion.round(3).tolist())
    assembled(bare(network), final, fusion, file)


def bare(network: Network) -> Network:
    """The network without the cascade's tensors."""
    network.weights = {k: v for k, v in network.weights.items() if not k.startswith(("cascade.", "fusion"))}
    return network


def loosened(cascade: SoftCascade, by: float, stages: int) -> SoftCascade:
    """The first stages of the cascade with lower thresholds, the first few by less."""
    lower = [t - by * min(1.0, (i + 1) / 4) for i, t in enumerate(cascade.thresholds[:stages])]
    ends = cascade.stage_ends[:stages]
    return SoftCascade(cascade.window, cascade.features[: ends[-1]], cascade.tables[: ends[-1]], ends, lower)


def assembled(network: Network, cascade: SoftCascade, fusion: NDArray[np.float32], file: Path) -> Detector:
    """Write the detector's file and load it."""
    frontal.attach(
        network,
        window=cascade.window,
        blocks=np.stack(cascade.features).astype(np.float32),
        tables=np.stack(cascade.tables).astype(np.float32),
        ends=np.array(cascade.stage_ends, np.float32),
        thresholds=np.array(cascade.thresholds, np.float32),
        fusion=fusion,
    )
    network.name = "frontal"
    store.save(network, file)
    return Detector.load(file)


def hits_of(detector: Detector, picture: Grey, most: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Squares [n, 3] that the cascade lets through, at most so many, taken at random."""
    hits, _ = detector._cascade.scan(picture, 1.2, (0, 0), (0, 0), 2)
    if len(hits) > most:
        hits = hits[rng.choice(len(hits), most, replace=False)]
    return hits[:, :3].astype(np.float64)


def gather(detector: Detector, pictures: Pictures, recipe: Recipe, rng: np.random.Generator) -> verifier.Samples:
    """What the network learns from: squares round faces, and what the cascade takes for faces elsewhere."""
    parts = []
    for face in pictures.faces:
        parts.append(verifier.face_samples(face, rng, turns=recipe.turns))
        squares = hits_of(detector, face.picture, 60, rng)
        centre = np.array(face.box[:2]) + face.box[2] / 2
        distance = np.hypot(*(squares[:, :2] + squares[:, 2:] / 2 - centre).T)
        near = squares[distance < face.box[2]]  # farther away there may be a face that nobody annotated
        if len(near):
            parts.append(verifier.labelled(face.picture, face.box, near))
    for background in pictures.backgrounds:
        for picture in (background, varied(background, rng)):
            squares = hits_of(detector, picture, recipe.backgrounds, rng)
            if len(squares):
                parts.append(verifier.background_samples(picture, squares))
    return verifier.Samples.join(parts)


def weighed(
    detector: Detector, faces: list[Face], backgrounds: list[Grey], constant: float | None = None
) -> NDArray[np.float32]:
    """Weights of the evidence [5], the constant set on pictures that the network did not learn from.

    Unless `constant` is given, it is such that `FALSE_SHARE` proposals a faceless picture reach a probability of one
    half; the faces only show in the log what that finds. (A logistic regression spends its weights on telling easy
    proposals from hopeless ones, and finds fewer faces at so few false ones.)
    """
    shares = UNWEIGHED[:FEATURES_OF_FUSION].astype(np.float64)
    false = [proposals_of(detector, picture) @ shares for picture in backgrounds]
    order = np.sort(np.concatenate(false))[::-1]
    level = order[min(len(order) - 1, int(FALSE_SHARE * len(backgrounds)))] if constant is None else -constant
    found = [proposals_of(detector, face.picture) @ shares for face in faces]
    share = np.mean([logits.max(initial=-np.inf) > level for logits in found])
    log.info("at %.2f: something in %.3f of %d pictures with a face", level, share, len(faces))
    return np.append(shares, -level).astype(np.float32)


def proposals_of(detector: Detector, picture: Grey) -> NDArray[np.float64]:
    """Evidence [n, 4] for everything that the cascade proposes."""
    hits, votes = detector._cascade.scan(picture, 1.2, (30, 30), (0, 0), 2)
    judge = detector._verifier
    assert isinstance(judge, Verifier)
    return judge.propose(picture, hits, votes, 1).evidence


def boxed(detector: Detector, folder: Path, least: float) -> list[Face]:
    """Faces of pictures that show one person each, boxed by the detector where it is sure and sees no second one."""
    faces = []
    for path in sorted((folder / "images").iterdir()):
        picture = windows.grey(path)
        found = detector.detect(picture, min_size=24, threshold=0.3)
        if len(found) and found.scores[0] >= least and (len(found) == 1 or found.scores[1] < least):
            x, y, side, _ = (float(v) for v in found.boxes[0])
            if side > 0.25 * min(picture.shape):
                faces.append(Face(picture, (x, y, side)))
    log.info("%s: %d faces boxed", folder.name, len(faces))
    return faces


def annotated(data: Path, *, held_out: bool) -> list[Face]:
    """The annotated faces that are held out, or the others."""
    folders = (data / "landmarks68", data / "landmarks68_video")
    return [face for folder in folders for face in windows.landmark_faces(folder, held_out=held_out)]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m ferkern.train.detector", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with landmarks68, no_faces, genki4k, ...")
    parser.add_argument("--out", type=Path, required=True, help="detector to write, .safetensors")
    parser.add_argument("--rounds", type=int, choices=(1, 2), default=1)
    parser.add_argument("--constant", type=float, help="constant of the probability's logit, instead of the rule's")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    pictures = Pictures(
        annotated(options.data, held_out=False),
        windows.pictures(options.data / "no_faces", held_out=False),
        annotated(options.data, held_out=True)[1::2],
        windows.pictures(options.data / "no_faces", held_out=True)[1::2],
    )
    train_round(pictures, Recipe(GrowingPlan()), options.out, options.constant)
    if options.rounds == 2:
        pictures.faces += boxed(Detector.load(options.out), options.data / "genki4k", 0.9)
        train_round(pictures, Recipe(GrowingPlan(), copies=4, turns=2, seed=2), options.out, options.constant)
    log.info("%s: %d bytes", options.out, options.out.stat().st_size)


if __name__ == "__main__":
    main()
