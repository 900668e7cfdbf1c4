"""Matrix products: ``pytest benchmarks/bench_gemm.py``."""

from __future__ import annotations

import pytest

import measure
from cases import PRODUCTS


@pytest.mark.parametrize("case", PRODUCTS, ids=lambda c: f"{c.name}-{c.m}x{c.n}x{c.k}")
def test_gemm(benchmark, case):
    measure.product(benchmark, case)
