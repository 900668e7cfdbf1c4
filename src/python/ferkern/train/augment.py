"""Augmentation of a batch of faces at once: one affine sampling, then erasing, then standardising."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

__all__ = ["Augmentation", "augment", "standardise"]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a face is moved.

    Attributes
    ----------
    flip
        Probability of mirroring.
    rotation
        Largest rotation, degrees.
    scale
        Largest change of each axis' scale in its logarithm; `aspect` of it is drawn for the axes apart.
    aspect
        Largest difference of the two axes' scales, in the logarithm.
    shift
        Largest shift, fraction of the side.
    still
        Probability that a face is not moved but only, perhaps, mirrored. Every move resamples and so
        blurs a little; these faces are as sharp as those to be recognised.
    erase
        Probability of erasing one rectangle.
    erase_side
        Smallest and largest side of it, fraction of the face's.
    """

    flip: float = 0.5
    rotation: float = 12.0
    scale: float = 0.12
    aspect: float = 0.06
    shift: float = 0.08
    still: float = 0.0
    erase: float = 0.25
    erase_side: tuple[float, float] = (0.15, 0.4)


def standardise(x: Tensor, *, epsilon: float = 1.0) -> Tensor:
    """(x - mean) / max(deviation, epsilon) of every face [n, 1, h, w], grey levels 0..255."""
    variance, mean = torch.var_mean(x, dim=(1, 2, 3), correction=0, keepdim=True)
    return (x - mean) / variance.sqrt().clamp_min(epsilon)


def augment(
    x: Tensor, how: Augmentation, generator: Generator, *, epsilon: float = 1.0, size: int | None = None
) -> Tensor:
    """Move, erase and standardise a batch.

    Parameters
    ----------
    x
        float32 [n, 1, h, w], grey levels 0..255.
    how
        Strengths.
    generator
        Source of chance.
    epsilon
        See `standardise`.
    size
        Side of the faces made; None: that of the faces given.

    Returns
    -------
    Tensor
        float32 [n, 1, size, size], standardised.
    """
    n = len(x)
    moved = 1.0
    if how.still > 0:
        moved = (torch.rand(n, generator=generator) >= how.still).float()

    def uniform(limit: float) -> Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * limit * moved

    angle = uniform(math.radians(how.rotation))
    zoom, aspect = uniform(how.scale), uniform(how.aspect / 2)
    sx, sy = torch.exp(-zoom - aspect), torch.exp(-zoom + aspect)
    mirror = torch.where(torch.rand(n, generator=generator) < how.flip, -1.0, 1.0)
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [
            torch.stack([mirror * sx * cos, -sy * sin, uniform(2 * how.shift)], dim=1),
            torch.stack([mirror * sx * sin, sy * cos, uniform(2 * how.shift)], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, [n, 1, size or x.shape[2], size or x.shape[3]], align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    x = standardise(x, epsilon=epsilon)
    return _erase(x, how, generator)


def _erase(x: Tensor, how: Augmentation, generator: Generator) -> Tensor:
    """One rectangle of some faces set to the mean grey (zero after standardising)."""
    n, _, height, width = x.shape
    low, high = how.erase_side

    def span(size: int) -> Tensor:
        side = (low + (high - low) * torch.rand(n, 1, generator=generator)) * size
        start = torch.rand(n, 1, generator=generator) * (size - side)
        at = torch.arange(size) + 0.5
        return (at >= start) & (at < start + side)

    chosen = torch.rand(n, generator=generator) < how.erase
    hole = span(height)[:, None, :, None] & span(width)[:, None, None, :]
    return x.masked_fill(hole & chosen[:, None, None, None], 0.0)
