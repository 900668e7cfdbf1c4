"""Finding OpenCL devices, and the one context and queue that each has."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from ferkern.opencl.device_info import KINDS, DeviceInfo, info_of, kind_of
from ferkern.opencl.errors import DeviceError
from ferkern.opencl.nodes import CLOSED_REMEDY, closed
from ferkern.opencl.timeline import Timeline, clock_offset
from ferkern.opencl.vendors import broken_icds, choice, registered, vendors_registered

__all__ = ["Device", "DeviceInfo", "Stream", "devices", "find", "guarded", "recording_all", "trouble"]

INSTALL_CPU = "pip install 'ferkern[opencl-cpu]' brings a CPU device"
REMEDY_DRIVER = f"install the driver of your GPU or accelerator, or {INSTALL_CPU}"


@dataclass(eq=False, slots=True)
class Stream:
    """An in-order queue, the memory that its commands use, and the record of what goes through it, if one is kept."""

    queue: Any
    timeline: Timeline | None = None
    pool: Any = None
    """Buffers that were given back are used again: fresh pages cost more than most kernels. Each queue has its own:
    what is given back may still be read by a command of that queue, and only there do the next user's come after it."""

    def __post_init__(self) -> None:
        tools = import_module("pyopencl.tools")
        self.pool = tools.MemoryPool(tools.ImmediateAllocator(self.queue))


class _OfThread(threading.local):
    """What a thread has of a device for itself."""

    stream: Stream | None = None
    timed: Stream | None = None


class Device:
    """A device in use: one context; any thread may use it.

    Commands of a thread go through `stream`: one in-order queue that all threads share, unless the thread is inside
    `using`, `recording` or `recording_all`.
    """

    def __init__(self, info: DeviceInfo, cl: Any, handle: Any, context: Any, queue: Any) -> None:
        self.info = info
        self.cl = cl
        """The module pyopencl."""
        self.handle = handle
        self.context = context
        self.peak_bytes = 0
        """The most that buffers in use of one queue took together; whoever wants to know sets it to 0 before."""
        self.lock = threading.RLock()
        """Held while a kernel's arguments are set and it is put into the queue."""
        self._shared = Stream(queue)
        self._own = _OfThread()
        self._offset: float | None = None

    @property
    def stream(self) -> Stream:
        """Where the calling thread's commands go."""
        if _state.forked:
            raise _forked()
        if self._own.stream is not None:
            return self._own.stream
        return self._shared if _all.begin is None else _all.begin(self)

    def new_stream(self, timeline: Timeline | None = None) -> Stream:
        """A queue of its own; with `timeline`, one whose commands are timed."""
        timed = self.cl.command_queue_properties.PROFILING_ENABLE if timeline is not None else 0
        with guarded(self, "make a queue"):
            return Stream(self.cl.CommandQueue(self.context, self.handle, properties=timed), timeline)

    @contextmanager
    def using(self, stream: Stream) -> Iterator[None]:
        """Commands of the calling thread go through `stream` meanwhile."""
        before = self._own.stream
        self._own.stream = stream
        try:
            yield
        finally:
            self._own.stream = before

    @contextmanager
    def recording(self) -> Iterator[Timeline]:
        """Commands of the calling thread are recorded meanwhile; at the end they have all ended."""
        self.finish()
        timeline = self.new_timeline()
        stream, before = self._own.timed, None
        if stream is None:  # kept, with its memory: a second recording shows a second call
            stream = self._own.timed = self.new_stream(timeline)
        else:
            before, stream.timeline = stream.timeline, timeline
        try:
            with self.using(stream):
                try:
                    yield timeline
                finally:
                    self.finish()
        finally:
            stream.timeline = before
            if before is not None:
                before.take(timeline)

    def new_timeline(self) -> Timeline:
        """An empty record in this device's time."""
        if self._offset is None:
            with guarded(self, "read its clock"):
                timed = self.cl.command_queue_properties.PROFILING_ENABLE
                queue = self.cl.CommandQueue(self.context, self.handle, properties=timed)
                self._offset = clock_offset(self.cl, self.handle, queue)
        return Timeline(self._offset)

    def finish(self) -> None:
        """Waits until all commands of the calling thread's stream have ended."""
        with guarded(self, "finish its commands"):
            self.stream.queue.finish()


