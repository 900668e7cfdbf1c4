"""One frame of a video on its way through the stages: its luma as the decoder left it, its colours when asked for."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from ferkern import image

__all__ = ["Buffers", "Frame", "planes_of"]

UInt8 = NDArray[np.uint8]

_LOW, _SPAN = 16, 219  # luma of video: black at 16, white at 235 (ITU-R BT.601 and BT.709)
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One upright frame. Its arrays are read-only, and stay as they are for as long as anybody holds them.

    Attributes
    ----------
    index : int
        Its number in the source, from 0; frames that were dropped are counted.
    time : float
        Seconds; rises strictly from frame to frame.
    luma : uint8 [H, W]
        Rows may stand apart. Of a YUV frame its luma plane as it is, else by `ferkern.image.to_gray`.
    full_range : bool
        Whether black is 0 and white 255 in `luma`; else 16 and 235, as in most videos.
    """

    index: int
    time: float
    luma: UInt8
    full_range: bool
    source: Any = field(repr=False)  # the decoder's frame (YUV 4:2:0), or the array: grey, RGB or RGBA

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.luma.shape[1], self.luma.shape[0]

    @property
    def is_decoded(self) -> bool:
        """Whether the frame comes from a decoder, in YUV; else it was given as an array."""
        return not isinstance(self.source, np.ndarray)

    def planes(self) -> tuple[UInt8, UInt8, UInt8]:
        """Luma [H, W] and chroma [(H + 1) // 2, (W + 1) // 2] twice, where they stand; of decoded frames only."""
        if not self.is_decoded:
            raise ValueError(f"frame {self.index} was given as an array and has no planes")
        return planes_of(self.source)

    def rgb(self) -> UInt8:
        """The frame in colour, uint8 [H, W, 3]; made anew by every call for a decoded frame."""
        if self.is_decoded:
            rgb: UInt8 = self.source.to_ndarray(format="rgb24")
            return rgb
        array: UInt8 = self.source
        return np.repeat(array[:, :, None], 3, axis=2) if array.ndim == 2 else array[:, :, :3]

    def grey(self, luma: UInt8) -> UInt8:
        """Parts of `luma`, any shape, with black at 0 and white at 255, as photographs have them."""
        return luma if self.full_range else _STRETCHED[luma]


_STRETCHED: UInt8 = np.clip(np.rint((np.arange(256) - _LOW) * (255 / _SPAN)), 0, 255).astype(np.uint8)


def planes_of(picture: Any) -> tuple[UInt8, UInt8, UInt8]:
    """The three planes of a YUV 4:2:0 frame of PyAV's, each uint8 [h, w]; no copy."""
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in picture.planes
    )
    return y, u, v


def decoded(index: int, time: float, picture: Any) -> Frame:
    """A frame of PyAV's, in YUV 4:2:0 of bytes, as a `Frame`."""
    luma = planes_of(picture)[0]
    luma.flags.writeable = False  # the decoder predicts later frames from it
    full = picture.format.name.startswith("yuvj") or picture.color_range == _FULL_RANGE
    return Frame(index, time, luma, full, picture)


def given(index: int, time: float, array: UInt8, buffers: Buffers) -> Frame:
    """An array, uint8 [H, W], [H, W, 3] or [H, W, 4], as a `Frame` of its own: the array may be written to again."""
    copy = buffers.take(array.shape)
    np.copyto(copy, array)
    luma = copy
    if array.ndim == 3:
        luma = buffers.take(array.shape[:2])
        image.to_gray(copy, out=luma)
        luma.flags.writeable = False
    copy.flags.writeable = False
    return Frame(index, time, luma, True, copy)


class Buffers:
    """Memory for frames, used again when nobody looks at it any more.

    There are as many buffers as frames are under way at once: a buffer goes back when the last array that shows it is
    gone. One that a user keeps is the user's.
    """

    def __init__(self) -> None:
        self._free: deque[bytearray] = deque()
        self.made = 0

    def take(self, shape: tuple[int, ...]) -> UInt8:
        """An array of a shape; what it holds is left over from an earlier frame."""
        size = int(np.prod(shape))
        raw = self._free.popleft() if self._free else bytearray(0)
        if len(raw) != size:  # the first ones, or frames have changed their size
            raw = bytearray(size)
            self.made += 1
        whole = np.frombuffer(raw, np.uint8)
        # Arrays cut from `whole` keep it alive, as its memory is no array's.
        finalize(whole, self._free.append, raw).atexit = False
        return whole.reshape(shape)
