"""Convolution on an OpenCL device: one call, and the plans behind it.

Arguments are judged by the same C++ ``infer()`` as on the processor; the Shape it fills goes to the kernels as it is.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.config import config
from ferkern.opencl.device import Device, find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.conv2d_direct import DirectPlan, ReferencePlan
from ferkern.opencl.ops.conv2d_winograd import Winograd2Plan, Winograd4Plan
from ferkern.opencl.ops.plan import Plan, Shape
from ferkern.opencl.tuned import Choice, lookup

__all__ = ["PLANS", "TunedPlan", "by_list", "conv2d", "in_one_launch", "plan_of", "preferred"]

Float32 = npt.NDArray[np.float32]
TunedPlan = DirectPlan | Winograd2Plan | Winograd4Plan


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
    plan = preferred(target, shape) or by_list(target, shape)
    sizes = {name: array.nbytes for name, array in arrays.items() if array is not None}
    check_sizes(target, sizes | {"the result": y.nbytes} | plan.sizes)
    buffers = {name: None if array is None else upload(target, array) for name, array in arrays.items()}
    result = empty(target, y.nbytes)
    plan.load({name: buffers[name] for name in ("w", "b")})
    plan.run([buffers["x"]], buffers["residual"], result, dims[0])
    download(target, result, y)
    return y


def preferred(device: Device, shape: Shape) -> TunedPlan | None:
    """The plan that ``ferkern tune`` found for a shape, or the direct one `in_one_launch`.

    None where the list in ``kernels.inc`` is to choose, or a kernel is asked for by name.
    """
    if _core.get_choice()[2]:
        return None
    choice = lookup(device.info, shape)
    if choice is not None:
        with suppress(ValueError):  # an entry of a kernel that does not serve the shape: a damaged file
            return plan_of(device, shape, choice)
    return plan_of(device, shape, "direct") if in_one_launch(device, shape) else None


def in_one_launch(device: Device, shape: Shape) -> bool:
    """Whether a GPU is done with a direct convolution before Winograd's other launches have paid.

    The list's rule is that of a CPU device, where runs are one launch each.
    """
    if device.info.kind == "cpu":
        return False
    peak = 2e6 * _MULTIPLY_ADDS * device.info.compute_units * device.info.clock_mhz
    return 2 * _core.device_cost("conv2d", shape)[0] < peak * _LAUNCHES


def by_list(device: Device, shape: Shape) -> Plan:
    """The plan of the row that the list in ``kernels.inc`` gives."""
    _, function = _core.device_kernel("conv2d", shape, "opencl")
    return PLANS[function](device, shape)


def plan_of(device: Device, shape: Shape, choice: Choice | str) -> TunedPlan:
    """The plan of a row by its name, with its tile if that is given.

    Raises
    ------
    ValueError
        No such row serves the shape.
    """
    name, tuning = (choice, None) if isinstance(choice, str) else (choice.kernel, choice.tuning)
    if name not in _TUNABLE:
        raise ValueError(f"conv2d: no kernel named '{name}' has tiles")
    with config(kernel=name):
        _core.device_kernel("conv2d", shape, "opencl")  # judges, and notes what runs
    return _TUNABLE[name](device, shape, tuning)


# A kernel of the list in src/cpp/ops/conv2d/kernels.inc, by its function → how it is run.
PLANS: dict[str, type[Plan]] = {
    "conv2d_direct": DirectPlan,
    "conv2d_winograd4": Winograd4Plan,
    "conv2d_winograd2": Winograd2Plan,
    "conv2d_reference": ReferencePlan,
}

# Of a GPU's compute unit in a cycle (NVIDIA's; others have half as many), of which convolutions reach half; and seconds
# of a direct convolution, half of which Winograd saves, that three more launches take. Not measured.
_MULTIPLY_ADDS = 128
_LAUNCHES = 20e-6

_TUNABLE: dict[str, type[TunedPlan]] = {
    "direct": DirectPlan,
    "winograd4": Winograd4Plan,
    "winograd2": Winograd2Plan,
}
