"""Landmarks by a small convolutional network that looks twice.

The network sees a crop of the face and says where the 68 points lie in it. The first crop comes from the detector's
box. Its answer gives a second crop in which the face is upright and centred (a similarity to the mean shape), and the
network, trained on both kinds, looks again: most of its error comes from faces that are turned or badly framed.
The points are regressed directly, by the residual form of Sun, Wang and Tang, "Deep convolutional network cascade for
facial point detection", CVPR 2013: one network in place of their many.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern import image
from ferkern.errors import ModelError
from ferkern.models.network import Network
from ferkern.models.preprocessing import preprocess

__all__ = ["LandmarkNetwork", "attach", "box_matrices"]

_BATCH = 16  # faces that memory is booked for; more are done in pieces of this size


def attach(network: Network, *, template: NDArray[np.floating[Any]], framing: tuple[float, float]) -> Network:
    """Put what surrounds the network among its tensors.

    Parameters
    ----------
    network
        One input channel, 2 P outputs: x and y of each point, in units of the crop's side from its centre.
    template : floats [P, 2]
        The mean upright shape in the same units: the second crop is laid so that the first answer matches it best.
    framing
        Side of the first crop, and how far its centre lies below the box's, in units of the box's larger side.
    """
    network.weights |= {
        "landmarks.template": np.asarray(template, np.float32),
        "landmarks.framing": np.asarray(framing, np.float32),
    }
    return network


def box_matrices(boxes: NDArray[np.floating[Any]], framing: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Matrices [n, 2, 3] from a crop's units (its side is 1, its centre 0) to the picture, for boxes [n, 4]."""
    boxes = boxes.astype(np.float64)
    larger = boxes[:, 2:].max(axis=1, initial=0)
    matrices = np.zeros((len(boxes), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = larger * float(framing[0])
    # A box is a region, points are pixel centres: the box (0, 0, 1, 1) has its centre at (0, 0).
    matrices[:, :, 2] = boxes[:, :2] + boxes[:, 2:] / 2 - 0.5
    matrices[:, 1, 2] += larger * float(framing[1])
    return matrices


def unit_to_pixels(side: int) -> NDArray[np.float64]:
    """The matrix from a crop's pixels to its units."""
    return np.array([[1.0, 0.0, 0.5 - side / 2], [0.0, 1.0, 0.5 - side / 2]]) / side


class LandmarkNetwork:
    """Finds the 68 points of faces in boxes.

    Parameters
    ----------
    network
        As `attach` left it, or the path or name of its file.
    looks
        How often the network looks at each face: once at the box's crop, and then at upright ones.
    threads
        Threads of one call; None: as many as the process may use.

    Raises
    ------
    ModelError
        The file is damaged or holds another kind of network.
    ValueError
        There is no such file, or `looks` is below 1.
    """

    def __init__(
        self,
        network: Network | str | os.PathLike[str] = "landmarks68_net",
        *,
        looks: int = 2,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        from ferkern.models import store

        if looks < 1:
            raise ValueError(f"looks must be at least 1, is {looks}")
        self.network = network if isinstance(network, Network) else store.load(network)
        name = self.network.name
        template, framing = (self.network.weights.get(f"landmarks.{role}") for role in ("template", "framing"))
        if template is None or template.ndim != 2 or template.shape[1] != 2 or not len(template):
            found = "is not there" if template is None else f"has shape {list(template.shape)}"
            raise ModelError(f"{name}: tensor 'landmarks.template' {found}, expected [points, 2]")
        if framing is None or framing.shape != (2,) or not framing[0] > 0:
            found = "is not there" if framing is None else f"is {framing.tolist()}"
            raise ModelError(f"{name}: tensor 'landmarks.framing' {found}, expected a side above 0 and an offset")
        outputs = self.network.infer_shapes()[self.network.output]
        channels, height, width = self.network.input_shape
        if outputs != (template.size,) or channels != 1 or height != width:
            raise ModelError(
                f"{name}: input {list(self.network.input_shape)} and output {list(outputs)}, expected a square grey "
                f"input and {template.size} outputs for {len(template)} points"
            )
        self.template, self.framing, self.looks = template, framing, looks
        self.side = height
        self._session = self.network.plan(device=device, batch=_BATCH, threads=threads)

    @property
    def points(self) -> int:
        """Points of a face."""
        return len(self.template)

    def __call__(self, gray: NDArray[np.uint8], boxes: NDArray[np.floating[Any]], /) -> NDArray[np.float32]:
        """Points of every box.

        Parameters
        ----------
        gray : uint8 [H, W]
        boxes : floats [n, 4]
            x, y, width, height in pixels.

        Returns
        -------
        float32 [n, points, 2]
            x, y in pixels, whose centres are at whole numbers. They may lie outside the picture.

        Raises
        ------
        ValueError
            The boxes have another shape, or one has no size or is not finite.
        """
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"boxes: shape {list(boxes.shape)}, expected [n, 4]")
        if not (np.isfinite(boxes).all() and (boxes[:, 2:] > 0).all()):
            raise ValueError(f"boxes: {boxes.tolist()}, expected finite numbers and sizes above 0")
        if not len(boxes):
            return np.zeros((0, self.points, 2), np.float32)
        matrices = box_matrices(boxes, self.framing)
        found = self._look(gray, matrices)
        for _ in range(self.looks - 1):
            matrices = image.fit_similarity(np.broadcast_to(self.template, found.shape), found)
            found = self._look(gray, matrices)
        return found.astype(np.float32)

    def _look(self, gray: NDArray[np.uint8], matrices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points in the picture, from crops whose units `matrices` take to the picture."""
        views = image.compose(matrices, unit_to_pixels(self.side))
        crops = image.warp(gray, views, (self.side, self.side), border="replicate", antialias=True)
        shapes = self._session.run(preprocess(crops, self.network.preprocessing))
        return image.transform_points(matrices, shapes.reshape(len(crops), -1, 2).astype(np.float64))
