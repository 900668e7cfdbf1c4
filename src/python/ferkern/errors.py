"""The one exception of its own that ferkern raises; wrong arguments raise ValueError or TypeError."""

from __future__ import annotations

__all__ = ["ModelError"]


class ModelError(ValueError):
    """A model file (weights, cascade, ...) is damaged or inconsistent; the message names what is wrong."""
