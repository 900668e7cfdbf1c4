"""The benchmarks check their results with the tests' oracle."""

from __future__ import annotations

import sys
from pathlib import Path

pytest_plugins = ["ferkern.pytest_plugin"]

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tests")]
