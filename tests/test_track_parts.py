"""What the tracker is made of: the one-euro filter, similarities, overlaps, the upright view."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferkern import image
from ferkern.face.align import TEMPLATE
from ferkern.video.one_euro import OneEuro
from ferkern.video.overlap import covered, inside, overlaps, pairs
from ferkern.video.similarity import Similarity, fit, robust_fit, to_complex, to_points
from ferkern.video.view import SIDE, Reference, cut_view, pose_of
from textures import textured


def low_pass(cutoff: float, step: float) -> float:
    return 1 / (1 + 1 / (2 * np.pi * cutoff * step))


def test_one_euro_is_the_papers(rng):
    """Algorithm 1 of the paper, point by point."""
    x = rng.normal(0, 1, (6, 5, 2))
    times = np.cumsum(rng.uniform(0.01, 0.1, 6))
    filtered = OneEuro(min_cutoff=1.2, beta=0.7, speed_cutoff=0.9)
    value, velocity = x[0], np.zeros((5, 2))
    np.testing.assert_array_equal(filtered(x[0], times[0]), x[0])
    for i in range(1, 6):
        step = times[i] - times[i - 1]
        velocity = velocity + low_pass(0.9, step) * ((x[i] - value) / step - velocity)
        speed = np.hypot(velocity[:, 0], velocity[:, 1])
        for k in range(5):
            value[k] = value[k] + low_pass(1.2 + 0.7 * speed[k], step) * (x[i, k] - value[k])
        np.testing.assert_allclose(filtered(x[i], times[i]), value, rtol=1e-12)


def test_one_euro_calms_noise_and_follows_motion(rng):
    still, moving = OneEuro(1.0, 20.0), OneEuro(1.0, 20.0)
    noise = rng.normal(0, 0.001, (200, 1, 2))
    calm = np.array([still(noise[i], i / 30) for i in range(200)])
    assert calm[100:].std() < 0.5 * noise[100:].std()
    ramp = [moving(np.full((1, 2), 0.05 * i), i / 30) for i in range(60)]  # 1.5 units a second
    assert np.abs(ramp[-1] - 0.05 * 59).max() < 0.02


def test_one_euro_refuses():
    for options in ({"min_cutoff": 0}, {"beta": -1}, {"speed_cutoff": np.inf}, {"min_cutoff": np.nan}):
        with pytest.raises(ValueError, match="cutoffs must be above 0"):
            OneEuro(**options)
    filtered = OneEuro()
    filtered(np.zeros((3, 2)), 1.0)
    with pytest.raises(ValueError, match=r"shape \[4, 2\], \[3, 2\] before"):
        filtered(np.zeros((4, 2)), 2.0)
    with pytest.raises(ValueError, match=r"time is 1\.0; it must be after 1\.0"):
        filtered(np.zeros((3, 2)), 1.0)
    filtered.reset()
    assert filtered(np.ones((4, 2)), 0.0).sum() == 8


def test_similarities_are_those_of_image(rng):
    p, q = rng.normal(0, 30, (2, 20, 2))
    first, second = fit(to_complex(p), to_complex(q)), Similarity(0.8 + 0.3j, 5 - 2j)
    np.testing.assert_allclose(first.matrix, image.fit_similarity(p, q), atol=1e-12)
    np.testing.assert_allclose(second.after(first).matrix, image.compose(second.matrix, first.matrix), atol=1e-12)
    np.testing.assert_allclose(second.inverse().matrix, image.invert(second.matrix), atol=1e-12)
    np.testing.assert_allclose(to_points(second(to_complex(p))), image.transform_points(second.matrix, p), atol=1e-4)
    assert second.scale == pytest.approx(np.hypot(0.8, 0.3))
    assert fit(np.ones(5, complex), np.arange(5) + 0j) is None


@given(
    seed=st.integers(0, 2**32 - 1),
    astray=st.integers(0, 30),
    scale=st.floats(0.3, 3),
    angle=st.floats(-3, 3),
    together=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_robust_fit_ignores_what_went_astray(seed, astray, scale, angle, together):
    rng = np.random.default_rng(seed)
    truth = Similarity(scale * np.exp(1j * angle), complex(*rng.uniform(-50, 50, 2)))
    p = to_complex(TEMPLATE * 4)
    q = truth(p) + rng.normal(0, 0.1, 68) + 1j * rng.normal(0, 0.1, 68)
    wrong = rng.permutation(68)[:astray]
    # Astray each for itself, or all with one other motion, as behind something that passes.
    q[wrong] = q[wrong] + 60 if together else rng.uniform(-200, 200, astray) + 1j * rng.uniform(-200, 200, astray)
    found, agree = robust_fit(p, q, np.ones(68, bool), 1.0)
    assert np.abs(found(p) - truth(p)).max() < 0.3
    right = np.delete(np.arange(68), wrong)
    assert agree[right].all()
    assert agree[wrong].sum() <= (0 if together else 2)


def test_robust_fit_without_enough(rng):
    p = to_complex(TEMPLATE)
    few = np.arange(68) < 7
    assert robust_fit(p, p, few, 1.0) is None
    assert robust_fit(p, to_complex(rng.uniform(-1e4, 1e4, (68, 2))), ~few, 1.0) is None
    assert robust_fit(np.ones(68, complex), p, ~few, 1.0) is None


def test_overlaps_and_pairs():
    a = np.array([[0.0, 0, 10, 10], [20, 0, 10, 10]])
    b = np.array([[5.0, 0, 10, 10], [20, 0, 10, 10], [22, 2, 5, 5]])
    np.testing.assert_allclose(overlaps(a, b), [[1 / 3, 0, 0], [0, 1, 0.25]])
    np.testing.assert_allclose(covered(a, b), [[0.5, 0, 0], [0, 1, 1]])
    assert pairs(overlaps(a, b), 0.2) == [(1, 1), (0, 0)]
    assert pairs(overlaps(a, b), 0.4) == [(1, 1)]
    assert pairs(np.zeros((0, 3)), 0.1) == []
    assert inside((-5, 0, 10, 10), (100, 100)) == 0.5
    assert inside((-50, 0, 10, 10), (100, 100)) == 0


@pytest.mark.parametrize("scale", [0.4, 1.0, 1.9, 2.0, 3.3, 4.5])
@pytest.mark.parametrize("angle", [0.0, 0.5, -2.0])
def test_the_view_is_the_frame_seen_upright(scale, angle):
    """A frame whose grey levels are a plane: the view's are known, also where large faces are halved first."""
    y, x = np.mgrid[:700, :900]
    frame = np.rint(40 + 0.1 * x + 0.12 * y).astype(np.uint8)
    pose = Similarity(scale * np.exp(1j * angle), 450 + 350j)
    pose = Similarity(pose.a, pose.b - pose.a * (SIDE - 1) / 2 * (1 + 1j))
    view = cut_view(frame, pose)
    yy, xx = np.mgrid[:SIDE, :SIDE]
    places = pose(xx + 1j * yy)
    within = (places.real > 3) & (places.real < 896) & (places.imag > 3) & (places.imag < 696)
    expected = 40 + 0.1 * places.real + 0.12 * places.imag
    assert within.mean() > 0.5
    assert np.abs(view - expected)[within].max() <= 1.1  # rounded up to three times
    assert np.abs((view - expected)[within].mean()) < 0.1  # no shift: a tenth of a level is a pixel


