"""The command line as tests call it: in a process of its own, with the same ferkern as here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import ferkern as package

PYTHONPATH = os.pathsep.join([str(Path(package.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
ENVIRONMENT = {**os.environ, "PYTHONPATH": PYTHONPATH, "COLUMNS": "200"}
"""The same ferkern as here, also from another folder."""


def ferkern(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ferkern.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**ENVIRONMENT, **environment},
        check=False,
    )


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]
