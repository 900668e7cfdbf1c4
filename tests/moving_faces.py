"""Tracks of faces drawn by numbers, that move in ways which are known: for tests of their analysis."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ferkern import image
from ferkern.face.align import TEMPLATE
from ferkern.models.network import CLASSES
from ferkern.video.tracks import TrackRow, TrackWriter

RATE = 25.0


def smiling() -> np.ndarray:
    """[68, 2], pixels of the template: corners of the mouth up and apart."""
    mode = np.zeros((68, 2))
    for point, way in {48: (-2, -2), 60: (-2, -2), 54: (2, -2), 64: (2, -2), 49: (-1, -1), 53: (1, -1)}.items():
        mode[point] = way
    return mode


def brows_up() -> np.ndarray:
    mode = np.zeros((68, 2))
    mode[17:27, 1] = -1.5
    return mode


def turned() -> np.ndarray:
    """The nose, which stands out of the face, moves against all else when the head turns."""
    mode = np.zeros((68, 2))
    mode[27:36, 0] = 1
    return mode


def faces(
    smile: np.ndarray, brows: np.ndarray, yaw: np.ndarray | float = 0.0, *, noise: float = 0.02, seed: int = 0
) -> np.ndarray:
    """Landmarks float32 [n, 68, 2] in a frame of video: the template with movements, moved, turned and scaled."""
    rng = np.random.default_rng(seed)
    n = len(smile)
    points = TEMPLATE + smile[:, None, None] * smiling() + brows[:, None, None] * brows_up()
    points = points + np.broadcast_to(yaw, n)[:, None, None] * turned()
    points = points + rng.normal(0, noise, points.shape)
    way = np.cumsum(rng.normal(0, 1, (n, 2)), axis=0)
    moves = [
        image.similarity(3 + 0.5 * np.sin(i / 30), 0.2 * np.sin(i / 17), (200 + way[i, 0], 150 + way[i, 1]))
        for i in range(n)
    ]
    return image.transform_points(np.stack(moves), points).astype(np.float32)


def write_tracks(
    path: Path,
    landmarks: dict[int, np.ndarray],
    *,
    emotions: list[str] | None = None,
    without: tuple[int, ...] = (),
    yaw: np.ndarray | None = None,
    rate: float = RATE,
) -> Path:
    """A table of the faces, numbered by the keys; in the frames of `without` there are no landmarks."""
    with TrackWriter(path) as writer:
        for frame in range(max(map(len, landmarks.values()))):
            for face, points in landmarks.items():
                if frame < len(points):
                    known = None if frame in without else points[frame]
                    emotion = emotions[frame] if emotions else None
                    pose = None if yaw is None else (yaw[frame], 0.0, 0.0)
                    writer.write(
                        TrackRow(frame=frame, time=frame / rate, face=face, landmarks=known, emotion=emotion, pose=pose)
                    )
    return path


def phases(count: int, length: int) -> tuple[np.ndarray, list[str]]:
    """So many phases of so many frames: smiling and not in turn; how much, and the label of each frame."""
    happy = np.repeat(np.arange(count) % 2, length)
    return happy.astype(np.float64), [CLASSES[3] if h else CLASSES[6] for h in happy]
