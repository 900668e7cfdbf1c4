"""Reading pictures: every kind of file, array or PIL image becomes one upright RGB array of bytes.

Pillow decodes; the rules that decide what a pixel means stand here:

* The EXIF orientation is applied, so coordinates are those of the picture as a person sees it.
* 16 bits a sample are scaled to 8 by 255 / 65,535 (not clipped); floating-point files must lie in 0..1.
* Transparent pixels lie on white. CMYK, palette, Lab, 1-bit and grey become RGB. An animation gives its
  first frame.
* Pictures above `WORKING_PIXELS` are held reduced by a whole number, so that memory and time stay bounded;
  `Picture.scale` says by how much, and results are given in pixels of the full picture.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

__all__ = ["EXTENSIONS", "WORKING_PIXELS", "Picture", "PictureSource", "find", "read"]

PictureSource: TypeAlias = "str | os.PathLike[str] | NDArray[np.uint8] | PILImage | Picture"
"""What `read` takes: a path, an array, a PIL image, or a picture already read."""

WORKING_PIXELS = 1 << 25
"""Most pixels held at work (33.5 million, about a 33-megapixel photograph: 100 MB of RGB)."""

EXTENSIONS = frozenset(
    {".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm", ".pcx"}
    | {".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)
"""File names that `find` takes for pictures in a folder (case does not matter)."""

_LOG = logging.getLogger(__name__)
_WHITE = 255
_STRIP = 1 << 22  # pixels converted at a time


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One upright picture.

    Attributes
    ----------
    rgb : uint8 [H, W, 3]
        C-contiguous pixels, reduced by `scale`.
    size : (int, int)
        Width and height of the full, upright picture in pixels.
    scale : (float, float)
        Full pixels per held pixel, along x and y; (1, 1) unless the picture was reduced.
    name : str
        What messages call it: the path, or the argument's name.
    """

    rgb: NDArray[np.uint8]
    size: tuple[int, int]
    scale: tuple[float, float]
    name: str

    def gray(self) -> NDArray[np.uint8]:
        """Luma of the held pixels, uint8 [H, W], by `ferkern.image.to_gray`."""
        from ferkern import image

        return image.to_gray(self.rgb)


