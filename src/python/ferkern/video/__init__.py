"""Video: faces followed from frame to frame (`track`)."""

from ferkern.video.one_euro import OneEuro
from ferkern.video.track import FaceTracker, TrackedFace

__all__ = ["FaceTracker", "OneEuro", "TrackedFace"]
