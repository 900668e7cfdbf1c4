"""The same bits on every instruction set: random shapes through every kernel row that this machine runs.

``python tests/fuzz_same_bits.py [--op binary] [--count 100000] [--seed 1] [--device opencl:0]`` prints each case that
differs, and then exits with 1. With ``--device``, that device is compared with the processor's best row.

An op is a function that makes one case from a random generator: (what it is, a call that gives the arrays to compare,
made on the device of that name).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from time import perf_counter

import numpy as np

from ferkern import _core, nn
from ferkern.config import config
from ferkern.registry import ISAS, kernels

Arrays = tuple[np.ndarray, ...]
Case = tuple[str, Callable[[str], Arrays]]


def binary_case(rng: np.random.Generator) -> Case:
    """A binary convolution with numbers out and with bits out, from floats or from bits; or a dense layer."""
    c, o = (int(rng.integers(1, limit)) for limit in rng.choice([9, 40, 150], 2))
    if rng.random() < 0.1:
        x = rng.standard_normal((int(rng.integers(1, 20)), c)).astype(np.float32)
        flat = nn.binarize(rng.standard_normal((o, c)).astype(np.float32))
        return f"dense x {x.shape} filters {o}", lambda device: (nn.binary_dense(x, flat, device=device),)
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

    def call(device: str) -> Arrays:
        packed = nn.sign_bits(x, device=device)
        given = packed if from_bits else x
        where = {"stride": stride, "padding": padding, "device": device}
        y = nn.binary_conv2d(given, filters, b, activation=relu, scale_input=scale, **where)
        return y, nn.binary_conv2d(given, filters, threshold=threshold, **where).bits, packed.bits

    return f"conv x {x.shape} filters {filters.shape} stride {stride} padding {padding}", call


def _window(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int, int]:
    """Kernel, stride, padding, height and width that leave an output."""
    kernel = tuple(int(k) for k in rng.integers(1, 6, 2))
    stride = tuple(int(s) for s in rng.integers(1, 4, 2))
    padding = tuple(int(p) for p in rng.integers(0, 4, 4))
    h = int(rng.integers(max(1, kernel[0] - padding[0] - padding[1]), 13))
    w = int(rng.integers(max(1, kernel[1] - padding[2] - padding[3]), 33))
    return kernel, stride, padding, h, w


def _bytes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Bytes over the whole range, or its ends alone, which is where instructions saturate."""
    if rng.random() < 0.2:
        return rng.choice(np.array([0, 255], np.uint8), shape)
    return rng.integers(0, 256, shape, np.uint8)


