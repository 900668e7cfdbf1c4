"""Memory that a thread gave back is used again."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from ferkern import nn
from ferkern.config import config


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_THREAD"), reason="counts page faults as Linux does")
def test_calls_use_the_same_pages_again(rng):
    x = rng.standard_normal((1, 32, 96, 96)).astype(np.float32)  # 1.2 MB, and as much in blocks
    w = rng.standard_normal((32, 32, 3, 3)).astype(np.float32)
    out = np.zeros((1, 32, 94, 94), np.float32)
    with config(threads=1):
        for _ in range(3):
            nn.conv2d(x, w, out=out)
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        for _ in range(20):
            nn.conv2d(x, w, out=out)
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before < 200  # 600 new pages a call
