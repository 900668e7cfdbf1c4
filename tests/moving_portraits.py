"""Frames in which portraits move in a known way, for tests of tracking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ferkern import image
from ferkern.cli.demo import portraits

HEIGHT, WIDTH, RATE = 270, 360, 30.0

# Where the face is in each portrait: centre and side of the detector's box.
_PLACES = {"Eileen Collins": (224.5, 120.2, 98.6), "Grace Hopper": (268.0, 223.3, 214.4)}
_BACKGROUND = 96


@dataclass(frozen=True)
class Actor:
    """A portrait's head, cut out by an ellipse with a soft edge."""

    gray: np.ndarray
    place: tuple[float, float, float]

    @classmethod
    def named(cls, name: str) -> Actor:
        return cls(np.asarray(Image.open(portraits()[name]).convert("L"), np.float32), _PLACES[name])

    def motion(self, x: float, y: float, side: float, angle: float = 0.0) -> np.ndarray:
        """From the portrait's pixels to those of a frame in which the face has this centre, side and turn."""
        cx, cy, size = self.place
        return image.similarity(side / size, angle, (x - cx, y - cy), center=(cx, cy))

    def drawn(self, frame: np.ndarray, x: float, y: float, side: float, angle: float = 0.0) -> np.ndarray:
        """The frame with the face in it."""
        back = image.invert(self.motion(x, y, side, angle))
        head = image.warp(self.gray, back, frame.shape, border="replicate", antialias=True)
        yy, xx = np.mgrid[: frame.shape[0], : frame.shape[1]]
        away = np.hypot((xx - x) / (0.6 * side), (yy - y) / (0.72 * side))
        mask = np.clip((1.06 - away) / 0.12, 0, 1)
        return frame * (1 - mask) + head * mask


def background(seed: int = 3, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Soft clouds, in which no face is found."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(-30, 30, (height // 30 + 2, width // 30 + 2)).astype(np.float32)
    return image.resize(small, (height, width), method="bilinear") + _BACKGROUND


def noisy(frame: np.ndarray, rng: np.random.Generator, sigma: float = 2.0) -> np.ndarray:
    return np.clip(np.rint(frame + rng.normal(0, sigma, frame.shape)), 0, 255).astype(np.uint8)
