"""The rule of ``device="auto"`` and the size from which a device wins, against machines that are simulated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ferkern.bench.crossover_cases import CASES
from ferkern.bench.crossover_crossing import crossing, falling
from ferkern.bench.crossover_features import Features, conv2d
from ferkern.bench.crossover_timing import CallSide, Effort, interleaved
from ferkern.bench.decide import Rule, rule_of
from ferkern.bench.timefit import Point, fit, least_squares
from simulated import Machine, SimulatedSide, random_machine

# They do not depend on the instruction set.
pytestmark = pytest.mark.slow

EFFORT = Effort(seconds=0.0, least=7, most=7, longest=3.0)


class Sized:
    """What an array is to the counts."""

    def __init__(self, *shape: int) -> None:
        self.shape, self.size = shape, math.prod(shape)


def layer(n: int, c: int, side: int, o: int, k: int) -> Features:
    return conv2d(Sized(n, c, side, side), Sized(o, c, k, k), padding="same")


def ladders() -> list[Features]:
    """What conv2d's ladders measure."""
    return [family.make(n).features for family in CASES["conv2d"].families for n in family.sizes]


def held_out(rng: np.random.Generator, count: int) -> list[Features]:
    """Layers as networks have them, none of a ladder."""
    found = []
    while len(found) < count:
        n, k = int(rng.choice([1, 1, 1, 2, 8, 32])), int(rng.choice([1, 1, 3, 3, 3, 5]))
        c, o = (int(rng.choice([3, 8, 16, 24, 32, 48, 96, 192, 384])) for _ in range(2))
        f = layer(n, c, int(rng.integers(5, 120)), o, k)
        if 1e4 < f.work < 1e10:
            found.append(f)
    return found


def learned(machine: Machine, rng: np.random.Generator) -> Rule:
    """The rule after measuring the ladders through the engine that measures real sides."""
    points = []
    for f in ladders():
        sides = SimulatedSide(machine.cpu(f), rng), SimulatedSide(machine.device(f), rng)
        cpu, device = interleaved(sides, EFFORT)
        points.append((f, float(np.median(cpu)), float(np.median(device))))
    return rule_of(points)


def test_the_rule_picks_the_faster_side():
    """Over machines whose device wins in 30 to 70 % of held-out layers: at least 95 % of those that differ by more than
    10 % are decided right, and at least 90 % of those that each side wins; on each machine, not on average."""
    rng = np.random.default_rng(5)
    machines = 0
    while machines < 20:
        machine, layers = random_machine(rng), held_out(rng, 300)
        wins = np.mean([machine.device(f) < machine.cpu(f) for f in layers])
        if not 0.3 <= wins <= 0.7:
            continue
        machines += 1
        rule = learned(machine, rng)
        right: dict[bool, list[bool]] = {True: [], False: []}
        for f in layers:
            cpu, device = machine.cpu(f), machine.device(f)
            if max(cpu, device) > 1.1 * min(cpu, device):
                right[device < cpu].append(rule.picks_device(f) == (device < cpu))
        shares = {side: np.mean(answers) for side, answers in right.items()}
        assert np.mean(right[True] + right[False]) >= 0.95, (machine, wins, shares)
        assert min(shares.values()) >= 0.9, (machine, wins, shares)


def test_expected_times_hold_the_measured():
    """The interval of 95 % holds at least 85 % of the held-out times, and is no wider than needed by far."""
    rng = np.random.default_rng(6)
    machine = random_machine(rng)
    rule = learned(machine, rng)
    inside, widths = [], []
    for f in held_out(rng, 200):
        for expected, truth in zip(rule.expect(f), (machine.cpu(f), machine.device(f)), strict=True):
            inside.append(expected.low <= truth <= expected.high)
            widths.append(expected.high / expected.low)
    assert np.mean(inside) >= 0.85
    assert np.median(widths) < 3


MACHINE = Machine(5e-6, 1e11, 1e12, 2e-5, 1e-5, 1e10, 1e12, 0.0)  # a cache that nothing leaves: an exact crossing


def true_crossing(machine: Machine) -> float:
    """Image side from which 64 channels are faster on the device."""
    sides = np.linspace(2, 200, 100_000)
    work, moved = 2 * 9 * 64 * 64 * sides**2, 4 * (2 * 64 * sides**2 + 9 * 64 * 64)
    cpu = machine.call + work / machine.throughput * (1 + 0.5 * moved / (moved + machine.cache))
    device = 2 * machine.transfer + machine.launch + moved / machine.bandwidth + work / machine.device_throughput
    return float(sides[np.argmax(device < cpu)])


def measured(machine: Machine, sizes: list[int], rng: np.random.Generator, noise: float = 0.03) -> list[list[float]]:
    both = []
    for n in sizes:
        f = layer(1, 64, n, 64, 3)
        both.append(interleaved([SimulatedSide(side(f), rng, noise) for side in (machine.cpu, machine.device)], EFFORT))
    return [[pair[i] for pair in both] for i in range(2)]


def test_the_crossing_and_its_interval():
    """Of 60 simulated measurements at least nine tenths of the intervals hold the true size."""
    truth = true_crossing(MACHINE)
    assert 5 < truth < 100
    sizes = sorted({4, 8, 16, 28, 56, 112, round(0.9 * truth), round(1.2 * truth)})
    rng = np.random.default_rng(7)
    held, sizes_found = 0, []
    for _ in range(60):
        found = crossing(sizes, *measured(MACHINE, sizes, rng))
        assert found.answer == "from"
        assert found.low <= found.size <= found.high
        held += found.low <= truth <= found.high
        sizes_found.append(found.size)
    assert held >= 54
    assert np.median(sizes_found) == pytest.approx(truth, rel=0.05)


