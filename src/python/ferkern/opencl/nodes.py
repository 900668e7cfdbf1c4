"""Files of the system through which drivers reach a device: whether this user may open them."""

from __future__ import annotations

import os
from glob import glob
from pathlib import Path

__all__ = ["CLOSED_REMEDY", "closed"]

PATTERNS = ("/dev/dri/renderD*", "/dev/kfd", "/dev/nvidiactl", "/dev/nvidia[0-9]*")
CLOSED_REMEDY = "add this user to that group (sudo usermod -aG GROUP USER), and log in anew"


def closed() -> list[str]:
    """Those that are there and may not be opened, each with its group; a driver then says that nothing is there."""
    found = [Path(path) for pattern in PATTERNS for path in sorted(glob(pattern))]
    return [f"{path} (group {_group(path)})" for path in found if not os.access(path, os.R_OK | os.W_OK)]


def _group(path: Path) -> str:
    try:
        return path.group()
    except (KeyError, OSError):  # a group without a name, a file that has gone
        return "unknown"
