"""Built programs between processes: binaries in the cache folder. Whatever goes wrong there, the source is built."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path

from ferkern import cache

__all__ = ["MOST_BYTES", "load", "store"]

log = logging.getLogger(__name__)

MOST_BYTES = 256 << 20
"""The folder's size past which the binaries that have not been used for longest are deleted."""

_MAGIC = b"ferkern program 1\n"
_DIGEST = hashlib.sha256().digest_size


def folder() -> Path:
    """Where they stand."""
    return cache.folder() / "opencl-programs"


def load(key: str) -> bytes | None:
    """The binary of that key; None where there is none, or a damaged one."""
    path = folder() / f"{key}.bin"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.debug("%s is not used: %s", path, error)
        return None
    with suppress(OSError):
        path.touch()  # it was used now
    head, binary = data[: len(_MAGIC) + _DIGEST], data[len(_MAGIC) + _DIGEST :]
    if head != _MAGIC + hashlib.sha256(binary).digest():
        log.warning("%s is damaged, and made again", path)
        return None
    return binary


def store(key: str, binary: bytes) -> None:
    """Keeps a binary, whole or not at all."""
    path = folder() / f"{key}.bin"
    try:
        cache.write_whole(path, _MAGIC + hashlib.sha256(binary).digest() + binary)
        _prune(MOST_BYTES)
    except OSError as error:
        log.debug("%s cannot be written: %s", path, error)


def _prune(most: int) -> None:
    files = [(path.stat(), path) for path in folder().glob("*.bin")]
    excess = sum(stat.st_size for stat, _ in files) - most
    for stat, path in sorted(files, key=lambda item: item[0].st_mtime):
        if excess <= 0:
            return
        path.unlink(missing_ok=True)
        excess -= stat.st_size
