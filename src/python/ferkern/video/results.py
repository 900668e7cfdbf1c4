"""What comes out of a video: a `Result` for each frame, and at the end a `Report` of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern.video.frame import Frame

__all__ = ["Report", "Result", "StageTime", "VideoFace"]


@dataclass(frozen=True, slots=True)
class VideoFace:
    """One face on one frame.

    Attributes
    ----------
    id : int
        The number that the face keeps as long as it is followed.
    box : (float, float, float, float)
        x, y, width, height in pixels of the frame.
    score : float
        The detector's confidence.
    landmarks : float32 [68, 2], or None
        Points (x, y) in the same pixels, whose centres are at whole numbers, steadied over time by the tracker.
    state : str
        ``"detected"``, ``"tracked"`` or ``"corrected"``: see `ferkern.video.track`.
    emotion : str
        The most probable class of `probabilities`.
    probabilities : dict of str to float
        All classes, smoothed over time (`ferkern.video.smooth`); sums to 1.
    raw_probabilities : dict of str to float
        What the network said of this frame alone.
    smile, raw_smile : float, or None
        Probability of a smile, smoothed and of this frame alone.
    pose : (float, float, float), or None
        Yaw, pitch, roll in radians; see `ferkern.face.pose`.
    aligned : bool
        Whether the face was turned upright before it was judged.
    extra : dict of str to Any
        What heads of your own said, by their names.
    """

    id: int
    box: tuple[float, float, float, float]
    score: float
    landmarks: NDArray[np.float32] | None = field(compare=False)
    state: str
    emotion: str
    probabilities: dict[str, float]
    raw_probabilities: dict[str, float]
    smile: float | None
    raw_smile: float | None
    pose: tuple[float, float, float] | None
    aligned: bool
    extra: dict[str, Any] = field(default_factory=dict, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, ready for JSON; pixels to 2 decimals, radians to 4, probabilities to 6."""
        return {
            "id": self.id,
            "state": self.state,
            "box": [round(v, 2) for v in self.box],
            "score": round(self.score, 4),
            "emotion": self.emotion,
            "probabilities": {name: round(p, 6) for name, p in self.probabilities.items()},
            "raw_probabilities": {name: round(p, 6) for name, p in self.raw_probabilities.items()},
            "smile": None if self.smile is None else round(self.smile, 6),
            "raw_smile": None if self.raw_smile is None else round(self.raw_smile, 6),
            "pose": None if self.pose is None else [round(v, 4) for v in self.pose],
            "aligned": self.aligned,
            "landmarks": None if self.landmarks is None else np.round(self.landmarks.astype(np.float64), 2).tolist(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What is known of one frame.

    Attributes
    ----------
    index : int
        The frame's number in the source, from 0; frames that were dropped are counted.
    time : float
        Seconds; rises strictly from result to result.
    faces : list of VideoFace
        In the tracker's order.
    seconds : dict of str to float
        What each stage took for this frame, by its name in the order of the stages; waiting between them is not in it.
    latency : float
        Seconds from the frame's arrival to this result.
    extra : dict of str to Any
        What stages of your own gave, by their names.
    frame : Frame, or None
        Pixels, where they were asked for.
    """

    index: int
    time: float
    faces: list[VideoFace]
    seconds: dict[str, float]
    latency: float
    extra: dict[str, Any]
    frame: Frame | None = None


@dataclass(slots=True)
class StageTime:
    """What a stage took, all its frames together.

    Attributes
    ----------
    frames : int
    seconds, longest : float
        Wall time of all frames, and of the one that took longest.
    processor : float
        Seconds of the processor in the stage's own threads; what threads of a library took (an encoder's) is not in it.
    """

    frames: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    processor: float = 0.0

    @property
    def mean(self) -> float:
        """Wall time of a frame in seconds."""
        return self.seconds / self.frames if self.frames else 0.0


@dataclass(slots=True)
class Report:
    """What became of the frames: ``read == results + dropped + abandoned`` when it is over.

    Attributes
    ----------
    read : int
        Frames that the source gave.
    results : int
        Frames whose result was taken.
    dropped : int
        Frames left out by the drop policy.
    abandoned : int
        Frames that were under way when it ended early: by an error, an interruption, or because nobody wanted more.
    ended : str
        ``""`` while it runs, then ``"end"``, ``"closed"`` (nobody wanted more) or ``"error"``.
    damaged : int
        Pieces of the file that could not be decoded.
    missing : int
        Frames that the file declares but does not hold: it was cut off.
    mended_times : int
        Frames whose time stamps were missing or did not rise, and were mended.
    sizes : list of (int, int)
        Width and height of the frames, as they changed.
    seconds : float
        From the first frame's arrival to the end.
    stages : dict of str to StageTime
        In the order of the stages.
    """

    read: int = 0
    results: int = 0
    dropped: int = 0
    abandoned: int = 0
    ended: str = ""
    damaged: int = 0
    missing: int = 0
    mended_times: int = 0
    sizes: list[tuple[int, int]] = field(default_factory=list)
    seconds: float = 0.0
    stages: Mapping[str, StageTime] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Frames a second that came out."""
        return self.results / self.seconds if self.seconds else 0.0

    @property
    def damage(self) -> str:
        """What was wrong with the source, in words; empty if nothing."""
        parts = []
        if self.damaged:
            parts.append(f"{self.damaged} damaged piece{'s' if self.damaged > 1 else ''} could not be decoded")
        if self.missing:
            parts.append(f"{self.missing} of {self.missing + self.read} frames are missing at the end")
        return "; ".join(parts)
