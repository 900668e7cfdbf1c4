"""What the package offers at its top."""

from __future__ import annotations

import tomllib
from pathlib import Path

import ferkern as fk


def test_version_is_the_projects():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert fk.__version__ == project["version"]


def test_every_documented_module_is_there():
    for name in ("data", "face", "image", "linalg", "models", "nn", "registry"):
        assert getattr(fk, name).__name__ == f"ferkern.{name}"
        assert name in dir(fk)
