"""Windows to train a face detector on: faces from annotated pictures, and what is not a face.

The box of a face is a fixed function of its 68 points: with e the larger side of the points' bounding box and m
their mean, a square of side 1.1 e whose centre lies 0.1 e above m. That is the frame of a Viola-Jones detector,
from the middle of the forehead to the chin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ferkern import _core as native

Grey = NDArray[np.uint8]
SIDE, RAISE = 1.1, 0.1
HELD_OUT = 5


@dataclass(slots=True)
class Face:
    """A picture and the square box of its face: x, y, side in pixels."""

    picture: Grey
    box: tuple[float, float, float]


def face_box(points: NDArray[np.float32]) -> tuple[float, float, float]:
    """x, y, side of the square for the 68 points [68, 2] of a face."""
    extent = float((points.max(0) - points.min(0)).max())
    x, y = (float(v) for v in points.mean(0))
    side = SIDE * extent
    return x - side / 2, y - RAISE * extent - side / 2, side


def is_held_out(position: int) -> bool:
    """Whether the picture at this place of the sorted list is kept for evaluation: every fifth is."""
    return position % HELD_OUT == 0


def grey(path: Path) -> Grey:
    """The picture as uint8 [H, W]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def landmark_faces(folder: Path, *, held_out: bool) -> Iterator[Face]:
    """Faces of a folder with points68.npz and images/."""
    stored = np.load(folder / "points68.npz")
    order = np.argsort(stored["names"])
    for place, index in enumerate(order):
        if is_held_out(place) == held_out:
            yield Face(grey(folder / "images" / str(stored["names"][index])), face_box(stored["points"][index]))


def pictures(folder: Path, *, held_out: bool) -> list[Grey]:
    """The pictures of a folder's images/."""
    paths = sorted((folder / "images").iterdir())
    return [grey(path) for place, path in enumerate(paths) if is_held_out(place) == held_out]


def jittered(face: Face, size: int, rng: np.random.Generator, *, shift: float, zoom: float, turn: float) -> Grey:
    """The face cut out with a random shift (of the side), zoom (log) and turn (degrees), mirrored half the time."""
    x, y, side = face.box
    half = side / 2
    centre = (x + half + rng.uniform(-shift, shift) * side, y + half + rng.uniform(-shift, shift) * side)
    wanted = side * float(np.exp(rng.uniform(-zoom, zoom)))
    native_size = max(size, round(wanted))
    angle = float(np.deg2rad(rng.normal(0.0, turn)))
    cut = _rotated(face.picture, centre, wanted, angle, native_size)
    if rng.random() < 0.5:
        cut = np.ascontiguousarray(cut[:, ::-1])
    return native.resize_fixed(cut, size, size)


def _rotated(picture: Grey, centre: tuple[float, float], side: float, angle: float, size: int) -> Grey:
    step = side / size
    c, s = np.cos(angle) * step, np.sin(angle) * step
    half = size / 2
    matrix = (c, -s, centre[0] - c * half + s * half, s, c, centre[1] - s * half - c * half)
    margin = int(side) + 2
    padded = np.pad(picture, margin, mode="edge")
    matrix = (c, -s, matrix[2] + margin, s, c, matrix[5] + margin)
    image = Image.fromarray(padded).transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(image)