class _All(threading.local):
    begin: Callable[[Device], Stream] | None = None
    """Called when a device is first used inside `recording_all`."""


_all = _All()


@contextmanager
def recording_all() -> Iterator[list[tuple[Device, Timeline]]]:
    """What the calling thread does on any device is recorded meanwhile; a device comes in when it is first used."""
    if _all.begin is not None:
        raise RuntimeError("this thread's commands are being recorded already")
    records: list[tuple[Device, Timeline]] = []
    with ExitStack() as opened:

        def begin(device: Device) -> Stream:
            _all.begin = None  # what `recording` itself asks of the device goes where it went before
            try:
                records.append((device, opened.enter_context(device.recording())))
            finally:
                _all.begin = begin
            return device.stream

        _all.begin = begin
        try:
            yield records
        finally:
            _all.begin = None


@contextmanager
def guarded(device: Device, what: str) -> Iterator[None]:
    """Turns the driver's error into a DeviceError that says what failed."""
    if _state.forked:  # the queues of a stream are at hand without being asked for
        raise _forked()
    try:
        yield
    except device.cl.Error as error:
        raise trouble(device, what, error) from error


def trouble(device: Device, what: str, error: Exception) -> DeviceError:
    """What a driver's error means."""
    if isinstance(error, device.cl.MemoryError):
        return DeviceError(
            "limit", f"{device.info} could not {what}: {error}", "use smaller batches, or close what else uses it"
        )
    return DeviceError(
        "lost",
        f"{device.info} could not {what}: {error}",
        "start the process again; if it comes back, look at the device's driver and its log",
    )


@dataclass(slots=True)
class _State:
    lock: threading.RLock = field(default_factory=threading.RLock)
    forked: bool = False
    """This process is the child of one in which OpenCL had been started."""
    started_by_others: bool = False
    handles: list[Any] | None = None
    infos: list[DeviceInfo] = field(default_factory=list)
    silent_platforms: list[str] = field(default_factory=list)
    opened: dict[int, Device] = field(default_factory=dict)


_state = _State()


def _in_child() -> None:
    _state.forked = _state.handles is not None


os.register_at_fork(after_in_child=_in_child)  # asking for the process's number at every launch takes longer


def host() -> Any:
    """The module pyopencl, imported at first use.

    Raises
    ------
    DeviceError
        It is not installed (cause ``"host"``), or the loader library is missing (``"loader"``).
    """
    try:
        return import_module("pyopencl")
    except ModuleNotFoundError as error:
        if error.name != "pyopencl":
            raise DeviceError("host", f"pyopencl does not start: {error}", "reinstall pyopencl") from error
        raise DeviceError(
            "host", "pyopencl is not installed", f"pip install 'ferkern[opencl]', or {INSTALL_CPU} as well"
        ) from error
    except (ImportError, OSError) as error:
        raise DeviceError(
            "loader",
            f"pyopencl finds no OpenCL loader: {error}",
            "reinstall pyopencl from a wheel (it holds a loader), or install the system's (Debian: ocl-icd-libopencl1)",
        ) from error


def devices() -> list[DeviceInfo]:
    """All devices of all platforms, numbered as in ``"opencl:0"``; empty where no driver offers one.

    Raises
    ------
    DeviceError
        Neither pyopencl nor a loader is there (causes ``"host"``, ``"loader"``).
    """
    with _state.lock:
        if _state.handles is None:
            _enumerate()
        if _state.forked:
            raise _forked()
        return list(_state.infos)


def _forked() -> DeviceError:
    return DeviceError(
        "fork",
        "OpenCL was started before this process was forked, and drivers do not survive that",
        'start processes with multiprocessing.get_context("spawn")',
    )


