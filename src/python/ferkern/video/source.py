"""Where frames come from: a file, a camera, or an iterator of arrays.

Files and cameras are read by FFmpeg through PyAV (extra ``video``), imported here at first use.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Sized
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ferkern.video.frame import Buffers, Frame, decoded, given, planes_of

__all__ = ["ArraySource", "Clock", "FileSource", "Source", "VideoSource", "connect", "pyav"]

Timed: TypeAlias = "NDArray[np.uint8] | tuple[float, NDArray[np.uint8]]"
VideoSource: TypeAlias = "str | os.PathLike[str] | int | Iterable[Timed]"
"""What `ferkern.video.open` takes: a path or address, a camera's number (``"-"``: the first), or arrays."""

_DEFAULT_RATE = 30.0  # frames/s where nothing says how many
_PLANAR = ("yuv420p", "yuvj420p")
_RIGHT_ANGLE = 90
_VIDEO_RANGE = 1  # AVCOL_RANGE_MPEG: black is 16


class Source(Protocol):
    """Anything that gives frames; it is read and closed in one thread.

    Attributes
    ----------
    name : str
        What messages call it.
    frames : int, or None
        How many there are, where that is known.
    rate : float
        Frames a second, about.
    live : bool
        Whether frames come when they come, and must be taken then.
    damaged, missing : int
        As in `ferkern.video.results.Report`.
    pixel_aspect : Fraction
        Width of a pixel over its height, as it is to be shown.
    clock : Clock
    """

    name: str
    frames: int | None
    rate: float
    live: bool
    damaged: int
    missing: int
    pixel_aspect: Fraction
    clock: Clock

    def __iter__(self) -> Iterator[Frame]:
        """The frames, once."""

    def close(self) -> None:
        """No more of them."""


class Clock:
    """Time stamps that rise strictly, whatever the container says.

    A stamp that is missing or does not rise follows the one before at the usual distance, and what comes after keeps
    its distance to it (two recordings put one behind the other each begin at 0).

    Parameters
    ----------
    step : float
        Usual distance, seconds.
    from_zero : bool
        Whether the first stamp is 0, and the others count from there (a camera's count from 1970).
    """

    def __init__(self, step: float, *, from_zero: bool = False) -> None:
        self._step = step
        self._from_zero = from_zero
        self._last = -math.inf
        self._shift = 0.0
        self.mended = 0

    def __call__(self, stamp: float | None) -> float:
        """The time of the next frame, whose own stamp is `stamp`."""
        if stamp is None or not math.isfinite(stamp):
            time = self._last + self._step if math.isfinite(self._last) else 0.0
            self.mended += 1
        else:
            if self._from_zero and not math.isfinite(self._last):
                self._shift = -stamp
            time = stamp + self._shift
            if time <= self._last:
                time = self._last + self._step
                self._shift = time - stamp
                self.mended += 1
        self._last = time
        return time


def pyav() -> Any:
    """PyAV, or an ImportError that says what brings it."""
    try:
        import av
    except ImportError as error:
        raise ImportError('video files and cameras need PyAV: pip install "ferkern[video]"') from error
    return av


def connect(source: VideoSource, *, rate: float | None = None) -> FileSource | ArraySource:
    """The source that an argument means.

    Raises
    ------
    ImportError
        PyAV is not installed.
    OSError
        A file does not exist or may not be opened; there is no such camera.
    ValueError
        A file is no video, or damaged beyond use; the message names it.
    TypeError
        The argument is nothing of that kind.
    """
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"rate is {rate}; it must be a number of frames a second, above 0")
    if isinstance(source, int) and not isinstance(source, bool):
        return FileSource.camera(source)
    if isinstance(source, (str, os.PathLike)):
        return FileSource.camera(0) if os.fspath(source) == "-" else FileSource(os.fspath(source))
    if isinstance(source, np.ndarray) and source.ndim < 3:
        raise TypeError(f"source: one array of shape {list(source.shape)}; pass an iterable of frames, [frame] for one")
    if isinstance(source, Iterable):
        return ArraySource(source, rate=rate)
    raise TypeError(
        f"source: {type(source).__name__} is no video; pass a path, a camera's number, or an iterable of uint8 arrays"
    )


class ArraySource:
    """Frames that a program makes: arrays, or pairs of a time in seconds and an array.

    Parameters
    ----------
    arrays : iterable of uint8 [H, W] (grey), [H, W, 3] (RGB) or [H, W, 4] (RGBA, alpha not looked at)
        Copied as they are taken, so one array may be used for all of them.
    rate : float, optional
        Frames a second where no times are given; 30.
    """

    def __init__(self, arrays: Iterable[Timed], *, rate: float | None = None) -> None:
        self.name = "source"
        self.rate = rate or _DEFAULT_RATE
        self.frames = len(arrays) if isinstance(arrays, Sized) else None
        self.live = False
        self.damaged = self.missing = 0
        self.pixel_aspect = Fraction(1)
        self.clock = Clock(1 / self.rate)
        self.buffers = Buffers()
        self._arrays = arrays

    def __iter__(self) -> Iterator[Frame]:
        for index, item in enumerate(self._arrays):
            time, array = item if isinstance(item, tuple) else (index / self.rate, item)
            yield given(index, self.clock(time), _checked(array, f"source[{index}]"), self.buffers)

    def close(self) -> None:
        """End a generator as leaving its loop would."""
        close = getattr(self._arrays, "close", None)
        if callable(close) and hasattr(self._arrays, "gi_frame"):
            close()


