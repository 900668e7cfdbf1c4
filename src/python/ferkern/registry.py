"""What kernels there are, and which of them ran."""

from __future__ import annotations

from dataclasses import dataclass

from ferkern import _core

__all__ = ["Kernel", "isa_levels", "kernels", "last_kernel"]

ISAS = ("scalar", "avx2", "avx512", "avx512icl")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One row of an op's kernel list."""

    op: str
    name: str
    isa: str
    """An instruction set, or ``"opencl"`` for a kernel that runs on a device."""

    @property
    def supported(self) -> bool:
        """Whether this machine can run it; for a device kernel this looks for devices."""
        return _has_device() if self.isa == "opencl" else self.isa in isa_levels()


def _has_device() -> bool:
    from ferkern.opencl import DeviceError, devices

    try:
        return bool(devices())
    except DeviceError:
        return False


def isa_levels() -> tuple[str, ...]:
    """Instruction sets that this machine runs, lowest first."""
    return ISAS[: ISAS.index(_core.isa_supported()) + 1]


def kernels(op: str | None = None) -> list[Kernel]:
    """All kernels, best first within an op; those of one op when it is named."""
    rows = [Kernel(*row) for row in _core.kernels()]
    return [row for row in rows if op is None or row.op == op]


def last_kernel() -> str:
    """The kernel chosen last by this thread, as ``"op:name:isa"``; empty before the first."""
    return _core.last_kernel()
