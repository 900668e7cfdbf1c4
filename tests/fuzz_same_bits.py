"""The same bits on every instruction set: random shapes through every kernel row that this machine runs.

``python tests/fuzz_same_bits.py [--op binary] [--count 100000] [--seed 1]`` prints each case that differs, and then
exits with 1.

An op is a function that makes one case from a random generator: (what it is, a call that gives the arrays to compare).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np

from ferkern import _core, nn
from ferkern.config import config
from ferkern.registry import ISAS, kernels

Arrays = tuple[np.ndarray, ...]
Case = tuple[str, Callable[[], Arrays]]


def binary_case(rng: np.random.Generator) -> Case:
    """A binary convolution with numbers out and with bits out, from floats or from bits; or a dense layer."""
    c, o = (int(rng.integers(1, limit)) for limit in rng.choice([9, 40, 150], 2))
    if rng.random() < 0.1:
        x = rng.standard_normal((int(rng.integers(1, 20)), c)).astype(np.float32)
        flat = nn.binarize(rng.standard_normal((o, c)).astype(np.float32))
        return f"dense x {x.shape} filters {o}", lambda: (nn.binary_dense(x, flat),)
    kernel = tuple(int(k) for k in rng.integers(1, 6, 2))
    padding = tuple(int(p) for p in rng.integers(0, 4, 4))
    stride = tuple(int(s) for s in rng.integers(1, 4, 2))
    h = int(rng.integers(max(1, kernel[0] - padding[0] - padding[1]), 13))
    w = int(rng.integers(max(1, kernel[1] - padding[2] - padding[3]), 25))
    x = rng.standard_normal((int(rng.integers(1, 3)), c, h, w)).astype(np.float32)
    filters = nn.binarize(rng.standard_normal((o, c, *kernel)).astype(np.float32))
    gamma, beta, mean = (rng.standard_normal(o).astype(np.float32) for _ in range(3))
    threshold = nn.fold_batch_norm_sign(filters, gamma, beta, mean, np.ones(o, np.float32))
    b = rng.standard_normal(o).astype(np.float32) if rng.random() < 0.5 else None
    relu = "relu" if rng.random() < 0.3 else None
    scale = rng.random() < 0.3
    from_bits = not scale and rng.random() < 0.3

    def call() -> Arrays:
        packed = nn.sign_bits(x)
        given = packed if from_bits else x
        y = nn.binary_conv2d(given, filters, b, stride=stride, padding=padding, activation=relu, scale_input=scale)
        bits = nn.binary_conv2d(given, filters, stride=stride, padding=padding, threshold=threshold).bits
        return y, bits, packed.bits

    return f"conv x {x.shape} filters {filters.shape} stride {stride} padding {padding}", call


OPS: dict[str, Callable[[np.random.Generator], Case]] = {"binary": binary_case}


def differing_cases(op: str, *, count: int, seed: int = 1) -> list[str]:
    """Cases of `op` where two rows do not give the same bits; each is made anew from (seed, number)."""
    allowed = ISAS[: ISAS.index(_core.isa_default()) + 1]
    rows = [row for row in kernels(op) if row.isa in allowed]
    different = []
    for number in range(count):
        name, call = OPS[op](np.random.default_rng((seed, number)))
        results = {}
        for row in rows:
            with config(isa=row.isa, kernel=row.name, exact=True):
                results[row] = [array.tobytes() for array in call()]
        meaning = results[rows[-1]]
        different += [f"{number}: {name}: {row}" for row in rows if results[row] != meaning]
    return different


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--op", nargs="+", choices=OPS, default=list(OPS))
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    bad = 0
    for op in arguments.op:
        begin = perf_counter()
        different = differing_cases(op, count=arguments.count, seed=arguments.seed)
        bad += len(different)
        print("\n".join(different))  # noqa: T201
        seconds = perf_counter() - begin
        print(f"{op}: {arguments.count} shapes, {len(different)} with differing bits, {seconds:.0f} s")  # noqa: T201
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
