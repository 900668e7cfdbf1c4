"""Work items that share one result: the tuning parameters of ``kernels/opencl/fk_team.h``."""

from __future__ import annotations

from dataclasses import dataclass

from ferkern.opencl.device import DeviceInfo

__all__ = ["Team", "team_for"]


@dataclass(frozen=True, slots=True)
class Team:
    """How many work items work on one result, and how many results a group has."""

    items: int
    """Work items along axis 0; a power of two."""
    results: int
    """Results of a group along axis 1."""

    @property
    def group(self) -> tuple[int, int]:
        return self.items, self.results

    @property
    def local_bytes(self) -> int:
        return 4 * self.items * self.results

    def defines(self) -> dict[str, int]:
        return {"FK_TEAM": int(self.items > 1)}


def team_for(info: DeviceInfo, terms: int) -> Team:
    """A team for results of so many terms: on a CPU one item, on a GPU as many as find work in a result."""
    if info.kind == "cpu" or terms < 32:
        return Team(1, 64 if info.kind != "cpu" else 16)
    items = 32 if terms < 1024 else 128
    return Team(items, 128 // items)
