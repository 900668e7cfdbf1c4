"""A plugin for pytest: benchmarks (of pytest-benchmark) that take longer than a limit fail, device times stand beside.

::

    @pytest.mark.ferkern_limit(seconds=2e-3, device_seconds=1e-3)
    def test_layer(benchmark, ferkern_device_times):
        benchmark(session.run, x)
        ferkern_device_times(session.profile(x)[1])

``pytest --ferkern-limits`` judges; without it limits are only noted in the benchmark's ``extra_info``. Nothing here
asks for pytest-benchmark before a test does.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from typing import Any

import pytest

__all__ = ["device_seconds", "ferkern_device_times"]

MARKER = "ferkern_limit"
_USE = (
    f"{MARKER}(seconds=..., device_seconds=..., statistic='median'): with --ferkern-limits a benchmark that takes "
    "longer fails; seconds: a statistic of pytest-benchmark, device_seconds: extra_info['device_seconds']"
)
_ON_DEVICE = ("kernel", "host to device", "device to host")
_STATISTICS = ("median", "min", "mean", "max")
_judged = pytest.StashKey[list[str]]()


def pytest_addoption(parser: Any) -> None:
    group = parser.getgroup("ferkern")
    group.addoption("--ferkern-limits", action="store_true", help="Fail benchmarks past the limit of their marker.")
    group.addoption(
        "--ferkern-limits-factor",
        type=float,
        default=1.0,
        metavar="F",
        help="Multiply all limits, for a machine that is slower than the one they were written for (1.0).",
    )


def pytest_configure(config: Any) -> None:
    config.addinivalue_line("markers", _USE)
    factor = config.getoption("--ferkern-limits-factor")
    if not (math.isfinite(factor) and factor > 0):
        raise pytest.UsageError(f"--ferkern-limits-factor must be above 0, is {factor}")
    config.stash[_judged] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: Any) -> Generator[None, object, object]:
    result = yield
    marker = item.get_closest_marker(MARKER)
    if marker is not None:
        limits, statistic = _limits(item, marker)
        benchmark = getattr(item, "funcargs", {}).get("benchmark")
        if benchmark is not None:
            benchmark.extra_info.update({f"limit_{name}": limit for name, limit in limits.items()})
        if item.config.getoption("--ferkern-limits"):
            _judge(item, benchmark, limits, statistic)
    return result


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    judged = config.stash.get(_judged, [])
    if judged:
        terminalreporter.section("ferkern limits")
        for line in judged:
            terminalreporter.write_line(line)


@pytest.fixture
def ferkern_device_times(benchmark: Any) -> Callable[..., None]:
    """``ferkern_device_times(ledger, runs=1)`` puts a Ledger's device times into the benchmark's ``extra_info``.

    The ledger, or whatever else has ``spans`` or is a sequence of spans (`ferkern.opencl.timeline.Span`), is of `runs`
    runs. ``device_seconds`` becomes the time of one run's kernels and copies, ``device_spans`` that of each kind.
    """

    def note(source: Any, runs: int = 1) -> None:
        spans = device_seconds(source)
        benchmark.extra_info["device_spans"] = {kind: seconds / runs for kind, seconds in spans.items()}
        benchmark.extra_info["device_seconds"] = sum(spans.get(kind, 0.0) for kind in _ON_DEVICE) / runs

    return note


def device_seconds(source: Any) -> dict[str, float]:
    """Seconds of each kind of span; `source` has ``spans`` (a sequence, or a method that gives one) or is one."""
    spans = getattr(source, "spans", source)
    spans = spans() if callable(spans) else spans
    if not isinstance(spans, Iterable):
        raise TypeError(f"a Ledger or spans are needed, got {type(source).__name__}")
    sums: dict[str, float] = defaultdict(float)
    for span in spans:
        sums[span.kind] += span.seconds
    return dict(sums)


def _limits(item: Any, marker: Any) -> tuple[dict[str, float], str]:
    """The marker's limits, times the factor, and the statistic."""
    given = dict(marker.kwargs)
    statistic = given.pop("statistic", "median")
    limits = {name: value for name, value in given.items() if name in ("seconds", "device_seconds")}
    fitting = all(isinstance(v, int | float) and math.isfinite(v) and v > 0 for v in limits.values())
    if marker.args or len(limits) != len(given) or not limits or not fitting or statistic not in _STATISTICS:
        raise pytest.UsageError(
            f"{item.nodeid}: {MARKER} takes seconds= and device_seconds=, above 0, and statistic=, one of "
            f"{', '.join(_STATISTICS)}; got {(*marker.args, *(f'{k}={v!r}' for k, v in marker.kwargs.items()))}"
        )
    factor = item.config.getoption("--ferkern-limits-factor")
    return {name: float(limit * factor) for name, limit in limits.items()}, statistic


def _judge(item: Any, benchmark: Any, limits: dict[str, float], statistic: str) -> None:
    if benchmark is None:
        pytest.fail(f"{MARKER}: the test has a limit, but no benchmark (fixture of pytest-benchmark)", pytrace=False)
    past = []
    for name, limit in limits.items():
        taken = _taken(item, benchmark, name, statistic)
        if taken is None:
            continue
        what = statistic if name == "seconds" else "device"
        line = f"{what} {_words(taken)}, limit {_words(limit)} ({taken / limit:.0%})"
        item.config.stash[_judged].append(f"{'PAST  ' if taken > limit else 'within'} {item.nodeid}: {line}")
        if taken > limit:
            past.append(line)
    if past:
        pytest.fail(f"past its limit: {'; '.join(past)}", pytrace=False)


def _taken(item: Any, benchmark: Any, name: str, statistic: str) -> float | None:
    """Seconds that are held against a limit; None where they were not measured."""
    if name == "device_seconds":
        taken = benchmark.extra_info.get(name)
        if taken is None:
            pytest.fail(f"{MARKER}: no device time in extra_info['{name}'] (ferkern_device_times)", pytrace=False)
        return float(taken)
    if benchmark.stats is None:
        item.warn(pytest.PytestWarning(f"{MARKER}: nothing was timed (benchmarks are disabled): not judged"))
        return None
    return float(getattr(benchmark.stats.stats, statistic))


def _words(seconds: float) -> str:
    """Four digits and a unit."""
    factor, unit = next(((f, u) for f, u in ((1.0, "s"), (1e3, "ms"), (1e6, "us")) if seconds * f >= 1), (1e9, "ns"))
    return f"{seconds * factor:.4g} {unit}"
