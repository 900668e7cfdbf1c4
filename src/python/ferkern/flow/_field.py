"""What is done with flow fields: the classical method, warping, error, colours."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.auto import by_map

__all__ = ["color_wheel", "endpoint_error", "horn_schunck", "to_color", "warp"]

Float32: TypeAlias = npt.NDArray[np.float32]
UInt8: TypeAlias = npt.NDArray[np.uint8]
Frame: TypeAlias = UInt8 | Float32
Pixel = TypeVar("Pixel", np.uint8, np.float32)

UNKNOWN = 1e9
"""Motions beyond this are unknown, in Middlebury's files and here; so are those that are no number."""

# Steps between neighbouring hues of the wheel: red, yellow, green, cyan, blue, magenta, and back to red.
_HUE_STEPS = (15, 6, 4, 11, 13, 6)


@by_map("horn_schunck")
def horn_schunck(
    prev: Frame,
    next: Frame,
    *,
    alpha: float = 10.0,
    iterations: int = 100,
    white: float = 255.0,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Dense flow by Horn and Schunck's method, the classical reference: for motions of up to about a pixel.

    Parameters
    ----------
    prev, next : uint8 or float32 [H, W]
        Two frames of one size and dtype.
    alpha
        Weight of smoothness against brightness, grey levels of 255, above 0.
    iterations
        Steps of Jacobi's method from no motion at all; what is known at edges spreads by a pixel with each.
    white
        The largest grey level of float32 frames: 1.0 for frames from 0 to 1.
    out : float32 [H, W, 2], optional
        Where the flow is written.
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``; on a device the arrays are copied there and back.

    Returns
    -------
    float32 [H, W, 2]

    Raises
    ------
    TypeError, ValueError
        As for `dense`.
    DeviceError
        The device is missing; the message says why and what to do.

    Notes
    -----
    B. K. P. Horn, B. G. Schunck, "Determining optical flow", Artificial Intelligence 17, 1981:
    u <- mean u - Ix (Ix mean u + Iy mean v + It) / (alpha^2 + Ix^2 + Iy^2), in the mean the sides with 1/6 and the
    corners with 1/12, derivatives over cubes of 2 x 2 x 2 pixels. One level; `dense` follows larger motions.
    """
    if device != "cpu":
        from ferkern.opencl.ops.flow_hs import horn_schunck as horn_schunck_on_device

        return horn_schunck_on_device(prev, next, alpha, iterations, white, out, device=device)
    return _core.flow_horn_schunck(prev, next, alpha, iterations, white, out)


@by_map("flow_warp")
def warp(
    image: npt.NDArray[Pixel],
    flow: Float32,
    *,
    border: Literal["constant", "replicate"] = "constant",
    fill: float = 0.0,
    out: npt.NDArray[Pixel] | None = None,
    device: str = "cpu",
) -> npt.NDArray[Pixel]:
    """Sample a picture along a flow field: the second frame is brought onto the first.

    Parameters
    ----------
    image : uint8 or float32 [H, W] or [H, W, C]
        Any strides.
    flow : float32 [H, W, 2], C-contiguous
        The result at (x, y) is `image` at (x + u, y + v), bilinear.
    border, fill
        Beyond the border there is `fill` (``"constant"``) or the nearest pixel (``"replicate"``). Where the motion is
        unknown (no number, or beyond 1e9), the result is `fill`.
    out : optional
        An array of the result's shape and dtype to write into, apart from `image`.
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``; on a device the arrays are copied there and back.

    Returns
    -------
    array of the shape and dtype of `image`
        uint8 is rounded. The same bits on every instruction set and device.

    Raises
    ------
    TypeError
        `image` is neither uint8 nor float32, or `flow` not float32.
    ValueError
        The shapes do not fit, `border` is unknown, or `fill` cannot be held.
    DeviceError
        The device is missing; the message says why and what to do.
    """
    if device != "cpu":
        from ferkern.opencl.ops.flow_warp import warp as warp_on_device

        return warp_on_device(image, flow, border, fill, out, device=device)
    return _core.flow_warp(image, flow, border, fill, out)


def _known(flow: Float32) -> npt.NDArray[np.bool_]:
    return np.asarray((np.abs(flow) <= UNKNOWN).all(axis=-1))  # false for what is no number, too


def _require_field(flow: Float32, name: str) -> None:
    if not isinstance(flow, np.ndarray) or flow.dtype != np.float32:
        kind = flow.dtype.name if isinstance(flow, np.ndarray) else type(flow).__name__
        raise TypeError(f'{name} must be float32, is {kind}; pass numpy.asarray({name}, "float32")')
    if flow.ndim != 3 or flow.shape[2] != 2 or 0 in flow.shape:
        raise ValueError(f"{name} must have the shape [height, width, 2], has {list(flow.shape)}")


def endpoint_error(flow: Float32, truth: Float32) -> float:
    """Mean distance in pixels between where a flow leads and where it should; unknown truth is left out.

    Parameters
    ----------
    flow, truth : float32 [H, W, 2]
        `truth` is unknown where it is no number or beyond 1e9.

    Raises
    ------
    TypeError
        One of the two is not float32.
    ValueError
        The shapes differ or are no field's, or nothing of the truth is known.

    Notes
    -----
    S. Baker, D. Scharstein, J. P. Lewis, S. Roth, M. J. Black, R. Szeliski, "A database and evaluation methodology for
    optical flow", IJCV 92(1), 2011, section 4.1.
    """
    _require_field(flow, "flow")
    _require_field(truth, "truth")
    if flow.shape != truth.shape:
        raise ValueError(f"flow and truth must have the same shape, are {list(flow.shape)} and {list(truth.shape)}")
    known = _known(truth)
    if not known.any():
        raise ValueError("truth is unknown everywhere")
    apart = flow[known].astype(np.float64) - truth[known]
    return float(np.hypot(apart[:, 0], apart[:, 1]).mean())


def _hues() -> npt.NDArray[np.float64]:
    """The 55 hues of the wheel, [55, 3] from 0 to 1: one channel rises or falls from each pure colour to the next."""
    corners = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]], float)
    runs = [
        a + (b - a) * np.floor(255 * np.arange(n) / n)[:, None] / 255
        for a, b, n in zip(corners[:-1], corners[1:], _HUE_STEPS, strict=True)
    ]
    return np.concatenate(runs)


def to_color(flow: Float32, *, largest: float | None = None) -> UInt8:
    """A flow field as a picture: hue is direction, saturation speed.

    Parameters
    ----------
    flow : float32 [H, W, 2]
    largest
        The speed of full saturation, pixels, above 0; faster is darker. The field's own largest if not given.

    Returns
    -------
    uint8 [H, W, 3]
        RGB; white stands still, right is red, down yellow, left cyan to blue, up violet; unknown motions are black.
        ``PIL.Image.fromarray(...).save("flow.png")`` writes it.

    Raises
    ------
    TypeError
        `flow` is not float32.
    ValueError
        `flow` is not [H, W, 2], or `largest` not above 0.

    Notes
    -----
    Baker et al. (see `endpoint_error`), section 4.3: the colour code of the Middlebury evaluation, a wheel of 55 hues.
    """
    _require_field(flow, "flow")
    if largest is not None and not 0 < largest < np.inf:
        raise ValueError(f"largest must be finite and above 0, is {largest}")
    known = _known(flow)
    motion = np.where(known[..., None], flow, 0).astype(np.float64)
    speed = np.hypot(motion[..., 0], motion[..., 1])
    speed /= largest if largest is not None else max(speed.max(), np.finfo(np.float64).tiny)
    hues = _hues()
    place = (np.arctan2(-motion[..., 1], -motion[..., 0]) / np.pi + 1) / 2 * (len(hues) - 1)
    first = np.minimum(place.astype(int), len(hues) - 1)
    part = (place - first)[..., None]
    hue = (1 - part) * hues[first] + part * hues[(first + 1) % len(hues)]
    radius = speed[..., None]
    shade = np.where(radius <= 1, 1 - radius * (1 - hue), 0.75 * hue)
    return np.where(known[..., None], np.floor(255 * shade), 0).astype(np.uint8)


def color_wheel(size: int = 151) -> UInt8:
    """The legend of `to_color`: the motion at each place is its offset from the middle, full speed at the rim.

    Parameters
    ----------
    size
        Side of the picture in pixels, at least 3; corners beyond the rim are white.

    Returns
    -------
    uint8 [size, size, 3]
    """
    if size < 3:
        raise ValueError(f"size must be at least 3, is {size}")
    offset = np.linspace(-1, 1, size, dtype=np.float32)
    u, v = np.meshgrid(offset, offset)
    wheel = to_color(np.stack([u, v], axis=-1), largest=1.0)
    wheel[np.hypot(u, v) > 1] = 255
    return wheel
