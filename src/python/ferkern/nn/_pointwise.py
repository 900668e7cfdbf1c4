"""Layers that treat every number by itself."""

from __future__ import annotations

from ferkern import _core
from ferkern.auto import by_map
from ferkern.nn._types import Float32

__all__ = ["activate", "add"]


@by_map("activate")
def activate(
    x: Float32, kind: str, *, alpha: float | None = None, out: Float32 | None = None, device: str = "cpu"
) -> Float32:
    """An activation function on every number.

    Parameters
    ----------
    x : float32, rank 1 to 4
    kind
        ``"relu"``, ``"relu6"``, ``"leaky_relu"``, ``"sigmoid"``, ``"tanh"``, ``"hard_swish"``, ``"silu"``,
        ``"elu"`` or ``"none"``.
    alpha
        Slope of leaky_relu (0.01), scale of elu (1).
    out : float32, the shape of `x`, optional
        C-contiguous array to write into; may be `x` itself.
    device
        As in `conv2d`, without ``"auto"``.

    Returns
    -------
    float32, the shape of `x`; NaN stays NaN.

    Raises
    ------
    TypeError
        An array is not float32.
    ValueError
        Unknown `kind`, empty `x`, or `out` overlaps `x` without being it.
    """
    if device != "cpu":
        from ferkern.opencl.ops.elementwise import activate as on_device

        return on_device(x, kind, alpha=alpha, out=out, device=device)
    return _core.activate(x, kind, alpha, out)


@by_map("add")
def add(
    x1: Float32,
    x2: Float32,
    *,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "cpu",
) -> Float32:
    """Sum of two arrays of one shape, and an activation.

    Parameters
    ----------
    x1, x2 : float32, rank 1 to 4
    activation, alpha
        As in `conv2d`.
    out : float32, the shape of `x1`, optional
        C-contiguous array to write into; may be `x1` or `x2` itself.
    device
        As in `conv2d`, without ``"auto"``.

    Returns
    -------
    float32, the shape of `x1`

    Raises
    ------
    TypeError
        An array is not float32.
    ValueError
        The shapes differ (there is no broadcasting), or `out` overlaps an input without being it.
    """
    if device != "cpu":
        from ferkern.opencl.ops.elementwise import add as on_device

        return on_device(x1, x2, activation=activation, alpha=alpha, out=out, device=device)
    return _core.add(x1, x2, activation, alpha, out)
