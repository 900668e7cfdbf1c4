"""What a driver says of a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["KINDS", "DeviceInfo", "info_of", "kind_of"]

KINDS = ("gpu", "accelerator", "cpu", "custom")
"""In the order in which devices are numbered."""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device as its driver describes it."""

    index: int
    """The number in ``"opencl:0"``: GPUs first, then accelerators, then CPUs."""
    name: str
    kind: str
    """``"gpu"``, ``"accelerator"``, ``"cpu"`` or ``"custom"``."""
    platform: str
    vendor: str
    version: str
    driver: str
    compute_units: int
    memory_bytes: int
    allocation_bytes: int
    """The largest single buffer."""
    local_bytes: int
    work_group_size: int
    vector_width: int
    """Floats in a native vector (1 on most GPUs)."""
    fp16: bool
    fp64: bool
    clock_mhz: int = 0
    """The highest clock rate; 0 where the driver does not tell."""

    def __str__(self) -> str:
        return f"opencl:{self.index} {self.name} ({self.platform})"


def kind_of(cl: Any, handle: Any) -> str:
    """As `DeviceInfo.kind`."""
    kinds = {"gpu": cl.device_type.GPU, "accelerator": cl.device_type.ACCELERATOR, "cpu": cl.device_type.CPU}
    return next((name for name, bit in kinds.items() if handle.type & bit), "custom")


def info_of(index: int, platform: Any, kind: str, handle: Any) -> DeviceInfo:
    """Asks the driver."""
    extensions = handle.extensions.split()
    return DeviceInfo(
        index=index,
        name=handle.name.strip(),
        kind=kind,
        platform=platform.name.strip(),
        vendor=handle.vendor.strip(),
        version=handle.version.strip(),
        driver=handle.driver_version.strip(),
        compute_units=handle.max_compute_units,
        memory_bytes=handle.global_mem_size,
        allocation_bytes=handle.max_mem_alloc_size,
        local_bytes=handle.local_mem_size,
        work_group_size=handle.max_work_group_size,
        vector_width=handle.native_vector_width_float,
        fp16="cl_khr_fp16" in extensions,
        fp64="cl_khr_fp64" in extensions,
        clock_mhz=handle.max_clock_frequency,
    )