def read(source: PictureSource, *, name: str = "image") -> Picture:
    """Read one picture.

    Parameters
    ----------
    source : path, uint8 array [H, W], [H, W, 1], [H, W, 3] (RGB) or [H, W, 4] (RGBA), PIL image, or Picture
        Arrays may have any strides; no other dtype is accepted, the message says how to cast.
    name : str
        What messages call an array or PIL image; files are called by their path.

    Raises
    ------
    OSError
        The file does not exist or may not be opened (`FileNotFoundError`, `PermissionError`, ...).
    ValueError
        The file is not a picture, is damaged, empty or too large; an array has no pixels or a wrong shape.
    TypeError
        `source` is of another type, or an array of another dtype.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _read_file(Path(source))
    pil_image = sys.modules.get("PIL.Image")
    if pil_image is not None and isinstance(source, pil_image.Image):
        return _from_pil(source, name)
    if isinstance(source, np.ndarray) or hasattr(source, "__array_interface__"):
        return _from_array(np.asarray(source), name)
    if hasattr(source, "__dlpack__"):
        return _from_array(np.from_dlpack(source), name)
    raise TypeError(
        f"{name}: {type(source).__name__} is not a picture; pass a path, a uint8 array [height, width, 3], "
        "a PIL image, or a list of these"
    )


def find(path: Path) -> Iterator[Path]:
    """Picture files below a folder, in order of name, by their extension; hidden files are left out."""
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for file in sorted(files):
            if not file.startswith(".") and os.path.splitext(file)[1].lower() in EXTENSIONS:
                yield Path(folder, file)


# -- arrays ----------------------------------------------------------------------


def _from_array(array: NDArray[Any], name: str) -> Picture:
    _check_array(array, name)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] == 1:
        rgb = np.repeat(array, 3, axis=2)
    elif array.shape[2] == 4:
        rgb = _on_white(array)
    else:
        rgb = np.ascontiguousarray(array)
    return _held(rgb, (rgb.shape[1], rgb.shape[0]), name)


def _check_array(array: NDArray[Any], name: str) -> None:
    shape = list(array.shape)
    if array.dtype != np.uint8:
        raise TypeError(f"{name}: dtype {array.dtype}, expected uint8{_range(array)}; {_how_to_cast(array, name)}")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        hint = ""
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = f"; channels stand first here: pass {name}.transpose(1, 2, 0)"
        elif array.ndim == 4:
            hint = f"; pass a batch as a list: list({name})"
        raise ValueError(
            f"{name}: shape {shape}, expected [height, width], [height, width, 3] or [height, width, 4]{hint}"
        )
    if 0 in array.shape:
        raise ValueError(f"{name}: shape {shape} has no pixels")


def _range(array: NDArray[Any]) -> str:
    if array.size == 0 or array.dtype.kind not in "iuf":
        return ""
    if array.dtype.kind != "f":
        return f" (values {array.min()} .. {array.max()})"
    missing = int(np.count_nonzero(~np.isfinite(array)))
    finite = array[np.isfinite(array)]
    span = f"values {finite.min():.4g} .. {finite.max():.4g}" if finite.size else "no finite value"
    return f" ({span}; {missing} of {array.size} are NaN or infinite)" if missing else f" ({span})"


def _how_to_cast(array: NDArray[Any], name: str) -> str:
    if array.dtype == np.bool_:
        return f"cast with {name}.astype(np.uint8) * 255"
    if array.dtype.kind == "f":
        finite = array[np.isfinite(array)]
        if finite.size < array.size:
            return "replace these values, then cast"
        if finite.size and finite.min() >= 0 and finite.max() <= 1:
            return f"cast values in 0..1 with ({name} * 255).round().astype(np.uint8)"
        return f"cast values in 0..255 with {name}.round().clip(0, 255).astype(np.uint8)"
    if array.dtype == np.uint16:
        return f"cast 16-bit values with ({name} // 257).astype(np.uint8)"
    if array.dtype.kind in "iu":
        return f"cast values in 0..255 with {name}.astype(np.uint8)"
    return "pass numbers"


def _on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rgb = np.empty((*rgba.shape[:2], 3), np.uint8)
    rows = max(1, _STRIP // rgba.shape[1])
    for top in range(0, len(rgba), rows):
        strip = rgba[top : top + rows]
        alpha = strip[:, :, 3:].astype(np.uint16)
        rgb[top : top + rows] = (strip[:, :, :3] * alpha + _WHITE * (255 - alpha) + 127) // 255
    return rgb


def _held(rgb: NDArray[np.uint8], size: tuple[int, int], name: str) -> Picture:
    """Hold an array, reduced to `WORKING_PIXELS` at most."""
    fx, fy = _reduction(*size)
    if (fx, fy) != (1, 1):
        rgb = _reduced(rgb, fx, fy)
        _LOG.info("%s: %d x %d pixels, worked on at 1/%d", name, *size, fx)
    return Picture(rgb=rgb, size=size, scale=(float(fx), float(fy)), name=name)


def _reduction(width: int, height: int) -> tuple[int, int]:
    """Smallest whole factors (x, y) that bring width x height down to `WORKING_PIXELS`."""
    fx = fy = 1
    while (width // fx) * (height // fy) > WORKING_PIXELS:
        fx, fy = min(fx + 1, width), min(fy + 1, height)
    return fx, fy


def _reduced(rgb: NDArray[np.uint8], fx: int, fy: int) -> NDArray[np.uint8]:
    """Averages of blocks of fx x fy pixels; a remainder at the right and lower border is left out."""
    from ferkern import image

    height, width = rgb.shape[0] // fy, rgb.shape[1] // fx
    return image.resize(np.ascontiguousarray(rgb[: height * fy, : width * fx]), (height, width), method="area")


# -- files and PIL images ----------------------------------------------------------------------

_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a[::-1].transpose(1, 0, 2),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: a[:, ::-1].transpose(1, 0, 2),
}
"""What turns stored [H, W, 3] pixels upright, by the value of EXIF tag 0x0112 (others: nothing)."""


def _read_file(path: Path) -> Picture:
    from PIL import Image, UnidentifiedImageError

    if path.is_dir():
        raise ValueError(f"{path}: is a folder; pass the pictures in it")
    # Pillow's warning about large pictures is a question; the answer: up to its hard limit they are read.
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(file)
        except UnidentifiedImageError:
            raise ValueError(f"{path}: {_not_a_picture(path)}") from None
        except Exception as error:  # a decoder of damaged bytes raises what it likes
            raise ValueError(f"{path}: {_damage(error)}") from error
        with image:
            return _from_pil(image, str(path), whole_file=True)


def _not_a_picture(path: Path) -> str:
    size = path.stat().st_size
    if size == 0:
        return "the file is empty (0 bytes)"
    with path.open("rb") as file:
        start = file.read(8)
    return f"not a picture that Pillow knows ({size:,} bytes, beginning {start.hex(' ')})"


def _damage(error: Exception) -> str:
    from PIL import Image

    if isinstance(error, Image.DecompressionBombError):
        return f"too large ({error}); reduce it, or raise PIL.Image.MAX_IMAGE_PIXELS if it is to be trusted"
    if isinstance(error, MemoryError):
        return "too large for this machine's memory"
    return f"damaged or truncated ({str(error).strip() or type(error).__name__})"


def _from_pil(image: PILImage, name: str, *, whole_file: bool = False) -> Picture:
    if image.width == 0 or image.height == 0:
        raise ValueError(f"{name}: {image.width} x {image.height}, no pixels")
    full = image.size
    draft = whole_file and image.format == "JPEG" and _reduction(*full) != (1, 1)
    if draft:  # decodes at 1/2, 1/4 or 1/8, so that the full picture is never held
        fx, fy = _reduction(*full)
        image.draft(None, (full[0] // fx, full[1] // fy))
    try:
        image.load()
    except Exception as error:  # as above
        raise ValueError(f"{name}: {_damage(error)}") from error
    if not draft:
        full = image.size  # some of Pillow's formats turn the picture upright while they load it
    rgb = _pixels(image, name)
    orientation = _orientation(image, name)
    upright = _UPRIGHT.get(orientation, _UPRIGHT[1])
    width, height = full[::-1] if orientation in (5, 6, 7, 8) else full
    rgb = np.ascontiguousarray(upright(rgb))
    scale = (width / rgb.shape[1], height / rgb.shape[0])
    return Picture(rgb=rgb, size=(width, height), scale=scale, name=name)


def _orientation(image: PILImage, name: str) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception as error:
        _LOG.warning("%s: EXIF data cannot be read (%s); the picture is taken as it is stored", name, error)
        return 1


def _pixels(image: PILImage, name: str) -> NDArray[np.uint8]:
    """RGB pixels, reduced strip by strip where there are more than `WORKING_PIXELS`."""
    fx, fy = _reduction(*image.size)
    if (fx, fy) == (1, 1):
        return _to_rgb(image, name)
    width, height = image.width // fx, image.height // fy
    _LOG.info("%s: %d x %d pixels, worked on at 1/%d", name, *image.size, fx)
    rgb = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP // (image.width * fy))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = image.crop((0, top * fy, width * fx, bottom * fy))
        rgb[top:bottom] = _reduced(_to_rgb(strip, name), fx, fy)
    return rgb


def _to_rgb(image: PILImage, name: str) -> NDArray[np.uint8]:
    mode = image.mode
    if mode.startswith("I;16") or mode in ("I", "F"):
        return np.repeat(_deep_to_bytes(np.asarray(image), mode, name)[:, :, None], 3, axis=2)
    see_through = mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    if mode == "RGB" and not see_through:
        return np.array(image)
    try:
        converted = image.convert("RGBA" if see_through else "RGB")
    except ValueError as error:
        raise ValueError(f"{name}: pixels of mode {mode} cannot be read as colours ({error})") from error
    return _on_white(np.asarray(converted)) if see_through else np.array(converted)


def _deep_to_bytes(values: NDArray[Any], mode: str, name: str) -> NDArray[np.uint8]:
    """Samples of more than 8 bits to bytes: integers from 0..65,535, floats from 0..1."""
    low, high = values.min(), values.max()
    if mode == "F":
        if not np.isfinite(values).all():
            count = int(np.count_nonzero(~np.isfinite(values)))
            raise ValueError(f"{name}: {count} of {values.size} floating-point pixels are NaN or infinite")
        if low < 0 or high > 1:
            raise ValueError(f"{name}: floating-point pixels in {low:.4g} .. {high:.4g}, expected 0 .. 1")
        return np.rint(values * 255.0).astype(np.uint8)
    if low < 0 or high > 65_535:
        raise ValueError(f"{name}: integer pixels in {low} .. {high}, expected 0 .. 65,535 (16 bits)")
    # v * 255 / 65535 = v / 257, rounded.
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
