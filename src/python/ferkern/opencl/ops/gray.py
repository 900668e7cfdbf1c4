"""Grey pictures on an OpenCL device: the ND-range of ``kernels/opencl/gray.cl``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.program import build

__all__ = ["to_gray"]

UInt8 = npt.NDArray[np.uint8]
FILE = "gray.cl"
_PIXELS = 4  # of a work item


def to_gray(rgb: UInt8, *, out: UInt8 | None = None, device: str = "opencl") -> UInt8:
    """`ferkern.image.to_gray` on a device: the same bytes.

    Parameters
    ----------
    rgb, out
        As in `ferkern.image.to_gray`.
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.

    Raises
    ------
    TypeError, ValueError
        As in `ferkern.image.to_gray`.
    DeviceError
        The device is missing, or its memory is too small.
    """
    target = find(device)
    shape = _core.gray_shape(rgb)
    x: UInt8 = _core.dense_picture(rgb, "rgb")
    y: UInt8 = _core.picture_output(out, [int(shape["height"]), int(shape["width"])], x, {"rgb": rgb})
    _, function = _core.device_kernel("gray", shape, "opencl")
    check_sizes(target, {"rgb": x.nbytes, "the result": y.nbytes})
    program = build(target, FILE, {})
    pixels, gray = upload(target, x), empty(target, y.nbytes)
    program.launch(function, (-(-y.size // _PIXELS),), (64,), shape, pixels, gray)
    download(target, gray, y)
    return y
