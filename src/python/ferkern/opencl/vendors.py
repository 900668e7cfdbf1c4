"""Makes the loader find OpenCL drivers that came with Python packages.

A loader reads ``*.icd`` files, each of which names one driver library, from a folder of the system. Intel's CPU runtime
from the package index (``intel-opencl-rt``) installs its ``.icd`` file in the environment, where no loader looks, and
the path in it is that of the machine that packed it. Therefore a folder of our own is made in the user's cache: the
system's files and one for each driver of the environment, with the path where the library really is. The loader is
pointed to it, by ``OCL_ICD_VENDORS``, only while it starts; whoever sets ``OCL_ICD_VENDORS`` or ``OPENCL_VENDOR_PATH``
has chosen, and is left alone, unless a file there would end the process.
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

__all__ = ["broken_icds", "choice", "environment_drivers", "registered", "system_icds", "vendors_registered"]

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


def choice() -> tuple[str, str] | None:
    """Name and value of the variable of the environment by which a user has chosen drivers; None: there is none."""
    return next(((name, value) for name in CHOICES if (value := os.environ.get(name))), None)


def system_icds() -> dict[str, str]:
    """The ``.icd`` files that a loader reads, of the user's choice if there is one, whose library can be there: file
    name → library."""
    icds: dict[str, str] = {}
    for icd, library, trouble in _judged():
        if not trouble:
            icds.setdefault(icd.name, library)
    return icds


def registered() -> dict[str, str]:
    """Drivers that a loader is pointed to: the ``.icd`` file, or the Python package that brought it → the library."""
    return system_icds() | ({} if choice() else {name: str(path) for name, path in environment_drivers().items()})


def broken_icds() -> dict[str, str]:
    """``.icd`` files of the system, or of the user's choice, that name no library that could be there: path → what is
    wrong. Those that packages put into an environment name paths of other machines, and no loader reads them."""
    own = None if choice() else _environment_folder()
    return {str(icd): trouble for icd, _, trouble in _judged() if trouble and icd.parent != own}


def _environment_folder() -> Path:
    return Path(sys.prefix) / "etc/OpenCL/vendors"


def _judged() -> list[tuple[Path, str, str]]:
    """Of each ``.icd`` file that a loader reads: the file, what it names, and what is wrong (empty: nothing)."""
    return [(icd, *_read(icd)) for icd in _icds()]


def _icds() -> list[Path]:
    chosen = choice()
    if chosen is None:
        folders = [SYSTEM_FOLDER, _environment_folder()]
    else:
        place = Path(chosen[1])
        if place.suffix == ".icd" and place.is_file():
            return [place]
        folders = [place]
    return [icd for folder in folders if folder.is_dir() for icd in sorted(folder.glob("*.icd"))]


def _read(icd: Path) -> tuple[str, str]:
    """The library that a file names, and what is wrong with it."""
    try:
        content = icd.read_text()
    except (OSError, UnicodeDecodeError) as error:
        return "", f"cannot be read: {getattr(error, 'strerror', None) or error}"
    library = content.strip()
    if "\0" in content or not library:
        return "", "holds zero bytes instead of a library's name" if library else "is empty"
    # A bare name is looked up by the dynamic linker, only it can tell.
    there = "/" not in library or Path(library).exists()
    return library, "" if there else f"names {library}, which is not there"


def _ends_the_process(icd: Path) -> bool:
    """Whether a loader fails on the file so that the process ends: pyopencl's does where the first byte is zero, as
    after a power failure."""
    try:
        with icd.open("rb") as file:
            return file.read(1) == b"\0"
    except OSError:
        return False


@contextmanager
def vendors_registered() -> Iterator[None]:
    """While inside, a loader that starts finds the environment's drivers as well as the system's, and no file that
    would end the process."""
    chosen = choice()
    drivers = {} if chosen else environment_drivers()
    icds = system_icds()
    known = {Path(library).name for library in icds.values()}
    added = {f"ferkern-{name}.icd": path for name, path in drivers.items() if path.name not in known}
    if not added and not any(map(_ends_the_process, _icds())):
        yield
        return
    for path in added.values():
        _preload_needed(path)
    folder = _write_folder(icds | {name: str(path) for name, path in added.items()})
    log.debug("OpenCL drivers of the environment: %s, registered in %s", list(added.values()), folder)
    variable = chosen[0] if chosen else "OCL_ICD_VENDORS"
    before = os.environ.get(variable)
    os.environ[variable] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


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
