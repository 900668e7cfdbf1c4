"""The OpenCL devices that tests run on: every one found; where there is none, a failure if one is required."""

from __future__ import annotations

import os

import pytest

from ferkern.opencl import DeviceError, DeviceInfo, devices


def required() -> int:
    """FERKERN_REQUIRE_OPENCL: how many independent OpenCL implementations must be there."""
    return int(os.environ.get("FERKERN_REQUIRE_OPENCL") or 0)


def every_device() -> list[DeviceInfo | None]:
    try:
        return [*devices()] or [None]
    except DeviceError:
        return [None]


def name_of(info: DeviceInfo | None) -> str:
    return "no-device" if info is None else f"{info.platform.split()[0].split('(')[0]}-{info.index}"


def string_of(info: DeviceInfo | None) -> str:
    """The device string; skips or fails where there is no device."""
    if info is not None:
        return f"opencl:{info.index}"
    if required():
        pytest.fail("FERKERN_REQUIRE_OPENCL is set, and there is no OpenCL device (ferkern doctor says why)")
    pytest.skip("no OpenCL device on this machine: pip install 'ferkern[opencl-cpu]' brings one")
