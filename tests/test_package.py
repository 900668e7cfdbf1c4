"""What the package offers at its top."""

from __future__ import annotations

import ferkern as fk


def test_every_documented_module_is_there():
    for name in ("data", "face", "image", "linalg", "models", "nn", "registry"):
        assert getattr(fk, name).__name__ == f"ferkern.{name}"
        assert name in dir(fk)
