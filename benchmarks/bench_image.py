"""Grey, resize and warp at the sizes of the face pipeline."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ferkern import _core, image
from ferkern.config import config
from ferkern.registry import last_kernel

RNG = np.random.default_rng(1)
FRAME = RNG.integers(0, 256, (720, 1280, 3), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (720, 1280), dtype=np.uint8)
PHOTO = RNG.integers(0, 256, (3000, 4000), dtype=np.uint8)
FACES = np.stack([image.similarity(4.2, 0.1 * k, (100 + 20 * k, 150)) for k in range(32)])

# name: op, picture, (height, width), method, matrices, the call
CASES: dict[str, tuple[str, np.ndarray, tuple[int, int], str, int, Callable[[], object]]] = {
    "gray 1280x720": ("gray", FRAME, (720, 1280), "area", 1, lambda: image.to_gray(FRAME)),
    "area 1280x720 to 1067x600": ("resize", GRAY, (600, 1067), "area", 1, lambda: image.resize(GRAY, (600, 1067))),
    "area 4000x3000 to 1024x768": ("resize", PHOTO, (768, 1024), "area", 1, lambda: image.resize(PHOTO, (768, 1024))),
    "area rgb 1280x720 to 320x180": ("resize", FRAME, (180, 320), "area", 1, lambda: image.resize(FRAME, (180, 320))),
    "bilinear 1280x720 to 1067x600": (
        "resize",
        GRAY,
        (600, 1067),
        "bilinear",
        1,
        lambda: image.resize(GRAY, (600, 1067), method="bilinear"),
    ),
    "warp 32 faces to 48x48": ("warp", GRAY, (48, 48), "area", 32, lambda: image.warp(GRAY, FACES, (48, 48))),
    "warp 32 faces to 48x48, antialias": (
        "warp",
        GRAY,
        (48, 48),
        "area",
        32,
        lambda: image.warp(GRAY, FACES, (48, 48), antialias=True),
    ),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_image(benchmark, name: str, threads: int) -> None:
    op, picture, size, method, count, call = CASES[name]
    shape = (*picture.shape, 1)[:3]
    with config(threads=threads):
        benchmark(call)
    flops, read, written = _core.image_cost(op, shape, size, method, count, False)
    if "antialias" in name:
        flops *= 5 * 5  # samples of an output at scale 4.2
    benchmark.extra_info.update(
        kernel=last_kernel(),
        threads=threads,
        flops=flops,
        bytes_read=read,
        bytes_written=written,
        cpu=_core.cpu()["brand"],
    )