def find(device: str, *, only: bool = False) -> Device:
    """The device named by a string, with its context and queue.

    Parameters
    ----------
    device
        ``"opencl"`` (the first device), ``"opencl:1"`` (by number) or ``"opencl:name"``: a part of the name of the
        device, its platform or vendor, in any case.
    only
        Whoever asks runs on devices alone: the message about another string offers nothing else. (Functions that run
        on the processor as well have dealt with ``"cpu"`` and ``"auto"`` before.)

    Raises
    ------
    TypeError, ValueError
        Not such a string.
    DeviceError
        It is not there; the message says what is, and what to do.
    """
    if not isinstance(device, str):
        raise TypeError(f"device must be a string, is {type(device).__name__}")
    family, colon, wanted = device.partition(":")
    if family != "opencl" or (colon and not wanted):
        alone = only or device in ("cpu", "auto")
        choices = "an OpenCL device here," if alone else '"cpu", "auto",'
        raise ValueError(f'device must be {choices} "opencl", "opencl:0" or "opencl:name", is "{device}"')
    with _state.lock:
        infos = devices()
        if not infos:
            raise missing()
        return _open(_select(infos, device, wanted))


def missing() -> DeviceError:
    """Why there is no device at all."""
    barred = closed()
    if barred and (_state.silent_platforms or registered()):  # where no driver is, that is what is missing
        return DeviceError("device", f"this user may not open {', '.join(barred)}", CLOSED_REMEDY)
    if _state.silent_platforms:
        names = ", ".join(_state.silent_platforms)
        return DeviceError(
            "device",
            f"the OpenCL driver is there ({names}), but it offers no device",
            f"is it plugged in and permitted? Else {INSTALL_CPU}",
        )
    if _state.started_by_others:
        return DeviceError(
            "platform",
            "pyopencl was used before ferkern, and its loader had found no driver then",
            f"use ferkern.opencl first; {REMEDY_DRIVER}",
        )
    broken = "".join(f"; {path} {trouble}" for path, trouble in broken_icds().items())
    chosen = choice()
    if chosen is not None:
        name, value = chosen
        there = "" if Path(value).exists() else ", which is not there"
        return DeviceError(
            "platform",
            f"{name} is set to {value}{there}: no OpenCL driver is found through it{broken}",
            f"unset {name}, or name a folder with the .icd files of installed drivers",
        )
    return DeviceError("platform", f"no OpenCL driver is installed{broken}", REMEDY_DRIVER)


def silent_platforms() -> list[str]:
    """Platforms that offer no device."""
    devices()
    return list(_state.silent_platforms)


def _select(infos: list[DeviceInfo], device: str, wanted: str) -> DeviceInfo:
    there = "; ".join(map(str, infos))
    if not wanted:
        return infos[0]
    if wanted.isdecimal():
        if int(wanted) >= len(infos):
            raise DeviceError("selection", f'"{device}": {len(infos)} device(s) found: {there}', "give one of these")
        return infos[int(wanted)]
    key = wanted.casefold()
    fitting = [i for i in infos if any(key in text.casefold() for text in (i.name, i.platform, i.vendor))]
    if len(fitting) == 1:
        return fitting[0]
    problem = f"{len(fitting)} devices fit that name" if fitting else "no device fits that name"
    raise DeviceError(
        "selection", f'"{device}": {problem}; found: {there}', "give a number, or a part of one name only"
    )


def _enumerate() -> None:
    started = "pyopencl" in sys.modules
    cl = host()
    with vendors_registered():
        try:
            platforms = cl.get_platforms()
        except cl.Error:  # the loader's word for "no driver"
            platforms = []
    _state.started_by_others = started
    found: list[tuple[Any, str, Any]] = []
    for platform in platforms:
        try:
            handles = platform.get_devices()
        except cl.Error:
            handles = []
        if not handles:
            _state.silent_platforms.append(platform.name.strip())
        found += [(platform, kind_of(cl, handle), handle) for handle in handles]
    found.sort(key=lambda item: (KINDS.index(item[1]), item[0].name))
    _state.infos = [info_of(index, *item) for index, item in enumerate(found)]
    _state.handles = [handle for _, _, handle in found]


def _open(info: DeviceInfo) -> Device:
    device = _state.opened.get(info.index)
    if device is None:
        assert _state.handles is not None
        cl, handle = host(), _state.handles[info.index]
        try:
            context = cl.Context([handle])
            queue = cl.CommandQueue(context, handle)
        except cl.Error as error:
            raise DeviceError(
                "device", f"{info} does not start: {error}", "look at its driver's installation"
            ) from error
        device = _state.opened[info.index] = Device(info, cl, handle, context, queue)
    return device
