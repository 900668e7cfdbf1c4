"""Training of every network by one recipe; needs torch (the extra ``[train]``).

``recipe(name)`` gives the settings, `Trainer` runs them, `finish` writes weights, evaluation and card.
"""

from __future__ import annotations

from ferkern.train.augment import Augmentation
from ferkern.train.config import RECIPES, TrainConfig, recipe
from ferkern.train.finish import Result, finish, predict
from ferkern.train.loop import Trainer
from ferkern.train.module import GraphModule

__all__ = [
    "RECIPES",
    "Augmentation",
    "GraphModule",
    "Result",
    "TrainConfig",
    "Trainer",
    "finish",
    "predict",
    "recipe",
]
