"""Small videos that tests make for themselves, and a tracker that follows nothing."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from ferkern.face.align import TEMPLATE
from ferkern.models import Network, load
from ferkern.video import Report, Video
from ferkern.video import open as open_video

SIZE = (64, 48)


def frames(count: int, size: tuple[int, int] = SIZE, *, channels: int = 0) -> list[np.ndarray]:
    """Frames that tell their numbers: the mean of frame i is i, but for noise that is the same in all."""
    noise = np.random.default_rng(7).integers(0, 20, (size[1], size[0]), dtype=np.uint8)
    grey = [noise + np.uint8(i % 200) for i in range(count)]
    return grey if not channels else [np.repeat(f[:, :, None], channels, axis=2) for f in grey]


def write(path: Path, pictures: Sequence[np.ndarray], *, stamps: Sequence[int] | None = None, **options: str) -> Path:
    """Encode grey frames as H.264 without B frames, a key frame every ten; stamps in 1/30 s."""
    size = pictures[0].shape[1], pictures[0].shape[0]
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "g": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = (stamps[i] if stamps else i), Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@dataclass(frozen=True)
class Face:
    id: int
    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray
    state: str = "tracked"


class StillFaces:
    """Sees the same faces on every frame; notes what it was shown."""

    def __init__(self, count: int = 1, *, fails_at: int | None = None) -> None:
        scale = 0.5
        points = (TEMPLATE * scale + 4).astype(np.float32)
        self.faces = [Face(i, (4.0 + i, 4.0, 24.0, 24.0), 0.9, points + np.float32(i)) for i in range(count)]
        self.fails_at = fails_at
        self.times: list[float] = []
        self.shapes: list[tuple[int, ...]] = []
        self.resets = 0

    def update(self, luma: np.ndarray, time: float) -> list[Face]:
        if self.fails_at == len(self.times):
            raise ArithmeticError("this tracker has had enough")
        self.times.append(time)
        self.shapes.append(luma.shape)
        return self.faces

    def reset(self) -> None:
        self.resets += 1


def our_threads() -> list[str]:
    """Threads of pipelines that are alive."""
    return [t.name for t in threading.enumerate() if t.name.startswith("ferkern ")]


def balanced(report: Report) -> bool:
    """Whether every frame is accounted for."""
    return report.read == report.results + report.dropped + report.abandoned


def opened(source: Any, **options: Any) -> Video:
    """A video with little to do: no faces unless a tracker is given, and a small network."""
    return open_video(source, **{"tracker": StillFaces(0), "model": small_network(), **options})


@functools.cache
def small_network() -> Network:
    return load("fer_2conv")


def drained(video: Video) -> tuple[list[int], BaseException | None]:
    """Which frames gave results, and what ended them."""
    seen = []
    try:
        for result in video:
            seen.append(result.index)
    except Exception as error:
        return seen, error
    return seen, None
