"""Samples for training landmarks: faces as a model sees them, turned, mirrored, in boxes as a detector sets them.

A face is first cut out once with room around it (`Portrait`), in a picture of fixed scale; samples are cut from that.
The detector is asked once, on the untouched picture. How its boxes lie relative to `face_box` of the points is then
passed on to turned and mirrored copies, on which no detector need find anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferkern import image
from ferkern.data.landmarks import AnnotatedFace
from ferkern.face.landmark_trees import Crop
from ferkern.train.face_windows import face_box

__all__ = ["Portrait", "Samples", "Sampling", "detected_box", "portrait", "samples"]

Boxes = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

SIDE, ROOM = 320, 2.4
"""A portrait's side in pixels, and in sides of the face's box."""
_NEAR, _SMALL, _LARGE = 0.35, 0.5, 2.0


@dataclass(slots=True)
class Portrait:
    """A face at a fixed scale.

    Attributes
    ----------
    picture : uint8 [320, 320]
    points : float64 [P, 2], its pixels
    offset : (dx, dy, log of the ratio of sides): the detector's box relative to `face_box`, in sides of that
    weight : of its samples
    """

    picture: NDArray[np.uint8]
    points: Float64
    offset: tuple[float, float, float]
    weight: float


def detected_box(points: Float32, boxes: Float32) -> Float64 | None:
    """The box [4] of the detector's [n, 4] that is this face's, or None.

    A hit: with e the larger side of the points' bounding box, the centre within 0.35 e of the points' mean and the
    width from 0.5 e to 2 e; the nearest one is taken.
    """
    extent = float((points.max(axis=0) - points.min(axis=0)).max())
    away = np.linalg.norm(boxes[:, :2] + boxes[:, 2:] / 2 - points.mean(axis=0), axis=1)
    width = boxes[:, 2]
    hits = np.flatnonzero((away <= _NEAR * extent) & (width >= _SMALL * extent) & (width <= _LARGE * extent))
    return boxes[hits[np.argmin(away[hits])]].astype(np.float64) if len(hits) else None


def portrait(face: AnnotatedFace, boxes: Boxes | None, weight: float) -> Portrait:
    """Cut a face out; `boxes` is the detector, None: the annotation's own box, or `face_box` where it has none."""
    gray = face.gray()
    x, y, side = face_box(face.points)
    centre = np.array([x + side / 2, y + side / 2])
    found = None if boxes is None else detected_box(face.points, boxes(gray))
    if found is None and boxes is None and face.box is not None:
        found = np.array(face.box)
    offset = (0.0, 0.0, 0.0)
    if found is not None:
        larger = float(found[2:].max())
        # The box's centre in the coordinates of points: edges lie half a pixel before centres.
        dx, dy = (found[:2] + found[2:] / 2 - 0.5 - centre) / side
        offset = (float(dx), float(dy), float(np.log(larger / side)))
    scale = ROOM * side / SIDE
    origin = centre - scale * (SIDE - 1) / 2
    matrix = np.array([[scale, 0, origin[0]], [0, scale, origin[1]]])
    picture = image.warp(gray, matrix, (SIDE, SIDE), border="replicate", antialias=True)
    return Portrait(picture, (face.points - origin) / scale, offset, weight)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How samples vary.

    Attributes
    ----------
    copies : samples of a face
    upright : share of the samples that are turned little
    little, far : standard deviation of those turns, and the bound of the others, which are spread evenly; degrees
    shift, zoom : standard deviation of what is added to the detector's offset, in sides of the box, and in log
    """

    copies: int = 24
    upright: float = 0.55
    little: float = 8.0
    far: float = 42.0
    shift: float = 0.03
    zoom: float = 0.05


@dataclass(slots=True)
class Samples:
    """What trees are grown on.

    Attributes
    ----------
    crops : uint8 [n, side, side]
    shapes : float32 [n, P, 2], the true ones, in units of the box
    weights : float32 [n]
    turns : float32 [n], degrees by which the faces are turned
    """

    crops: NDArray[np.uint8]
    shapes: Float32
    weights: Float32
    turns: Float32

    def __len__(self) -> int:
        return len(self.crops)


def samples(
    parts: Sequence[tuple[Sequence[Portrait], Sampling]],
    crop: Crop,
    mirrored: NDArray[np.int64] | None,
    *,
    seed: int,
) -> Samples:
    """Samples of all portraits, which vary as is said with them.

    `mirrored`: the points' order in a mirrored picture; None: no mirrored copies.
    """
    rng = np.random.default_rng(seed)
    offsets = np.array([face.offset for faces, _ in parts for face in faces])
    count = sum(len(faces) * how.copies for faces, how in parts)
    points = len(next(face.points for faces, _ in parts for face in faces))
    made = Samples(
        np.empty((count, crop.side, crop.side), np.uint8),
        np.empty((count, points, 2), np.float32),
        np.empty(count, np.float32),
        np.empty(count, np.float32),
    )
    first = 0
    for faces, how in parts:
        for face in faces:
            rows = slice(first, first + how.copies)
            made.crops[rows], made.shapes[rows], made.turns[rows] = _copies(face, crop, how, mirrored, offsets, rng)
            made.weights[rows] = face.weight
            first += how.copies
    return made


def _copies(
    face: Portrait,
    crop: Crop,
    how: Sampling,
    mirrored: NDArray[np.int64] | None,
    offsets: Float64,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], Float32, Float32]:
    n = how.copies
    turns = np.where(rng.random(n) < how.upright, rng.normal(0, how.little, n), rng.uniform(-how.far, how.far, n))
    turns[:1] = 0
    flips = np.arange(n) % 2 == 1 if mirrored is not None else np.zeros(n, bool)
    lent = offsets[rng.integers(len(offsets), size=n)]
    own = np.abs(turns) < 15  # the detector's opinion of this face; of a turned one it would have another
    offset = np.where(own[:, None], np.array(face.offset), lent)
    offset[flips & own, 0] *= -1
    spread = np.array([how.shift, how.shift, how.zoom])
    offset[1:] += rng.normal(size=(n - 1, 3)) * spread
    matrices, shapes = np.empty((n, 2, 3)), np.empty((n, *face.points.shape), np.float32)
    middle = np.full(2, (SIDE - 1) / 2)
    for k in range(n):
        c, s = np.cos(np.deg2rad(turns[k])), np.sin(np.deg2rad(turns[k]))
        flip = np.diag([-1.0 if flips[k] else 1.0, 1.0])
        axes = np.array([[c, -s], [s, c]]) @ flip  # of the portrait, in the sample
        points = (face.points - middle) @ axes.T
        if flips[k] and mirrored is not None:
            points = points[mirrored]
        x, y, side = face_box(points.astype(np.float32))
        box_side = side * float(np.exp(offset[k, 2]))
        centre = np.array([x + side / 2, y + side / 2]) + offset[k, :2] * side
        step = crop.margin * box_side / crop.side
        matrices[k, :, :2] = axes.T * step
        matrices[k, :, 2] = axes.T @ (centre - step * (crop.side - 1) / 2) + middle
        shapes[k] = (points - centre) / box_side + 0.5
    crops = image.warp(face.picture, matrices, (crop.side, crop.side), border="replicate", antialias=True)
    return crops, shapes, turns.astype(np.float32)
