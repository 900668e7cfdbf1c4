"""Makes the loader find OpenCL drivers that came with Python packages.

A loader reads ``*.icd`` files, each of which names one driver library, from a folder of the system. Intel's CPU runtime
from the package index (``intel-opencl-rt``) installs its ``.icd`` file in the environment, where no loader looks, and
the path in it is that of the machine that packed it. Therefore a folder of our own is made in the user's cache: the
system's files and one for each driver of the environment, with the path where the library really is. The loader is
pointed to it, by ``OCL_ICD_VENDORS``, only while it starts; whoever sets ``OCL_ICD_VENDORS`` or ``OPENCL_VENDOR_PATH``
has chosen, and is left alone.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ferkern import cache

__all__ = ["environment_drivers", "system_icds", "vendors_registered"]

log = logging.getLogger(__name__)

SYSTEM_FOLDER = Path("/etc/OpenCL/vendors")
CHOICES = ("OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH")

# Distribution → its driver library.
_DRIVERS = {"intel-opencl-rt": "libintelocl.so"}
# What the driver needs from other distributions; found beside it, as a rule.
_NEEDED = {
    "tbb": ("libtbb.so.12",),
    "intel-cmplr-lib-rt": ("libintlc.so.5", "libimf.so", "libsvml.so", "libirng.so"),
}


def environment_drivers() -> dict[str, Path]:
    """Driver libraries that installed Python packages brought: distribution → library."""
    found = {name: _file_of(name, library) for name, library in _DRIVERS.items()}
    return {name: path for name, path in found.items() if path is not None}


def system_icds() -> dict[str, str]:
    """The system's and the environment's ``.icd`` files whose library can be there: file name → library."""
    icds: dict[str, str] = {}
    for folder in (SYSTEM_FOLDER, Path(sys.prefix) / "etc/OpenCL/vendors"):
        for icd in sorted(folder.glob("*.icd")) if folder.is_dir() else ():
            try:
                library = icd.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                log.warning("%s is left out: %s", icd, error)
                continue
            # A bare name is looked up by the dynamic linker, only it can tell.
            if library and ("/" not in library or Path(library).exists()):
                icds.setdefault(icd.name, library)
    return icds


@contextmanager
def vendors_registered() -> Iterator[None]:
    """While inside, a loader that starts finds the environment's drivers as well as the system's."""
    drivers = {} if any(os.environ.get(name) for name in CHOICES) else environment_drivers()
    icds = system_icds()
    known = {Path(library).name for library in icds.values()}
    added = {f"ferkern-{name}.icd": path for name, path in drivers.items() if path.name not in known}
    if not added:
        yield
        return
    for path in added.values():
        _preload_needed(path)
    folder = _write_folder(icds | {name: str(path) for name, path in added.items()})
    log.debug("OpenCL drivers of the environment: %s, registered in %s", list(added.values()), folder)
    before = os.environ.get("OCL_ICD_VENDORS")
    os.environ["OCL_ICD_VENDORS"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["OCL_ICD_VENDORS"]
        else:
            os.environ["OCL_ICD_VENDORS"] = before


def _file_of(distribution: str, name: str) -> Path | None:
    try:
        files = importlib.metadata.distribution(distribution).files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == name:
            path = Path(str(file.locate())).resolve()
            if path.exists():
                return path
    return None


def _preload_needed(driver: Path) -> None:
    """Loads what the driver needs when it does not lie beside it (packages spread over two environments)."""
    for distribution, names in _NEEDED.items():
        for name in names:
            path = None if (driver.parent / name).exists() else _file_of(distribution, name)
            if path is not None:
                try:
                    ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
                except OSError as error:
                    log.warning("%s could not be loaded: %s", path, error)


def _write_folder(icds: dict[str, str]) -> Path:
    """A folder with exactly these files, named after their content, so that environments do not disturb each other."""
    digest = hashlib.sha256(repr(sorted(icds.items())).encode()).hexdigest()[:16]
    folder = cache.folder() / "opencl-vendors" / digest
    try:
        _write_files(folder, icds)
    except OSError as error:
        log.debug("no cache folder (%s): a temporary one is used", error)
        folder = Path(tempfile.mkdtemp(prefix="ferkern-opencl-vendors-"))
        _write_files(folder, icds)
    return folder


def _write_files(folder: Path, icds: dict[str, str]) -> None:
    for name, library in icds.items():
        path = folder / name
        if not path.exists() or path.read_text() != library + "\n":
            cache.write_whole(path, library + "\n")
