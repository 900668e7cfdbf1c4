"""Channels into blocks and out again, on every instruction set.

A pooling with a window of one pixel is nothing but the two reorders.
"""

from __future__ import annotations

import numpy as np
import pytest

from ferkern import nn
from ferkern.config import config
from ferkern.registry import isa_levels
from sizes import EDGES


def both_ways(x, isa, out=None):
    with config(isa=isa):
        return nn.max_pool2d(x, 1, stride=1, out=out)


@pytest.mark.parametrize("isa", isa_levels())
@pytest.mark.parametrize("channels", EDGES)
def test_every_number_comes_back(guarded, rng, channels, isa):
    for height, width in ((1, 1), (1, 7), (3, 5), (4, 4), (1, 17), (5, 13), (9, 7)):
        x = rng.standard_normal((2, channels, height, width)).astype(np.float32)
        out = guarded(*x.shape)
        both_ways(x, isa, out)
        np.testing.assert_array_equal(out, x)


@pytest.mark.parametrize("isa", isa_levels())
def test_strided_input_is_read_as_it_stands(rng, isa):
    base = rng.standard_normal((3, 40, 22, 38)).astype(np.float32)
    for x in (
        base[:, ::2],
        base[..., ::3],
        base[:, :, ::2, 3:20],
        base[::-1, ::-1, ::-1, ::-1],
        base.transpose(0, 2, 3, 1),
    ):
        np.testing.assert_array_equal(both_ways(x, isa), x)


@pytest.mark.parametrize("isa", isa_levels())
@pytest.mark.parametrize(("channels", "filters"), [(1, 9), (3, 16), (3, 33), (17, 5)])
def test_the_layout_of_the_input_does_not_matter(rng, isa, channels, filters):
    image = rng.standard_normal((2, 19, 23, channels)).astype(np.float32).transpose(0, 3, 1, 2)
    w = rng.standard_normal((filters, channels, 3, 3)).astype(np.float32)
    with config(isa=isa):
        np.testing.assert_array_equal(nn.conv2d(image, w), nn.conv2d(np.ascontiguousarray(image), w))
