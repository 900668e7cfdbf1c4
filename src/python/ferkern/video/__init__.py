"""Video: faces followed from frame to frame (`track`); videos read, judged and drawn in real time (`open`)."""

from ferkern.video.frame import Frame
from ferkern.video.one_euro import OneEuro
from ferkern.video.reader import Video, open
from ferkern.video.results import Report, Result, StageTime, VideoFace
from ferkern.video.track import FaceTracker, TrackedFace

__all__ = [
    "FaceTracker",
    "Frame",
    "OneEuro",
    "Report",
    "Result",
    "StageTime",
    "TrackedFace",
    "Video",
    "VideoFace",
    "open",
]
