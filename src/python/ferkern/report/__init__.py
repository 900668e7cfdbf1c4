"""Results as a page: ``ferkern report``, `ferkern.bench.report`."""

from __future__ import annotations

from ferkern.report.page import page, report
from ferkern.report.sources import Source, read

__all__ = ["Source", "page", "read", "report"]