def _weights(rng: np.random.Generator, *shape: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, and a multiplier and an offset for each filter that spread the sums over 0..255 or beyond."""
    if rng.random() < 0.2:
        w = rng.choice(np.array([-128, 127], np.int8), shape)
    else:
        w = rng.integers(-128, 128, shape, np.int8)
    spread = 1.0 / (74.0 * np.sqrt(w[0].size))
    multiplier = (rng.uniform(0.2, 3.0, shape[0]) * spread * 10 ** rng.uniform(-2, 1)).astype(np.float32)
    return w, multiplier, rng.uniform(0, 255, shape[0]).astype(np.float32)


def _clip(rng: np.random.Generator) -> tuple[float, float]:
    low, high = sorted(int(v) for v in rng.integers(0, 256, 2))
    return (float(low), float(high)) if rng.random() < 0.5 else (0.0, 255.0)


def conv2d_int8_case(rng: np.random.Generator) -> Case:
    """A convolution of bytes: plain or blocked, in groups, with or without a residual."""
    kernel, stride, padding, h, w = _window(rng)
    c, o = (int(rng.integers(1, limit)) for limit in rng.choice([5, 20, 70], 2))
    groups = int(rng.choice([g for g in (1, 2, 3) if c % g == 0 and o % g == 0]))
    x = _bytes(rng, int(rng.integers(1, 3)), c, h, w)
    weights, multiplier, offset = _weights(rng, o, c // groups, *kernel)
    planar = c < 4 and groups == 1 and rng.random() < 0.7
    zero_point, clip = int(rng.integers(0, 256)), _clip(rng)
    plain = (x, weights, multiplier, offset, zero_point, stride, padding, 1, groups, clip)
    shape = _core.conv2d_int8(*plain, None, 0.0, planar).shape
    residual = _bytes(rng, *shape) if rng.random() < 0.4 else None
    name = f"x {x.shape} w {weights.shape} stride {stride} padding {padding} groups {groups} planar {planar}"
    here = (planar,)  # a device has one layout

    def call(device: str) -> Arrays:
        return (_on(device, "conv2d_int8")(*plain, residual, 0.37, *(here if device == "cpu" else ())),)

    return name, call


def depthwise_int8_case(rng: np.random.Generator) -> Case:
    kernel, stride, padding, h, w = _window(rng)
    c = int(rng.integers(1, 40))
    x = _bytes(rng, int(rng.integers(1, 3)), c, h, w)
    weights, multiplier, offset = _weights(rng, c, 1, *kernel)
    arguments = (x, weights, multiplier, offset, int(rng.integers(0, 256)), stride, padding, 1, _clip(rng))
    name = f"x {x.shape} w {weights.shape} stride {stride} padding {padding}"
    return name, lambda device: (_on(device, "depthwise_conv2d_int8", "depthwise_int8")(*arguments),)


def dense_int8_case(rng: np.random.Generator) -> Case:
    n, c, side, o = (int(v) for v in rng.integers(1, [8, 300, 4, 200]))
    x = _bytes(rng, n, c, side, side)
    weights, multiplier, offset = _weights(rng, o, c * side * side)
    arguments = (x, weights, multiplier, offset, int(rng.integers(0, 256)), _clip(rng))
    return f"x {x.shape} w {weights.shape}", lambda device: tuple(
        _on(device, "dense_int8")(*arguments, floats) for floats in (False, True)
    )


def pool_int8_case(rng: np.random.Generator) -> Case:
    kernel, stride, padding, h, w = _window(rng)
    sides = tuple(min(p, kernel[i // 2] - 1) for i, p in enumerate(padding))
    h, w = max(h, kernel[0]), max(w, kernel[1])
    x = _bytes(rng, int(rng.integers(1, 3)), int(rng.integers(1, 40)), h, w)
    means = [(float(rng.uniform(0.001, 3)), int(rng.integers(0, 256))) for _ in range(2)]
    return f"x {x.shape} size {kernel} stride {stride} padding {sides}", lambda device: tuple(
        _on(device, "pool2d_int8", "pool_int8")(x, kernel, stride, sides, average, pad, *means)
        for average, pad in ((False, False), (True, False), (True, True))
    )


def add_int8_case(rng: np.random.Generator) -> Case:
    a, b = _bytes(rng, 2, int(rng.integers(1, 300)))
    means = [(float(rng.uniform(0.01, 3)), int(rng.integers(0, 256))) for _ in range(3)]
    clip = _clip(rng)
    return f"{a.shape}", lambda device: (_on(device, "add_int8")(a, b, *means, clip),)


def quantize_case(rng: np.random.Generator) -> Case:
    x = (rng.standard_normal((1, *(int(v) for v in rng.integers(1, [40, 9, 9])))) * 4).astype(np.float32)
    q = _bytes(rng, *x.shape)
    means = (float(rng.uniform(0.001, 3)), int(rng.integers(0, 256)))

    def call(device: str) -> Arrays:
        plain = {"block": 0} if device == "cpu" else {}
        return tuple(
            _on(device, name, "quantize")(a, means, **plain) for name, a in (("quantize", x), ("dequantize", q))
        )

    return f"{x.shape}", call


def _on(device: str, op: str, module: str = "") -> Callable[..., np.ndarray]:
    """A function on bytes: the processor's, or that of a device."""
    if device == "cpu":
        return getattr(_core, op)
    return partial(getattr(import_module(f"ferkern.opencl.ops.{module or op}"), op), device=device)


OPS: dict[str, Callable[[np.random.Generator], Case]] = {
    "binary": binary_case,
    "conv2d_int8": conv2d_int8_case,
    "depthwise_int8": depthwise_int8_case,
    "dense_int8": dense_int8_case,
    "pool_int8": pool_int8_case,
    "add_int8": add_int8_case,
    "quantize": quantize_case,
}


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
                results[row] = [array.tobytes() for array in call("cpu")]
        meaning = results[rows[-1]]
        different += [f"{number}: {name}: {row}" for row in rows if results[row] != meaning]
    return different


def differing_on(device: str, op: str, *, count: int, seed: int = 1) -> list[str]:
    """Cases of `op` where a device does not give the processor's bits."""
    different = []
    for number in range(count):
        name, call = OPS[op](np.random.default_rng((seed, number)))
        here, there = ([array.tobytes() for array in call(where)] for where in ("cpu", device))
        different += [] if here == there else [f"{number}: {name}: {device}"]
    return different


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--op", nargs="+", choices=OPS, default=list(OPS))
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", help="compare this device with the processor, instead of the processor's rows")
    arguments = parser.parse_args()
    bad = 0
    for op in arguments.op:
        begin = perf_counter()
        many = {"count": arguments.count, "seed": arguments.seed}
        different = differing_on(arguments.device, op, **many) if arguments.device else differing_cases(op, **many)
        bad += len(different)
        print("\n".join(different))
        seconds = perf_counter() - begin
        print(f"{op}: {arguments.count} shapes, {len(different)} with differing bits, {seconds:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