@pytest.mark.parametrize("place", [-900 - 900j, 2000 + 100j, -60 + 50j])
def test_a_view_outside_the_frame_repeats_the_border(place):
    frame = np.full((100, 120), 77, np.uint8)
    assert (cut_view(frame, Similarity(2.5, place)) == 77).all()


def test_pose_of_points():
    truth = Similarity(1.7 * np.exp(0.4j), 30 + 50j)
    upright = pose_of(to_complex(TEMPLATE))
    turned = pose_of(truth(to_complex(TEMPLATE)))
    np.testing.assert_allclose(turned.matrix, truth.after(upright).matrix, atol=1e-9)
    assert upright.at(complex((SIDE - 1) / 2, (SIDE - 1) / 2)) == pytest.approx(23.5 + 24.5j)
    assert pose_of(np.ones(68, complex)) is None
    assert pose_of(np.conj(to_complex(TEMPLATE))) is None  # mirrored: no similarity lays a face over it


def test_a_reference_finds_its_points_again_in_other_light(rng):
    world = textured(rng, 300, 300, dtype=np.uint8, smooth=2.0)
    view = np.ascontiguousarray(world[50 : 50 + SIDE, 50 : 50 + SIDE])
    points = to_complex(rng.uniform(45, SIDE - 45, (68, 2)))
    reference = Reference(view, points)
    shift = Similarity(1, 2.25 - 1.5j)
    moved = cut_view(world, Similarity(1, 50 + 50j - shift.b))
    darker = np.rint(moved * 0.7 + 20).astype(np.uint8)
    found, good = reference.match(darker, points)
    assert good.mean() > 0.95
    away = np.abs(found - shift(points))[good]
    assert away.mean() < 0.08
    assert away.max() < 0.3
    wrong = np.zeros(68, complex)
    wrong[5] = 2 + 1j
    reference.shift(wrong)
    again, good = reference.match(darker, points)
    assert np.abs(again - shift(points + wrong))[good].max() < 0.3
    assert reference.likeness(view) == pytest.approx(1, abs=1e-5)
    assert reference.likeness(np.rint(view * 0.5 + 60).astype(np.uint8)) > 0.99
    assert reference.likeness(textured(rng, SIDE, SIDE, dtype=np.uint8)) < 0.5
    assert abs(reference.likeness(np.full((SIDE, SIDE), 9, np.uint8))) < 1e-6
