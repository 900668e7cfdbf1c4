"""From tracks to a matrix: faces laid over each other, one row a frame, 136 numbers a row.

Position, size and tilt of a head are taken away by generalised Procrustes analysis (J. C. Gower, "Generalized
Procrustes analysis", Psychometrika 40, 1975): every frame's landmarks are laid over a mean shape by the least-squares
similarity, and the mean is taken again until it stays. What is left are a face's own shape, which is taken away as the
mean of its frames, its movements, and what turning the head out of the picture's plane does to it, which no similarity
takes away: `ferkern.analyze.structure` says of each component how far it follows yaw and pitch, and `without_pose`
takes away what follows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern import image
from ferkern.face.align import TEMPLATE, is_plane
from ferkern.face.pose import estimate
from ferkern.video.tracks_read import Track, Tracks

__all__ = ["EYES", "LEAST_FRAMES", "Recording", "Trajectories", "align_shapes", "gather", "to_matrix", "without_pose"]

EYES = (36, 45)
"""Outer corners of the eyes; in the aligned mean shape they are 1 apart."""

LEAST_FRAMES = 10
"""Frames with landmarks below which nothing is analysed."""

_MOST_ROUNDS = 20
_STILL = 1e-7  # of the distance of the eyes: the mean moves no more


@dataclass(frozen=True, slots=True)
class Recording:
    """One face of one file, and its rows of the matrix."""

    path: Path
    face: int
    rows: slice

    @property
    def name(self) -> str:
        """As people call it."""
        return f"{self.path.name}, face {self.face}"


@dataclass(frozen=True, slots=True, eq=False)
class Trajectories:
    """Landmarks of n frames, of all faces of all files one after the other.

    Attributes
    ----------
    recordings : tuple of Recording
    recording : int64 [n]
        Which of them each row belongs to.
    frames : int64 [n]
    times : float64 [n]
        Seconds.
    shapes : float64 [n, 68, 2]
        Aligned landmarks, in units of the distance of the mean shape's outer eye corners, about (0, 0).
    mean : float64 [68, 2]
        The mean shape.
    matrix : float32 [n, 136]
        x0, y0, x1, ...: how far each point lies from where it lies on average in frames of the same face.
    pose : float64 [n, 3]
        Yaw, pitch, roll in radians; from the landmarks where the file does not say it.
    smile : float64 [n]
        NaN where the file does not say it.
    emotions : str [n]
        What the network for expressions said; empty where the file does not say it.
    classes : tuple of str
        Its classes.
    without_landmarks : int
        Frames of the files that are left out, since no usable landmarks stand there.
    pose_share : float, or None
        Share of the matrix's variance that followed yaw and pitch and was taken away; None: nothing was.
    """

    recordings: tuple[Recording, ...]
    recording: NDArray[np.int64]
    frames: NDArray[np.int64]
    times: NDArray[np.float64]
    shapes: NDArray[np.float64]
    mean: NDArray[np.float64]
    matrix: NDArray[np.float32]
    pose: NDArray[np.float64]
    smile: NDArray[np.float64]
    emotions: NDArray[np.str_]
    classes: tuple[str, ...]
    without_landmarks: int
    pose_share: float | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def runs(self) -> list[slice]:
        """Rows between which neither the face changes nor a frame is missing."""
        breaks = np.flatnonzero((np.diff(self.recording) != 0) | (np.diff(self.frames) != 1)) + 1
        ends = [0, *breaks.tolist(), len(self)]
        return [slice(a, b) for a, b in pairwise(ends)]


def align_shapes(landmarks: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Generalised Procrustes analysis: lay shapes over their mean.

    Parameters
    ----------
    landmarks : floats [n, 68, 2]
        Finite, none with all points in one place.

    Returns
    -------
    shapes : float64 [n, 68, 2]
    mean : float64 [68, 2]
        About (0, 0), upright as the template of `ferkern.face.align`, outer eye corners 1 apart.
    """
    points = np.asarray(landmarks, np.float64)
    mean = _normalised(TEMPLATE)
    for _ in range(_MOST_ROUNDS):
        shapes = image.transform_points(image.fit_similarity(points, np.broadcast_to(mean, points.shape)), points)
        before, mean = mean, _normalised(shapes.mean(axis=0))
        if np.abs(mean - before).max() < _STILL:
            break
    return shapes, mean


