"""The detector's recipe on pictures made here: the cascade grows, the verifier learns, the evidence is weighed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [train] with torch is not installed")

from ferkern.face.detect import Detector  # noqa: E402
from ferkern.train import detector as recipe  # noqa: E402
from ferkern.train import verifier  # noqa: E402
from ferkern.train.boosting import CodeBook  # noqa: E402
from ferkern.train.cascade_growing import GrowingPlan, grow, native_cascade  # noqa: E402
from ferkern.train.face_windows import Face  # noqa: E402

SIDE = 48


def _pattern(rng: np.random.Generator, size: int) -> np.ndarray:
    """A "face": dark eyes and mouth on a bright square."""
    face = np.full((24, 24), 200.0)
    face[6:10, 4:9] = face[6:10, 15:20] = face[16:19, 7:17] = 60
    face = np.kron(face, np.ones((size // 24, size // 24)))
    return np.clip(face + rng.normal(0, 12, face.shape), 0, 255).astype(np.uint8)


def _background(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.uniform(0, 255, (20, 20))
    return np.clip(np.kron(coarse, np.ones((8, 8))) + rng.normal(0, 12, (160, 160)), 0, 255).astype(np.uint8)


def _face(rng: np.random.Generator) -> Face:
    picture = _background(rng)
    x, y = (int(v) for v in rng.integers(20, 90, 2))
    picture[y : y + SIDE, x : x + SIDE] = _pattern(rng, SIDE)
    return Face(picture, (float(x), float(y), float(SIDE)))


def test_codes_are_those_of_the_native_cascade(rng: np.random.Generator) -> None:
    plan = GrowingPlan(learners=(3,), negatives=200, pool=50)
    windows = np.stack([_pattern(rng, 24) for _ in range(40)])
    cascade = grow(windows, [_background(rng) for _ in range(4)], plan, rng)
    votes = cascade.votes(windows)
    codes = CodeBook(windows).codes(cascade.features[0])
    assert codes.shape == (40,)
    for window, vote in zip(windows, votes, strict=True):
        hits, found = native_cascade(cascade).scan(window, 1.2, (0, 0), (0, 0), 1)
        assert len(hits) == int(vote >= np.float32(cascade.thresholds[0]))
        np.testing.assert_allclose(found, [vote] * len(hits), rtol=1e-6)


def test_a_batch_without_faces_has_a_loss() -> None:
    n = 8
    module = verifier.GraphModule(verifier.build_network())
    nowhere = torch.full((n, 3), float("nan"))
    loss = verifier._loss(module, torch.randn(n, 32, 32), torch.zeros(n), nowhere, 1.0)
    assert torch.isfinite(loss)


def test_one_round_makes_a_detector_that_finds_the_pattern(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    pictures = recipe.Pictures(
        [_face(rng) for _ in range(24)],
        [_background(rng) for _ in range(12)],
        [_face(rng) for _ in range(6)],
        [_background(rng) for _ in range(6)],
    )
    plan = GrowingPlan(learners=(2, 3, 4), negatives=600, pool=120)
    settings = recipe.Recipe(plan, copies=4, learning_stages=2, epochs=30)
    recipe.train_round(pictures, settings, tmp_path / "d.safetensors")
    detector = Detector.load(tmp_path / "d.safetensors")
    found = 0
    for face in (_face(rng) for _ in range(10)):
        boxes = detector.detect(face.picture).boxes.astype(np.float64)
        middle = np.array(face.box[:2]) + SIDE / 2
        found += bool((np.hypot(*(boxes[:, :2] + boxes[:, 2:] / 2 - middle).T) < SIDE / 4).any())
    assert found >= 8
    given = recipe.weighed(detector, pictures.weigh_faces, pictures.weigh_backgrounds, -4.8)
    np.testing.assert_array_equal(given, np.float32([0.25, 0.25, 0.5, 1.0, -4.8]))
