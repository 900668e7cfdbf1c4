"""Affine views on an OpenCL device: the ND-ranges of ``kernels/opencl/warp.cl``."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import Device, find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.exact import exact, with_channels
from ferkern.opencl.program import Program, build

__all__ = ["warp"]

Pixel = TypeVar("Pixel", np.uint8, np.float32)
Matrix = npt.NDArray[np.float64] | npt.NDArray[np.float32]
Record = npt.NDArray[np.void]
FILE = "warp.cl"
_GROUP = (32, 4, 1)
_RUN = 64  # FK_WARP_RUN
_ORIGIN_BYTES = 16


def warp(
    image: npt.NDArray[Pixel],
    matrix: Matrix,
    size: tuple[int, int],
    *,
    border: str = "constant",
    fill: float = 0,
    antialias: bool = False,
    out: npt.NDArray[Pixel] | None = None,
    device: str = "opencl",
) -> npt.NDArray[Pixel]:
    """`ferkern.image.warp` on a device: the same bits.

    Parameters
    ----------
    image, matrix, size, border, fill, antialias, out
        As in `ferkern.image.warp`.
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.

    Raises
    ------
    TypeError, ValueError
        As in `ferkern.image.warp`.
    DeviceError
        The device is missing, or its memory is too small.
    """
    target = find(device)
    shape, matrices, views, samples = _core.warp_shape(image, matrix, size, border, fill, antialias)
    count, oh, ow, channels = (int(shape[name]) for name in ("count", "oh", "ow", "channels"))
    x = _core.dense_picture(image, "image")
    dims = with_channels((count, oh, ow) if np.ndim(matrix) == 3 else (oh, ow), x)
    y = _core.picture_output(out, dims, x, {"image": image, "matrix": matrix})
    _, function = _core.device_kernel("warp", shape, "opencl")
    if count == 0:
        return y
    sizes = {"image": x.nbytes, "the result": y.nbytes, "matrices": matrices.nbytes + views.nbytes}
    check_sizes(target, sizes | {"origins of samples": _ORIGIN_BYTES * samples})
    program = build(target, FILE, exact(target) | {"FK_PIXEL_FLOAT": int(shape["is_float"])})
    pixels, seen, result = upload(target, x), upload(target, views), empty(target, y.nbytes)
    origins = _origins(target, program, shape, matrices, views, seen, samples)
    program.launch(function, (ow * channels, oh, count), _GROUP, shape, seen, origins, pixels, result)
    download(target, result, y)
    return y


def _origins(
    device: Device,
    program: Program,
    shape: Record,
    matrices: npt.NDArray[np.float64],
    views: Record,
    seen: Any,
    samples: int,
) -> Any:
    """Where the samples of each run of outputs lie: float64, so from the processor where the device has none."""
    if not device.info.fp64:
        return upload(device, _core.warp_origins(shape, matrices, views, samples))
    origins = empty(device, _ORIGIN_BYTES * samples)
    runs = (-(-int(shape["ow"]) // _RUN), int(shape["oh"]), int(shape["count"]))
    program.launch("warp_origins", runs, (4, 8, 1), shape, upload(device, matrices), seen, origins)
    return origins