def _normalised(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shape over the template, so that the mean neither drifts nor shrinks from round to round."""
    eye, other = EYES
    target = (TEMPLATE - TEMPLATE.mean(axis=0)) / (TEMPLATE[other, 0] - TEMPLATE[eye, 0])
    upright = image.transform_points(image.fit_similarity(shape, target)[None], shape[None])[0]
    upright = upright - upright.mean(axis=0)
    normalised: NDArray[np.float64] = upright / np.linalg.norm(upright[other] - upright[eye])
    return normalised


def to_matrix(shapes: NDArray[np.float64], recordings: Sequence[Recording]) -> NDArray[np.float32]:
    """Deviations of aligned shapes [n, 68, 2] from the mean of each recording's, as float32 [n, 136]."""
    matrix = np.empty((len(shapes), 2 * shapes.shape[1]), np.float32)
    for each in recordings:
        own = shapes[each.rows].reshape(each.rows.stop - each.rows.start, -1)
        matrix[each.rows] = own - own.mean(axis=0)
    return matrix


def without_pose(
    matrix: NDArray[np.float32], pose: NDArray[np.float64], recordings: Sequence[Recording]
) -> tuple[NDArray[np.float32], float]:
    """Take away what follows the head's turning: the least-squares fit of yaw, pitch, their squares and their product.

    One fit for all recordings, each relative to its own means. An expression that always goes with a turn of the head
    goes with it.

    Parameters
    ----------
    matrix : float32 [n, 136]
        From `to_matrix`.
    pose : float64 [n, 3]
        Yaw, pitch, roll in radians, finite.
    recordings

    Returns
    -------
    float32 [n, 136]
        What is left.
    float
        Share of the variance that was taken away.
    """
    yaw, pitch = pose[:, 0], pose[:, 1]
    turns = np.stack([yaw, pitch, yaw**2, pitch**2, yaw * pitch], axis=1)
    for each in recordings:
        turns[each.rows] -= turns[each.rows].mean(axis=0)
    exact = matrix.astype(np.float64)
    left = exact - turns @ np.linalg.lstsq(turns, exact, rcond=None)[0]
    before = float(np.square(exact).sum())
    return left.astype(np.float32), 1 - float(np.square(left).sum()) / before if before > 0 else 0.0


def gather(files: Sequence[Tracks], *, face: int | None = None, remove_pose: bool = False) -> Trajectories:
    """Align the faces of files and set them into one matrix.

    Parameters
    ----------
    files : sequence of Tracks
        From `ferkern.video.tracks_read.read_tracks`; the same classes in each.
    face : int, optional
        This face of each file alone.
    remove_pose : bool
        Take away what follows yaw and pitch (`without_pose`).

    Raises
    ------
    ValueError
        No files, different classes, no such face, or fewer than `LEAST_FRAMES` frames with landmarks in all.
    """
    if not files:
        raise ValueError("files: none are given")
    for other in files[1:]:
        if other.classes != files[0].classes:
            raise ValueError(f"{other.path} has the classes {other.classes}, {files[0].path} has {files[0].classes}")
    chosen = [(tracks.path, track) for tracks in files for track in tracks if face in (None, track.face)]
    if face is not None and not chosen:
        there = sorted({track.face for tracks in files for track in tracks})
        raise ValueError(f"face {face} is in no file; there are {', '.join(map(str, there)) or 'none'}")
    recordings, parts, without = [], [], 0
    begin = 0
    for path, track in chosen:
        good = np.flatnonzero(is_plane(track.landmarks))
        without += len(track) - len(good)
        if len(good):
            recordings.append(Recording(path, track.face, slice(begin, begin + len(good))))
            parts.append((track, good))
            begin += len(good)
    if begin < LEAST_FRAMES:
        names = ", ".join(str(tracks.path) for tracks in files)
        raise ValueError(
            f"{names}: {begin} frames with landmarks, at least {LEAST_FRAMES} are needed; {without} frames have none"
        )
    landmarks = np.concatenate([track.landmarks[good] for track, good in parts])
    shapes, mean = align_shapes(landmarks)
    said = np.concatenate([track.pose[good] for track, good in parts])
    pose = np.where(np.isnan(said), estimate(landmarks), said)
    matrix, share = to_matrix(shapes, recordings), None
    if remove_pose:
        matrix, share = without_pose(matrix, pose, recordings)
    return Trajectories(
        recordings=tuple(recordings),
        recording=np.repeat(np.arange(len(parts)), [len(good) for _, good in parts]),
        frames=np.concatenate([track.frames[good] for track, good in parts]),
        times=np.concatenate([track.times[good] for track, good in parts]),
        shapes=shapes,
        mean=mean,
        matrix=matrix,
        pose=pose,
        smile=np.concatenate([track.smile[good] for track, good in parts]),
        emotions=np.concatenate([_emotions(track, files[0].classes)[good] for track, good in parts]),
        classes=files[0].classes,
        without_landmarks=without,
        pose_share=share,
    )


def _emotions(track: Track, classes: tuple[str, ...]) -> NDArray[np.str_]:
    """What the file says, or else the most probable class where it has probabilities."""
    known = ~np.isnan(track.probabilities).any(axis=1)
    likely = np.array(classes)[np.nan_to_num(track.probabilities).argmax(axis=1)]
    return np.where(track.emotions != "", track.emotions, np.where(known, likely, ""))
