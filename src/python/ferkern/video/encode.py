"""Writing annotated video: H.264 in MP4 (or what the file's name says), by FFmpeg through PyAV."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

from ferkern.video.source import pyav

__all__ = ["Encoder"]

_TICKS = 90_000  # a second; what MPEG counts in
_CODEC = "libx264"


class Encoder:
    """A video file that is written frame by frame. It is opened by the first one, whose size the video has.

    Parameters
    ----------
    path : path
        What stands there is replaced.
    rate : float
        Frames a second, about; every frame is shown at its own time.
    pixel_aspect : Fraction
        Width of a pixel over its height, as it is to be shown.
    preset : str
        x264's, from ``"ultrafast"`` to ``"veryslow"``.
    crf : int
        x264's constant rate factor: 0 loses nothing, 51 is worst.

    Raises
    ------
    OSError
        The folder does not exist or may not be written to.
    ValueError
        FFmpeg knows no container of that name, or has no H.264 encoder.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rate: float = 30.0,
        pixel_aspect: Fraction = Fraction(1),
        preset: str = "veryfast",
        crf: int = 23,
    ) -> None:
        av = pyav()
        self.path = Path(path)
        if _CODEC not in av.codecs_available:
            raise ValueError(f"{self.path}: this build of PyAV has no {_CODEC}")
        self._rate = Fraction(rate).limit_denominator(1001)
        self._pixel_aspect = pixel_aspect
        self._options = {"preset": preset, "crf": str(crf)}
        self._first = 0.0
        self._last = -1
        self._stream: Any = None
        with self.path.open("ab"):  # FFmpeg would only say at the first frame that it cannot
            pass
        try:
            self._container = av.open(str(self.path), "w")
        except (ValueError, av.error.FFmpegError) as error:
            self._remove_if_empty()
            raise ValueError(f"{self.path}: {error}") from error
        self.frames = 0
        self.resized = 0

    def write(self, picture: Any, time: float) -> None:
        """Encode a frame of PyAV's in YUV 4:2:0; one of another size than the first is scaled to it.

        Parameters
        ----------
        picture : av.VideoFrame
        time : float
            Seconds; the first frame's is where the video begins.
        """
        if self._stream is None:
            self._open(picture)
            self._first = time
        stream = self._stream
        if (picture.width, picture.height) != (stream.width, stream.height):
            picture = picture.reformat(width=stream.width, height=stream.height)
            self.resized += 1
        self._last = max(round((time - self._first) * _TICKS), self._last + 1)
        picture.pts, picture.time_base = self._last, Fraction(1, _TICKS)
        self._container.mux(stream.encode(picture))
        self.frames += 1

    def _open(self, picture: Any) -> None:
        stream = self._container.add_stream(_CODEC, rate=self._rate, options=self._options)
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
        context = stream.codec_context
        context.time_base, context.sample_aspect_ratio = Fraction(1, _TICKS), self._pixel_aspect
        context.color_range, context.colorspace = picture.color_range, picture.colorspace
        self._stream = stream

    def close(self) -> None:
        """Write what the encoder holds back, and end the file. Without a frame there is none."""
        container, self._container = self._container, None
        if container is None:
            return
        try:
            if self._stream is not None:
                container.mux(self._stream.encode(None))
        finally:
            container.close()
            if self._stream is None:
                self._remove_if_empty()

    def _remove_if_empty(self) -> None:
        if self.path.stat().st_size == 0:
            self.path.unlink()
