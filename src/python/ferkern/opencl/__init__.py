"""OpenCL devices: found at first use, through pyopencl, which need not be installed before.

A device string is ``"opencl"`` (the first device), ``"opencl:0"`` (by number) or ``"opencl:name"`` (a part of its
name).
"""

from __future__ import annotations

from ferkern.opencl.device import Device, DeviceInfo, devices, find
from ferkern.opencl.errors import DeviceError
from ferkern.opencl.report import Problem, Report, describe

__all__ = ["Device", "DeviceError", "DeviceInfo", "Problem", "Report", "describe", "devices", "find"]
