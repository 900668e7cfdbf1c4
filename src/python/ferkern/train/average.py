"""Exponential average of weights and batch-norm statistics over the steps of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """Keeps ``average += (1 - d) * (weights - average)``, with d rising to `decay` at the start.

    Parameters
    ----------
    module
        Its weights are the first average.
    decay
        d after many steps; early on (1 + t) / (10 + t), so that the first steps are soon forgotten.
    """

    def __init__(self, module: nn.Module, *, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    def update(self, module: nn.Module) -> None:
        """Take one step's weights in."""
        self.updates += 1
        d = min(self.decay, (1 + self.updates) / (10 + self.updates))
        now = module.state_dict()
        names = list(self.state)
        with torch.no_grad():
            torch._foreach_lerp_([self.state[n] for n in names], [now[n] for n in names], 1 - d)

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """Put the average into the module for a while."""
        own: dict[str, Tensor] = {n: v.detach().clone() for n, v in module.state_dict().items()}
        module.load_state_dict(self.state)
        try:
            yield
        finally:
            module.load_state_dict(own)
