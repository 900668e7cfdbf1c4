"""FER-2013 faces as the pipeline shows them to the network: turned upright by their landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferkern.face.align import align
from ferkern.face.expression import FRAMING, SIDE, cut
from ferkern.face.landmark_network import LandmarkNetwork

__all__ = ["upright"]


def upright(faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Faces [n, 48, 48], aligned where they can be, by landmarks found in the box that would have framed them so.

    Parameters
    ----------
    faces : uint8 [n, 48, 48]

    Returns
    -------
    uint8 [n, 48, 48]
    """
    model = LandmarkNetwork(threads=1)
    side = SIDE / FRAMING.side
    corner = SIDE / 2 - side / 2
    box = np.array([[corner - FRAMING.dx * side, corner - FRAMING.dy * side, side, side]])
    shown = faces.copy()
    for row, face in enumerate(faces):
        matrices, aligned = align(model(face, box))
        if aligned[0]:
            shown[row] = cut(face, matrices)[0]
    return shown
