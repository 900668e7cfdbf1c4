"""The engine against simulated links whose latency and bandwidth are known, and the line through its readings."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from ferkern.bench.transfers import Case, cases_of, run_cases
from ferkern.bench.transfers_fit import fit, fit_apart
from ferkern.bench.transfers_measure import Effort, Way, measure
from simulated_link import SimulatedLink

pytestmark = pytest.mark.slow

WAY = Way("pageable", "host to device", "driver")
SIZES = [1 << k for k in range(0, 31, 2)]
LINKS = [(10e-6, 12e9), (0.3e-6, 60e9), (1e-3, 100e6)]


def fitted(latency: float, bandwidth: float, **how: float):
    link = SimulatedLink(latency, bandwidth, **how)
    return fit(SIZES, [measure(link, WAY, size).seconds for size in SIZES])


@pytest.mark.parametrize(("latency", "bandwidth"), LINKS)
def test_latency_and_bandwidth_of_an_exact_link(latency, bandwidth):
    found = fitted(latency, bandwidth)
    assert found.latency_seconds.value == pytest.approx(latency, rel=1e-6)
    assert found.bytes_per_second.value == pytest.approx(bandwidth, rel=1e-6)
    assert found.misfit < 1e-6


@pytest.mark.parametrize(("latency", "bandwidth"), LINKS)
def test_within_two_percent_under_heavy_tailed_noise(latency, bandwidth):
    """Noise of 2 % (Student's t, 3 degrees), one copy in twenty held up, a clock of 20 ns: in each of 40 runs."""
    inside = np.zeros(2)
    for seed in range(40):
        found = fitted(latency, bandwidth, noise=0.02, held_up=0.05, tick=20e-9, seed=seed)
        assert found.latency_seconds.value == pytest.approx(latency, rel=0.02)
        assert found.bytes_per_second.value == pytest.approx(bandwidth, rel=0.02)
        for k, (interval, truth) in enumerate(((found.latency_seconds, latency), (found.bytes_per_second, bandwidth))):
            inside[k] += interval.low <= truth <= interval.high
    # Of 40 intervals of 95 %, 31 or fewer hold the truth once in 5,000 times; medians of few timings bootstrap short.
    assert (inside >= 26).all(), inside


def test_one_size_off_the_line_does_not_bend_it():
    sizes = [1 << k for k in range(0, 31, 2)]
    seconds = [[(10e-6 + size / 10e9) * (1.8 if size == 1 << 20 else 1.0)] * 7 for size in sizes]
    found = fit(sizes, seconds)
    assert found.latency_seconds.value == pytest.approx(10e-6, rel=0.02)
    assert found.bytes_per_second.value == pytest.approx(10e9, rel=0.02)
    assert found.misfit_bytes == 1 << 20
    assert found.misfit == pytest.approx(0.8 / 1.8, rel=0.05)


def test_time_that_does_not_grow_has_no_bandwidth():
    rng = np.random.default_rng(3)
    found = fit(SIZES, [10e-6 * (1 + 0.02 * rng.standard_normal(15)) for _ in SIZES])
    assert found.bytes_per_second is None or found.bytes_per_second.value > 1e15
    assert found.latency_seconds.value == pytest.approx(10e-6, rel=0.02)
    assert found.seconds(1) == pytest.approx(10e-6, rel=0.02)


def test_no_latency_below_zero():
    found = fit([1000, 2000, 4000], [[0.9e-3], [2e-3], [4.2e-3]])
    assert found.latency_seconds.value == 0
    assert found.bytes_per_second.value == pytest.approx(1e6, rel=0.1)


@pytest.mark.parametrize(
    ("sizes", "seconds", "message"),
    [
        ([1], [[1.0]], "two different"),
        ([1, 1], [[1.0], [1.0]], "two different"),
        ([1, 2], [[1.0]], "two different"),
        ([1, 2], [[1.0], []], "timings above 0"),
        ([1, 2], [[1.0], [0.0]], "timings above 0"),
    ],
)
def test_a_line_needs_timings(sizes, seconds, message):
    with pytest.raises(ValueError, match=message):
        fit(sizes, seconds)


def test_only_copies_are_timed_and_counted():
    link = SimulatedLink(1e-3, 1e9)
    reading = measure(link, WAY, 1000, effort=Effort(0.02, least=3, most=100, warm_up=4))
    assert len(reading.seconds) == 20
    assert link.befores == link.copies == 24
    assert reading.median_seconds == pytest.approx(1e-3 + 1e-6)
    assert reading.bytes_per_second == pytest.approx(1000 / (1e-3 + 1e-6))
    assert (link.prepared, link.released) == (1, 1)


@pytest.mark.parametrize(("latency", "count"), [(10.0, 3), (1e-9, 100)])
def test_so_many_copies_at_least_and_at_most(latency, count):
    reading = measure(SimulatedLink(latency, 1e9), WAY, 1, effort=Effort(0.02, least=3, most=100))
    assert len(reading.seconds) == count


def test_bytes_that_do_not_arrive_give_no_rate():
    reading = measure(SimulatedLink(1e-6, 1e9, lost=3), WAY, 1000)
    assert reading.wrong_bytes == 3
    assert reading.bytes_per_second is None


def test_a_link_that_moves_bytes_only_once_is_found_out():
    assert measure(SimulatedLink(1e-6, 1e9, lazy=True), WAY, 1000).wrong_bytes == 1000


def test_quartiles_and_directions():
    both = Way("pinned", "both at once", "driver", times=2)
    reading = measure(SimulatedLink(1e-3, 1e9, noise=0.05), both, 1 << 20)
    low, high = reading.quartile_seconds
    assert low < reading.median_seconds < high
    assert reading.bytes_per_second == pytest.approx(2 * (1 << 20) / reading.median_seconds)


def test_the_collector_rests_while_copies_are_timed():
    seen = []

    class Watching(SimulatedLink):
        def copy(self) -> None:
            seen.append(gc.isenabled())
            super().copy()

    measure(Watching(1e-3, 1e9), WAY, 1)
    assert not any(seen)
    assert gc.isenabled()


def test_a_size_that_is_refused_ends_its_way_only():
    other = Way("pinned", "host to device", "driver")
    links = {WAY: lambda: SimulatedLink(1e-6, 1e9, memory=100), other: lambda: SimulatedLink(1e-6, 1e9)}
    cases = [Case(way, size) for size in (10, 200, 300) for way in links]
    readings, missing = run_cases(links, cases, Effort(least=3, most=3))
    assert [(r.way, r.size_bytes) for r in readings] == [(WAY, 10), (other, 10), (other, 200), (other, 300)]
    assert missing == {"host to device, pageable from 200 bytes on": "200 bytes are more than 100"}


def test_trouble_in_a_copy_ends_its_way_only():
    class Lost(SimulatedLink):
        def copy(self) -> None:
            raise OSError(5, "the device is gone")

    lost = Lost(1e-6, 1e9)
    other = Way("pinned", "host to device", "driver")
    links = {WAY: lambda: lost, other: lambda: SimulatedLink(1e-6, 1e9)}
    cases = [Case(way, 10) for way in links]
    readings, missing = run_cases(links, cases, Effort(least=3, most=3), (OSError,))
    assert [r.way for r in readings] == [other]
    assert missing == {"host to device, pageable": "[Errno 5] the device is gone"}
    assert lost.released == 1
    with pytest.raises(OSError, match="gone"):
        run_cases(links, cases, Effort(least=3, most=3))


def test_what_there_is_to_measure():
    file = Way("cold", "file to host", "host")
    both = Way("pinned", "both at once", "driver", times=2)
    cases = cases_of([WAY, file, both], [64, 4096, 1 << 29])
    assert [c.size_bytes for c in cases if c.way == file] == [4096]
    assert [c.offset_bytes for c in cases if (c.way, c.size_bytes) == (WAY, 4096)] == [0, 64, 1]
    assert [c.offset_bytes for c in cases if c.way == both] == [0, 0, 0]
    assert [c.size_bytes for c in cases] == sorted(c.size_bytes for c in cases)


def test_caches_have_a_line_of_their_own():
    """40 GB/s up to 4 MiB, 10 GB/s from 64 MiB on, something between them between them."""
    sizes = [1 << k for k in range(0, 29, 2)]
    cached = [True if size <= 4 << 20 else None if size < 64 << 20 else False for size in sizes]
    rates = [{True: 40e9, None: 23e9, False: 10e9}[inside] for inside in cached]
    rng = np.random.default_rng(11)
    seconds = [
        (5e-6 + size / rate) * (1 + 0.02 * rng.standard_t(3, 15)) for size, rate in zip(sizes, rates, strict=True)
    ]
    found = fit_apart(sizes, seconds, cached)
    assert found.latency_seconds.value == pytest.approx(5e-6, rel=0.02)
    assert found.cached_bytes_per_second.value == pytest.approx(40e9, rel=0.02)
    assert found.bytes_per_second.value == pytest.approx(10e9, rel=0.02)
    assert found.bytes_per_second.low < found.bytes_per_second.value < found.bytes_per_second.high
    assert found.misfit < 0.05
    assert found.seconds(1 << 28) == pytest.approx(5e-6 + (1 << 28) / 10e9, rel=0.02)
    inside = fit_apart(sizes[:5], seconds[:5], cached[:5])
    assert inside.bytes_per_second is None
