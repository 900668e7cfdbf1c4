"""How far a landmark model's points lie from annotated ones: ``python -m ferkern.train.landmark_eval``.

Errors are distances over the distance of the outer corners of the eyes (points 36 and 45 of 68). Boxes come from the
shipped detector; a face that it misses gets the box that follows from its points, and is counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkern import image
from ferkern.data.landmarks import AnnotatedFace, read_landmarks
from ferkern.face.detect import Detector
from ferkern.face.landmarks import LandmarkModel, load
from ferkern.train.face_windows import face_box, is_held_out
from ferkern.train.landmark_samples import detected_box

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

__all__ = ["LandmarkScore", "contact_sheet", "error_picture", "main", "score", "turned"]

EYES = (36, 45)
FAILURE = 0.10
_REPEATS = 3  # of each timed call; the fastest counts


@dataclass(frozen=True, slots=True)
class LandmarkScore:
    """What was measured.

    Attributes
    ----------
    errors : float64 [n, P], of each point over the distance of the outer eye corners
    found : float32 [n, P, 2], pixels of each face's picture
    missed : faces that the detector did not find
    milliseconds : of one face, median over the faces, model alone, boxes known
    """

    errors: NDArray[np.float64]
    found: NDArray[np.float32]
    missed: int
    milliseconds: float

    def text(self) -> str:
        """The figures, for people."""
        faces = self.errors.mean(axis=1)
        lines = [
            f"{len(faces)} faces, {self.missed} of them missed by the detector",
            f"mean error {faces.mean():.2%} of the distance of the outer eye corners, median {np.median(faces):.2%}",
            f"faces above {FAILURE:.0%}: {(faces > FAILURE).mean():.1%}",
            f"{self.milliseconds:.3f} ms a face",
            "error of each point, %:",
        ]
        points = 100 * self.errors.mean(axis=0)
        rows = range(0, len(points), 17)
        return "\n".join([*lines, *(f"{i:4d}  " + " ".join(f"{v:5.2f}" for v in points[i : i + 17]) for i in rows)])


def turned(face: AnnotatedFace, degrees: float) -> AnnotatedFace:
    """The face in its picture turned about it, clockwise as one looks at it."""
    gray = face.gray()
    x, y, side = face_box(face.points)
    centre = (x + side / 2, y + side / 2)
    matrix = image.similarity(1.0, np.deg2rad(degrees), center=centre)
    height, width = gray.shape
    picture = image.warp(gray, image.invert(matrix), (height, width), border="replicate")
    points = face.points @ matrix[:, :2].T + matrix[:, 2]
    return AnnotatedFace(picture, points.astype(np.float32))


def score(
    model: LandmarkModel,
    faces: Iterable[AnnotatedFace],
    *,
    detect: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    turn: float = 0.0,
) -> LandmarkScore:
    """Errors of a model.

    Parameters
    ----------
    model
        Any landmark model of 68 points.
    faces
        One call of the model for each.
    detect
        Boxes [n, 4] of the faces of a grey picture.
    turn
        Degrees by which pictures are turned about the face first.

    Raises
    ------
    ValueError
        There are no faces, the model gives another number of points, or eyes lie on each other.
    """
    errors, found, times, missed = [], [], [], 0
    for given in faces:
        face = turned(given, turn) if turn else given
        gray = face.gray()
        box = detected_box(face.points, detect(gray))
        if box is None:
            missed += 1
            x, y, side = face_box(face.points)
            box = np.array([x + 0.5, y + 0.5, side, side])  # edges of boxes lie half a pixel before centres
        for _ in range(_REPEATS):
            begun = time.perf_counter()
            points = model(gray, box[None])
            times.append(time.perf_counter() - begun)
        if points.shape[1:] != face.points.shape:
            raise ValueError(f"the model gives {points.shape[1]} points, the annotation has {len(face.points)}")
        between = float(np.linalg.norm(face.points[EYES[0]] - face.points[EYES[1]]))
        if between == 0:
            raise ValueError("the outer eye corners of a face lie on each other")
        errors.append(np.linalg.norm(points[0] - face.points, axis=1) / between)
        found.append(points[0])
    if not errors:
        raise ValueError("there are no faces to evaluate on")
    fastest = np.array(times).reshape(-1, _REPEATS).min(axis=1)
    return LandmarkScore(np.array(errors), np.array(found), missed, 1000 * float(np.median(fastest)))


def error_picture(score: LandmarkScore, faces: Sequence[AnnotatedFace], *, title: str) -> PILImage:
    """The mean face with a disc at each point whose radius is the point's mean error, drawn to scale."""
    from PIL import Image, ImageDraw

    from ferkern.draw import font

    size, margin = 1000, 110
    shapes = np.stack([face.points for face in faces])
    eyes = shapes[:, EYES[1]] - shapes[:, EYES[0]]
    units = (shapes - shapes.mean(axis=1, keepdims=True)) / np.linalg.norm(eyes, axis=1)[:, None, None]
    mean, errors = units.mean(axis=0), score.errors.mean(axis=0)
    scale = (size - 2 * margin) / float((mean.max(axis=0) - mean.min(axis=0)).max())
    places = (mean - (mean.max(axis=0) + mean.min(axis=0)) / 2) * scale + [size / 2, size / 2 + 40]
    picture = Image.new("RGB", (size, size), (255, 255, 255))
    draw = ImageDraw.Draw(picture, "RGBA")
    draw.text((24, 20), title, font=font(28), fill=(28, 32, 38))
    line = f"mean {errors.mean():.2%} of the distance of the outer eye corners; discs to scale, numbers in %"
    draw.text((24, 60), line, font=font(20), fill=(110, 118, 130))
    for (x, y), error in zip(places, errors, strict=True):
        radius = float(error * scale)
        warm = float(min(error / FAILURE, 1.0))
        color = (round(40 + 190 * warm), round(110 - 60 * warm), round(180 - 150 * warm))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*color, 90), outline=(*color, 255))
        draw.text((x, y), f"{100 * error:.1f}", font=font(13), fill=(28, 32, 38), anchor="mm")
    return picture


