"""Training of every model by its recipe. Networks need torch (the extra ``[train]``), regression trees do not.

``recipe(name)`` gives a network's settings, `Trainer` runs them, `finish` writes weights, evaluation and card. Names
below are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOME = {
    "RECIPES": "config",
    "Augmentation": "augment",
    "GraphModule": "module",
    "Result": "finish",
    "TrainConfig": "config",
    "Trainer": "loop",
    "finish": "finish",
    "predict": "finish",
    "recipe": "config",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"ferkern.train.{_HOME[name]}"), name)
    raise AttributeError(f"module 'ferkern.train' has no attribute {name!r}")
