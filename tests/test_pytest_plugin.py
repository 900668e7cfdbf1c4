"""The plugin for pytest, in runs of its own: limits of benchmarks, device times in ``extra_info``."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

import ferkern.pytest_plugin
from ferkern.opencl.timeline import Span
from ferkern.pytest_plugin import MARKER, device_seconds

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

PLUGIN = ("-p", "ferkern.pytest_plugin", "-p", "no:cacheprovider")

SUITE = """
import pytest
from ferkern.opencl.timeline import Span

ticks = iter(range(10**6))
# A clock that goes on by one second whenever it is read, so that every round takes one.
second = pytest.mark.benchmark(timer=lambda: float(next(ticks)))

def spans(kernel):
    return [Span("kernel", "a", "k", 0.0, kernel), Span("kernel", "b", "k", 1.0, kernel),
            Span("host to device", "a", "x", 2.0, 0.05), Span("queue", "a", "x", 2.0, 7.0)]

@second
@pytest.mark.ferkern_limit(seconds=1.5)
def test_within(benchmark):
    benchmark.pedantic(lambda: None, rounds=3)

@second
@pytest.mark.ferkern_limit(seconds=0.5, statistic="min")
def test_past(benchmark):
    benchmark.pedantic(lambda: None, rounds=3)

@second
@pytest.mark.ferkern_limit(seconds=10, device_seconds=0.25)
def test_device_past(benchmark, ferkern_device_times):
    benchmark.pedantic(lambda: None, rounds=3)
    ferkern_device_times(spans(0.2))

@second
@pytest.mark.ferkern_limit(device_seconds=0.25)
def test_device_within(benchmark, ferkern_device_times):
    benchmark.pedantic(lambda: None, rounds=3)
    ferkern_device_times(spans(0.2), runs=2)

@second
@pytest.mark.ferkern_limit(device_seconds=0.25)
def test_device_unknown(benchmark):
    benchmark.pedantic(lambda: None, rounds=3)

@pytest.mark.ferkern_limit(seconds=1)
def test_no_benchmark():
    pass

def test_no_limit(benchmark):
    benchmark.pedantic(lambda: None, rounds=1)
"""


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest(*PLUGIN, "-q", *arguments)


def test_limits_are_judged_where_asked(pytester):
    pytester.makepyfile(SUITE)
    done = run(pytester, "--ferkern-limits", "--strict-markers", "-rf")
    done.assert_outcomes(passed=3, failed=4)
    done.stdout.fnmatch_lines_random(
        [
            "*past its limit: min 1 s, limit 500 ms (200%)*",
            "*past its limit: device 450 ms, limit 250 ms (180%)*",
            "*no device time in extra_info*",
            "*the test has a limit, but no benchmark*",
            "within *test_within: median 1 s, limit 1.5 s (67%)",
            "within *test_device_within: device 225 ms, limit 250 ms (90%)",
            "within *test_device_past: median 1 s, limit 10 s (10%)",
        ]
    )


def test_a_factor_moves_all_limits(pytester):
    pytester.makepyfile(SUITE)
    run(pytester, "--ferkern-limits", "--ferkern-limits-factor=4").assert_outcomes(passed=5, failed=2)


def test_without_the_option_limits_are_noted_only(pytester):
    pytester.makepyfile(SUITE)
    done = run(pytester, "--benchmark-json=out.json")
    done.assert_outcomes(passed=7)
    assert "ferkern limits" not in done.stdout.str()
    notes = {b["name"]: b["extra_info"] for b in json.loads((pytester.path / "out.json").read_text())["benchmarks"]}
    assert notes["test_within"] == {"limit_seconds": 1.5}
    assert notes["test_device_past"]["limit_device_seconds"] == 0.25
    assert notes["test_device_past"]["device_seconds"] == pytest.approx(0.45)
    assert notes["test_device_within"]["device_spans"] == pytest.approx(
        {"kernel": 0.2, "host to device": 0.025, "queue": 3.5}
    )
    assert notes["test_no_limit"] == {}


def test_benchmarks_that_are_disabled_are_not_judged(pytester):
    pytester.makepyfile(SUITE)
    done = run(pytester, "--ferkern-limits", "--benchmark-disable", "-k", "within or past")
    done.assert_outcomes(passed=3, failed=1, deselected=3)  # the device's times are there all the same
    assert done.stdout.str().count("nothing was timed (benchmarks are disabled): not judged") == 3


def test_without_pytest_benchmark(pytester):
    pytester.makepyfile("def test_plain(): pass\ndef test_asks(ferkern_device_times): pass")
    done = run(pytester, "-p", "no:benchmark", "--ferkern-limits")
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines_random(["*fixture 'benchmark' not found*"])


def test_a_test_that_fails_is_not_judged(pytester):
    pytester.makepyfile(
        "import pytest\n@pytest.mark.ferkern_limit(seconds=1)\ndef test_wrong(benchmark): assert 1 == 2\n"
    )
    done = run(pytester, "--ferkern-limits")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines_random(["*assert 1 == 2*"])


def test_a_marker_used_wrongly(pytester):
    uses = ["", "1.0", "second=1", "seconds=0", "seconds='fast'", "seconds=float('nan')", "seconds=1, statistic='p99'"]
    pytester.makepyfile(
        "import pytest\n"
        + "\n".join(
            f"@pytest.mark.ferkern_limit({arguments})\ndef test_{number}(benchmark): benchmark.pedantic(int)"
            for number, arguments in enumerate(uses)
        )
    )
    done = run(pytester)
    done.assert_outcomes(failed=len(uses))
    assert done.stdout.str().count(f"{MARKER} takes seconds= and device_seconds=, above 0") >= len(uses)


def test_a_factor_below_zero(pytester):
    done = run(pytester, "--ferkern-limits-factor=-1")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--ferkern-limits-factor must be above 0, is -1.0"])


def test_the_package_brings_the_plugin():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    # A name other than the module's would load it twice where it is also asked for by -p.
    assert project["entry-points"]["pytest11"] == {ferkern.pytest_plugin.__name__: ferkern.pytest_plugin.__name__}


def test_spans_come_from_a_method_an_attribute_or_as_they_are():
    spans = [Span("kernel", "", "a", 0.0, 0.5), Span("queue", "", "a", 0.5, 0.25), Span("kernel", "", "b", 0.75, 1.0)]

    class Attribute:
        def __init__(self) -> None:
            self.spans = spans

    class Method:
        def spans(self) -> list[Span]:
            return spans

    for source in (spans, Attribute(), Method()):
        assert device_seconds(source) == {"kernel": 1.5, "queue": 0.25}
    assert device_seconds([]) == {}
    with pytest.raises(TypeError, match="a Ledger or spans are needed, got int"):
        device_seconds(3)
