"""Layers of the kind "dense", one planned network each: ``pytest benchmarks/bench_dense.py``."""

from __future__ import annotations

import pytest

import measure
from cases import LAYERS


@pytest.mark.parametrize("case", LAYERS["dense"], ids=lambda c: f"{c.op}-{c.name}-b{c.batch}")
def test_dense(benchmark, case):
    measure.layer(benchmark, case)