def contact_sheet(score: LandmarkScore, faces: Sequence[AnnotatedFace], *, columns: int = 8) -> PILImage:
    """Faces from the best to the worst, the last row the very worst; found points (red) over annotated ones (green)."""
    from PIL import Image, ImageDraw

    from ferkern.draw import font

    side, rows = 220, 6
    order = np.argsort(score.errors.mean(axis=1))
    spread = order[np.linspace(0, len(order) - 1, min(columns * (rows - 1), len(order))).astype(int)]
    chosen = [*spread, *order[::-1][:columns]]
    sheet = Image.new("RGB", (columns * side, -(-len(chosen) // columns) * side), (22, 25, 31))
    for i, index in enumerate(chosen):
        face, found = faces[index], score.found[index]
        x, y, extent = face_box(face.points)
        x, y, extent = x - 0.15 * extent, y - 0.15 * extent, 1.3 * extent
        step = extent / side
        matrix = np.array([[step, 0, x], [0, step, y]])
        crop = image.warp(face.gray(), matrix, (side, side), border="replicate", antialias=True)
        tile = Image.fromarray(crop).convert("RGB")
        draw = ImageDraw.Draw(tile)
        for points, color, radius in ((face.points, (60, 200, 90), 1.6), (found, (255, 80, 60), 1.6)):
            for px, py in (points - [x, y]) / step:
                draw.ellipse((px - radius, py - radius, px + radius, py + radius), fill=color)
        error = float(score.errors[index].mean())
        draw.text((6, side - 6), f"{error:.1%}", font=font(18), fill=(255, 255, 255), anchor="ls")
        sheet.paste(tile, (i % columns * side, i // columns * side))
    return sheet


def part_of(faces: Sequence[AnnotatedFace], part: str) -> list[AnnotatedFace]:
    """``"held-out"``: every fifth face of the list, ``"training"``: the others, ``"all"``."""
    if part == "all":
        return list(faces)
    return [face for place, face in enumerate(faces) if is_held_out(place) == (part == "held-out")]


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m ferkern.train.landmark_eval", description=__doc__)
    parser.add_argument("path", type=Path, help="annotated faces: folder with points68.npz or .pts files, .xml, .npz")
    parser.add_argument("--model", default="trees", help="trees, network, or a file")
    parser.add_argument("--part", choices=("held-out", "training", "all"), default="held-out")
    parser.add_argument("--turn", type=float, nargs="*", default=[0.0], metavar="DEGREES", help="turn pictures first")
    parser.add_argument("--out", type=Path, help="folder for errors.png and examples.png")
    options = parser.parse_args(arguments)
    model, detector = load(options.model), Detector.load()
    faces = part_of(read_landmarks(options.path), options.part)
    for turn in options.turn:
        result = score(model, faces, detect=lambda gray: detector.detect(gray).boxes, turn=turn)
        sys.stdout.write((f"turned {turn:+.0f} degrees: " if turn else "") + result.text() + "\n")
        if options.out is not None and not turn:
            options.out.mkdir(parents=True, exist_ok=True)
            error_picture(result, faces, title=f"{options.model} on {options.path.name}").save(
                options.out / "errors.png"
            )
            contact_sheet(result, faces).save(options.out / "examples.png")


if __name__ == "__main__":
    main()
