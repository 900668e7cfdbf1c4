"""Tracked points and corners on frames of 1280 x 720, checked against known motion before they are timed."""

from __future__ import annotations

import numpy as np
import pytest

from ferkern import _core, flow, image
from ferkern.config import config
from ferkern.registry import last_kernel
from textures import textured

WORLD = textured(np.random.default_rng(1), 760, 1320, smooth=2, dtype=np.uint8)
FRAMES = [np.ascontiguousarray(WORLD[y : y + 720, x : x + 1280]) for x, y in ((20, 20), (25, 17))]
# name: number of points, first corner and size of the rectangle that they lie in
CASES = {
    "68 points on a face": (68, (490, 210), (300, 300)),
    "68 points all over": (68, (40, 40), (1200, 640)),
    "200 points all over": (200, (40, 40), (1200, 640)),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_track(benchmark, name: str, threads: int) -> None:
    """Both pyramids included."""
    count, low, size = CASES[name]
    pts = (np.array(low) + np.random.default_rng(2).uniform(0, 1, (count, 2)) * size).astype(np.float32)
    found = flow.track(*FRAMES, pts)
    assert np.median(np.linalg.norm(found.points - (pts + np.float32([-5, 3])), axis=1)) < 0.02
    with config(threads=threads):
        benchmark(flow.track, *FRAMES, pts)
    flops, read, written = _core.flow_cost(720, 1280, count, 21, 3, False)
    benchmark.extra_info.update(
        kernel=last_kernel(),
        threads=threads,
        flops=flops,
        bytes_read=read,
        bytes_written=written,
        cpu=_core.cpu()["brand"],
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_corners(benchmark, threads: int) -> None:
    with config(threads=threads):
        found = benchmark(flow.corners, FRAMES[0], 200)
    assert found.shape == (200, 2)
    benchmark.extra_info.update(kernel=last_kernel(), threads=threads, cpu=_core.cpu()["brand"])


def test_pyramid(benchmark) -> None:
    with config(threads=1):
        level = benchmark(lambda: flow.pyramid(FRAMES[0]).level(3))
    assert level.shape == (90, 160)
    assert abs(int(image.resize(FRAMES[0], (1, 1))[0, 0]) - level.mean()) < 2
    benchmark.extra_info.update(kernel=last_kernel(), threads=1, cpu=_core.cpu()["brand"])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("preset", flow.PRESETS)
def test_dense(benchmark, preset: str, threads: int) -> None:
    """A whole call: levels, search, refinement, interpolation."""
    inner = flow.dense(*FRAMES, preset)[40:-40, 40:-40]
    assert np.linalg.norm(inner - np.float32([-5, 3]), axis=2).mean() < {"ultrafast": 0.2}.get(preset, 0.1)
    with config(threads=threads):
        benchmark(flow.dense, *FRAMES, preset)
    known = flow.PRESETS[preset]
    flops, read, written = _core.flow_dense_cost(
        720, 1280, False, known.finest, known.stride, known.iterations, known.refinements, known.sweeps
    )
    benchmark.extra_info.update(
        kernel=last_kernel(),
        threads=threads,
        flops=flops,
        bytes_read=read,
        bytes_written=written,
        cpu=_core.cpu()["brand"],
    )
