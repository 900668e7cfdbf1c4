"""The measures against values worked out by hand, and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from ferkern import evaluate

# Six examples of three classes; most probable class: a a b b c a.
LABELS = np.array([0, 0, 0, 1, 2, 2])
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.5, 0.2, 0.3]]
)


def test_hand_computed_table() -> None:
    result = evaluate.score(LABELS, PROBABILITIES, ("a", "b", "c"))
    assert result.n == 6
    assert result.accuracy == pytest.approx(4 / 6)
    assert result.confusion.tolist() == [[2, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert result.class_distribution == {"a": 3, "b": 1, "c": 2}
    a, b, c = (result.per_class[k] for k in "abc")
    assert (a.precision, a.recall, a.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (b.precision, b.recall, b.f1) == pytest.approx((1 / 2, 1, 2 / 3))
    assert (c.precision, c.recall, c.f1) == pytest.approx((1, 1 / 2, 2 / 3))
    # a: positives .7 .5 .3 against .2 .1 .5 win 3 + 2.5 + 2 of 9;  b: .5 against .2 .3 .6 .1 .2 wins 4 of 5;
    # c: .8 and .3 against .1 .2 .1 .3 -> 4 + 3.5 of 8.
    assert a.auc == pytest.approx(7.5 / 9)
    assert b.auc == pytest.approx(4 / 5)
    assert c.auc == pytest.approx(7.5 / 8)


def test_undefined_measures_are_none() -> None:
    result = evaluate.score(np.array([0, 0]), np.array([[0.9, 0.1], [0.8, 0.2]]), ("a", "b"))
    assert result.accuracy == 1
    assert result.per_class["b"] == evaluate.ClassScores(None, None, None, None)
    assert result.per_class["a"].auc is None


def test_auc_is_the_share_of_ordered_pairs() -> None:
    rng = np.random.default_rng(5)
    scores = np.round(rng.random(300), 2)  # many ties
    positive = rng.random(300) < 0.3
    above = scores[positive][:, None] - scores[~positive][None, :]
    expected = ((above > 0) + 0.5 * (above == 0)).mean()
    assert evaluate.area_under_curve(positive, scores) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        (np.zeros(0, int), np.zeros((0, 3)), "no examples"),
        (np.zeros(4, int), np.zeros((5, 3)), r"\[4\].*\[5, 3\]"),
        (np.zeros(4, int), np.zeros((4, 2)), r"\[N, 3\]"),
        (np.array([0, 3]), np.zeros((2, 3)), r"0 \.\. 3, expected 0 \.\. 2"),
        (np.array([0, 1]), np.full((2, 3), np.nan), "6 of 6 values are NaN"),
    ],
)
def test_refuses(labels: np.ndarray, probabilities: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate.score(labels, probabilities, ("a", "b", "c"))
