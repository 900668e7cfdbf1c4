"""Singular value decompositions: ``pytest benchmarks/bench_svd.py``."""

from __future__ import annotations

import pytest

import measure
from cases import DECOMPOSITIONS


@pytest.mark.parametrize("case", [c for c in DECOMPOSITIONS if max(c.shape) != 4000], ids=lambda c: c.name)
def test_svd(benchmark, case):
    measure.decomposition(benchmark, case)
