"""Landmarks by regression trees: ``pytest benchmarks/bench_landmarks.py``."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ferkern import _core
from ferkern.config import config
from ferkern.face.detect import Detector
from ferkern.face.landmark_trees import LandmarkTrees, cut
from ferkern.registry import ISAS, kernels, last_kernel

TOP = ISAS.index(_core.isa_default())
ROWS = [r for r in kernels("trees") if ISAS.index(r.isa) <= TOP]


@pytest.fixture(scope="module")
def portrait() -> tuple[np.ndarray, np.ndarray]:
    """A portrait that comes with scikit-image, and its face's box."""
    from skimage import data

    gray = np.asarray(Image.fromarray(data.astronaut()).convert("L"))
    return gray, Detector.load().detect(gray).boxes[:1]


@pytest.mark.parametrize("faces", [1, 32])
@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.name}-{r.isa}")
def test_trees(benchmark, row, faces, portrait):
    """The op alone, crops made."""
    model, (gray, box) = LandmarkTrees.load(), portrait
    crops, _ = cut(gray, np.repeat(box.astype(np.float64), faces, axis=0), model.crop)
    frames = np.tile(np.array(model.crop.frame), (faces, 1))
    with config(isa="scalar", kernel="reference", exact=True):
        expected = model._trees.run(crops, frames, None)
    with config(isa=row.isa, kernel=row.name, exact=True, threads=1):
        found = benchmark(model._trees.run, crops, frames, None)
        kernel = last_kernel()
    np.testing.assert_array_equal(found, expected)
    flops, read, written = model._trees.cost(faces)
    benchmark.extra_info |= {"kernel": kernel, "flops": flops, "bytes_read": read, "bytes_written": written}


@pytest.mark.parametrize("faces", [1, 32])
def test_landmarks(benchmark, faces, portrait):
    """Faces of a photograph, crops included, one thread."""
    model, (gray, box) = LandmarkTrees.load(), portrait
    boxes = np.repeat(box, faces, axis=0)
    with config(threads=1):
        benchmark(model, gray, boxes)
    benchmark.extra_info |= {"faces": faces, "box": box[0].tolist()}
