"""Where ferkern keeps what it measured of this machine, between processes."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

__all__ = ["folder", "read_json", "write_json", "write_whole"]

log = logging.getLogger(__name__)


def folder() -> Path:
    """FERKERN_CACHE_DIR, or the user's cache folder of the system with ``ferkern`` behind it; it need not exist yet."""
    named = os.environ.get("FERKERN_CACHE_DIR")
    return Path(named) if named else user_cache_path("ferkern")


def read_json(name: str) -> Any:
    """What a file of the cache holds; None where it is not there or damaged (a cache may be lost at any time)."""
    try:
        return json.loads((folder() / name).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("%s is not used: %s", folder() / name, error)
        return None


def write_json(name: str, value: Any) -> bool:
    """Write a file of the cache, whole or not at all; False where the folder cannot be written."""
    path = folder() / name
    try:
        write_whole(path, json.dumps(value, indent=1))
    except OSError as error:
        log.warning("%s cannot be written: %s", path, error)
        return False
    return True


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, also with several processes at once; makes its folder; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = tempfile.NamedTemporaryFile("wb", dir=path.parent, delete=False, suffix=".part")  # noqa: SIM115
    try:
        with part:
            part.write(content.encode() if isinstance(content, str) else content)
        Path(part.name).replace(path)
    except OSError:
        Path(part.name).unlink(missing_ok=True)
        raise
