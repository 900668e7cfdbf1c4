"""Landmarks of a face: the 68 points of iBUG 300-W, found by trees or by a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["LANDMARKS", "MIRRORED_68", "LandmarkModel", "load"]

LANDMARKS = "trees"
"""The landmark model that is used unless another is asked for."""


class LandmarkModel(Protocol):
    """Anything that finds the points of faces: `LandmarkTrees`, `LandmarkNetwork`, or your own."""

    def __call__(self, gray: NDArray[np.uint8], boxes: NDArray[np.floating[Any]], /) -> NDArray[np.float32]:
        """Points float32 [n, 68, 2] (x, y; pixel centres at whole numbers) of n boxes [n, 4] (x, y, width, height)."""


MIRRORED_68 = np.concatenate(
    [
        *([*range(16, -1, -1)], [*range(26, 16, -1)], [*range(27, 31)], [*range(35, 30, -1)]),  # jaw, brows, nose
        *([45, 44, 43, 42, 47, 46], [39, 38, 37, 36, 41, 40]),  # eyes
        *([*range(54, 47, -1)], [*range(59, 54, -1)], [*range(64, 59, -1)], [*range(67, 64, -1)]),  # mouth
    ]
)
"""Which point of a face each point becomes when the picture is mirrored."""


def load(model: str | os.PathLike[str], *, threads: int | None = None) -> LandmarkModel:
    """A landmark model.

    Parameters
    ----------
    model
        ``"trees"`` or ``"network"``, which come with the package; or a file: a landmark network's or landmark trees'
        (`.safetensors`), or one of dlib's ``shape_predictor`` (`.dat`).
    threads
        Threads of one call; None: as many as the process may use.

    Raises
    ------
    ValueError
        There is neither a model nor a file of that name.
    ModelError
        The file is damaged.
    """
    from ferkern.face.landmark_network import LandmarkNetwork
    from ferkern.face.landmark_trees import LandmarkTrees, holds_trees

    if model not in ("trees", "network") and not Path(model).is_file():
        raise ValueError(f"landmarks: {os.fspath(model)!r} is neither 'trees' nor 'network' nor a file")
    if model == "trees" or holds_trees(Path(model)):
        return LandmarkTrees.load("landmarks68_trees" if model == "trees" else model, threads=threads)
    return LandmarkNetwork("landmarks68_net" if model == "network" else model, threads=threads)
