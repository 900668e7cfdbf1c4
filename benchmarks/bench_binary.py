"""Convolutions of signs, from floats and from bits: ``pytest benchmarks/bench_binary.py``."""

from __future__ import annotations

import pytest

import measure
from cases import BINARY


@pytest.mark.parametrize("packed", [False, True], ids=["floats", "bits"])
@pytest.mark.parametrize("case", BINARY, ids=lambda c: c.name)
def test_binary(benchmark, case, packed):
    measure.binary(benchmark, case, packed)
