"""What the public functions of the layers share: arrays to a device, the planned layer there, its result back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import Device
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.plan import Plan, Shape

__all__ = ["Float32", "call", "images_of"]

Float32 = npt.NDArray[np.float32]


def call(
    op: str,
    plans: Mapping[str, type[Plan]],
    device: Device,
    shape: Shape,
    preferred: Callable[[Device, Shape], Plan | None] | None = None,
    *,
    inputs: Mapping[str, Float32],
    weights: Mapping[str, Float32 | None],
    out: Float32 | None,
    dims: Sequence[int] | None = None,
    out_may_be_input: bool = False,
) -> Float32:
    """Runs one layer on arrays of the host.

    Parameters
    ----------
    op
        Name of the op, as in its ``kernels.inc``.
    plans
        Function of the kernel → plan.
    shape
        As the op's ``infer()`` filled it.
    preferred
        The plan that the device should take rather than the list's, if there is one.
    inputs, weights
        Name of the argument → array; None where there is no such weight.
    out : float32, the shape of the result, optional
    dims
        Shape of the result; that of the first input when None.
    out_may_be_input
        `out` may be one of the inputs themselves.

    Returns
    -------
    float32, the layer's result

    Raises
    ------
    TypeError, ValueError
        An array is not float32; `out` does not fit.
    DeviceError
        The device's memory is too small.
    """
    given = {**inputs, **{name: array for name, array in weights.items() if array is not None}}
    arrays = {name: _core.dense_float32(array, name, None) for name, array in given.items()}
    y = _core.device_output(out, dims or next(iter(arrays.values())).shape, given, out_may_be_input)
    plan = preferred(device, shape) if preferred is not None else None
    if plan is None:
        _, function = _core.device_kernel(op, shape, "opencl")
        plan = plans[function](device, shape)
    check_sizes(device, {name: a.nbytes for name, a in arrays.items()} | {"the result": y.nbytes} | plan.sizes)
    buffers = {name: upload(device, array) for name, array in arrays.items()}
    result = empty(device, y.nbytes)
    plan.load({name: buffers[name] for name in arrays if name in weights})
    plan.run([buffers[name] for name in inputs], None, result, images_of(shape))
    download(device, result, y)
    return y


def images_of(shape: Shape) -> int:
    """The batch that a shape is for; that of its first half where it has two."""
    return int((shape if "n" in (shape.dtype.names or ()) else shape["first"])["n"])
