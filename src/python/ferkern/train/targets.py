"""Soft targets from FER+ votes, in the space of the original labels.

Ten people voted on every face for FER+ (Barsoum et al. 2016). Their votes are less noisy than the original
label but follow other habits (many original "sad" faces are voted "neutral"), so that a target of plain votes
teaches another task. Here P(original label | votes) is fitted first, a multinomial logistic regression over
all training faces, and the target is a mixture of that and of the face's own label.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["soft_targets"]


def _features(votes: NDArray[np.int64]) -> Tensor:
    total = votes.sum(axis=1, keepdims=True)
    share = votes / np.maximum(total, 1)
    columns = [share, share**2, np.sqrt(share), total == 0]
    return torch.from_numpy(np.concatenate(columns, axis=1).astype(np.float32))


def soft_targets(
    labels: NDArray[np.int64],
    votes: NDArray[np.int64] | None,
    *,
    classes: int,
    votes_weight: float,
    label_smoothing: float,
) -> Tensor:
    """Target distributions, float32 [n, classes].

    Parameters
    ----------
    labels
        int64 [n].
    votes
        int64 [n, k] counts, or None: then label smoothing alone.
    classes
        Number of classes.
    votes_weight
        Share of P(label | votes) in the target of a face with votes, 0..1.
    label_smoothing
        Share of the uniform distribution in every target, 0..1.
    """
    for name, value in (("votes_weight", votes_weight), ("label_smoothing", label_smoothing)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be in 0..1, is {value}")
    y = torch.from_numpy(labels)
    target = F.one_hot(y, classes).float()
    if votes is not None and votes_weight > 0:
        x = _features(votes)
        given = _fit(x, y, classes)
        share = votes_weight * torch.from_numpy(votes.sum(axis=1) > 0).float()[:, None]
        target = (1 - share) * target + share * given
    return (1 - label_smoothing) * target + label_smoothing / classes


def _fit(x: Tensor, y: Tensor, classes: int) -> Tensor:
    """P(y | x) by logistic regression: 200 steps of L-BFGS, a small L2 penalty."""
    w = torch.zeros(x.shape[1], classes, requires_grad=True)
    b = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([w, b], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(x @ w + b, y) + 1e-5 * w.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        return F.softmax(x @ w + b, dim=1)