@pytest.mark.parametrize(("launch", "throughput", "answer"), [(1.0, 1e12, "never"), (0.0, 1e16, "always")])
def test_never_and_always_are_answers(launch, throughput, answer):
    machine = Machine(5e-6, 1e11, 1e12, launch, 0.0, 1e14, throughput, 0.0)
    sizes = [4, 16, 64]
    found = crossing(sizes, *measured(machine, sizes, np.random.default_rng(1)))
    assert (found.answer, found.share, found.exceptions) == (answer, 1.0, ())
    assert (found.size, found.low, found.high) == ((math.inf,) * 3 if answer == "never" else (0.0,) * 3)


def test_sides_that_are_alike_have_an_open_interval():
    rng = np.random.default_rng(2)
    machine = Machine(1e-5, 1e11, 1e15, 1e-5, 0.0, 1e16, 1e11, 0.0)
    found = crossing([4, 16, 64], *measured(machine, [4, 16, 64], rng))
    assert found.low == 0 or found.high == math.inf
    assert found.share < 0.99


def test_an_exception_is_named():
    """The device wins at 2 and at 16 and larger: one crossing, and 2 stands apart."""
    cpu = [[1.0, 1.01, 0.99]] * 5
    ratio = [1.5, 0.8, 1.9, 0.6, 0.3]
    device = [[r, 1.01 * r, 0.99 * r] for r in ratio]
    found = crossing([1, 2, 4, 16, 64], cpu, device)
    assert found.answer == "from"
    assert 4 < found.size < 16
    assert found.exceptions == (2.0,)


def test_one_round_gives_an_answer_without_an_interval():
    found = crossing([1, 10], [[1.0], [1.0]], [[2.0], [0.5]])
    assert found.low == found.size == found.high == pytest.approx(math.sqrt(10))


@pytest.mark.parametrize(
    ("sizes", "cpu", "match"),
    [([], [], "at least one"), ([2, 1], [[1.0]] * 2, "must rise"), ([1, 2], [[1.0], []], "as many rounds")],
)
def test_wrong_rounds(sizes, cpu, match):
    with pytest.raises(ValueError, match=match):
        crossing(sizes, cpu, [[1.0]] * len(sizes))


def test_pooling_of_adjacent_violators():
    ones = np.ones(5)
    assert falling(np.array([5.0, 4, 3, 2, 1]), ones).tolist() == [5, 4, 3, 2, 1]
    assert falling(np.array([1.0, 2, 3, 4, 5]), ones).tolist() == [3] * 5
    assert falling(np.array([3.0, 1, 2, 0, 0]), ones).tolist() == [3, 1.5, 1.5, 0, 0]
    assert falling(np.array([1.0, 4.0]), np.array([3.0, 1.0])).tolist() == [1.75, 1.75]


def test_least_squares_against_every_corner(rng):
    """The solution meets the conditions of optimality: no gradient where a number is positive, none downwards else."""
    for _ in range(50):
        a, b = rng.standard_normal((12, 3)), rng.standard_normal(12)
        x = least_squares(a, b)
        gradient = a.T @ (a @ x - b)
        assert (x >= 0).all()
        assert np.abs(gradient[x > 0]).max(initial=0) < 1e-9
        assert (gradient[x == 0] > -1e-9).all()


def test_a_fit_finds_the_coefficients_of_an_exact_sum():
    points = []
    for n in (1.0, 4.0, 16.0, 64.0):
        for intensity in (1.0, 30.0):
            terms = (1.0, 1e6 * n * intensity, 1e5 * n)
            seconds = 2e-5 + terms[1] / 1e11 + terms[2] / 1e10
            points.append(Point(terms, (math.log(n), math.log(intensity)), seconds))
    found = fit(points)
    assert found.coefficients == pytest.approx((2e-5, 1e-11, 1e-10), rel=1e-6)
    expected = found.expect((1.0, 5e7, 7e5), (math.log(8), 0.0))
    assert expected.seconds == pytest.approx(2e-5 + 5e7 / 1e11 + 7e5 / 1e10, rel=1e-6)
    assert expected.low < expected.seconds < expected.high
    far = found.expect((1.0, 5e12, 7e10), (math.log(8e5), 0.0))
    assert far.high / far.low > expected.high / expected.low


@pytest.mark.parametrize(
    ("points", "match"),
    [
        ([], "none to fit"),
        ([Point((1.0,), (0.0,), 0.0)], "must be positive"),
        ([Point((1.0,), (0.0,), math.nan)], "must be positive"),
        ([Point((0.0,), (0.0,), 1.0)], "every term is 0"),
    ],
)
def test_nothing_to_fit(points, match):
    with pytest.raises(ValueError, match=match):
        fit(points)


def test_a_side_is_called_in_turn():
    """As often for each side, and never one side always behind the same other."""
    calls = []
    sides = [CallSide(lambda: calls.append("a"), pause=0.0), CallSide(lambda: calls.append("b"), pause=0.0)]
    calls.clear()
    spent = interleaved(sides, Effort(seconds=0.0, least=4, most=9, longest=1.0))
    assert [len(one) for one in spent] == [4, 4]
    assert all(s > 0 for one in spent for s in one)
    turns = [name for i, name in enumerate(calls) if i == 0 or calls[i - 1] != name]
    assert "".join(turns) == "ababa"  # ab ba ab ba: neighbours of one side run together


def test_rounds_stop_when_the_time_is_spent():
    class Slow:
        def sample(self) -> float:
            return sum(range(20_000)) * 1e-12 + 1e-9

    spent = interleaved([Slow(), Slow()], Effort(seconds=1e-6, least=3, most=50, longest=1.0))
    assert [len(one) for one in spent] == [3, 3]
