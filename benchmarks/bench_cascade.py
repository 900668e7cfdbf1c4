"""Finding faces and summing pictures: ``pytest benchmarks/bench_cascade.py``."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ferkern import _core
from ferkern.config import config
from ferkern.face.detect import Detector
from ferkern.image import integral
from ferkern.registry import ISAS, kernels, last_kernel

TOP = ISAS.index(_core.isa_default())
ROWS = [r for r in kernels("integral") if r.isa in ISAS[: TOP + 1]]
SIZES = {"320x240": (240, 320), "1280x720": (720, 1280)}


def portrait(height: int, width: int) -> np.ndarray:
    """A portrait that comes with scikit-image, brought to a size."""
    from skimage import data

    return np.asarray(Image.fromarray(data.astronaut()).convert("L").resize((width, height)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("file", ["frontal", "haarcascade_frontalface_default.xml", "haarcascade_frontalface_alt2.xml"])
def test_detect(benchmark, file, size):
    import cv2

    detector = Detector.load(file if file == "frontal" else cv2.data.haarcascades + file)
    gray = portrait(*SIZES[size])
    found = benchmark(detector.detect, gray)
    factor, smallest = (1.2, (30, 30)) if file == "frontal" else (1.1, (0, 0))
    flops, read, written = detector._cascade.cost(gray.shape[1], gray.shape[0], factor, smallest)
    detector._cascade.scan(gray, factor, smallest, (0, 0), 0)
    benchmark.extra_info |= {
        "kernel": last_kernel(),
        "least_flops": flops,
        "bytes_read": read,
        "bytes_written": written,
        "faces": len(found),
    }


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.name}-{r.isa}")
def test_integral(benchmark, row, squared, size):
    height, width = SIZES[size]
    gray = portrait(height, width)
    with config(isa=row.isa, kernel=row.name, exact=True):
        benchmark(integral, gray, squared=squared)
        kernel = last_kernel()
    benchmark.extra_info |= {
        "kernel": kernel,
        "flops": height * width * (5 if squared else 2),
        "bytes_read": height * width,
        "bytes_written": height * width * (12 if squared else 4),
    }
