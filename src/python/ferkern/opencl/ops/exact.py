"""What kernels with the processor's bits are built with: see ``kernels/opencl/fk_exact.h``."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from ferkern.opencl.device import Device

__all__ = ["exact", "with_channels"]


def exact(device: Device) -> dict[str, int]:
    """Definitions that say how the device divides, and whether it has float64."""
    rounded = device.cl.device_fp_config.CORRECTLY_ROUNDED_DIVIDE_SQRT
    divides = bool(device.handle.single_fp_config & rounded)
    return {"FK_FP64": int(device.info.fp64), "FK_EXACT_DIVISION": int(divides)}


def with_channels(sides: tuple[int, ...], picture: npt.NDArray[Any]) -> tuple[int, ...]:
    """The shape of a result: with the channels of `picture` [H, W] or [H, W, C] behind its sides."""
    return (*sides, *picture.shape[2:])
