"""Pictures: grey, another size, and affine views of them, computed by ferkern's kernels.

Pictures are arrays [H, W] or [H, W, C] of any strides; nothing is cast or copied in silence. Every result has the same
bits on every instruction set and for every number of threads, and on every OpenCL device that divides with one rounding
or has float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.auto import by_map

__all__ = [
    "Integral",
    "compose",
    "fit_similarity",
    "integral",
    "invert",
    "resize",
    "similarity",
    "to_gray",
    "transform_points",
    "warp",
]

UInt8 = npt.NDArray[np.uint8]
Float64 = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64] | npt.NDArray[np.float32]
Pixel = TypeVar("Pixel", np.uint8, np.float32)


@by_map("to_gray")
def to_gray(rgb: UInt8, *, out: UInt8 | None = None, device: str = "cpu") -> UInt8:
    """Grey picture from colour: ITU-R BT.601 luma in fixed point, bit for bit what Pillow's mode ``"L"`` holds.

    Parameters
    ----------
    rgb : uint8 [H, W, 3] or [H, W, 4]
        Red, green, blue; a fourth channel (alpha) is not looked at.
    out : uint8 [H, W], optional
        C-contiguous array to write into; must not share memory with `rgb`.
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``; a device gives the same bytes.

    Returns
    -------
    uint8 [H, W]: floor((19595 R + 38470 G + 7471 B + 32768) / 65536).

    Raises
    ------
    TypeError
        `rgb` is not uint8.
    ValueError
        `rgb` has no pixels or not 3 or 4 channels.
    ferkern.opencl.DeviceError
        The device is missing; the message says why and what to do.
    """
    if device != "cpu":
        from ferkern.opencl.ops.gray import to_gray as to_gray_on_device

        return to_gray_on_device(rgb, out=out, device=device)
    return _core.to_gray(rgb, out)


@by_map("resize")
def resize(
    image: npt.NDArray[Pixel],
    size: tuple[int, int],
    *,
    method: Literal["area", "bilinear"] = "area",
    out: npt.NDArray[Pixel] | None = None,
    device: str = "cpu",
) -> npt.NDArray[Pixel]:
    """Picture of another size.

    Parameters
    ----------
    image : uint8 or float32 [H, W] or [H, W, C]
    size
        (height, width) of the result, pixels.
    method
        ``"area"``: the mean of the source over each output pixel's own area, parts of source pixels counted by their
        part; the method for making pictures smaller. Made larger, source pixels become rectangles, mixed where an
        output pixel lies across their edge.
        ``"bilinear"``: between the four source pixels around the output pixel's centre (i + 1/2) H / height - 1/2;
        beyond the outermost centres the edge is repeated. It does not average: reduce with ``"area"``.
    out : as the result, optional
        C-contiguous array to write into; must not share memory with `image`.
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``; a device gives the same bits.

    Returns
    -------
    [height, width] or [height, width, C] of the dtype of `image`; uint8 results are floor(v + 1/2).

    Raises
    ------
    TypeError
        `image` is neither uint8 nor float32.
    ValueError
        A size is below 1, or the method is unknown.
    ferkern.opencl.DeviceError
        The device is missing; the message says why and what to do.
    """
    if device != "cpu":
        from ferkern.opencl.ops.resize import resize as resize_on_device

        return resize_on_device(image, size, method=method, out=out, device=device)
    return _core.resize(image, size, method, out)


@by_map("warp")
def warp(
    image: npt.NDArray[Pixel],
    matrix: Matrix,
    size: tuple[int, int],
    *,
    border: Literal["constant", "replicate"] = "constant",
    fill: float = 0,
    antialias: bool = False,
    out: npt.NDArray[Pixel] | None = None,
    device: str = "cpu",
) -> npt.NDArray[Pixel]:
    """Affine view of a picture, or many of them, with bilinear sampling.

    Parameters
    ----------
    image : uint8 or float32 [H, W] or [H, W, C]
    matrix : float64 or float32 [2, 3] or [K, 2, 3]
        Maps output pixels to input pixels: (x, y) = matrix @ (column, row, 1), pixel centres at integers. `invert`
        turns a matrix that maps the other way. Scales (the first two columns) up to 32768.
    size
        (height, width) of each result, pixels.
    border
        What stands beyond the picture: ``"constant"``: `fill`; ``"replicate"``: the nearest pixel.
    fill
        Value beyond the border, 0 to 255 for uint8.
    antialias
        Average over each output pixel's own square instead of taking one point: s_u x s_v samples, s_u and s_v the
        lengths of the matrix's first two columns rounded up, at most 32. For views that are much smaller than what they
        show, such as a large face on 48 x 48 pixels. Where the matrix does not reduce it changes nothing.
    out : as the result, optional
        C-contiguous array to write into; must not share memory with `image` or `matrix`.
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``; a device gives the same bits.

    Returns
    -------
    [height, width] for one matrix, [K, height, width] for K, with C behind where `image` has channels, of the dtype of
    `image`; uint8 results are floor(v + 1/2).

    Raises
    ------
    TypeError
        `image` is neither uint8 nor float32, or `matrix` not floating.
    ValueError
        `matrix` has another shape, an entry that is not finite or a scale too large; `fill` does not fit the dtype.
    ferkern.opencl.DeviceError
        The device is missing; the message says why and what to do.
    """
    if device != "cpu":
        from ferkern.opencl.ops.warp import warp as warp_on_device

        return warp_on_device(
            image, matrix, size, border=border, fill=fill, antialias=antialias, out=out, device=device
        )
    return _core.warp(image, matrix, size, border, fill, antialias, out)


def similarity(
    scale: float,
    angle: float = 0.0,
    translation: tuple[float, float] = (0.0, 0.0),
    *,
    center: tuple[float, float] = (0.0, 0.0),
) -> Float64:
    """Matrix [2, 3] that turns points about `center` by `angle`, scales them, and moves them.

    Parameters
    ----------
    scale
        Factor of lengths, above 0.
    angle
        Radians, from the x axis (right) towards the y axis (down): clockwise as one looks at the picture.
    translation
        (x, y), pixels, added after the turn.
    center
        (x, y) of the point that the turn and the scale leave where it is, pixels.

    Returns
    -------
    float64 [2, 3] : (x', y') = scale R(angle) ((x, y) - center) + center + translation.

    Raises
    ------
    ValueError
        A number is not finite or the scale is not above 0.
    """
    numbers = np.array([scale, angle, *translation, *center], dtype=np.float64)
    if not np.isfinite(numbers).all() or scale <= 0:
        raise ValueError(
            f"similarity needs finite numbers and a scale above 0; scale is {scale}, angle {angle}, "
            f"translation {translation}, center {center}"
        )
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    cx, cy = center
    return np.array(
        [[a, -b, cx - a * cx + b * cy + translation[0]], [b, a, cy - b * cx - a * cy + translation[1]]],
        dtype=np.float64,
    )


def invert(matrix: Matrix) -> Float64:
    """Matrix or matrices [..., 2, 3] that map the other way.

    Raises
    ------
    ValueError
        A shape other than [..., 2, 3], or a matrix that maps to a line or a point.
    """
    m = np.asarray(matrix, dtype=np.float64)
    if m.ndim < 2 or m.shape[-2:] != (2, 3):
        raise ValueError(f"matrix must have the shape [..., 2, 3], has {list(m.shape)}")
    linear, shift = m[..., :2], m[..., 2:]
    try:
        inverse = np.linalg.inv(linear)
    except np.linalg.LinAlgError as error:
        raise ValueError("matrix cannot be inverted: it maps the plane to a line or a point") from error
    return np.concatenate([inverse, -inverse @ shift], axis=-1)


def compose(second: Matrix, first: Matrix) -> Float64:
    """Matrix or matrices [..., 2, 3] that do `first`, and `second` to what comes out."""
    linear = second[..., :2] @ first[..., :2]
    shift = second[..., :2] @ first[..., 2:] + second[..., 2:]
    return np.concatenate([linear, shift], axis=-1, dtype=np.float64)


def transform_points(matrix: Matrix, points: npt.NDArray[np.floating[Any]]) -> Float64:
    """Points [..., N, 2] (x, y) under one matrix [2, 3] or as many [..., 2, 3].

    Returns
    -------
    float64 [..., N, 2]
    """
    m = np.asarray(matrix, dtype=np.float64)
    moved: Float64 = points @ np.swapaxes(m[..., :2], -1, -2) + m[..., None, :, 2]
    return moved


def fit_similarity(source: npt.ArrayLike, target: npt.ArrayLike) -> Float64:
    """Similarity (turn, one scale, shift; no reflection) that maps points best, in the least-squares sense.

    Minimises sum |s R p_i + t - q_i|^2 in closed form: with the points taken relative to their means, s cos = sum p.q /
    sum |p|^2 and s sin = sum p x q / sum |p|^2.

    Parameters
    ----------
    source, target : [..., N, 2] (x, y), N at least 2
        p_i and q_i, finite; one set of points, or many at once. One [N, 2] goes with many.

    Returns
    -------
    float64 [..., 2, 3], maps source to target.

    Raises
    ------
    ValueError
        Shapes do not go together, a number is not finite, or all points of a source coincide.

    Notes
    -----
    S. Umeyama, Least-squares estimation of transformation parameters between two point patterns, IEEE PAMI 13(4), 1991,
    in two dimensions and restricted to rotations.
    """
    p, q = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    leading = {a.shape[:-2] for a in (p, q) if a.ndim > 2}
    if (
        min(p.ndim, q.ndim) < 2
        or p.shape[-2:] != q.shape[-2:]
        or p.shape[-1] != 2
        or p.shape[-2] < 2
        or len(leading) > 1
    ):
        raise ValueError(
            "source and target must both be [..., N, 2] with N at least 2 and the same in front, are "
            f"{list(p.shape)} and {list(q.shape)}"
        )
    if not (np.isfinite(p).all() and np.isfinite(q).all()):
        raise ValueError("source and target must be finite")
    p_mean, q_mean = p.mean(axis=-2), q.mean(axis=-2)
    p, q = p - p_mean[..., None, :], q - q_mean[..., None, :]
    spread = (p * p).sum(axis=(-2, -1))
    if (spread <= np.finfo(np.float64).eps ** 2 * (p_mean * p_mean).sum(axis=-1)).any():
        raise ValueError("source points coincide: no scale and no turn can be told from them")
    a = (p * q).sum(axis=(-2, -1)) / spread
    b = (p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]).sum(axis=-1) / spread
    linear = np.stack([np.stack([a, -b], axis=-1), np.stack([b, a], axis=-1)], axis=-2)
    shift = q_mean - (linear @ p_mean[..., None])[..., 0]
    return np.concatenate([linear, shift[..., None]], axis=-1)


@dataclass(frozen=True, slots=True)
class Integral:
    """Integral images of a grey picture, each [H + 1, W + 1].

    Attributes
    ----------
    sum : int32
        ``sum[y, x] = gray[:y, :x].sum()``
    squared : int64 or None
        ``squared[y, x] = (gray[:y, :x] ** 2).sum()``
    tilted : int32 or None
        ``tilted[y, x]`` sums the triangle that stands on its tip: all ``gray[j, i]`` with ``j < y`` and
        ``abs(i - x + 1) <= y - j - 1``.
    """

    sum: npt.NDArray[np.int32]
    squared: npt.NDArray[np.int64] | None
    tilted: npt.NDArray[np.int32] | None


@by_map("integral")
def integral(gray: UInt8, *, squared: bool = False, tilted: bool = False, device: str = "cpu") -> Integral:
    """Sums of a picture over everything above and to the left, from which any rectangle's sum takes four reads.

    Parameters
    ----------
    gray : uint8 [H, W]
        Rows may be strided, pixels of a row must stand together.
    squared, tilted
        Whether to sum squares, and along diagonals, too.
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``; a device gives the same numbers.

    Returns
    -------
    Integral

    Raises
    ------
    TypeError
        `gray` is not uint8.
    ValueError
        `gray` has another rank, no pixels, or so many that their sum does not fit into an int32.
    ferkern.opencl.DeviceError
        The device is missing; the message says why and what to do.

    Notes
    -----
    Crow, "Summed-area tables for texture mapping", SIGGRAPH 1984; tilted sums: Lienhart and Maydt, "An extended set of
    Haar-like features for rapid object detection", ICIP 2002, equations 3 and 4.
    """
    if device != "cpu":
        from ferkern.opencl.ops.integral import integral as integral_on_device

        return Integral(*integral_on_device(gray, squared=squared, tilted=tilted, device=device))
    return Integral(*_core.integral(gray, squared, tilted))
