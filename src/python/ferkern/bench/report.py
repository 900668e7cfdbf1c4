"""The results of many measurements as one page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["report"]


def report(
    paths: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str] = "report.html", *, title: str | None = None
) -> Path:
    """Make a page of results, as `ferkern.report.report` says."""
    from ferkern.report.page import report as make

    return make(paths, output, title=title)
