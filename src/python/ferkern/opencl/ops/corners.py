"""Corners on an OpenCL device: the ND-range of ``kernels/opencl/corners.cl``; the choice among them is the host's."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.flow_refine import pixel_group
from ferkern.opencl.ops.pyramid import Frame
from ferkern.opencl.program import build

__all__ = ["corners", "eigenvalues"]

Float32: TypeAlias = npt.NDArray[np.float32]

FILE = "corners.cl"


def corners(gray: Frame, count: int, quality: float, min_distance: float, block: int, *, device: str) -> Float32:
    """`ferkern.flow.corners`: the eigenvalues come back from a device, [H, W], the choice is made here."""
    values = eigenvalues(gray, count, quality, min_distance, block, device=device)
    return _core.corners_choose(values, count, quality, min_distance, block)


def eigenvalues(gray: Frame, count: int, quality: float, min_distance: float, block: int, *, device: str) -> Float32:
    """The smaller eigenvalue at each pixel, float32 [H, W]."""
    target = find(device)
    shape, frame = _core.corners_shape(gray, count, quality, min_distance, block)
    _, function = _core.device_kernel("corners", shape, "opencl")
    height, width = int(shape["height"]), int(shape["width"])
    values = np.empty((height, width), np.float32)
    check_sizes(target, {"gray": frame.nbytes, "products": 4 * values.nbytes, "eigenvalues": values.nbytes})
    program = build(target, FILE, {"FK_FLOAT": int(shape["is_float"])})
    products, result = empty(target, 4 * values.nbytes), empty(target, values.nbytes)
    size, group = (width, height), pixel_group(target.info)
    program.launch("corners_products", size, group, shape, upload(target, frame), products)
    program.launch(function, size, group, shape, products, result)
    download(target, result, values)
    return values
