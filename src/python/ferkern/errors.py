"""The exceptions of its own that ferkern raises; wrong arguments raise ValueError or TypeError."""

from __future__ import annotations

__all__ = ["ModelError", "StageError"]


class ModelError(ValueError):
    """A model file (weights, cascade, ...) is damaged or inconsistent; the message names what is wrong."""


class StageError(RuntimeError):
    """A stage of the face pipeline that a user brought failed or broke its contract; the message names the stage."""
