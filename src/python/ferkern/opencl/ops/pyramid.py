"""Gaussian pyramid on an OpenCL device: the ND-range and the tuning parameters of ``kernels/opencl/pyramid.cl``."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import Device, DeviceInfo, find
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.plan import Shape
from ferkern.opencl.program import build

__all__ = ["Pyramid", "Tuning", "pyramid_on", "tuning"]

Frame: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.float32]

FILE = "pyramid.cl"
MOST_LEVELS = 16


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the kernel is built and launched with."""

    lanes: int
    """Pixels of a work item: FK_LANES."""
    group: tuple[int, int]


def tuning(info: DeviceInfo) -> Tuning:
    """The parameters for a device."""
    # Vectors of pixels on a CPU, in groups too narrow for a compiler to make others across work items (Intel, 584 x
    # 388: 0.48 -> 0.09 ms); on a GPU neighbouring work items read neighbouring pixels.
    return Tuning(8, (8, 8)) if info.kind == "cpu" else Tuning(1, (32, 8))


class Pyramid:
    """A frame on a device and the levels over it, for `ferkern.flow.track` on that device.

    The frame is copied to the device once. Levels are computed there when they are needed, and stay. Several threads
    may use a pyramid at once.

    Parameters
    ----------
    frame : uint8 or float32 [H, W]
        As for `ferkern.flow.pyramid`.
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.
    name
        What messages call the frame.

    Raises
    ------
    TypeError, ValueError
        As `ferkern.flow.pyramid`.
    DeviceError
        The device is missing, or its memory is too small.
    """

    def __init__(self, frame: Frame, device: str = "opencl", *, name: str = "frame") -> None:
        self.device: Device = find(device)
        self.record: Shape = _core.pyramid_shape(frame, name)
        """The Shape as the C++ ``infer()`` filled it."""
        pixels = _core.dense_frame(frame, name)
        self._dtype = pixels.dtype
        sizes = [height * width for height, width in map(self._size, range(1, MOST_LEVELS + 1))]
        levels_bytes = sum(sizes) * pixels.itemsize
        check_sizes(self.device, {name: pixels.nbytes, f"the pyramid of {name}": levels_bytes})
        self.frame: Any = upload(self.device, pixels)
        """Level 0, dense, on the device."""
        self.levels: Any = empty(self.device, levels_bytes)
        """Levels 1, 2, ... one behind the other, dense, on the device."""
        self._built = 0
        self._stream: Any = None
        self._event: Any = None
        self._lock = threading.Lock()

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)"""
        return self._size(0)

    def level(self, level: int) -> Frame:
        """A copy of level `level`, 0 to 16, in the host's memory."""
        height, width = self._size(level)
        self.build(level)
        pixels = np.empty((height, width), self._dtype)
        if level == 0:
            download(self.device, self.frame, pixels)
            return pixels
        before = [h * w for h, w in map(self._size, range(1, level))]
        levels = np.empty(sum(before) + height * width, self._dtype)
        download(self.device, self.levels, levels)
        pixels[...] = levels[sum(before) :].reshape(height, width)
        return pixels

    def build(self, level: int) -> None:
        """Queues what is missing of the levels up to `level`."""
        _, function = _core.device_kernel("pyramid", self.record, "opencl")
        stream = self.device.stream
        with self._lock:
            if self._event is not None and self._stream is not stream:
                self._event.wait()  # what another queue computes is in no order with this one
            if self._built >= level:
                return
            how = tuning(self.device.info)
            program = build(self.device, FILE, {"FK_FLOAT": int(self.record["is_float"]), "FK_LANES": how.lanes})
            for index in range(self._built, level):
                height, width = self._size(index + 1)
                size = (-(-width // how.lanes), height)
                arguments = self.record, np.int32(index), self.frame, self.levels
                self._event = program.launch(function, size, how.group, *arguments)
            self._built, self._stream = level, stream

    def _size(self, level: int) -> tuple[int, int]:
        return _core.pyramid_level(self.record, level)


def pyramid_on(device: Device, frame: Frame | Pyramid | _core.Pyramid, name: str) -> Pyramid:
    """A pyramid that the caller has on this device, or a new one of a frame.

    Raises
    ------
    ValueError
        It is on another device, or in the host's memory.
    """
    if isinstance(frame, _core.Pyramid):
        raise ValueError(f"{name} is a pyramid on the CPU, device is {device.info}; pass device= to pyramid(), too")
    if not isinstance(frame, Pyramid):
        return Pyramid(frame, f"opencl:{device.info.index}", name=name)
    if frame.device is not device:
        raise ValueError(f"{name} is a pyramid on {frame.device.info}, device is {device.info}")
    return frame
