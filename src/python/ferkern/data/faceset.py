"""Labelled faces in memory: the one form that every reader gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern.models.network import CLASSES

__all__ = ["FERPLUS_NAMES", "SIZE", "FaceSet"]

SIZE = 48
"""Side of a FER-2013 face, pixels."""

FERPLUS_NAMES = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
"""Columns of the FER+ votes (Barsoum et al. 2016), in their order."""


@dataclass(slots=True)
class FaceSet:
    """Faces with labels, row for row.

    Attributes
    ----------
    images
        uint8 [n, 48, 48], grey.
    labels
        int64 [n], index into `classes`.
    usage
        str [n]: ``"Training"``, ``"PublicTest"`` or ``"PrivateTest"``.
    votes
        int64 [n, 10], counts in the order of `FERPLUS_NAMES`, or None. A row of zeros has no votes.
    has_twin
        bool [n]: the same picture stands in the other part (training against test), or None if not known.
    classes
        Meaning of the labels.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    usage: NDArray[np.str_]
    votes: NDArray[np.int64] | None = None
    has_twin: NDArray[np.bool_] | None = None
    classes: tuple[str, ...] = CLASSES

    def __post_init__(self) -> None:
        if self.images.ndim != 3 or self.images.dtype != np.uint8:
            raise ValueError(f"images must be uint8 [n, h, w], is {self.images.dtype} {list(self.images.shape)}")
        n = len(self.images)
        for name in ("labels", "usage", "votes", "has_twin"):
            column = getattr(self, name)
            if column is not None and len(column) != n:
                raise ValueError(f"{name} has {len(column)} rows, but there are {n} images")
        if n and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise ValueError(
                f"labels must be in 0..{len(self.classes) - 1}, "
                f"are in {int(self.labels.min())}..{int(self.labels.max())}"
            )
        if self.votes is not None and self.votes.shape != (n, len(FERPLUS_NAMES)):
            raise ValueError(f"votes must have shape ({n}, {len(FERPLUS_NAMES)}), has {self.votes.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def select(self, rows: NDArray[Any]) -> FaceSet:
        """The faces at `rows` (bool [n] or integer indices)."""
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            usage=self.usage[rows],
            votes=None if self.votes is None else self.votes[rows],
            has_twin=None if self.has_twin is None else self.has_twin[rows],
        )

    def part(self, usage: str) -> FaceSet:
        """The faces of one usage; empty if there are none."""
        return self.select(self.usage == usage)

    def evaluation(self) -> FaceSet:
        """The faces to evaluate on: PublicTest if there are any, else PrivateTest, else all."""
        for usage in ("PublicTest", "PrivateTest"):
            if (self.usage == usage).any():
                return self.part(usage)
        return self

    def distribution(self) -> dict[str, int]:
        """Class to the number of its faces."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return {name: int(count) for name, count in zip(self.classes, counts, strict=True)}
