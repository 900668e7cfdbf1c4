"""Kernels from source: found, put together, built once for each device and set of options, launched within limits."""

from __future__ import annotations

import hashlib
import importlib.resources
import logging
import os
import re
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cache, lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ferkern.opencl import binaries
from ferkern.opencl.device import INSTALL_CPU, Device, DeviceInfo, trouble
from ferkern.opencl.errors import DeviceError

__all__ = ["Program", "build", "built", "read_source"]

log = logging.getLogger(__name__)

_MOST_SIZES = 256  # that a kernel object remembers
_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"\s*$')

_built: dict[tuple[int, str], Program] = {}
_lock = threading.Lock()


class Program:
    """A built program of one device; kernels are asked for by name."""

    def __init__(self, device: Device, built: Any, options: tuple[str, ...]) -> None:
        self.device = device
        self.options = options
        self._built = built
        # A kernel object holds its arguments, so each thread has its own.
        self._kernels = threading.local()

    @property
    def kernel_count(self) -> int:
        """Kernels in it."""
        return int(self._built.get_info(self.device.cl.program_info.NUM_KERNELS))

    def launch(self, name: str, global_size: Sequence[int], local_size: Sequence[int], *arguments: Any) -> Any:
        """Queues a kernel over at least `global_size` work items, in groups of `local_size`; returns its event.

        The sizes are rounded up to whole groups (kernels return where an item lies outside); groups larger than the
        device admits for this kernel are halved along their longest side.
        """
        kernel = self._kernel(name, arguments)
        rounded, local = kernel.sizes(tuple(global_size), tuple(local_size))
        device, stream = self.device, self.device.stream
        with device.lock:
            try:  # written out: `guarded` takes as long as setting the arguments
                kernel.handle.set_args(*arguments)
                event = device.cl.enqueue_nd_range_kernel(stream.queue, kernel.handle, rounded, local)
            except device.cl.Error as error:
                raise trouble(device, f"run the kernel {name}", error) from error
        if stream.timeline is not None:
            stream.timeline.command("kernel", name, event)
        return event

    def _kernel(self, name: str, arguments: Sequence[Any]) -> _Kernel:
        kernel: _Kernel | None = self._kernels.__dict__.get(name)
        if kernel is None:
            kernel = self._kernels.__dict__[name] = _Kernel(self.device, name, self.device.cl.Kernel(self._built, name))
            # Without their types pyopencl guesses at each argument anew: 70 us for a dozen instead of 1.
            kernel.handle.set_arg_types([getattr(argument, "dtype", None) for argument in arguments])
        return kernel


