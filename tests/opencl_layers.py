"""What the tests of layers on OpenCL devices share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ferkern.config import config
from ferkern.registry import Kernel, kernels, last_kernel
from tolerance import EPS

ACTIVATIONS = ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hard_swish", "silu", "elu"]

# Roundings of a device's functions, in units of EPS (half an ulp): the least that OpenCL C 1.2, section 7.4, asks for.
DIVISION = 5
ROOT = 6
EXPONENTIAL = 6
POWER = 32


def device_rows(op: str) -> list[Kernel]:
    return [row for row in kernels(op) if row.isa == "opencl"]


def names_of(rows: list[Kernel]) -> list[str]:
    return [row.name for row in rows]


@contextmanager
def on_device(row: Kernel) -> Iterator[None]:
    """Runs one kernel of the list and proves afterwards that it ran."""
    with config(kernel=row.name):
        yield
    assert last_kernel() == f"{row.op}:{row.name}:opencl"


def close(y, expected, bound) -> bool:
    return bool((np.abs(y - expected) <= bound).all())


def activated(expected, error, kind):
    """`tolerance.activation` with the device's own exponential and division."""
    own = 0.0 if kind in ("relu", "relu6") else 2 * (EXPONENTIAL + DIVISION) * EPS * np.maximum(1.0, np.abs(expected))
    return 1.1 * error + own


def views(x):
    """Strided arrays of rank 4 that share the memory of x."""
    return x[:, ::2], x[:, :, ::-1], x[..., ::3], x.transpose(0, 1, 3, 2), x[::-1]
