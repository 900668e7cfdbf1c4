"""Convolution on an OpenCL device: one call, and the plans behind it.

Arguments are judged by the same C++ ``infer()`` as on the processor; the Shape it fills goes to the kernels as it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.conv2d_direct import DirectPlan, ReferencePlan
from ferkern.opencl.ops.conv2d_winograd import Winograd2Plan, Winograd4Plan
from ferkern.opencl.ops.plan import Plan

__all__ = ["PLANS", "conv2d"]

Float32 = npt.NDArray[np.float32]


def conv2d(
    x: Float32,
    w: Float32,
    b: Float32 | None = None,
    *,
    residual: Float32 | None = None,
    stride: int | tuple[int, int] = 1,
    padding: str | int | tuple[int, int] | tuple[int, int, int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    activation: str | None = None,
    alpha: float | None = None,
    out: Float32 | None = None,
    device: str = "opencl",
) -> Float32:
    """`ferkern.nn.conv2d` on a device, with an optional residual.

    The arrays are copied to the device and the result back. Strided arrays are made dense for the transfer.

    Parameters
    ----------
    residual : float32 [N, O, OH, OW], optional
        Added before the activation.
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.
    x, w, b, stride, padding, dilation, groups, activation, alpha, out
        As in `ferkern.nn.conv2d`.

    Raises
    ------
    TypeError, ValueError
        As in `ferkern.nn.conv2d`.
    DeviceError
        The device is missing, or its memory is too small.
    """
    target = find(device)
    shape = _core.conv2d_shape(x, w, b, stride, padding, dilation, groups, activation, alpha)
    dims = [int(shape[name]) for name in ("n", "oc", "oh", "ow")]
    y = _core.device_output(out, dims, {"x": x, "w": w, "b": b, "residual": residual})
    arrays = {
        "x": _core.dense_float32(x, "x", None),
        "w": _core.dense_float32(w, "w", None),
        "b": None if b is None else _core.dense_float32(b, "b", None),
        "residual": None if residual is None else _core.dense_float32(residual, "residual", dims),
    }
    _, function = _core.device_kernel("conv2d", shape, "opencl")
    plan = PLANS[function](target, shape)
    sizes = {name: array.nbytes for name, array in arrays.items() if array is not None}
    check_sizes(target, sizes | {"the result": y.nbytes} | plan.sizes)
    buffers = {name: None if array is None else upload(target, array) for name, array in arrays.items()}
    result = empty(target, y.nbytes)
    plan.load({name: buffers[name] for name in ("w", "b")})
    plan.run([buffers["x"]], buffers["residual"], result, dims[0])
    download(target, result, y)
    return y


# A kernel of the list in src/cpp/ops/conv2d/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {
    "conv2d_direct": DirectPlan,
    "conv2d_winograd4": Winograd4Plan,
    "conv2d_winograd2": Winograd2Plan,
    "conv2d_reference": ReferencePlan,
}
