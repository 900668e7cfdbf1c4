"""Dense flow: inverse search and variational refinement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.auto import by_map

__all__ = ["PRESETS", "Preset", "dense", "refine"]

Float32: TypeAlias = npt.NDArray[np.float32]
Frame: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
PresetName: TypeAlias = Literal["ultrafast", "fast", "medium"]


@dataclass(frozen=True, slots=True)
class Preset:
    """What a name stands for in `dense`; the parameters there say what each is."""

    finest: int
    stride: int = 4
    iterations: int = 3
    refinements: int = 1
    sweeps: int = 4


PRESETS: dict[str, Preset] = {
    "ultrafast": Preset(finest=2),
    "fast": Preset(finest=1),
    "medium": Preset(finest=0, refinements=2),
}


def preset_of(name: str) -> Preset:
    """What a name stands for; ValueError where it stands for nothing."""
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; known: {', '.join(PRESETS)}")
    return PRESETS[name]


@by_map("flow")
def dense(
    prev: Frame,
    next: Frame,
    preset: PresetName = "fast",
    *,
    finest: int | None = None,
    stride: int | None = None,
    iterations: int | None = None,
    refinements: int | None = None,
    sweeps: int | None = None,
    alpha: float = 20.0,
    delta: float = 5.0,
    gamma: float = 10.0,
    white: float = 255.0,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """How every pixel of a frame moves to the next: dense inverse search with variational refinement.

    Parameters
    ----------
    prev, next : uint8 or float32 [H, W]
        Two frames of one size, at most 32,768 pixels a side, and one dtype.
    preset
        ``"ultrafast"`` searches down to a quarter of the frame's resolution, ``"fast"`` to half of it, ``"medium"`` to
        all of it, there with two refinements on each level. Numbers that are given replace those of the preset.
    finest
        The finest level that is searched is 2^-finest of the frame, 0 to 10; from there the motion is interpolated.
    stride
        Pixels from one patch of 8 x 8 to the next, 1 to 8.
    iterations
        Most steps of a patch on a level, 0 to 1,000.
    refinements
        Linearisations of the energy on each level, 0 to 1,000; 0 leaves the mean of the patches' motions.
    sweeps
        Of successive over-relaxation for each linearisation, 1 to 100.
    alpha, delta, gamma
        Weights of smoothness, brightness constancy and gradient constancy, for grey levels from 0 to 255.
    white
        The largest grey level of float32 frames: 1.0 for frames from 0 to 1. Frames of bytes have 255.
    out : float32 [H, W, 2], optional
        Where the flow is written.
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``; on a device the arrays are copied there and back.

    Returns
    -------
    float32 [H, W, 2]
        (u, v) in pixels: what stands at (x, y) in `prev` stands at (x + u, y + v) in `next`.

    Raises
    ------
    TypeError
        A frame is neither uint8 nor float32, or the two differ in dtype.
    ValueError
        The frames differ in size, have no pixels, pixels of a row that stand apart, or values that are not finite or
        beyond 256 times `white`; the preset is unknown; a number is outside its range.
    DeviceError
        The device is missing; the message says why and what to do.

    Notes
    -----
    T. Kroeger, R. Timofte, D. Dai, L. Van Gool, "Fast optical flow using dense inverse search", ECCV 2016. Each patch
    of `prev` minimises sum (d - mean d)^2, d(x) = next(x + u) - prev(x), by u <- u - H^-1 sum g (d - mean d) with
    H = sum g g^T, coarse to fine; a pixel moves as the mean of the patches on it, weighted by 1 / max(1, abs(d)); then
    `refine` on each level. Other than in the paper, levels are filtered by (1 4 6 4 1) / 16, patches do not look at
    their neighbours' motions, and each refinement warps anew. The same bits for every number of threads; on a device
    sums are formed in another order, and where two steps of a patch are nearly as good, the other one may be taken.
    """
    known = preset_of(preset)
    settings = (
        known.finest if finest is None else finest,
        known.stride if stride is None else stride,
        known.iterations if iterations is None else iterations,
        known.refinements if refinements is None else refinements,
        known.sweeps if sweeps is None else sweeps,
        alpha,
        delta,
        gamma,
        white,
        out,
    )
    if device != "cpu":
        from ferkern.opencl.ops.flow_dis import dense as dense_on_device

        return dense_on_device(prev, next, *settings, device=device)
    return _core.flow_dense(prev, next, *settings)


@by_map("refine")
def refine(
    prev: Frame,
    next: Frame,
    flow: Float32,
    *,
    refinements: int = 1,
    sweeps: int = 4,
    alpha: float = 20.0,
    delta: float = 5.0,
    gamma: float = 10.0,
    white: float = 255.0,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Variational refinement of a flow field, at the frames' own resolution.

    Parameters
    ----------
    prev, next : uint8 or float32 [H, W]
        As for `dense`.
    flow : float32 [H, W, 2], C-contiguous
        What to begin from, finite.
    refinements, sweeps, alpha, delta, gamma, white
        As for `dense`.
    out : float32 [H, W, 2], optional
        Where the flow is written; may be `flow` itself.
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``; on a device the arrays are copied there and back.

    Returns
    -------
    float32 [H, W, 2]

    Raises
    ------
    TypeError, ValueError
        As for `dense`; `flow` is of another shape or dtype, or not finite.
    DeviceError
        The device is missing; the message says why and what to do.

    Notes
    -----
    T. Brox, A. Bruhn, N. Papenberg, J. Weickert, "High accuracy optical flow estimation based on a theory for warping",
    ECCV 2004, with the normalised data terms of Kroeger et al. (section 2.4). With psi(s) = sqrt(s + 0.01^2),
    d = next(x + u) - prev(x), and I the mean of `prev` and the warped `next`, the energy is the sum over all pixels of

        delta psi(d^2 / (|grad I|^2 + 0.01)) + alpha psi(|grad u|^2 + |grad v|^2)
        + gamma psi(d_x^2 / (I_xx^2 + I_xy^2 + 0.01) + d_y^2 / (I_xy^2 + I_yy^2 + 0.01)).

    A refinement warps, linearises d and the derivatives of psi at the flow at hand, and relaxes the linear equations by
    red-black sweeps (over-relaxation 1.6, both components of a pixel at once). The same bits for every number of
    threads.
    """
    settings = (refinements, sweeps, alpha, delta, gamma, white, out)
    if device != "cpu":
        from ferkern.opencl.ops.flow_dis import refine as refine_on_device

        return refine_on_device(prev, next, flow, *settings, device=device)
    return _core.flow_refine(prev, next, flow, *settings)
