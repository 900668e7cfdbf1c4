"""From a trained run to what is shipped: the file of weights, its evaluation and its card."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ferkern import models
from ferkern.data.faceset import FaceSet
from ferkern.evaluate import Evaluation, score
from ferkern.models.network import Network
from ferkern.train.card import card
from ferkern.train.config import TrainConfig
from ferkern.train.module import GraphModule

__all__ = ["Result", "finish", "predict"]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Result:
    """What a finished run wrote.

    Attributes
    ----------
    weights
        The ``.safetensors`` file, float16.
    sha256
        Its hash.
    evaluation
        On the faces to evaluate on, or None if there are none.
    without_twins
        The same without faces that also stand in Training, or None if that is not known.
    """

    weights: Path
    sha256: str
    evaluation: Evaluation | None
    without_twins: Evaluation | None


def predict(network: Network, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Class probabilities, float32 [n, classes], of faces uint8 [n, h, w], by torch in float32."""
    module = GraphModule(network)
    module.eval()
    x = torch.from_numpy(models.preprocess(images, network.preprocessing))
    with torch.no_grad():
        parts = [F.softmax(module(part), dim=1) for part in x.split(256)]
    return np.concatenate([part.numpy() for part in parts])


def finish(network: Network, config: TrainConfig, faces: FaceSet, out: str | Path) -> Result:
    """Store the network, evaluate the stored file, and write its card.

    Parameters
    ----------
    network
        As `Trainer.run` returns it.
    config
        Its settings.
    faces
        All labelled faces; it is evaluated on those of PublicTest (or PrivateTest), once, at the end.
    out
        Folder to write ``NAME.safetensors``, ``NAME.md`` and ``evaluation.json`` to.
    """
    out = Path(out)
    weights = out / f"{network.name}.safetensors"
    evaluation = without_twins = None
    test = faces.select(faces.usage != "Training")
    models.save(network, weights)
    if len(test):
        test = test.evaluation()
        rounded = models.load(weights)
        p = predict(rounded, test.images)
        evaluation = score(test.labels, p, network.classes)
        if test.has_twin is not None:
            own = ~test.has_twin
            without_twins = score(test.labels[own], p[own], network.classes)
    # Weights that started from others say how those were made.
    before = {"start_recipe": network.metadata["recipe"]} if config.start and "recipe" in network.metadata else {}
    network.metadata = _facts(config, evaluation, without_twins) | before
    models.save(network, weights)
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    usage = str(test.usage[0]) if len(test) else ""
    record = {
        "model": network.name,
        "usage": usage,
        "sha256": sha256,
        "all": evaluation.to_dict() if evaluation else None,
        "without_twins": without_twins.to_dict() if without_twins else None,
        "config": config.to_dict(),
    }
    (out / "evaluation.json").write_text(json.dumps(record, indent=2) + "\n")
    text = card(network, config, faces, sha256, weights.stat().st_size, usage, evaluation, without_twins)
    (out / f"{network.name}.md").write_text(text)
    logger.info("wrote %s (%d bytes)", weights, weights.stat().st_size)
    return Result(weights, sha256, evaluation, without_twins)


def _facts(config: TrainConfig, evaluation: Evaluation | None, without_twins: Evaluation | None) -> dict[str, str]:
    facts = {
        "data": "FER-2013, Training part, with FER+ votes",
        "use": "research on images of consenting people; not for inferring emotions at work or school",
        "recipe": json.dumps(config.to_dict()),
    }
    if evaluation is not None:
        facts["accuracy"] = f"{evaluation.accuracy:.4f} of {evaluation.n}"
    if without_twins is not None:
        facts["accuracy_without_twins"] = f"{without_twins.accuracy:.4f} of {without_twins.n}"
    return facts
