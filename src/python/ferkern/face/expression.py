"""What a face expresses: the crop that the networks were trained on, and one call for many faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkern import image

if TYPE_CHECKING:
    import os

    from ferkern.face.stages import FaceBatch
    from ferkern.models.network import Network

__all__ = ["FRAMING", "SIDE", "ExpressionClassifier", "ExpressionHead", "Framing", "crop", "cut", "frame"]

SIDE = 48
"""Pixels along a side of a FER-2013 face, and of the crops made here."""

_BATCH = 32  # faces that memory is booked for; more are done in pieces of this size


@dataclass(frozen=True, slots=True)
class Framing:
    """Where the square of a FER-2013 picture lies about a detector's box, in units of the box's larger side.

    Attributes
    ----------
    side : float
        Side of the square.
    dx, dy : float
        From the box's centre to the square's, to the right and downwards.
    """

    side: float
    dx: float
    dy: float


FRAMING = Framing(side=1.06, dx=0.0, dy=-0.02)
"""For the detector that comes with ferkern: medians over Training faces, measured by `ferkern.face.calibrate` (side
1.063, dx -0.004, dy -0.020 of 1,500 faces; faces are symmetric, so dx is 0). haarcascade_frontalface_default of OpenCV
has side 1.02, dx and dy 0 by the same measure: this framing serves it too, to within about a pixel of the crop."""


def frame(boxes: NDArray[np.floating[Any]], *, framing: Framing = FRAMING) -> NDArray[np.float64]:
    """Where the crops of faces lie that a detector's boxes show.

    Parameters
    ----------
    boxes : floats [n, 4]
        A detector's boxes in pixels: x, y (of the upper left corner), width, height.
    framing : Framing
        The square that is cut, relative to the box.

    Returns
    -------
    float64 [n, 2, 3]
        From a crop's pixels to the picture's, as `ferkern.image.warp` takes them.

    Raises
    ------
    ValueError
        The boxes have another shape, or one has no size.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes: shape {list(boxes.shape)}, expected [n, 4]")
    boxes = boxes.astype(np.float64)
    larger = boxes[:, 2:].max(axis=1, initial=0)
    if not (np.isfinite(boxes).all() and (boxes[:, 2:] > 0).all()):
        raise ValueError(f"boxes: {boxes.tolist()}, expected finite numbers and sizes above 0")
    side = framing.side * larger
    left = boxes[:, 0] + boxes[:, 2] / 2 + framing.dx * larger - side / 2
    top = boxes[:, 1] + boxes[:, 3] / 2 + framing.dy * larger - side / 2
    # The crop's pixel (i, j) has its centre at left + (i + 1/2) scale - 1/2 of the picture's pixels, whose centres are
    # at whole numbers, and likewise downwards.
    scale = side / SIDE
    matrices = np.zeros((len(boxes), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = scale
    matrices[:, 0, 2] = left + 0.5 * scale - 0.5
    matrices[:, 1, 2] = top + 0.5 * scale - 0.5
    return matrices


def cut(gray: NDArray[np.uint8], matrices: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Cut faces out of a picture.

    Bilinear at the exact place; where a face is larger than its crop, the average over each pixel's area, so nothing
    aliases. What lies outside the picture repeats its border.

    Parameters
    ----------
    gray : uint8 [H, W]
    matrices : float64 [n, 2, 3]
        From `frame`, or from `ferkern.face.align.align`.

    Returns
    -------
    uint8 [n, 48, 48]
    """
    return image.warp(gray, matrices, (SIDE, SIDE), border="replicate", antialias=True)


def crop(gray: NDArray[np.uint8], boxes: NDArray[np.floating[Any]], *, framing: Framing = FRAMING) -> NDArray[np.uint8]:
    """Cut faces out as FER-2013 frames them: `frame` and `cut` in one.

    Parameters
    ----------
    gray : uint8 [H, W]
    boxes : floats [n, 4]
        As for `frame`.
    framing : Framing
        As for `frame`.

    Returns
    -------
    uint8 [n, 48, 48]

    Raises
    ------
    ValueError
        As `frame`.
    """
    return cut(gray, frame(boxes, framing=framing))


class ExpressionClassifier:
    """A network for expressions, planned once.

    Parameters
    ----------
    model : str, path or Network
        Name of a shipped network, a `.safetensors` file, or a graph with its weights.
    device : str
    threads : int, optional
        Threads of one call; None: as many as the process may use.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Network = "fer_small",
        *,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        from ferkern import models

        self.network = model if isinstance(model, models.Network) else models.load(model)
        self.classes = self.network.classes
        # In two parts, so that other heads can read what the last hidden layer says.
        cut = _last_hidden(self.network)
        front, back = self.network.split(cut) if cut else (self.network, None)
        self._front = front.plan(device=device, batch=_BATCH, threads=threads)
        self._back = back.plan(device=device, batch=_BATCH, threads=threads) if back else None

    def __call__(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities [N, K] of N faces, uint8 [N, 48, 48]."""
        return self.judge(self.features(faces))

    def features(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the last hidden layer (or else the last but the softmax) says of N faces, uint8 [N, 48, 48].

        Returns
        -------
        float32 [N, F]
        """
        from ferkern.models.preprocessing import preprocess

        if faces.dtype != np.uint8 or faces.ndim != 3 or faces.shape[1:] != (SIDE, SIDE):
            raise ValueError(f"faces: {faces.dtype} {list(faces.shape)}, expected uint8 [N, {SIDE}, {SIDE}]")
        return self._front.run(preprocess(self._sized(faces), self.network.preprocessing))

    def judge(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities [N, K] from features [N, F]."""
        return features if self._back is None else self._back.run(features[:, :, None, None])

    def _sized(self, faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Faces at the size of the network's input."""
        size = self.network.input_shape[1:]
        if size == (SIDE, SIDE):
            return faces
        return np.stack([image.resize(face, size, method="bilinear") for face in faces])


def _last_hidden(network: Network) -> str | None:
    """The value that the last dense layer reads, or where there is none the softmax; None: a network without both."""
    for op in ("dense", "softmax"):
        last = next((n for n in reversed(network.nodes) if n.op == op), None)
        if last is not None and last.inputs[0] != network.input:
            return last.inputs[0]
    return None


class ExpressionHead:
    """What faces express, as a stage of the pipeline: probabilities by name of class.

    Parameters
    ----------
    classifier : ExpressionClassifier
    """

    name = "expression"

    def __init__(self, classifier: ExpressionClassifier) -> None:
        self.classifier = classifier

    def __call__(self, faces: FaceBatch, /) -> list[dict[str, float]]:
        """Probabilities of every class for each face."""
        features = self.classifier.features(faces.crops) if faces.features is None else faces.features
        return [
            dict(zip(self.classifier.classes, row, strict=True)) for row in self.classifier.judge(features).tolist()
        ]
