"""What every layer on a device is to a network that is planned for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ferkern.opencl.device import Device

__all__ = ["Plan", "Shape", "with_images"]

Shape = npt.NDArray[np.void]
"""A record of the op's Shape as the C++ ``infer()`` filled it; its bytes are the kernels' struct argument."""


class Plan(Protocol):
    """A layer planned for a device: weights are loaded once, then it runs on buffers of the device.

    Arrays are dense, images NCHW. Every ``ferkern/opencl/ops/<op>.py`` lists its plans in ``PLANS``, by the name of the
    function that the op's ``kernels.inc`` gives.
    """

    sizes: dict[str, int]
    """Buffers that it needs beyond its arguments: what → bytes."""

    def __init__(self, device: Device, shape: Shape) -> None: ...

    def load(self, weights: Mapping[str, Any]) -> None:
        """Takes the weights by role ("w", "b", ...), dense on the device; those that there are not are left out."""

    def run(self, inputs: Sequence[Any], residual: Any | None, y: Any, images: int) -> None:
        """Queues the layer for the first `images` of the planned batch; `residual` is added before the activation."""


def with_images(shape: Shape, images: int) -> Shape:
    """The shape for another number of images (its field ``n``)."""
    return shape if int(shape["n"]) == images else _with_images(shape.dtype, shape.tobytes(), images)


@lru_cache(maxsize=256)
def _with_images(dtype: np.dtype[np.void], record: bytes, images: int) -> Shape:
    shape = np.frombuffer(record, dtype)[0].copy()
    shape["n"] = images
    return np.asarray(shape)
