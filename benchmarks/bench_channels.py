"""Layers of the kind "channels", one planned network each: ``pytest benchmarks/bench_channels.py``."""

from __future__ import annotations

import pytest

import measure
from cases import LAYERS


@pytest.mark.parametrize("case", LAYERS["channels"], ids=lambda c: f"{c.op}-{c.name}-b{c.batch}")
def test_channels(benchmark, case):
    measure.layer(benchmark, case)
