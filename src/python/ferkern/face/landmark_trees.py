"""Landmarks by a cascade of regression trees: ferkern's own model, and dlib's ``shape_predictor`` files.

A model of ferkern's may look twice. The first look starts at the mean shape in the box. The second one starts at the
mean shape laid on the first answer by a similarity, turned a little to the left and to the right, and gives the mean of
both: what a start leaves of its own in the answer cancels, and faces that are turned far begin anew from near.

Source: Kazemi and Sullivan, "One millisecond face alignment with an ensemble of regression trees", CVPR 2014.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern import _core, image
from ferkern.config import config
from ferkern.errors import ModelError
from ferkern.models import store
from ferkern.models import tensors as tensor_file

__all__ = ["Crop", "LandmarkTrees", "TreeTables", "cut", "holds_trees", "read", "save"]

FORMAT_VERSION = 1
_KEY = "ferkern"
_DTYPES = ("F32", "F16", "I8", "U8", "I16", "U16")
_MAX_BYTES = 1 << 30
_MAX_SIDE = 1024
_TURN = 0.1  # radians between the second look's starts and the first answer; chosen on validation faces

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Crop:
    """The square picture that a model of ferkern's looks at.

    Attributes
    ----------
    side : int
        Pixels along its side.
    margin : float
        Its side in the face's picture, in units of the larger side of the box, about whose centre it lies.
    """

    side: int
    margin: float

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """left, top, width, height of the box in the crop, pixels."""
        width = self.side / self.margin
        corner = (self.side - 1) / 2 - width / 2
        return corner, corner, width, width


def cut(gray: NDArray[np.uint8], boxes: Float64, crop: Crop) -> tuple[NDArray[np.uint8], Float64]:
    """Cut faces out: means over the pixels' areas where a face is larger than its crop, so that nothing aliases.

    A crop is of whole pixels of the picture. Where it leaves the picture, the border is repeated.

    Parameters
    ----------
    gray : uint8 [H, W]
    boxes : float64 [n, 4]
        x, y, width, height of finite numbers, pixels.
    crop : Crop

    Returns
    -------
    crops : uint8 [n, side, side]
    squares : float64 [n, 3]
        left and top pixel of what was cut, and how many pixels are along its side.
    """
    height, width = gray.shape
    length = np.maximum(np.rint(crop.margin * boxes[:, 2:].max(axis=1)), 1)
    corners = np.rint(boxes[:, :2] + boxes[:, 2:] / 2 - length[:, None] / 2)
    squares = np.column_stack([corners, length])
    crops = np.empty((len(boxes), crop.side, crop.side), np.uint8)
    for out, (left, top, size) in zip(crops, squares, strict=True):
        if left >= 0 and top >= 0 and left + size <= width and top + size <= height:
            inside = gray[int(top) : int(top + size), int(left) : int(left + size)]
            image.resize(inside, out.shape, method="area" if size > crop.side else "bilinear", out=out)
        else:
            step = size / crop.side
            origin = (step - 1) / 2
            matrix = np.array([[step, 0, left + origin], [0, step, top + origin]])
            image.warp(gray, matrix, out.shape, border="replicate", antialias=True, out=out)
    return crops, squares


@dataclass(slots=True)
class TreeTables:
    """An ensemble as arrays: what a file holds. L levels of T trees with S = 2^depth - 1 splits, F pixels a level.

    Attributes
    ----------
    crop : Crop
    mean : float32 [P, 2], in units of the box
    anchors : uint16 [L, F], points; offsets : float32 [L, F, 2], from them, in units of the box
    pairs : uint16 [L, T, S, 2], the pixels that are compared; thresholds : int16 [L, T, S]
    codes : int8 [L, T, S + 1, K]
    basis : float16 [L, K, P, 2]; units : float32 [L, K]: a code of k moves the shape by ``code * unit * basis[k]``
    card : what the file says about itself
    """

    crop: Crop
    mean: NDArray[np.float32]
    anchors: NDArray[np.uint16]
    offsets: NDArray[np.float32]
    pairs: NDArray[np.uint16]
    thresholds: NDArray[np.int16]
    codes: NDArray[np.int8]
    basis: NDArray[np.float16]
    units: NDArray[np.float32]
    card: dict[str, str]

    def native(self) -> _core.Trees:
        """The ensemble as the kernels take it; a `ModelError` where an index or a number does not fit."""
        pairs = self.pairs.astype(np.uint32)
        return _core.Trees(
            np.ascontiguousarray(self.mean),
            np.ascontiguousarray(self.anchors.astype(np.int32)),
            np.ascontiguousarray(self.offsets),
            np.ascontiguousarray(pairs[..., 0] | pairs[..., 1] << 16).view(np.int32),
            np.ascontiguousarray(self.thresholds.astype(np.float32)),
            np.ascontiguousarray(self.codes),
            np.ascontiguousarray(self.basis.astype(np.float32) * self.units[:, :, None, None]),
        )


_ARRAYS: dict[str, tuple[type[np.generic], str]] = {
    "mean": (np.float32, "P2"),
    "anchors": (np.uint16, "LF"),
    "offsets": (np.float32, "LF2"),
    "pairs": (np.uint16, "LTS2"),
    "thresholds": (np.int16, "LTS"),
    "codes": (np.int8, "LTCK"),
    "basis": (np.float16, "LKP2"),
    "units": (np.float32, "LK"),
}


def save(tables: TreeTables, path: str | os.PathLike[str]) -> None:
    """Write an ensemble to one ``.safetensors`` file, which is replaced at once.

    Raises
    ------
    ModelError
        If the arrays do not fit each other.
    """
    tables.native()
    head = {"format": FORMAT_VERSION, "kind": "landmark_trees", "crop": asdict(tables.crop), "card": tables.card}
    arrays = {name: np.ascontiguousarray(getattr(tables, name), kind) for name, (kind, _) in _ARRAYS.items()}
    tensor_file.write(path, arrays, {_KEY: json.dumps(head, allow_nan=False)})


def read(path: Path) -> TreeTables:
    """Read an ensemble of ferkern's; `ModelError` for a damaged file, naming what is wrong."""
    try:
        with open(path, "rb") as file:
            header = tensor_file.read_header(file, _DTYPES)
            head = _head(header.metadata)
            _check_shapes(header.specs)
            arrays = {name: tensor_file.read_tensor(file, name, header.specs[name]) for name in _ARRAYS}
        return TreeTables(crop=_crop(head), card=_card(head), **arrays)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error


