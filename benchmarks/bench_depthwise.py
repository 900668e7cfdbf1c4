"""Layers of the kind "depthwise", one planned network each: ``pytest benchmarks/bench_depthwise.py``."""

from __future__ import annotations

import pytest

import measure
from cases import LAYERS


@pytest.mark.parametrize("case", LAYERS["depthwise"], ids=lambda c: f"{c.op}-{c.name}-b{c.batch}")
def test_depthwise(benchmark, case):
    measure.layer(benchmark, case)
