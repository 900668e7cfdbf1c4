"""Whole networks and the whole way from a photograph to its faces: ``pytest benchmarks/bench_pipeline.py``."""

from __future__ import annotations

import numpy as np
import pytest

import oracle_network
from ferkern import Recognizer
from ferkern.models import build, load, shipped
from ferkern.models.zoo import BUILDERS

THREADS = 1


@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_network(benchmark, name, batch):
    network = load(name) if name in shipped() else build(name)
    session = network.plan(batch=batch, threads=THREADS)
    x = np.random.default_rng(1).standard_normal((batch, *network.input_shape)).astype(np.float32)
    y = session.run(x)
    np.testing.assert_allclose(y, oracle_network.run(network, x), atol=1e-4)
    benchmark(session.run, x, out=y)
    _, ledger = session.profile(x)
    benchmark.extra_info.update(
        threads=THREADS,
        batch=batch,
        flops=sum(row.flops for row in ledger.rows),
        bytes_read=sum(row.bytes_read for row in ledger.rows),
        bytes_written=sum(row.bytes_written for row in ledger.rows),
        kernels=[f"{layer}: {kernel}" for layer, kernel in session.kernels],
    )


def test_photograph(benchmark):
    """Grey picture, detector, crops, network: one portrait of 512 x 512 pixels."""
    from skimage import data

    picture = data.astronaut()
    recognizer = Recognizer(threads=THREADS)
    faces = benchmark(recognizer, picture)
    assert [face.emotion for face in faces] == ["happy"]
    benchmark.extra_info.update(
        threads=THREADS,
        pixels=picture.shape[0] * picture.shape[1],
        bytes_read=picture.nbytes,
        flops=2 * recognizer.classifier.network.multiply_adds() * len(faces),
        kernels=[f"{layer}: {kernel}" for layer, kernel in recognizer.classifier.network.plan().kernels],
    )