def holds_trees(path: Path) -> bool:
    """Whether a file is of this module's kind: dlib's by its name, ferkern's by its header."""
    if path.suffix.lower() == ".dat":
        return True
    try:
        with open(path, "rb") as file:
            _head(tensor_file.read_header(file, _DTYPES).metadata)
    except (ModelError, OSError):
        return False
    return True


def _head(metadata: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(metadata.get(_KEY), str):
        raise ModelError(f"header has no key {_KEY!r} in its __metadata__; not a file of ferkern's")
    head = tensor_file.parse("header", metadata[_KEY])
    if head.get("kind") != "landmark_trees" or head.get("format") != FORMAT_VERSION:
        raise ModelError(
            f"header: kind {tensor_file.short(head.get('kind'))}, format {tensor_file.short(head.get('format'))}; "
            f"landmark_trees of format {FORMAT_VERSION} are read"
        )
    return head


def _crop(head: dict[str, Any]) -> Crop:
    crop = head.get("crop")
    side, margin = (crop.get("side"), crop.get("margin")) if isinstance(crop, dict) else (None, None)
    if type(side) is not int or not 8 <= side <= _MAX_SIDE or type(margin) is not float or not 0.1 <= margin <= 10:
        raise ModelError(f"header: crop is {tensor_file.short(crop)}; a side from 8 to {_MAX_SIDE} pixels and a margin")
    return Crop(side, margin)


def _card(head: dict[str, Any]) -> dict[str, str]:
    card = head.get("card")
    if not isinstance(card, dict) or not all(isinstance(v, str) for v in card.values()):
        raise ModelError(f"header: card must hold texts, is {tensor_file.short(card)}")
    return card


def _check_shapes(specs: dict[str, tensor_file.Spec]) -> None:
    """Types and shapes as `_ARRAYS` says: the same letter, the same number, everywhere."""
    if set(specs) != set(_ARRAYS):
        raise ModelError(f"tensors are {sorted(specs)}, expected {sorted(_ARRAYS)}")
    known: dict[str, int] = {"2": 2}
    for name, (kind, letters) in _ARRAYS.items():
        spec = specs[name]
        if spec.dtype != np.dtype(kind) or len(spec.shape) != len(letters):
            raise ModelError(f"tensor {name!r}: {spec.dtype} {list(spec.shape)}, expected {np.dtype(kind)} {letters}")
        for letter, size in zip(letters, spec.shape, strict=True):
            if size != known.setdefault(letter, size):
                raise ModelError(
                    f"tensor {name!r}: {list(spec.shape)} for {letters}, {letter} is {known[letter]} before"
                )
    if known["C"] != known["S"] + 1:
        raise ModelError(f"trees of {known['S']} splits have {known['C']} leaves")


class LandmarkTrees:
    """Finds the landmarks of faces; made by `LandmarkTrees.load`.

    Nothing in it changes after it is made: one object serves any number of threads at once, and the work is done
    without Python's lock.

    Attributes
    ----------
    points : int
        Landmarks of a face.
    crop : Crop or None
        What a model of ferkern's looks at; None for dlib's, which look at the picture itself.
    """

    def __init__(
        self, trees: _core.Trees, tables: TreeTables | None, name: str, looks: int, threads: int | None
    ) -> None:
        if looks not in (1, 2):
            raise ValueError(f"looks is {looks}; a model looks 1 or 2 times")
        self._trees = trees
        self._mean = None if tables is None else tables.mean.astype(np.float64)
        self._looks = looks
        self._threads = threads
        self.crop = None if tables is None else tables.crop
        self.name = name
        self.points = trees.points

    @classmethod
    def load(
        cls, name_or_path: str | os.PathLike[str] = "landmarks68_trees", *, looks: int = 1, threads: int | None = None
    ) -> LandmarkTrees:
        """Load a model.

        Parameters
        ----------
        name_or_path
            ``"landmarks68_trees"``, which comes with the package; a ``.safetensors`` file that the trainer wrote; or a
            ``.dat`` file of dlib's ``shape_predictor``.
        looks
            1 or 2, of a model of ferkern's: a second look takes twice the time again, and mends faces that are turned
            or badly boxed. dlib's always looks once, as dlib does.
        threads
            Threads of one call; None: as many as the process may use.

        Raises
        ------
        ValueError
            If there is neither a shipped model nor a file of that name, or `looks` is another number.
        ModelError
            If the file is damaged; the message names what is wrong, and in a dlib file at which byte.
        """
        name = os.fspath(name_or_path)
        file = store.files().get(name)
        if file is not None:
            with resources.as_file(file) as path:
                return cls.from_tables(read(path), name, looks=looks, threads=threads)
        path = Path(name)
        if not path.is_file():
            raise ValueError(f"name_or_path: {name!r} is neither a file nor a shipped model (landmarks68_trees)")
        if path.suffix.lower() == ".dat":
            return cls(_read_dlib(path), None, name, 1, threads)
        return cls.from_tables(read(path), name, looks=looks, threads=threads)

    @classmethod
    def from_tables(cls, tables: TreeTables, name: str, *, looks: int = 1, threads: int | None = None) -> LandmarkTrees:
        """A model from its arrays."""
        try:
            return cls(tables.native(), tables, name, looks, threads)
        except ModelError as error:
            raise ModelError(f"{name}: {error}") from None

    def __call__(self, gray: NDArray[np.uint8], boxes: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Landmarks of the faces of one picture.

        Parameters
        ----------
        gray : uint8 [H, W]
        boxes : floats [n, 4]
            x, y (of the upper left corner), width, height in pixels.

        Returns
        -------
        float32 [n, points, 2] : x, y in pixels, whose centres are at whole numbers. They may lie outside the picture.

        Raises
        ------
        TypeError, ValueError
            The picture is not uint8 [H, W]; the boxes have another shape, or one has no size.
        """
        if gray.dtype != np.uint8:
            raise TypeError(f"gray must be uint8, is {gray.dtype}")
        if gray.ndim != 2 or gray.size == 0:
            raise ValueError(f"gray: shape {list(gray.shape)}, expected [H, W] with pixels")
        places: Float64 = np.asarray(boxes, np.float64)
        if places.ndim != 2 or places.shape[1] != 4:
            raise ValueError(f"boxes: shape {list(places.shape)}, expected [n, 4]")
        if not (np.isfinite(places).all() and (places[:, 2:] > 0).all()):
            raise ValueError(f"boxes: {places.tolist()}, expected finite numbers and sizes above 0")
        if len(places) == 0:
            return np.zeros((0, self.points, 2), np.float32)
        with config(threads=self._threads):
            return self._on_picture(gray, places) if self.crop is None else self._on_crops(gray, places, self.crop)

    def _on_crops(self, gray: NDArray[np.uint8], boxes: Float64, crop: Crop) -> NDArray[np.float32]:
        crops, squares = cut(gray, boxes, crop)
        step = (squares[:, 2:] / crop.side)[:, :, None]
        # Pixel i of a crop has its centre at left + (i + 1/2) step - 1/2 of the picture's pixels.
        larger = boxes[:, 2:].max(axis=1, keepdims=True)
        corners = (boxes[:, :2] + boxes[:, 2:] / 2 - larger / 2 - squares[:, :2]) / step[:, 0] - 0.5
        frames = np.column_stack([corners, np.repeat(larger / step[:, 0], 2, axis=1)])
        found: NDArray[np.floating[Any]] = self._trees.run(crops, frames, None)
        if self._looks == 2 and self._mean is not None:
            found = self._second_look(crops, frames, found)
        return ((found + 0.5) * step - 0.5 + squares[:, None, :2]).astype(np.float32)

    def _second_look(self, crops: NDArray[np.uint8], frames: Float64, found: NDArray[np.floating[Any]]) -> Float64:
        """Points [n, P, 2] in the crops' pixels, from those of the first look."""
        assert self._mean is not None
        mean = np.broadcast_to(self._mean, found.shape)
        laid = image.fit_similarity(mean, (found - frames[:, None, :2]) / frames[:, None, 2:])
        starts = []
        for angle in (-_TURN, _TURN):
            turn = image.similarity(1.0, angle, center=tuple(self._mean.mean(axis=0)))
            starts.append(image.transform_points(laid, image.transform_points(turn, mean)))
        both = self._trees.run(
            np.concatenate([crops, crops]), np.concatenate([frames, frames]), np.concatenate(starts).astype(np.float32)
        )
        return (both[: len(crops)].astype(np.float64) + both[len(crops) :]) / 2

    def _on_picture(self, gray: NDArray[np.uint8], boxes: Float64) -> NDArray[np.float32]:
        """As dlib does it: look-ups in the picture itself; a rectangle's right and bottom pixels belong to it."""
        frames = boxes.copy()
        frames[:, 2:] -= 1
        if (frames[:, 2:] <= 0).any():
            raise ValueError(f"boxes: {boxes.tolist()}, a dlib model needs boxes of more than one pixel")
        return self._trees.run(gray, frames, None)


def _read_dlib(path: Path) -> _core.Trees:
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise ModelError(f"{path}: has {size} bytes, up to {_MAX_BYTES} are read")
        return _core.Trees.from_dlib(path.read_bytes())
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error
