"""The recipe of `landmarks68_trees`: from annotated pictures to a model file, in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ferkern.data.landmarks import AnnotatedFace
from ferkern.face.landmark_trees import Crop, TreeTables, save
from ferkern.face.landmarks import MIRRORED_68
from ferkern.train.landmark_samples import Boxes, Portrait, Sampling, portrait, samples
from ferkern.train.landmark_trees import CHECKPOINT, TreeConfig, grow_trees

__all__ = ["Recipe", "Source", "train_landmarks"]

NAME = "landmarks68_trees"


@dataclass(frozen=True, slots=True)
class Source:
    """Annotated faces, the weight of each, and how many samples are made of one."""

    faces: Sequence[AnnotatedFace]
    weight: float = 1.0
    copies: int | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the model looks at, how samples vary, how trees grow; samples of a face from any but the first source."""

    crop: Crop = field(default_factory=lambda: Crop(side=112, margin=1.6))
    sampling: Sampling = field(default_factory=Sampling)
    trees: TreeConfig = field(default_factory=TreeConfig)
    extra_copies: int = 6


def train_landmarks(
    sources: Sequence[Source],
    out: str | Path,
    *,
    boxes: Boxes | None,
    recipe: Recipe | None = None,
    resume: bool = False,
    on_face: Callable[[int, int], None] | None = None,
    on_trees: Callable[[int, int], None] | None = None,
    on_level: Callable[[int, float, TreeTables], None] | None = None,
) -> Path:
    """Train landmark trees and write them.

    Parameters
    ----------
    sources
        Faces to learn from, all with the same points. Only faces of 68 points are also learnt mirrored.
    out
        Folder for checkpoint and model.
    boxes
        The detector: gives the boxes [n, 4] of a grey picture. None: boxes of the annotation, or of the points.
    recipe
        Settings; None: those of the shipped model.
    resume
        Go on from the checkpoint in `out`, if there is one.
    on_face
        Called with the number of faces cut out so far and of all.
    on_trees, on_level
        See `grow_trees`.

    Returns
    -------
    The model's path.

    Raises
    ------
    ValueError
        There are no faces, they differ in their points, or a picture cannot be read.
    """
    recipe = recipe or Recipe()
    counts = {len(face.points) for source in sources for face in source.faces}
    if len(counts) != 1:
        raise ValueError(f"sources: faces of {sorted(counts)} points; all must have the same, and there must be some")
    mirrored = MIRRORED_68 if counts == {68} else None
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    total, done = sum(len(source.faces) for source in sources), 0
    parts: list[tuple[list[Portrait], Sampling]] = []
    for source in sources:
        made = []
        for face in source.faces:
            made.append(portrait(face, boxes, source.weight))
            done += 1
            if on_face is not None:
                on_face(done, total)
        copies = source.copies or recipe.sampling.copies
        parts.append((made, replace(recipe.sampling, copies=copies)))
    data = samples(parts, recipe.crop, mirrored, seed=recipe.trees.seed)
    checkpoint = out / CHECKPOINT
    if not resume:
        checkpoint.unlink(missing_ok=True)
    tables = grow_trees(data, recipe.crop, recipe.trees, checkpoint=checkpoint, on_trees=on_trees, on_level=on_level)
    path = out / f"{NAME}.safetensors"
    save(tables, path)
    return path
