"""The network behind the cascade: which of its squares are faces, and where exactly they lie."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.errors import ModelError

if TYPE_CHECKING:
    from ferkern.models.network import Network
    from ferkern.session import Session

__all__ = ["CONTEXT", "Proposals", "Verifier", "moved", "widened"]

Float64 = npt.NDArray[np.float64]

CONTEXT = 1.25
"""Side of the square that the network sees, in sides of the square that it judges."""

_BATCH = 16
_MOST_SQUARES = 600
_PROPOSAL_OVERLAP, _NEVER = 0.55, 2.0
_FACE_OVERLAP, _FACE_INSIDE = 0.3, 0.65
_SECOND_LOOK = -3.0
_LIMIT = 12.0


@dataclass(frozen=True, slots=True)
class Proposals:
    """What the cascade proposes and how the network sees it.

    Attributes
    ----------
    squares : float64 [n, 3]
        x, y, side after two looks.
    evidence : float64 [n, 4]
        Logit of the first and of the second look, vote of the cascade, logarithm of its windows here.
    """

    squares: Float64
    evidence: Float64


def widened(squares: Float64) -> Float64:
    """Squares x, y, side [n, 3] with their surroundings, as the network sees them."""
    margin = squares[:, 2] * (CONTEXT - 1) / 2
    return np.stack([squares[:, 0] - margin, squares[:, 1] - margin, squares[:, 2] * CONTEXT], axis=1)


def moved(squares: Float64, offsets: Float64) -> Float64:
    """Squares [n, 3] after offsets [n, 3] of the centre, in sides, and of the side, as a logarithm."""
    side = squares[:, 2] * np.exp(np.clip(offsets[:, 2], -1.0, 1.0))
    centre = squares[:, :2] + squares[:, 2:] * (0.5 + np.clip(offsets[:, :2], -1.0, 1.0))
    return np.concatenate([centre - side[:, None] / 2, side[:, None]], axis=1)


class Verifier:
    """Judges squares with a network whose four outputs are the logit of "face" and the face's place.

    Parameters
    ----------
    network
        Input 1 x s x s, four outputs. It is planned once for each thread that uses it.
    fusion : float32 [5]
        Weights of the four kinds of evidence, and the constant, of the logit of a face.
    """

    def __init__(self, network: Network, fusion: npt.NDArray[np.float32]) -> None:
        shapes = network.infer_shapes()
        channels, height, width = network.input_shape
        if channels != 1 or height != width or shapes[network.output] != (4,) or fusion.shape != (5,):
            raise ModelError(
                f"network {network.name!r}: input {network.input_shape}, output {shapes[network.output]}, fusion "
                f"{fusion.shape}; a verifier has (1, s, s), (4,) and (5,)"
            )
        self._network = network
        self._fusion = fusion.astype(np.float64)
        self._size = height
        self._here = threading.local()

    def _session(self) -> Session:
        session: Session | None = getattr(self._here, "session", None)
        if session is None:
            session = self._here.session = self._network.plan(batch=_BATCH, threads=1)
        return session

    def look(self, gray: npt.NDArray[np.uint8], squares: Float64) -> tuple[Float64, Float64]:
        """Logit [n] of a face, and the face's square [n, 3], for squares [n, 3]."""
        if len(squares) == 0:
            return np.zeros(0), np.zeros((0, 3))
        crops = _core.crop_squares(gray, np.ascontiguousarray(widened(squares)), self._size)
        out = self._session().run(crops[:, None]).astype(np.float64)
        return np.clip(out[:, 0], -_LIMIT, _LIMIT), moved(squares, out[:, 1:])

    def propose(
        self, gray: npt.NDArray[np.uint8], hits: npt.NDArray[np.int32], votes: Float64, neighbors: int
    ) -> Proposals:
        """The cascade's hits without those that lie on better ones, each looked at twice.

        The second look is at the place that the first one gave; what the first one thinks hopeless gets none.
        """
        squares = hits[:, :3].astype(np.float64)
        index, counts = _core.suppress(squares, votes, _PROPOSAL_OVERLAP, _NEVER)
        enough = counts >= neighbors
        index, counts = index[enough][:_MOST_SQUARES], counts[enough][:_MOST_SQUARES]
        first, squares = self.look(gray, squares[index])
        likely = first >= _SECOND_LOOK
        second, squares = self.look(gray, squares[likely])
        kept = index[likely]
        evidence = np.stack([first[likely], second, votes[kept], np.log(counts[likely])], axis=1)
        return Proposals(squares, evidence)

    def judge(
        self,
        gray: npt.NDArray[np.uint8],
        hits: npt.NDArray[np.int32],
        votes: Float64,
        neighbors: int,
        threshold: float,
    ) -> tuple[Float64, Float64]:
        """Squares [n, 3] and probabilities [n] of the faces among the cascade's hits, best first."""
        found = self.propose(gray, hits, votes, neighbors)
        logits = found.evidence @ self._fusion[:4] + self._fusion[4]
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60)))
        index, _ = _core.suppress(np.ascontiguousarray(found.squares), logits, _FACE_OVERLAP, _FACE_INSIDE)
        index = index[scores[index] >= threshold]
        return found.squares[index], scores[index]
