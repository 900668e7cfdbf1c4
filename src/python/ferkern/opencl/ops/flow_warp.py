"""Sampling along a flow field on an OpenCL device: the ND-range of ``kernels/opencl/flow_warp.cl``."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.flow_refine import pixel_group
from ferkern.opencl.program import build

__all__ = ["warp"]

Pixel = TypeVar("Pixel", np.uint8, np.float32)

FILE = "flow_warp.cl"


def warp(
    image: npt.NDArray[Pixel],
    flow: npt.NDArray[np.float32],
    border: str,
    fill: float,
    out: npt.NDArray[Pixel] | None,
    *,
    device: str,
) -> npt.NDArray[Pixel]:
    """`ferkern.flow.warp` on a device."""
    target = find(device)
    shape, x, motion, y = _core.flow_warp_shape(image, flow, border, fill, out)
    _, function = _core.device_kernel("flow_warp", shape, "opencl")
    program = build(target, FILE, {"FK_FLOAT": int(shape["is_float"])})
    check_sizes(target, {"image": x.nbytes, "flow": motion.nbytes, "the result": y.nbytes})
    result = empty(target, y.nbytes)
    size, group = (y.shape[1], y.shape[0]), pixel_group(target.info)
    program.launch(function, size, group, shape, upload(target, x), upload(target, motion), result)
    download(target, result, y)
    return y
