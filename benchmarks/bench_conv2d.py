"""Layers of the kind "conv2d", one planned network each: ``pytest benchmarks/bench_conv2d.py``."""

from __future__ import annotations

import pytest

import measure
from cases import LAYERS


@pytest.mark.parametrize("case", LAYERS["conv2d"], ids=lambda c: f"{c.op}-{c.name}-b{c.batch}")
def test_conv2d(benchmark, case):
    measure.layer(benchmark, case)
