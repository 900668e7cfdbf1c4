"""What is raised when a device is missing or cannot do what was asked."""

from __future__ import annotations

from typing import Literal

__all__ = ["Cause", "DeviceError"]

Cause = Literal[
    "host", "loader", "platform", "device", "selection", "source", "build", "limit", "feature", "lost", "fork"
]


class DeviceError(RuntimeError):
    """A device is missing, or refuses; the message says why and what to do.

    Attributes
    ----------
    cause
        ``"host"``: pyopencl is not installed. ``"loader"``: no OpenCL loader library. ``"platform"``: no driver.
        ``"device"``: a driver without devices. ``"selection"``: the named device is not among those found.
        ``"source"``: the kernels' source is missing. ``"build"``: the driver does not compile a kernel.
        ``"limit"``: a device's memory is too small. ``"feature"``: it lacks what a kernel needs. ``"lost"``: a command
        failed on the device. ``"fork"``: OpenCL was started before this process was forked.
    remedy
        What to do about it.
    """

    def __init__(self, cause: Cause, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.cause: Cause = cause
        self.problem = problem
        self.remedy = remedy
