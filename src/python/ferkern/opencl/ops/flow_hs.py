"""Horn and Schunck's method on an OpenCL device: the ND-range of ``kernels/opencl/flow_hs.cl``."""

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

__all__ = ["horn_schunck"]

Float32: TypeAlias = npt.NDArray[np.float32]

FILE = "flow_hs.cl"


def horn_schunck(
    prev: Frame, next: Frame, alpha: float, iterations: int, white: float, out: Float32 | None, *, device: str
) -> Float32:
    """`ferkern.flow.horn_schunck` on a device."""
    target = find(device)
    shape, first, second, y = _core.flow_hs_shape(prev, next, alpha, iterations, white, out)
    _, step = _core.device_kernel("flow_hs", shape, "opencl")
    program = build(target, FILE, {"FK_FLOAT": int(shape["is_float"])})
    sizes = {"prev": first.nbytes, "next": second.nbytes, "gradients": 2 * y.nbytes, "flows": 2 * y.nbytes}
    check_sizes(target, sizes)
    frames = upload(target, first), upload(target, second)
    gradients, now, then = empty(target, 2 * y.nbytes), upload(target, np.zeros_like(y)), empty(target, y.nbytes)
    size, group = (y.shape[1], y.shape[0]), pixel_group(target.info)
    program.launch("flow_hs_derive", size, group, shape, *frames, gradients)
    for _ in range(int(shape["iterations"])):
        program.launch(step, size, group, shape, gradients, now, then)
        now, then = then, now
    download(target, now, y)
    return y
