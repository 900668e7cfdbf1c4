"""What OpenCL offers on this machine, and why something is missing."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from ferkern.opencl import device as _device
from ferkern.opencl.device import DeviceInfo
from ferkern.opencl.errors import Cause, DeviceError
from ferkern.opencl.nodes import CLOSED_REMEDY, closed
from ferkern.opencl.program import build
from ferkern.opencl.vendors import broken_icds, registered

__all__ = ["Problem", "Report", "describe"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is missing or does not work."""

    cause: Cause
    text: str
    remedy: str
    device: int | None = None
    """Number of the device that it concerns; None: OpenCL as a whole."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `describe` found."""

    host: str | None
    """pyopencl and its version; None where it does not start."""
    drivers: dict[str, str]
    """Drivers that are registered: the ``.icd`` file, or the Python package that brought it → the library."""
    platforms: tuple[str, ...]
    devices: tuple[DeviceInfo, ...]
    problems: tuple[Problem, ...] = field(default=())

    @property
    def usable(self) -> tuple[DeviceInfo, ...]:
        """Devices that built a kernel."""
        bad = {problem.device for problem in self.problems}
        return tuple(d for d in self.devices if d.index not in bad)


def describe(*, probe: bool = True) -> Report:
    """Loader, drivers, platforms, devices, and each problem with its remedy; never raises for a missing device.

    Parameters
    ----------
    probe
        Also build the convolution on every device: some drivers offer devices for which they cannot compile.
    """
    drivers = registered()
    problems = [
        Problem("platform", f"{path} {trouble}", "reinstall the driver that it belongs to, or delete the file")
        for path, trouble in broken_icds().items()
    ]
    try:
        found = _device.devices()
    except DeviceError as error:
        return Report(None, drivers, (), (), (*problems, _problem(error)))
    version = ".".join(map(str, _device.host().VERSION))
    silent = _device.silent_platforms()
    if not found:
        problems.append(_problem(_device.missing()))
    else:
        barred = closed()
        if barred:
            problems.append(Problem("device", f"this user may not open {', '.join(barred)}", CLOSED_REMEDY))
        problems += [
            Problem("device", f"the platform {name} offers no device", "look at its driver's installation")
            for name in silent
        ]
    for info in found if probe else ():
        try:
            build(_device.find(f"opencl:{info.index}"), "conv2d.cl", {})
        except DeviceError as error:
            problems.append(_problem(error, info.index))
    platforms = tuple(dict.fromkeys([*(d.platform for d in found), *silent]))
    return Report(f"pyopencl {version}", drivers, platforms, tuple(found), tuple(problems))


def _problem(error: DeviceError, device: int | None = None) -> Problem:
    return Problem(error.cause, error.problem, error.remedy, device)
