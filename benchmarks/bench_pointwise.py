"""Layers of the kind "pointwise", one planned network each: ``pytest benchmarks/bench_pointwise.py``."""

from __future__ import annotations

import pytest

import measure
from cases import LAYERS


@pytest.mark.parametrize("case", LAYERS["pointwise"], ids=lambda c: f"{c.op}-{c.name}-b{c.batch}")
def test_pointwise(benchmark, case):
    measure.layer(benchmark, case)
