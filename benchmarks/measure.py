"""One layer or product: checked against the oracle, then timed, with its flops, bytes and kernel beside the time."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np

import oracle
from cases import BinaryLayer, Decomposition, Layer, Product
from ferkern import _core, linalg, nn
from ferkern.config import config
from ferkern.models.network import Network, Node
from ferkern.registry import last_kernel
from ferkern.session import Session

__all__ = ["binary", "decomposition", "layer", "product"]

THREADS = 1
_ORACLE: dict[str, Any] = {
    "conv2d": lambda x, a, w: oracle.conv2d(
        x, w["w"], w["b"], stride=a["stride"], padding=a["padding"], groups=a["groups"]
    ),
    "max_pool2d": lambda x, a, w: _pool(x, a, "max"),
    "avg_pool2d": lambda x, a, w: _pool(x, a, "average", count_include_pad=a["count_include_pad"]),
    "l2_pool2d": lambda x, a, w: _pool(x, a, "l2"),
    "global_avg_pool": lambda x, a, w: x.astype(np.float64).mean(axis=(2, 3)),
    "global_max_pool": lambda x, a, w: x.max(axis=(2, 3)),
    "dense": lambda x, a, w: oracle.gemm(x, w["w"].T, w["b"]),
    "activation": lambda x, a, w: oracle.activate(x.astype(np.float64), a["kind"]),
    "add": lambda x, a, w: 2 * x.astype(np.float64),
    "softmax": lambda x, a, w: oracle.softmax(x, 1),
    "batch_norm": lambda x, a, w: oracle.batch_norm(x, w["gamma"], w["beta"], w["mean"], w["variance"]),
    "local_response_norm": lambda x, a, w: oracle.local_response_norm(x, **a),
    "concat": lambda x, a, w: np.concatenate([x, x], axis=1),
}


def _pool(x: np.ndarray, a: dict[str, Any], kind: str, **more: Any) -> np.ndarray:
    return oracle.pool2d(x, a["size"], kind=kind, stride=a["stride"], padding=a["padding"], **more)


def _check(y: np.ndarray, expected: np.ndarray) -> None:
    # Loose: the tests hold the derived bounds; here a wrong kernel must not be timed.
    scale = np.abs(expected).max()
    error = np.abs(y.reshape(expected.shape) - expected).max()
    assert error <= 1e-5 * scale, f"wrong result: off by {error} of {scale}"


def layer(benchmark: Any, case: Layer) -> None:
    """Time a planned network of this one layer; extra_info holds the layer's own part."""
    rng = np.random.default_rng(1)
    weights = {role: rng.uniform(0.1, 1, shape).astype(np.float32) for role, shape in case.weights.items()}
    node = Node(case.op, ("x",) * case.inputs, "y", case.attributes, {role: role for role in weights})
    features = len(case.input) == 1
    nodes = [Node("flatten", ("image",), "x"), node] if features else [node]
    shape = (case.input[0], 1, 1) if features else case.input
    network = Network(
        name=case.name,
        input="image" if features else "x",
        input_shape=shape,
        output="y",
        nodes=nodes,
        weights=weights,
    )
    session = Session(network, batch=case.batch, threads=THREADS)
    x = rng.standard_normal((case.batch, *shape)).astype(np.float32)
    y = session.run(x)
    _check(y, _ORACLE[case.op](x.reshape(case.batch, *case.input), case.attributes, weights))

    benchmark(session.run, x, out=y)
    own = [row for _ in range(20) for row in session.profile(x)[1].rows if not row.kernel.startswith("reorder")]
    seconds = statistics.median(row.seconds for row in own)
    row = own[0]
    _, _, isa = row.kernel.split(":")
    benchmark.extra_info.update(
        kernel=row.kernel,
        isa=isa,
        threads=THREADS,
        batch=case.batch,
        flops=row.flops,
        bytes=row.bytes_read + row.bytes_written,
        layer_seconds=seconds,
        layer_gflops=row.flops / seconds / 1e9,
        layer_gbytes_per_second=(row.bytes_read + row.bytes_written) / seconds / 1e9,
        cpu=_core.cpu()["brand"],
    )


def product(benchmark: Any, case: Product) -> None:
    """Time `ferkern.linalg.gemm`, the packing of b included."""
    rng = np.random.default_rng(1)
    a = rng.standard_normal((case.m, case.k)).astype(np.float32)
    b = rng.standard_normal((case.k, case.n)).astype(np.float32)
    c = linalg.gemm(a, b)
    _check(c, oracle.gemm(a, b))
    kernel = last_kernel()
    benchmark(linalg.gemm, a, b, out=c)
    flops = 2.0 * case.m * case.n * case.k
    benchmark.extra_info.update(
        kernel=kernel,
        isa=kernel.split(":")[2],
        threads=_core.default_threads(),
        flops=flops,
        bytes=4.0 * (a.size + b.size + c.size),
        cpu=_core.cpu()["brand"],
    )
    if benchmark.stats is not None:
        benchmark.extra_info["gflops"] = flops / benchmark.stats.stats.median / 1e9


def binary(benchmark: Any, case: BinaryLayer, packed: bool) -> None:
    """Time a convolution of signs, the packing of its input included unless it is `packed` before."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, case.channels, case.side, case.side)).astype(np.float32)
    w = rng.standard_normal((case.filters, case.channels, case.size, case.size)).astype(np.float32)
    filters, window = nn.binarize(w), {"stride": case.stride, "padding": case.size // 2}
    given = nn.sign_bits(x) if packed else x
    with config(threads=THREADS):
        y = nn.binary_conv2d(given, filters, **window)
        kernel = last_kernel()
        _check(y, oracle.sign_sums(x, w, **window) * filters.alpha[:, None, None])
        peak, isa = _core.machine_peak("xor_popcount", 0.1)
        benchmark(nn.binary_conv2d, given, filters, **window, out=y)
    operations = 2.0 * y.size * case.channels * case.size**2
    benchmark.extra_info.update(
        kernel=kernel,
        isa=isa,
        threads=THREADS,
        flops=operations,
        bytes=(given.bits.nbytes if packed else x.nbytes) + filters.bits.nbytes + y.nbytes,
        xor_popcount_peak=peak,
        cpu=_core.cpu()["brand"],
    )
    if benchmark.stats is not None:
        rate = operations / benchmark.stats.stats.median
        benchmark.extra_info.update(gops=rate / 1e9, share_of_peak=rate / peak)


def decomposition(benchmark: Any, case: Decomposition) -> None:
    """Time `ferkern.linalg.svd`; flops are the nominal count of Golub and Van Loan's for the whole of it."""
    a = case.matrix()
    options: dict[str, Any] = {"k": case.k, "method": "randomized"} if case.k else {}
    with config(threads=THREADS):
        found = linalg.svd(a, **options)
        exact = np.linalg.svd(a.astype(np.float64), compute_uv=False)[..., : found.s.shape[-1]]
        _check(found.s, exact)
        kernel = last_kernel()
        benchmark(linalg.svd, a, **options)
    m, n = max(a.shape[-2:]), min(a.shape[-2:])
    benchmark.extra_info.update(
        kernel=kernel,
        isa=kernel.split(":")[2],
        method=found.method,
        threads=THREADS,
        flops=a.size / (m * n) * (6.0 * m * n**2 + 20.0 * n**3),
        bytes=a.nbytes + sum(x.nbytes for x in found),
        cpu=_core.cpu()["brand"],
    )
