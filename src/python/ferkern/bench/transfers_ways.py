"""The list of ways: what each is called, who moves its bytes, and what makes its link."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ferkern.bench.transfers_device import PASSAGES, PassageLink
from ferkern.bench.transfers_file import FileLink
from ferkern.bench.transfers_measure import Direction, Link, Way
from ferkern.bench.transfers_opencl import (
    BothLink,
    CopyLink,
    DeviceCopyLink,
    KernelLink,
    MapLink,
    MappedLink,
    Queues,
)
from ferkern.bench.transfers_svm import SvmCopyLink, SvmFineLink, SvmMappedLink

__all__ = ["ways_of"]

Maker = Callable[[], Link]


def ways_of(queues: Queues, folder: Path | None) -> dict[Way, Maker]:
    """Every way of a device → what makes a link of it.

    Parameters
    ----------
    folder
        For the file; None: without the ways from a file.
    """
    ways: dict[Way, Maker] = {}
    directions: tuple[Direction, ...] = ("host to device", "device to host")
    for direction in directions:
        ways |= {
            Way("pageable", direction, "driver"): partial(CopyLink, queues, direction, pinned=False),
            Way("pinned", direction, "driver"): partial(CopyLink, queues, direction, pinned=True),
            Way("mapped", direction, "host"): partial(MappedLink, queues, direction),
            Way("map alone", direction, "map"): partial(MapLink, queues, direction),
            Way("zero-copy", direction, "kernel"): partial(KernelLink, queues, direction),
            Way("svm coarse, copied", direction, "driver"): partial(SvmCopyLink, queues, direction),
            Way("svm coarse, mapped", direction, "host"): partial(SvmMappedLink, queues, direction),
            Way("svm fine", direction, "kernel"): partial(SvmFineLink, queues, direction, "fine"),
            Way("svm system", direction, "kernel"): partial(SvmFineLink, queues, direction, "system"),
        }
    for memory, pinned in (("pageable", False), ("pinned", True)):
        ways[Way(memory, "both at once", "driver", times=2)] = partial(BothLink, queues, pinned=pinned)
    ways[Way("buffers", "device to device", "driver", times=2)] = partial(DeviceCopyLink, queues)
    for kind in PASSAGES:
        way = Way(kind, "device memory", "kernel", times=2 if kind == "copy" else 1)
        ways[way] = partial(PassageLink, queues, kind)
    if folder is not None:
        for memory, cold in (("warm", False), ("cold", True)):
            ways[Way(memory, "file to host", "host")] = partial(FileLink, folder, cold=cold)
            ways[Way(memory, "file to device", "driver")] = partial(FileLink, folder, cold=cold, queues=queues)
    return ways
