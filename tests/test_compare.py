"""The comparison of two sides of timings: what is there is found, what is not there is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ferkern.bench import compare, interleave

pytestmark = pytest.mark.slow

TRIALS, PAIRS = 1000, 40


def trial(rng: np.random.Generator, slowdown: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of timings: heavy-tailed noise of 2 % on each, a drift of 1 % from pair to pair that both share."""
    drift = np.exp(np.cumsum(rng.normal(0, 0.01, PAIRS)))
    a, b = (1e-3 * drift * np.maximum(0.5, 1 + 0.02 * rng.standard_t(3, PAIRS)) for _ in range(2))
    return a, b * slowdown


def test_a_slowdown_of_five_percent_is_found_in_95_of_100_trials():
    rng = np.random.default_rng(5)
    found = [compare(*trial(rng, 1.05)) for _ in range(TRIALS)]
    assert sum(c.verdict == "slower" for c in found) >= 0.95 * TRIALS
    assert np.mean([c.ratio for c in found]) == pytest.approx(1.05, abs=0.003)
    # 99.5 % intervals.
    assert sum(c.low <= 1.05 <= c.high for c in found) >= 0.98 * TRIALS


def test_a_gain_of_five_percent_too():
    rng = np.random.default_rng(6)
    assert sum(compare(*trial(rng, 1 / 1.05)).verdict == "faster" for _ in range(TRIALS)) >= 0.95 * TRIALS


def test_identical_code_is_flagged_in_less_than_one_of_100_trials():
    rng = np.random.default_rng(7)
    assert sum(compare(*trial(rng, 1.0), least=0.0).verdict != "same" for _ in range(TRIALS)) < 0.01 * TRIALS


def test_copies_held_up_on_one_side_do_not_decide():
    a, b = trial(np.random.default_rng(8), 1.0)
    b = b.copy()
    b[3] *= 500
    assert compare(a, b).verdict == "same"
    assert compare(a, b).ratio == pytest.approx(1, abs=0.02)


def test_a_difference_too_small_to_matter():
    a = np.linspace(1, 2, 40)
    shown = compare(a, 1.005 * a)
    assert (shown.verdict, shown.p < 1e-6) == ("same", True)
    assert compare(a, 1.005 * a, least=0.001).verdict == "slower"


def test_equal_timings():
    found = compare([1.0] * 12, [1.0] * 12)
    assert (found.verdict, found.p, found.ratio, found.low, found.high) == ("same", 1.0, 1.0, 1.0, 1.0)


def test_p_of_a_known_case():
    """All of 10 differences of one sign: exactly 2 / 2^10; the normal distribution says 0.0059."""
    a = np.ones(10)
    found = compare(a, a * np.linspace(1.1, 1.2, 10), level=0.01)
    assert found.p == pytest.approx(math.erfc((27.5 - 0.5) / math.sqrt(96.25) / math.sqrt(2)), rel=1e-9)
    assert found.verdict == "slower"
    assert str(found).startswith("slower: +14.9")


def test_sides_run_in_turn_and_change_their_order():
    order: list[str] = []
    now = iter(range(1000))
    a, b = interleave(
        lambda: order.append("a"), lambda: order.append("b"), pairs=4, warm_up=1, clock=lambda: float(next(now))
    )
    assert "".join(order) == "ab" + "abbaabba"
    assert a == b == [1.0] * 4


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        ([1.0] * 9, [1.0] * 9, {}, "10 or more pairs"),
        ([1.0] * 10, [1.0] * 11, {}, "10 or more pairs"),
        ([1.0] * 10, [0.0] * 10, {}, "b must be finite and above 0"),
        ([math.nan] * 10, [1.0] * 10, {}, "a must be finite"),
        ([1.0] * 10, [1.0] * 10, {"level": 0}, "level"),
        ([1.0] * 10, [1.0] * 10, {"least": -1}, "least"),
    ],
)
def test_wrong_use(a, b, options, message):
    with pytest.raises(ValueError, match=message):
        compare(a, b, **options)
