"""The op trees: every row against the oracle, the same bits everywhere, and what does not fit."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from ferkern import _core
from ferkern.config import config
from oracle_trees import dlib_file, evaluate, random_ensemble
from sizes import EDGES
from tolerance import dot


def native(e) -> _core.Trees:
    return _core.Trees.from_dlib(dlib_file(e)) if e.leaves is not None else _core.Trees(*e.native_arguments())


def pictures(rng, n, height=40, width=50):
    frames = np.column_stack([rng.uniform(-5, 20, (n, 2)), rng.uniform(15, 40, (n, 2))])
    return rng.integers(0, 256, (n, height, width), dtype=np.uint8), frames


def bound(e, frames, most=4.0):
    """Error of shapes, in pixels: each level adds trees * or rank + 1 products to numbers below `most`."""
    terms = e.pairs.shape[0] * ((e.pairs.shape[1] if e.leaves is not None else e.basis.shape[1]) + 8)
    return dot(terms, most) * frames[:, 2:].max() + np.spacing(np.float32(np.abs(frames).max() * most))


@pytest.mark.op("trees")
@pytest.mark.parametrize("trees", EDGES)
@pytest.mark.parametrize(("depth", "rank"), [(1, 9), (2, None), (5, 9)])
def test_against_the_oracle(trees, depth, rank, row, forced, rng):
    e = random_ensemble(rng, trees=trees, depth=depth, rank=rank)
    gray, frames = pictures(rng, 3)
    with forced(row):
        found = native(e).run(gray, frames, None)
    expected = np.stack([evaluate(e, g, f) for g, f in zip(gray, frames, strict=True)])
    assert np.abs(expected).max() < 4 * 60
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound(e, frames))


@pytest.mark.op("trees")
@pytest.mark.parametrize("rank", [1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 40, 63, 64, 65, 129, 256])
def test_any_number_of_columns_and_points(rank, row, forced, rng):
    e = random_ensemble(rng, points=2 + rank % 13, trees=21, rank=rank)
    e.codes[:] = np.where(rng.random(e.codes.shape) < 0.2, -128, e.codes)
    gray, frames = pictures(rng, 2)
    with forced(row):
        found = native(e).run(gray, frames, None)
    expected = np.stack([evaluate(e, g, f) for g, f in zip(gray, frames, strict=True)])
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound(e, frames))


@pytest.mark.op("trees")
@pytest.mark.parametrize("rank", [None, 24])
def test_every_row_and_number_of_threads_gives_the_same_bits(rank, row, forced, rng):
    e = random_ensemble(rng, points=68, levels=4, trees=50, depth=4, pool=100, rank=rank)
    gray, frames = pictures(rng, 12)
    trees = native(e)
    with config(isa="scalar", kernel="reference", exact=True, threads=1):
        expected = trees.run(gray, frames, None)
    for threads in (1, 2, 3, 7):
        with forced(row), config(threads=threads):
            assert trees.run(gray, frames, None).tobytes() == expected.tobytes()


@pytest.mark.op("trees")
def test_one_picture_for_all_faces_of_any_strides_and_starts(row, forced, rng):
    e = random_ensemble(rng, rank=8)
    _, frames = pictures(rng, 4)
    starts = (e.mean + rng.normal(0, 0.2, (4, 5, 2))).astype(np.float32)
    wide = rng.integers(0, 256, (80, 150), dtype=np.uint8)
    strided = wide[::-2, ::3]
    with forced(row):
        shared = native(e).run(strided, frames, starts)
        apart = native(e).run(np.repeat(strided[None], 4, axis=0), frames, starts)
    np.testing.assert_array_equal(shared, apart)
    expected = np.stack([evaluate(e, strided, f, s) for f, s in zip(frames, starts, strict=True)])
    np.testing.assert_allclose(shared, expected, rtol=0, atol=bound(e, frames))


def test_no_faces(rng):
    trees = native(random_ensemble(rng, rank=8))
    assert trees.run(np.zeros((4, 4), np.uint8), np.zeros((0, 4)), None).shape == (0, 5, 2)


def test_far_away_frames_look_at_nothing(rng):
    """Outside the picture every pixel is 0, however far."""
    e = random_ensemble(rng, rank=8)
    frames = np.array([[2.0**24, -(2.0**24), 2.0**24, 2.0**24], [0, 0, 30, 30]])
    found = native(e).run(np.zeros((9, 9), np.uint8), frames, None)
    black = (found[1] - frames[1, :2]) / frames[1, 2:]
    np.testing.assert_allclose((found[0] - frames[0, :2]) / frames[0, 2:], black, atol=1e-5)


def test_one_ensemble_serves_many_threads(rng):
    e = random_ensemble(rng, points=68, trees=60, rank=16)
    gray, frames = pictures(rng, 8)
    trees = native(e)
    expected = trees.run(gray, frames, None)
    wrong = []

    def work():
        for _ in range(20):
            if trees.run(gray, frames, None).tobytes() != expected.tobytes():
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_wrong_arguments_are_named(rng):
    trees = native(random_ensemble(rng, rank=8))
    gray, frames = pictures(rng, 3)
    with pytest.raises(TypeError, match="gray must be uint8"):
        trees.run(gray.astype(np.float32), frames, None)
    with pytest.raises(ValueError, match=r"gray has shape \[2, 40, 50\] for 3 frames"):
        trees.run(gray[:2], frames, None)
    with pytest.raises(ValueError, match=r"frames has shape \[3, 3\]"):
        trees.run(gray, frames[:, :3].copy(), None)
    with pytest.raises(ValueError, match=r"frames\[1\] is left .* width 0"):
        trees.run(gray, frames * [[1, 1, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]], None)
    with pytest.raises(ValueError, match=r"frames\[0\] is left nan"):
        trees.run(gray, frames * np.nan, None)
    with pytest.raises(ValueError, match=r"starts has shape \[3, 4, 2\], expected \[3, 5, 2\]"):
        trees.run(gray, frames, np.zeros((3, 4, 2), np.float32))
    with pytest.raises(ValueError, match="starts must be finite"):
        trees.run(gray, frames, np.full((3, 5, 2), np.nan, np.float32))
    with pytest.raises(ValueError, match="picture is 0 x 50"):
        trees.run(gray[:, :0], frames, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.anchors.__setitem__((0, 3), 5), "anchor 3 is point 5 of 5"),
        (lambda e: e.anchors.__setitem__((0, 3), -1), "anchor 3 is point -1 of 5"),
        (lambda e: e.pairs.__setitem__((1, 0, 2, 1), 11), "compares pixels .* and 11 of 11"),
        (lambda e: e.thresholds.__setitem__((0, 0, 0), np.nan), "thresholds holds nan at 0"),
        (lambda e: e.basis.__setitem__((0, 0, 0, 0), np.inf), "basis holds inf at 0"),
        (lambda e: e.mean.__setitem__(slice(None), 0.5), "all points of the mean shape lie on each other"),
        (lambda e: setattr(e, "codes", e.codes[:, :, :5].copy()), r"codes has shape \[2, 7, 5, 8\]"),
        (lambda e: setattr(e, "basis", e.basis[:1].copy()), r"basis has shape \[1, 8, 5, 2\]"),
        (lambda e: setattr(e, "pairs", e.pairs[:, :, :6].copy()), "whole trees have 1, 3, 7, 15"),
    ],
)
def test_damaged_ensembles_are_refused(change, message, rng):
    e = random_ensemble(rng, rank=8)
    change(e)
    with pytest.raises(ValueError, match=message):
        native(e)


def test_cost_counts_faces(rng):
    trees = native(random_ensemble(rng, rank=8))
    one, three = trees.cost(1), trees.cost(3)
    assert three == tuple(3 * v for v in one)
    assert min(one) > 0