class _Kernel:
    """A kernel object of one thread, and what the device admits of it."""

    def __init__(self, device: Device, name: str, handle: Any) -> None:
        self.handle = handle
        self._device = device
        self._limit = self._asked(device.cl.kernel_work_group_info.WORK_GROUP_SIZE)
        self._sizes: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[tuple[int, ...], tuple[int, ...]]] = {}
        local = self._asked(device.cl.kernel_work_group_info.LOCAL_MEM_SIZE)
        if local > device.info.local_bytes:
            raise DeviceError(
                "limit",
                f"the kernel {name} takes {local:,} bytes of local memory, "
                f"{device.info} has {device.info.local_bytes:,}",
                "this is a wrong tuning parameter: delete what ferkern tune saved",
            )

    def sizes(self, items: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Work items rounded up to whole groups, and the group: as `wanted`, or what is admitted of it."""
        found = self._sizes.get((items, wanted))
        if found is None:
            group = fit_group(self._device, wanted, self._limit)
            rounded = tuple(-(-size // along) * along for size, along in zip(items, group, strict=True))
            if len(self._sizes) == _MOST_SIZES:
                self._sizes.clear()
            found = self._sizes[items, wanted] = rounded, group
        return found

    def _asked(self, what: Any) -> int:
        return int(self.handle.get_work_group_info(what, self._device.handle))


def fit_group(device: Device, wanted: Sequence[int], limit: int) -> tuple[int, ...]:
    """The group size nearest below `wanted` that the device and the kernel admit."""
    sides = [max(1, min(size, most)) for size, most in zip(wanted, device.handle.max_work_item_sizes, strict=False)]
    while _product(sides) > limit:
        longest = sides.index(max(sides))
        sides[longest] = (sides[longest] + 1) // 2
    return tuple(sides)


def _product(sizes: Sequence[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def build(device: Device, file: str, defines: Mapping[str, int], standard: str = "CL1.2") -> Program:
    """The program in a file of ``kernels/opencl`` with these definitions, in a version of OpenCL C.

    Built at most once in a process; from the binary that an earlier process left in the cache folder, if there is one.

    Raises
    ------
    DeviceError
        The source is missing (cause ``"source"``) or the driver does not compile it (``"build"``).
    """
    # Read once, unless from a folder whose files may be at work on: reading took as long as a small layer.
    text = read_source(file) if os.environ.get("FERKERN_CL_DIR") else _read_installed(file)
    options = (
        f"-cl-std={standard}",
        *(f"-D{name}={value}" for name, value in sorted(defines.items())),
        *_division(device),
    )
    key = _key(device.info, text, options)
    with _lock:
        program = _built.get((device.info.index, key))
        if program is None:
            timeline = device.stream.timeline
            with timeline.span("compile", file) if timeline is not None else nullcontext():
                program = Program(device, _made(device, file, text, options, key), options)
            _built[device.info.index, key] = program
        return program


def built() -> dict[str, tuple[int, int]]:
    """What this process has built, from source or from binaries: device → programs, and kernels in them."""
    counts: dict[str, tuple[int, int]] = {}
    for program in list(_built.values()):
        programs, kernels = counts.get(str(program.device.info), (0, 0))
        counts[str(program.device.info)] = programs + 1, kernels + program.kernel_count
    return counts


@lru_cache(maxsize=1024)  # a layer asks anew in each run: 10 us for the hash
def _key(info: DeviceInfo, text: str, options: tuple[str, ...]) -> str:
    parts = (info.platform, info.name, info.version, info.driver, *options, text)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _division(device: Device) -> tuple[str, ...]:
    """Division with one rounding, where the device offers it; without it sigmoid is off by up to 2.5 ulp more."""
    offered = device.handle.single_fp_config & device.cl.device_fp_config.CORRECTLY_ROUNDED_DIVIDE_SQRT
    return ("-cl-fp32-correctly-rounded-divide-sqrt",) if offered else ()


def _made(device: Device, file: str, text: str, options: tuple[str, ...], key: str) -> Any:
    cl = device.cl
    start = time.perf_counter()
    binary = binaries.load(key)
    origin = "read from the cache"
    program = None
    with warnings.catch_warnings():
        # Drivers remark on their vectorizer even where all is well; errors come as exceptions with the whole log.
        warnings.simplefilter("ignore", cl.CompilerWarning)
        if binary is not None:
            try:
                program = cl.Program(device.context, [device.handle], [binary]).build(list(options))
            except cl.Error as error:  # the driver is another than the one that made it, although it says the same
                log.debug("the cached binary of %s is refused: %s", file, error)
        if program is None:
            origin = "built"
            program = _compile(device, file, text, options)
            binaries.store(key, program.get_info(cl.program_info.BINARIES)[0])
    log.debug(
        "%s %s for %s in %.0f ms: %s",
        file,
        origin,
        device.info,
        1e3 * (time.perf_counter() - start),
        " ".join(options),
    )
    return program


def _compile(device: Device, file: str, text: str, options: tuple[str, ...]) -> Any:
    cl = device.cl
    try:
        # As pyopencl.Program does where its own cache is off: that one keeps a copy of every source that fails.
        program = cl.Program(device.context, text)
        program._prg = cl._cl._Program(device.context, text)
        return program.build(list(options))
    except cl.Error as error:
        # PoCL 3.0 says so on processors that are newer than its LLVM: of every kernel, whatever it is.
        old = "unknown target CPU" in str(error)
        raise DeviceError(
            "build",
            f"{device.info} (driver {device.info.driver}) does not compile {file}: {error}",
            f"its compiler is older than the processor: update the driver, or use another device ({INSTALL_CPU})"
            if old
            else "update its driver, or use another device",
        ) from error


@cache
def _read_installed(file: str) -> str:
    return read_source(file)


def read_source(file: str) -> str:
    """The text of a kernel file with its own headers in their places, each once.

    Read from the folder named by ``FERKERN_CL_DIR`` if that is set, else from the installed package, else from the
    source tree.
    """
    folder = _folder()
    seen: set[str] = set()

    def expand(name: str) -> list[str]:
        try:
            lines = folder.joinpath(name).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise DeviceError(
                "source", f"kernel source {name} cannot be read: {error}", "reinstall ferkern, or mend FERKERN_CL_DIR"
            ) from error
        text = [f'#line 1 "{name}"']
        for number, line in enumerate(lines, 1):
            match = _INCLUDE.match(line)
            if match is None:
                text.append(line)
                continue
            if match[1] not in seen:
                seen.add(match[1])
                text += expand(match[1])
            text.append(f'#line {number + 1} "{name}"')
        return text

    return "\n".join(expand(file)) + "\n"


def _folder() -> Traversable:
    chosen = os.environ.get("FERKERN_CL_DIR")
    if chosen:
        return Path(chosen)
    installed = importlib.resources.files("ferkern.opencl").joinpath("kernels")
    if installed.is_dir():
        return installed
    # A build in place: src/python/ferkern/opencl/program.py stands in the checkout.
    return Path(__file__).resolve().parents[4] / "kernels" / "opencl"
