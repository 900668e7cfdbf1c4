"""One face that is followed: what is known of it, and how a frame moves it on.

Four sources say where its landmarks are, and each is used for what it is good at:

1. *Flow from the frame before* follows everything, expressions too, but each frame adds an error: it drifts. Points
   that do not come back to where they began, or that leave the face's common motion (a similarity, fitted so that
   points astray do not count) further than an expression can, are carried by that motion instead.
2. *The reference*, an earlier view of the same face (`view.Reference`), does not drift: its landmarks are found in the
   present view by Lucas-Kanade. Those that come back to their start, and lie near the flow's or where the face's common
   motion has them, draw the point towards them by a share, so that noise averages out and nothing jumps. A mouth that
   has opened matches no closed one: there the flow is left alone. A face that turns or changes so much that few points
   match gives a new reference; up to four are kept and the one most like the view is used, so a head that turns back
   meets its first one.
3. *The trees* look at every view. They neither drift nor lag but err: by a share of the face that differs from face to
   face, and by a third of it more or less from second to second, as size, turn and light change. So a point is left
   where it is until it is further from the trees' than their own error (`_TREES_ERROR`), on the mean of some frames:
   few for a point that only the flow has carried of late, many for one that a reference like the view holds, since
   where the picture is as it was, the trees have nothing new to say. The former is then drawn to theirs until it is
   within half their error; the latter only back to their error, in the reference too, which would else draw it back.
   A single frame's answer, however far off, moves nothing there.
4. *The pose* is the similarity that lays the reference's landmarks over the present ones. The one-euro filter smooths
   the landmarks in the view, where a moving head stands still: it takes the trembling and lets no moving face lag.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ferkern.video.one_euro import OneEuro
from ferkern.video.similarity import Similarity, robust_fit, to_complex, to_points
from ferkern.video.view import FACE, Reference

__all__ = ["Followed", "Start", "State"]

Complex = NDArray[np.complex128]
Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
State = Literal["detected", "tracked", "corrected"]

_TREES_ERROR = np.repeat([4.9, 3.3, 2.1, 2.0, 2.8], [17, 10, 9, 12, 20]) * FACE / 119
"""Mean error of the landmark trees in the view, pixels: jaw, brows, nose, eyes, mouth. 214 held-out faces of
landmarks68, second look, upright."""

_COMMON = 0.02  # of the face's side: how near to the common motion a point is that agrees with it
_EXPRESSION = 0.06  # of the face's side: what an expression may add to the motion from one frame to the next
_BACK = 0.01  # of the face's side, and at least 0.5 pixels: how far from its start a point may come back
_AGREED = 0.4  # of the points must agree with the common motion
_LOCK = 5.0  # pixels of the view: a landmark of the reference this far from the flow's is another thing
_HELD, _DRAWN = 0.7, 0.3  # share of the way to the reference, and to the trees, that a point is drawn in a frame
_AVERAGED, _AVERAGED_HELD = 0.2, 0.02  # share of a frame in the mean; for points that the reference holds
_SAME_VIEW = 0.9  # likeness with the reference from which the picture is as it was
_NEAR, _NEAR_HELD = 0.5, 0.95  # times the trees' error: where a point is near enough, and one that is held
_SUDDEN, _CONFIRMED = 2.0, 3  # times the trees' error, in so many frames on end: believed without a mean
_MATCHED, _PATIENCE, _KEPT = 0.35, 5, 4  # points that match; frames without, until a new reference; references
_ASTRAY = 2.5  # times the trees' error: points that lie so far from the trees', half of them, are on no face
_LIKE = 0.4  # least likeness with any reference; unlike faces have 0.67 at most in 99 of 100


@dataclass(frozen=True, slots=True)
class Start:
    """A face as the detector and the trees found it in one frame."""

    pose: Similarity
    view: UInt8
    points: Complex  # in the view
    box: tuple[complex, complex]  # centre, and width + i height, in the view's pixels
    score: float


@dataclass(slots=True, eq=False)
class Followed:
    """A face under way."""

    id: int
    filter: OneEuro
    pose: Similarity = field(default_factory=lambda: Similarity(1, 0))
    points: Complex = field(default_factory=lambda: np.zeros(68, np.complex128))  # in the frame, raw
    smooth: NDArray[np.float32] = field(default_factory=lambda: np.zeros((68, 2), np.float32))  # in the frame
    references: list[Reference] = field(default_factory=list)
    box_in_view: tuple[complex, complex] = (0j, 0j)
    score: float = 0.0
    state: State = "detected"
    drawn: Bools = field(default_factory=lambda: np.zeros(68, np.bool_))  # towards the trees
    apart: Complex = field(default_factory=lambda: np.zeros(68, np.complex128))  # trees less points, mean of late
    adrift: Counts = field(default_factory=lambda: np.zeros(68, np.int64))  # frames since the reference held it
    sudden: Counts = field(default_factory=lambda: np.zeros(68, np.int64))  # frames that the trees have been far off
    unmatched: int = 0
    agreement: float = 1.0
    likeness: float = 1.0
    seen: float = 0.0  # when it was followed last
    confirmed: float = 0.0  # when the detector saw it last
    asked: float = 0.0  # when it was asked last

    def begin(self, start: Start, time: float) -> None:
        """Take what was found as it is."""
        self.pose, self.box_in_view, self.score = start.pose, start.box, start.score
        self.references = [Reference(start.view, start.points)]
        self.points = start.pose(start.points)
        self.drawn[:] = False
        self.apart[:] = 0
        self.adrift[:] = 0
        self.sudden[:] = 0
        self.unmatched = 0
        self.state, self.agreement, self.likeness = "detected", 1.0, 1.0
        self.filter.reset()
        self._finish(start.points, time)
        self.confirmed = self.asked = time

    def moved(self, points: Complex, came_back: NDArray[np.float32], status: Bools) -> Similarity | None:
        """The pose after the flow, and `points` by flow and common motion; None where there is no common motion."""
        side = self.side
        good = status & (came_back < max(0.5, _BACK * side))
        found = robust_fit(self.points, points, good, max(_COMMON * side, 0.75))
        if found is None:
            return None
        motion, agree = found
        self.agreement = float(agree.mean())
        carried = motion(self.points)
        good &= np.abs(points - carried) < max(_EXPRESSION * side, 1.5)
        self.points = np.where(good, points, carried)
        if self.agreement < _AGREED or not 0.5 < motion.scale < 2:
            return None
        return motion.after(self.pose)

    def settle(self, pose: Similarity, view: UInt8, trees: Complex | None, time: float) -> bool:
        """Hold what the flow says against the references and the trees; False where this is no more the face."""
        points = pose.inverse()(self.points)
        likenesses = [reference.likeness(view) for reference in self.references]
        best = int(np.argmax(likenesses))
        self.likeness = likenesses[best]
        if self.likeness < _LIKE:
            return False
        reference = self.references[best]
        matched, found = reference.match(view, points)
        laid = robust_fit(reference.points, matched, found, _COMMON * FACE)
        near = np.abs(matched - points) < _LOCK
        found &= near if laid is None else near | laid[1]
        points = points + _HELD * np.where(found, matched - points, 0)
        if trees is not None:
            if np.median(np.abs(trees - points) / _TREES_ERROR) > _ASTRAY:
                return False
            correction = self._correction(trees - points, found)
            points = points + correction
            reference.shift(np.where(found, correction, 0))
        self.state = "corrected" if self.drawn.any() else "tracked"
        self._renew(view, points, found)
        self.points = pose(points)
        self.pose = pose
        if laid is not None and self.unmatched == 0:
            self.pose = pose.after(laid[0])
            points = laid[0].inverse()(points)
        self._finish(points, time)
        return True

    def _correction(self, apart: Complex, found: Bools) -> Complex:
        """What the trees add to points from which theirs are `apart`; `found` are those the reference holds."""
        self.adrift = np.where(found, 0, self.adrift + 1)
        held = (self.adrift < _CONFIRMED) & (self.likeness >= _SAME_VIEW)
        self.sudden = np.where(np.abs(apart) > _SUDDEN * _TREES_ERROR, self.sudden + 1, 0)
        averaged = np.where(held, _AVERAGED_HELD, _AVERAGED)
        averaged[self.sudden >= _CONFIRMED] = 1.0
        self.apart = self.apart + averaged * (apart - self.apart)
        away = np.abs(self.apart) / _TREES_ERROR
        near = np.where(held & (self.sudden == 0), _NEAR_HELD, _NEAR)
        self.drawn = away > np.where(self.drawn, near, 1.0)
        correction: Complex = np.where(self.drawn, _DRAWN * self.apart, 0)
        correction *= np.minimum(1.0, (1 - near / np.maximum(away, near)) / _DRAWN)  # not further than `near`
        self.apart = self.apart - correction
        return correction

    def _renew(self, view: UInt8, points: Complex, found: Bools) -> None:
        """A new reference where the old ones have matched too little for some frames and the trees agree."""
        self.unmatched = self.unmatched + 1 if found.mean() < _MATCHED else 0
        if self.unmatched >= _PATIENCE and self.drawn.mean() < 0.25:
            self.references.append(Reference(view, points))
            if len(self.references) > _KEPT:
                del self.references[1]
            self.unmatched = 0

    def _finish(self, points: Complex, time: float) -> None:
        smooth = self.filter(points.view(np.float64).reshape(-1, 2) / FACE, time) * FACE
        self.smooth = to_points(self.pose(to_complex(smooth)))
        self.seen = time

    def resembles(self, start: Start) -> float:
        """Likeness of a face that was found with this one."""
        return max(reference.likeness(start.view) for reference in self.references)

    @property
    def centre(self) -> complex:
        """Centre of the box in the frame."""
        x, y, width, height = self.box
        return complex(x + width / 2, y + height / 2)

    @property
    def side(self) -> float:
        """Side of the face in the frame, pixels."""
        return FACE * self.pose.scale

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, width, height in the frame: the detector's box, carried along."""
        centre, size = self.box_in_view
        middle = self.pose.at(centre - 0.5 * (1 + 1j)) + 0.5 * (1 + 1j)
        width, height = size.real * self.pose.scale, size.imag * self.pose.scale
        return middle.real - width / 2, middle.imag - height / 2, width, height
