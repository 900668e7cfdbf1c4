"""The OpenCL devices that tests run on: every one found; where there is none, a failure if one is required."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest

from ferkern.opencl import DeviceError, DeviceInfo, device, devices


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


def take_for_gpus() -> None:
    """FERKERN_TEST_AS_GPU=1: kernels, tuning parameters and plans are those of a GPU, on whatever device there is."""
    real = device.info_of

    def as_gpu(*about: Any) -> DeviceInfo:
        return dataclasses.replace(real(*about), kind="gpu", local_bytes=48 * 1024)

    device.info_of = as_gpu
