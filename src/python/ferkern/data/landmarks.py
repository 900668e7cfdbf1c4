"""Readers of annotated faces: iBUG ``.pts`` files, dlib's XML (imglab), tables of points in ``.npz``.

All give `AnnotatedFace`s. Points are (x, y) in pixels whose centres are at whole numbers.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ferkern.errors import ModelError

__all__ = ["AnnotatedFace", "read_imglab", "read_landmarks", "read_npz", "read_pts"]

_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_MAX_TEXT = 64 << 20
_MAX_POINTS = 1024
_MAX_COORDINATE = 1e6


@dataclass(frozen=True, slots=True)
class AnnotatedFace:
    """A face with its landmarks.

    Attributes
    ----------
    picture : path, or uint8 [H, W]
    points : float32 [P, 2], pixels
    box : (x, y, width, height) or None, pixels, where the annotation has one
    """

    picture: Path | NDArray[np.uint8]
    points: NDArray[np.float32]
    box: tuple[float, float, float, float] | None = None

    def gray(self) -> NDArray[np.uint8]:
        """The picture, uint8 [H, W]; a ValueError names a file that cannot be read."""
        if not isinstance(self.picture, Path):
            return self.picture
        try:
            with Image.open(self.picture) as opened:
                return np.asarray(opened.convert("L"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"{self.picture}: no readable picture: {error}") from error


def read_landmarks(path: str | Path) -> list[AnnotatedFace]:
    """Read annotated faces; the form is seen from what is there.

    Parameters
    ----------
    path
        imglab's ``.xml``; an ``.npz`` or a folder with ``points68.npz`` (see `read_npz`); a folder of pictures with a
        ``.pts`` file beside each.

    Returns
    -------
    list of AnnotatedFace, sorted by the pictures' names (of XML: in its order).

    Raises
    ------
    ValueError
        If nothing of that kind is there, or a file cannot be read.
    ModelError
        If a file is damaged; the message names file and place.
    """
    path = Path(path)
    if path.is_dir():
        table = path / "points68.npz"
        if table.is_file():
            return read_npz(table)
        found = sorted(path.rglob("*.pts"))
        if not found:
            raise ValueError(f"{path}: holds no annotated faces: neither points68.npz nor .pts files")
        return [AnnotatedFace(_beside(file), read_pts(file)) for file in found]
    if not path.is_file():
        raise ValueError(f"{path}: no such file or folder")
    if path.suffix == ".npz":
        return read_npz(path)
    if path.suffix == ".xml":
        return read_imglab(path)
    raise ValueError(f"{path}: annotated faces are read from .xml, .npz and folders")


def read_npz(path: str | Path) -> list[AnnotatedFace]:
    """Read a table: ``names`` [n] of pictures in ``images/`` beside it, ``points`` [n, P, 2].

    Raises
    ------
    ModelError
        If it is damaged, or the arrays do not fit each other.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as stored:
            names, points = stored["names"], stored["points"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: no readable table of names and points: {error}") from error
    if names.ndim != 1 or names.dtype.kind != "U" or points.ndim != 3 or points.shape[::2] != (len(names), 2):
        raise ModelError(
            f"{path}: names {names.dtype} {list(names.shape)}, points {list(points.shape)}; "
            "expected texts [n] and [n, P, 2]"
        )
    folder = path.parent / "images"
    faces = []
    for row in np.argsort(names):
        name = str(names[row])
        if Path(name).name != name:
            raise ModelError(f"{path}: row {row}: {name!r} is no name of a picture in {folder}")
        faces.append(AnnotatedFace(folder / name, _judged(points[row], f"{path}: row {row}")))
    return faces


def _judged(points: NDArray[np.generic], where: str) -> NDArray[np.float32]:
    values = np.asarray(points, np.float32)
    if not 2 <= len(values) <= _MAX_POINTS:
        raise ModelError(f"{where}: {len(values)} points; 2 to {_MAX_POINTS} are read")
    if not (np.abs(values) <= _MAX_COORDINATE).all():  # also false for what is no number
        raise ModelError(f"{where}: coordinates must be finite and within {_MAX_COORDINATE:.0f} pixels")
    return values


def read_pts(path: str | Path) -> NDArray[np.float32]:
    """Read the points of an iBUG ``.pts`` file.

    The file counts pixels from 1; what is returned counts from 0.

    Returns
    -------
    float32 [P, 2] (x, y)

    Raises
    ------
    ModelError
        If the file is damaged; the message names file and line.
    """
    path = Path(path)
    lines = [line.strip() for line in _text(path).splitlines()]
    if not lines or not lines[0].startswith("version:"):
        raise ModelError(f"{path}: line 1: a .pts file begins with 'version:', is {''.join(lines[:1])[:40]!r}")
    heading = next((i for i, line in enumerate(lines) if line.startswith("n_points:")), None)
    count = lines[heading][len("n_points:") :].strip() if heading is not None else ""
    if heading is None or not count.isdecimal() or not 2 <= int(count[:9]) <= _MAX_POINTS:
        raise ModelError(f"{path}: n_points is {count[:20]!r}; 2 to {_MAX_POINTS} are read")
    body = [(number, line) for number, line in enumerate(lines[heading + 1 :], heading + 2) if line]
    if len(body) != int(count) + 2 or body[0][1] != "{" or body[-1][1] != "}":
        raise ModelError(f"{path}: {len(body)} lines follow n_points, expected '{{', {count} points and '}}'")
    points = []
    for number, line in body[1:-1]:
        try:
            x, y = (float(word) for word in line.split())
        except ValueError:
            raise ModelError(f"{path}: line {number}: expected x and y, is {line[:40]!r}") from None
        points.append((x - 1, y - 1))
    return _judged(np.array(points), str(path))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_TEXT:
            raise ValueError(f"{path}: has {path.stat().st_size} bytes, up to {_MAX_TEXT} are read")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error


def _beside(file: Path) -> Path:
    found = next(
        (p for p in (file.with_suffix(s) for s in (*_PICTURES, *map(str.upper, _PICTURES))) if p.is_file()), None
    )
    if found is None:
        raise ValueError(f"{file}: there is no picture beside it")
    return found


def read_imglab(path: str | Path) -> list[AnnotatedFace]:
    """Read the XML of dlib's imglab: each box with named parts becomes a face, parts in the order of their names.

    Boxes without parts, and those marked ``ignore``, are left out; document types and entities are refused.

    Raises
    ------
    ModelError
        If the file is damaged, or boxes differ in their parts; the message names file and line.
    """
    path = Path(path)
    reader = _Imglab(path)
    try:
        reader.parser.Parse(_text(path), True)
    except expat.ExpatError as error:
        raise ModelError(f"{path}: not well-formed XML: {error}") from error
    if not reader.faces:
        raise ModelError(f"{path}: holds no box with parts")
    return reader.faces


class _Imglab:
    """What expat finds: the faces so far, the picture and box that are open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faces: list[AnnotatedFace] = []
        self.names: list[str] | None = None
        self.image: Path | None = None
        self.box: tuple[float, float, float, float] | None = None
        self.parts: dict[str, tuple[float, float]] = {}
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse

    def _refuse(self, *_: object) -> None:
        self._fail("document types and entities are not read")

    def _fail(self, what: str) -> None:
        raise ModelError(f"{self.path}: line {self.parser.CurrentLineNumber}: {what}")

    def _numbers(self, tag: str, attributes: dict[str, str], *names: str) -> list[float]:
        values = []
        for name in names:
            text = attributes.get(name, "")
            try:
                values.append(float(text))
            except ValueError:
                self._fail(f"<{tag}> needs a number {name}, is {text[:20]!r}")
            if not abs(values[-1]) <= _MAX_COORDINATE:
                self._fail(f"<{tag}> has {name} {text[:20]}, up to {_MAX_COORDINATE:.0f} pixels are read")
        return values

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "image":
            if not attributes.get("file"):
                self._fail("<image> names no file")
            self.image = self.path.parent / attributes["file"]
        elif tag == "box" and self.image is not None:
            left, top, width, height = self._numbers(tag, attributes, "left", "top", "width", "height")
            ignored = attributes.get("ignore", "0") not in ("0", "false")
            self.box, self.parts = None if ignored else (left, top, width, height), {}
        elif tag == "part" and self.box is not None:
            name = attributes.get("name", "")
            if not name or name in self.parts or len(self.parts) >= _MAX_POINTS:
                self._fail(f"part {name[:20]!r} has no name, stands twice, or is one of more than {_MAX_POINTS}")
            x, y = self._numbers(tag, attributes, "x", "y")
            self.parts[name] = (x, y)

    def _end(self, tag: str) -> None:
        if tag == "image":
            self.image = None
        elif tag == "box" and self.box is not None and self.image is not None:
            if self.parts:
                self._add(self.image, self.box)
            self.box = None

    def _add(self, image: Path, box: tuple[float, float, float, float]) -> None:
        names = sorted(self.parts)
        if self.names is not None and names != self.names:
            self._fail(f"a box of {len(names)} parts, named otherwise than those before, of {len(self.names)}")
        self.names = names
        points = _judged(np.array([self.parts[name] for name in names]), f"{self.path}: a box of {image.name}")
        self.faces.append(AnnotatedFace(image, points, box))
