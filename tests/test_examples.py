"""Every example runs as its docstring says (smiles.py: in test_cli_video)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import ferkern
from ferkern.cli.demo import portraits

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"
PORTRAIT = portraits()["Eileen Collins"]


def run(name: str, *arguments: object) -> str:
    home = str(Path(ferkern.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([home, os.environ.get("PYTHONPATH", "")])},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_photo(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    assert "%" in run("photo.py", PORTRAIT, target)
    with Image.open(target) as image:
        assert image.width >= 900


def test_album(tmp_path: Path) -> None:
    with Image.open(PORTRAIT) as image:
        image.save(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_text("no picture")
    assert str(tmp_path / "a.png") in run("album.py", tmp_path)


def test_own_detector() -> None:
    assert "happy" in run("own_detector.py", PORTRAIT, 177, 66, 95, 95)


def test_own_head() -> None:
    assert "light 0." in run("own_head.py", PORTRAIT)


def test_every_example_is_run() -> None:
    assert sorted(p.name for p in EXAMPLES.glob("*.py")) == [
        "album.py",
        "own_detector.py",
        "own_head.py",
        "photo.py",
        "smiles.py",
    ]
