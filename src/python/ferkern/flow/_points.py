"""Points followed from one frame to the next, and corners."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, overload

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.auto import by_map

if TYPE_CHECKING:
    from ferkern.opencl.ops.pyramid import Pyramid as DevicePyramid

__all__ = ["Pyramid", "Track", "corners", "pyramid", "track"]

Float32: TypeAlias = npt.NDArray[np.float32]
Frame: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
Pyramid: TypeAlias = _core.Pyramid


@overload
def pyramid(frame: Frame, *, device: Literal["cpu"] = "cpu") -> Pyramid: ...
@overload
def pyramid(frame: Frame, *, device: str) -> Pyramid | DevicePyramid: ...
@by_map("pyramid")
def pyramid(frame: Frame, *, device: str = "cpu") -> Pyramid | DevicePyramid:
    """Gaussian pyramid of a frame, to hand to `track` in its place, so that the next call need not build it again.

    Level 0 is `frame` itself, kept and not copied: do not write into it while the pyramid is in use. Of the other
    levels what a call needs is built when it is needed, and stays. Several threads may use a pyramid at once.

    Parameters
    ----------
    frame : uint8 or float32 [H, W]
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``: where `track` will be called. On a device a copy
        of the frame stands there, sent once.

    Returns
    -------
    Pyramid
        With ``shape``, (H, W), and ``level(l)``, a copy of level l from 0 to 16, of half the size of the one before,
        rounded up. For a device a `ferkern.opencl.ops.pyramid.Pyramid`.

    Raises
    ------
    TypeError
        `frame` is neither uint8 nor float32.
    ValueError
        `frame` has another rank, no pixels, or pixels of a row that stand apart.
    DeviceError
        The device is missing; the message says why and what to do.

    Notes
    -----
    P. J. Burt, E. H. Adelson, "The Laplacian pyramid as a compact image code", IEEE Trans. Comm. 31(4), 1983: every
    second pixel of the picture filtered with (1 4 6 4 1) / 16 both ways, reflected at the border; uint8 levels are
    rounded.
    """
    if device != "cpu":
        from ferkern.opencl.ops.pyramid import Pyramid as DevicePyramid

        return DevicePyramid(frame, device)
    return _core.Pyramid(frame)


@dataclass(frozen=True, slots=True)
class Track:
    """Where points went. Unpacks into ``points, status, residual``.

    Attributes
    ----------
    points : float32 [N, 2]
        (x, y) in the next frame; of lost points the last estimate.
    status : bool [N]
        Whether the point was found.
    residual : float32 [N]
        Mean absolute difference of the two windows, grey levels; NaN for lost points.
    backward_error : float32 [N] or None
        Distance in pixels between a point and where it arrives when it is tracked there and back; NaN where either way
        is lost. None unless asked for.
    iterations : int32 [N]
        Steps of the forward way, on all levels together.
    levels : int
        Coarsest level in use.
    """

    points: Float32
    status: npt.NDArray[np.bool_]
    residual: Float32
    backward_error: Float32 | None
    iterations: npt.NDArray[np.int32]
    levels: int

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return iter((self.points, self.status, self.residual))


@by_map("track")
def track(
    prev: Frame | Pyramid | DevicePyramid,
    next: Frame | Pyramid | DevicePyramid,
    pts: Float32,
    *,
    guess: Float32 | None = None,
    window: int = 21,
    levels: int = 3,
    iterations: int = 30,
    epsilon: float = 0.01,
    min_eigenvalue: float = 1e-4,
    backward: bool = False,
    device: str = "cpu",
) -> Track:
    """Where the points of one frame stand in the next: pyramidal Lucas-Kanade.

    Parameters
    ----------
    prev, next : uint8 or float32 [H, W], or what `pyramid` made of them
        Two frames of one size and dtype. Pyramids stand on `device`.
    pts : float32 [N, 2], C-contiguous
        (x, y) in `prev`. Points whose window lies wholly outside, and those that are not finite, have status 0.
    guess : float32 [N, 2], optional
        Where to begin to look in `next`; `pts` if not given.
    window
        Side of the square that is compared, pixels, 3 to 255.
    levels
        Halvings of the frame, 0 to 16. Those that are not larger than the window in both directions are not used.
    iterations, epsilon
        A level is done after so many steps, 1 to 1000, or a step of at most `epsilon` pixels.
    min_eigenvalue
        A window whose matrix of mean squared gradients has a smaller eigenvalue below this is lost, in units of (grey
        levels / 32)^2 as in OpenCV. For float32 frames from 0 to 1, 1e-4 / 255^2 means what 1e-4 does for bytes.
    backward
        Track what was found back into `prev`, too, and measure how far from its start it arrives.
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``; on a device frames (other than
        pyramids) and points are copied there, and the tracks back.

    Returns
    -------
    Track

    Raises
    ------
    TypeError
        A frame is neither uint8 nor float32, the two differ in dtype, or points are not float32.
    ValueError
        The frames differ in size, have no pixels, or pixels of a row that stand apart; points are not [N, 2]; a number
        is outside its range.
    DeviceError
        The device is missing; the message says why and what to do.

    Notes
    -----
    J.-Y. Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker", Intel, 2000; J. Shi, C. Tomasi,
    "Good features to track", CVPR 1994 (the eigenvalue); Z. Kalal, K. Mikolajczyk, J. Matas, "Forward-backward error",
    ICPR 2010. Pyramid, Scharr gradients, borders, status and the end of the iteration are those of OpenCV's
    calcOpticalFlowPyrLK; instead of its fixed point all is float32, and the sums of an iteration are formed in another
    order (`track.inl.hpp`), so that positions differ by thousandths of a pixel, and so they do from device to device.
    The same bits for every number of threads.
    """
    settings = (pts, guess, window, levels, iterations, epsilon, min_eigenvalue, backward)
    if device != "cpu":
        from ferkern.opencl.ops.flow_lk import track as track_on_device

        return Track(*track_on_device(prev, next, *settings, device=device))
    return Track(*_core.flow_track(cast("Frame", prev), cast("Frame", next), *settings))


@by_map("corners")
def corners(
    gray: Frame, count: int, *, quality: float = 0.01, min_distance: float = 10, block: int = 3, device: str = "cpu"
) -> Float32:
    """Corners that can be tracked, best first.

    Parameters
    ----------
    gray : uint8 or float32 [H, W]
    count
        How many at most, at least 1.
    quality
        Least strength, as a fraction of the strongest corner's, 0 to 1.
    min_distance
        Least distance between two corners, pixels; the stronger stays.
    block
        Side of the square over which gradients are gathered, pixels, 1 to 31.
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``; on a device the eigenvalues are computed, float32
        [H, W], and come back; the choice is the CPU's.

    Returns
    -------
    float32 [N, 2]
        (x, y), N at most `count`; none in a picture of one grey level or smaller than 3 x 3.

    Raises
    ------
    TypeError
        `gray` is neither uint8 nor float32.
    ValueError
        `gray` has another rank, no pixels, or pixels of a row that stand apart; a number is outside its range.
    DeviceError
        The device is missing; the message says why and what to do.

    Notes
    -----
    J. Shi, C. Tomasi, "Good features to track", CVPR 1994: the smaller eigenvalue of the mean of g g^T over the block,
    g the gradient by Sobel's filter; pixels that are not on the border and have none larger among their eight
    neighbours. Choice and order are those of OpenCV's goodFeaturesToTrack.
    """
    if device != "cpu":
        from ferkern.opencl.ops.corners import corners as corners_on_device

        return corners_on_device(gray, count, quality, min_distance, block, device=device)
    return _core.flow_corners(gray, count, quality, min_distance, block)
