"""Pictures of another size on an OpenCL device: the ND-ranges of ``kernels/opencl/resize.cl``.

The taps of rows and columns are made on the processor, by the C++ that makes them for its own rows.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.exact import exact, with_channels
from ferkern.opencl.program import build

__all__ = ["resize"]

Pixel = TypeVar("Pixel", np.uint8, np.float32)
FILE = "resize.cl"
_GROUP = (32, 4)


def resize(
    image: npt.NDArray[Pixel],
    size: tuple[int, int],
    *,
    method: str = "area",
    out: npt.NDArray[Pixel] | None = None,
    device: str = "opencl",
) -> npt.NDArray[Pixel]:
    """`ferkern.image.resize` on a device: the same bits.

    Parameters
    ----------
    image, size, method, out
        As in `ferkern.image.resize`.
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.

    Raises
    ------
    TypeError, ValueError
        As in `ferkern.image.resize`.
    DeviceError
        The device is missing, or its memory is too small.
    """
    target = find(device)
    shape = _core.resize_shape(image, size, method)
    iw, channels, oh, ow = (int(shape[name]) for name in ("iw", "channels", "oh", "ow"))
    x = _core.dense_picture(image, "image")
    y = _core.picture_output(out, with_channels((oh, ow), x), x, {"image": image})
    rows, columns, divisor = _core.resize_taps(shape)
    _, function = _core.device_kernel("resize", shape, "opencl")
    sizes = {"image": x.nbytes, "the result": y.nbytes, "taps": rows.nbytes + columns.nbytes}
    if function == "resize_columns":
        sizes["sums of columns"] = 4 * oh * iw * channels
    check_sizes(target, sizes)
    program = build(target, FILE, exact(target) | {"FK_PIXEL_FLOAT": int(shape["is_float"])})
    pixels, down, across = upload(target, x), upload(target, rows), upload(target, columns)
    result = empty(target, y.nbytes)
    by = np.float32(divisor)
    if function == "resize_columns":
        sums = empty(target, sizes["sums of columns"])
        program.launch(function, (iw * channels, oh), _GROUP, shape, down, pixels, sums)
        program.launch("resize_rows", (ow * channels, oh), _GROUP, shape, by, across, sums, result)
    else:
        program.launch(function, (ow * channels, oh), _GROUP, shape, by, down, across, pixels, result)
    download(target, result, y)
    return y
