"""Analysis of the trajectories of tracked faces: components, groups, clusters, decision trees (extra ``[analyze]``)."""

from __future__ import annotations

from ferkern.analyze.analysis import Analysis, Options, analyze

__all__ = ["Analysis", "Options", "analyze"]