def _checked(item: object, name: str) -> NDArray[np.uint8]:
    if not (isinstance(item, np.ndarray) or hasattr(item, "__array_interface__")):
        raise TypeError(f"{name}: {type(item).__name__} is no frame; expected a uint8 array")
    array = np.asarray(item)
    if array.dtype != np.uint8:
        raise TypeError(f"{name}: dtype {array.dtype}, expected uint8")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or array.size == 0:
        raise ValueError(
            f"{name}: shape {list(array.shape)}, expected [height, width], [height, width, 3] or [height, width, 4]"
        )
    return array


class FileSource:
    """A video file, a stream's address, or a camera.

    Parameters
    ----------
    path : str
        What FFmpeg opens.
    live : bool
        Whether frames must be taken when they come.
    options : any
        For ``av.open``.
    """

    def __init__(self, path: str, *, live: bool = False, **options: Any) -> None:
        av = pyav()
        self.name = path
        self.live = live or _is_address(path)
        self.damaged = self.missing = 0
        try:
            self._container = av.open(path, **options)
        except OSError:
            raise
        except av.error.FFmpegError as error:
            raise ValueError(f"{path}: not a video that FFmpeg can read ({_told(error)})") from error
        if not self._container.streams.video:
            kinds = sorted({stream.type for stream in self._container.streams}) or ["nothing"]
            self._container.close()
            raise ValueError(f"{path}: there are no pictures in it, only {', '.join(kinds)}")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "SLICE" if self.live else "AUTO"  # by frames is faster, but holds frames back
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or _DEFAULT_RATE)
        self.frames = self._stream.frames or self._by_duration()
        self.pixel_aspect = self._stream.sample_aspect_ratio or Fraction(1)
        self.clock = Clock(1 / self.rate, from_zero=self.live)

    @staticmethod
    def camera(number: int, **settings: str) -> FileSource:
        """A camera by its number, through Video4Linux, with FFmpeg's settings for it: ``video_size="1280x720"``, ..."""
        device = Path(f"/dev/video{number}")
        if number < 0 or not device.exists():
            raise FileNotFoundError(f"camera {number}: there is no {device}")
        source = FileSource(str(device), live=True, format="v4l2", options=settings)
        source.name = f"camera {number}"
        return source

    def _by_duration(self) -> int | None:
        length = self._container.duration  # microseconds
        return None if self.live or not length else max(round(length / 1e6 * self.rate), 1)

    def __iter__(self) -> Iterator[Frame]:
        for index, picture in enumerate(self._pictures()):
            time = None if picture.pts is None else float(picture.pts * picture.time_base)
            yield decoded(index, self.clock(time), upright(picture))

    def _pictures(self) -> Iterator[Any]:
        """Frames as the decoder gives them; what cannot be decoded is counted and left out."""
        av = pyav()
        decoded_frames = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:  # the container itself is damaged from here on
                self.damaged += 1
                packet = None
            if packet is None:
                break
            try:
                pictures = packet.decode()
            except av.error.FFmpegError:
                self.damaged += 1
                continue
            for picture in pictures:
                decoded_frames += 1
                yield picture
        declared = 0 if self.live else self._stream.frames
        self.missing = max(declared - decoded_frames, 0)

    def close(self) -> None:
        """Close the file."""
        self._container.close()


def upright(picture: Any) -> Any:
    """A decoded frame in YUV 4:2:0 of bytes, turned as its display matrix says (telephones film sideways)."""
    if picture.format.name not in _PLANAR:
        converted = picture.reformat(format="yuv420p", dst_color_range="MPEG")
        converted.color_range = _VIDEO_RANGE
    else:
        converted = picture
    turns = round(picture.rotation / _RIGHT_ANGLE) % 4
    return _turned(converted, turns) if turns else converted


def _turned(picture: Any, turns: int) -> Any:
    """The frame turned counter-clockwise by quarter turns."""
    av = pyav()
    width, height = (picture.height, picture.width) if turns % 2 else (picture.width, picture.height)
    copy = av.VideoFrame(width, height, picture.format.name)
    for target, plane in zip(planes_of(copy), planes_of(picture), strict=True):
        np.copyto(target, np.rot90(plane, turns))
    copy.color_range, copy.colorspace = picture.color_range, picture.colorspace
    return copy


def _is_address(path: str) -> bool:
    return re.match(r"(rtsp|rtmp|rtp|udp|tcp|srt|mms)s?://", path) is not None


def _told(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or error)
