"""Folders of pictures, one folder a class, such as ``train/angry/*.jpg``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ferkern.data.faceset import SIZE, FaceSet
from ferkern.models.network import CLASSES

__all__ = ["class_folders", "read_folders"]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".pgm", ".tif", ".tiff"}
_USAGE = {
    "train": "Training",
    "training": "Training",
    "val": "PublicTest",
    "valid": "PublicTest",
    "validation": "PublicTest",
    "publictest": "PublicTest",
    "public_test": "PublicTest",
    "test": "PrivateTest",
    "privatetest": "PrivateTest",
    "private_test": "PrivateTest",
}
_CLASS = {name: index for index, name in enumerate(CLASSES)} | {
    "anger": 0,
    "disgusted": 1,
    "fearful": 2,
    "happiness": 3,
    "sadness": 4,
    "surprised": 5,
}
_MAX_PIXELS = 64_000_000


def class_folders(root: Path) -> list[tuple[str, int, Path]]:
    """Usage, class and place of every class folder: in `root`, or one below it in a folder of a usage.

    Folders of a class directly in `root` count as ``"PublicTest"``: pictures to evaluate on.
    """
    found = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        name = folder.name.lower()
        if name in _CLASS:
            found.append(("PublicTest", _CLASS[name], folder))
        elif name in _USAGE:
            for inner in sorted(p for p in folder.iterdir() if p.is_dir()):
                if inner.name.lower() in _CLASS:
                    found.append((_USAGE[name], _CLASS[inner.name.lower()], inner))
    return found


def read_folders(root: str | Path) -> FaceSet:
    """Read every picture of every class folder; what is not grey 48x48 is made so.

    Parameters
    ----------
    root
        Folder of class folders, or of ``train``, ``test`` and such with class folders in them.

    Raises
    ------
    ValueError
        If there is no class folder, no picture, or a picture cannot be read; the message names it.
    """
    root = Path(root)
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    usages: list[str] = []
    for usage, label, folder in class_folders(root):
        for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES):
            images.append(_read(path))
            labels.append(label)
            usages.append(usage)
    if not images:
        raise ValueError(f"{root}: no pictures in class folders here ({', '.join(CLASSES)})")
    return FaceSet(np.stack(images), np.array(labels, np.int64), np.array(usages))


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                raise ValueError(f"{path}: {picture.width}x{picture.height} is more than {_MAX_PIXELS} pixels")
            gray = np.asarray(picture.convert("L"), dtype=np.uint8)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not a readable picture: {error}") from error
    if gray.shape != (SIZE, SIZE):
        from ferkern import image

        gray = image.resize(np.ascontiguousarray(gray), (SIZE, SIZE), method="area")
    return gray
