"""What was read of each face over a whole video, kept small: for summaries and pictures."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ferkern.video.results import Result

__all__ = ["FaceHistory", "History"]


@dataclass(slots=True, eq=False)
class FaceHistory:
    """One face; NaN where no smile was read.

    Attributes
    ----------
    id : int
    time : float64 [n]
        Seconds, of the frames it was seen on.
    probabilities : float32 [n, K]
        Smoothed.
    smile : float32 [n]
        Smoothed.
    """

    id: int
    time: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    smile: NDArray[np.float32]


@dataclass(slots=True)
class _Growing:
    time: array[float] = field(default_factory=lambda: array("d"))
    probabilities: array[float] = field(default_factory=lambda: array("f"))
    smile: array[float] = field(default_factory=lambda: array("f"))


class History:
    """Collects results; 40 bytes for each face of each frame.

    Parameters
    ----------
    classes : sequence of str
        Of the expressions.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.start = self.end = 0.0
        self.frames = 0
        self._faces: dict[int, _Growing] = {}

    def add(self, result: Result) -> None:
        """One frame."""
        if not self.frames:
            self.start = result.time
        self.frames += 1
        self.end = result.time
        for face in result.faces:
            kept = self._faces.setdefault(face.id, _Growing())
            kept.time.append(result.time)
            kept.probabilities.extend(face.probabilities[name] for name in self.classes)
            kept.smile.append(np.nan if face.smile is None else face.smile)

    def faces(self) -> list[FaceHistory]:
        """The faces, the one that was seen longest first."""
        found = [
            FaceHistory(
                number,
                np.array(kept.time),
                np.array(kept.probabilities, np.float32).reshape(-1, len(self.classes)),
                np.array(kept.smile, np.float32),
            )
            for number, kept in self._faces.items()
        ]
        return sorted(found, key=lambda face: -len(face.time))
