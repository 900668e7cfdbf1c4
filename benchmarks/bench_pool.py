"""Layers of the kind "pool", one planned network each: ``pytest benchmarks/bench_pool.py``."""

from __future__ import annotations

import pytest

import measure
from cases import LAYERS


@pytest.mark.parametrize("case", LAYERS["pool"], ids=lambda c: f"{c.op}-{c.name}-b{c.batch}")
def test_pool(benchmark, case):
    measure.layer(benchmark, case)
