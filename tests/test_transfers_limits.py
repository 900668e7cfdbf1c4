"""What no transfer can beat, and how readings that do are marked; pictures and tables of made-up devices."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ferkern.bench.transfers import FULL, SHORT, Transfers, cases_of, conclude, run_cases
from ferkern.bench.transfers_fit import Interval
from ferkern.bench.transfers_limits import FLAGS, Limits, RatedLink, flagged, map_flag, rated_link
from ferkern.bench.transfers_measure import Effort, Reading, Way, measure
from ferkern.bench.transfers_words import microseconds, parse_size, rate_words, size_words
from ferkern.opencl import DeviceInfo
from simulated_link import SimulatedLink

pytestmark = pytest.mark.slow

UP = Way("pinned", "host to device", "driver")
BOTH = Way("pinned", "both at once", "driver", times=2)
MAP = Way("map alone", "host to device", "map")
WITHIN = Way("buffers", "device to device", "driver", times=2)
READ = Way("read", "device memory", "kernel")
FILE = Way("warm", "file to host", "host")
FILE_UP = Way("warm", "file to device", "driver")

GEN4 = RatedLink("0000:01:00.0", 4, 16, 31.5e9)
CARD = Limits(GEN4, host_read=40e9, host_copy=36e9, cache_bytes=32 << 20, shared=False)
SHARED = Limits(None, host_read=40e9, host_copy=36e9, cache_bytes=32 << 20, shared=True)


def reading(way: Way, size: int, rate: float) -> Reading:
    """Copies that all take the same time; `rate` as the reading counts it."""
    return Reading(way, size, 0, (way.times * size / rate,) * 9, 0)


@pytest.mark.parametrize(
    ("way", "limits", "size", "rate", "flags"),
    [
        (UP, CARD, 1 << 26, 31e9, ()),
        (UP, CARD, 1 << 26, 33e9, ("above link",)),
        (UP, CARD, 1 << 28, 45e9, ("above link",)),
        (BOTH, CARD, 1 << 26, 62e9, ("above memory",)),
        (BOTH, CARD, 1 << 26, 64e9, ("above link",)),
        (WITHIN, CARD, 1 << 26, 3e12, ()),
        (READ, CARD, 1 << 26, 3e12, ()),
        (FILE, CARD, 1 << 28, 17e9, ()),
        (FILE, CARD, 1 << 28, 19e9, ("above memory",)),
        # A device with the host's memory: each copy passes through it twice, as bytes read and as bytes written.
        (UP, SHARED, 1 << 28, 17e9, ()),
        (UP, SHARED, 1 << 28, 19e9, ("above memory",)),
        (UP, SHARED, 1 << 22, 19e9, ("in cache",)),
        (WITHIN, SHARED, 1 << 28, 35e9, ()),
        (WITHIN, SHARED, 1 << 28, 37e9, ("above memory",)),
        (READ, SHARED, 1 << 28, 39e9, ()),
        (READ, SHARED, 1 << 28, 41e9, ("above memory",)),
        (FILE_UP, SHARED, 1 << 28, 8.9e9, ()),
        (FILE_UP, SHARED, 1 << 28, 9.1e9, ("above memory",)),
        (UP, Limits(None, None, None, 0, shared=True), 1 << 28, 1e15, ()),
    ],
)
def test_what_is_too_fast_is_flagged(way, limits, size, rate, flags):
    found = flagged(reading(way, size, rate), limits).flags
    assert set(found) == set(flags)
    assert set(found) <= set(FLAGS)


def test_three_quarters_of_the_copies_must_be_too_fast():
    slow, fast = 1e9 / 30e9, 1e9 / 33e9
    assert flagged(Reading(UP, 10**9, 0, (slow,) * 3 + (fast,) * 6, 0), CARD).flags == ()
    assert flagged(Reading(UP, 10**9, 0, (slow,) * 2 + (fast,) * 7, 0), CARD).flags == ("above link",)


def test_wrong_bytes_leave_no_rate_to_judge():
    found = flagged(Reading(UP, 1 << 28, 0, (1e-9,) * 9, 5), CARD)
    assert found.flags == ("wrong bytes",)
    assert found.bytes_per_second is None


@pytest.mark.parametrize(
    ("limits", "bandwidth", "flag"),
    [
        (SHARED, 1e15, "only a map"),
        (SHARED, 8e9, "the map copies"),
        (CARD, 1e15, "only a map"),
        (CARD, 12e9, "the map copies"),
        (SHARED, 30e9, None),
    ],
)
def test_a_map_and_a_copy_are_told_apart(limits, bandwidth, flag):
    link = SimulatedLink(8e-6, bandwidth, noise=0.02)
    assert map_flag([measure(link, MAP, size) for size in SHORT], limits) == flag


def test_latencies_that_differ_are_no_copy():
    """Medians of PoCL on a busy machine: up to 64 KiB a copy takes less time than one size differs from another."""
    latencies = (98e-6, 83e-6, 69e-6, 110e-6, 60e-6, 93e-6)
    found = [measure(SimulatedLink(s, 1e15), MAP, size) for s, size in zip(latencies, SHORT, strict=False)]
    assert found[-1].size_bytes == 1 << 16
    assert map_flag(found, SHARED) is None
    assert map_flag(found[-1:], SHARED) is None
    assert map_flag([*found, measure(SimulatedLink(60e-6, 8e9), MAP, 1 << 26)], SHARED) == "the map copies"


def test_sizes_within_the_caches():
    judged = [SHARED.cached(reading(UP, size, 1e9)) for size in (8 << 20, 16 << 20, 32 << 20)]
    assert judged == [True, None, False]
    assert [SHARED.cached(reading(BOTH, size, 1e9)) for size in (4 << 20, 8 << 20, 16 << 20)] == [True, None, False]
    assert CARD.cached(reading(UP, 1, 1e9)) is False
    assert CARD.cached(reading(FILE, 1, 1e9)) is True
    assert SHARED.cached(reading(Way("cold", "file to host", "host"), 1, 1e9)) is False


def bus(root: Path, *, device: dict[str, str], port: dict[str, str]) -> Path:
    """A made-up sysfs: a device below its port, and the flat folder with a link to it."""
    below = root / "devices" / "pci0000:00" / "0000:00:01.1" / "0000:01:00.0"
    below.mkdir(parents=True)
    for folder, files in ((below, device), (below.parent, port)):
        for name, text in files.items():
            (folder / name).write_text(text + "\n")
    flat = root / "bus"
    flat.mkdir()
    (flat / "0000:01:00.0").symlink_to(below)
    return flat


@pytest.mark.parametrize(
    ("device", "port", "generation", "lanes", "rate"),
    [
        # A card of the fifth generation in a slot of the fourth; idle, it runs at 2.5 GT/s.
        (
            {"max_link_speed": "32.0 GT/s PCIe", "current_link_speed": "2.5 GT/s PCIe", "current_link_width": "16"},
            {"max_link_speed": "16.0 GT/s PCIe"}, 4, 16, 31.5e9,
        ),
        ({"max_link_speed": "8.0 GT/s PCIe", "current_link_width": "4", "max_link_width": "16"}, {}, 3, 4, 3.94e9),
        ({"max_link_speed": "5 GT/s", "max_link_width": "1"}, {"max_link_speed": "Unknown"}, 2, 1, 0.5e9),
        ({"max_link_speed": "64.0 GT/s PCIe", "current_link_width": "16"}, {}, 6, 16, 118e9),
    ],
)  # fmt: skip
def test_the_rated_link(tmp_path, device, port, generation, lanes, rate):
    found = rated_link("0000:01:00.0", bus(tmp_path, device=device, port=port))
    assert (found.generation, found.lanes) == (generation, lanes)
    assert found.bytes_per_second == pytest.approx(rate, rel=0.01)
    assert f"PCIe {generation}.0 x{lanes}" in str(found)


@pytest.mark.parametrize(
    "device",
    [
        {},
        {"max_link_speed": "16.0 GT/s PCIe"},
        {"max_link_speed": "Unknown", "current_link_width": "16"},
        {"max_link_speed": "17 GT/s", "current_link_width": "16"},
        {"max_link_speed": "16.0 GT/s PCIe", "current_link_width": "0"},
    ],
)
def test_a_link_that_the_system_does_not_tell(tmp_path, device):
    root = bus(tmp_path, device=device, port={})
    assert rated_link("0000:01:00.0", root) is None
    assert rated_link("0000:09:00.0", root) is None


def made_up() -> Transfers:
    """A card on a link of 31.5 GB/s, one way of which claims more, and one of which loses bytes."""
    info = DeviceInfo(0, "Card", "gpu", "Platform", "Maker", "OpenCL 3.0", "1.0", 40, 8 << 30, 2 << 30, 48 << 10,
                      1024, 1, fp16=True, fp64=True)  # fmt: skip
    kinds: dict[Way, dict[str, float]] = {
        Way("pageable", "host to device", "driver"): {"latency": 9e-6, "bandwidth": 8e9},
        UP: {"latency": 7e-6, "bandwidth": 25e9},
        Way("pinned", "device to host", "driver"): {"latency": 7e-6, "bandwidth": 26e9},
        BOTH: {"latency": 8e-6, "bandwidth": 22e9},
        Way("zero-copy", "host to device", "kernel"): {"latency": 12e-6, "bandwidth": 300e9},
        MAP: {"latency": 5e-6, "bandwidth": 9e9},
        Way("pageable", "device to host", "driver"): {"latency": 9e-6, "bandwidth": 8e9, "lost": 2},
        READ: {"latency": 5e-6, "bandwidth": 1e12},
        FILE: {"latency": 1e-6, "bandwidth": 6e9},
    }
    links = {way: lambda how=how: SimulatedLink(**how, noise=0.02) for way, how in kinds.items()}
    readings, missing = run_cases(links, cases_of(list(links), SHORT), Effort(0.01))
    return conclude(info, {"brand": "Host"}, CARD, readings, missing | {"svm": "there is none"})


def test_readings_together(tmp_path):
    done = made_up()
    assert done.fits[UP].bytes_per_second.value == pytest.approx(25e9, rel=0.02)
    assert done.fits[UP].latency_seconds.value == pytest.approx(7e-6, rel=0.02)
    assert done.fits[BOTH].bytes_per_second.value == pytest.approx(44e9, rel=0.02)
    assert done.fits[BOTH].misfit_bytes <= 1 << 26
    # (1 / 25 + 1 / 26) / (1 / 22)
    assert done.overlap("pinned") == pytest.approx(22 / 25 + 22 / 26, rel=0.03)
    assert done.overlap("pageable") is None
    flags = {str(r.way): set(r.flags) for r in done.readings if r.size_bytes == 1 << 26}
    assert flags["host to device, zero-copy"] == {"above link"}
    assert flags["host to device, map alone"] == {"the map copies"}
    assert flags["device to host, pageable"] == {"wrong bytes"}
    assert flags["host to device, pinned"] == set()
    lost = done.find("device to host", "pageable")
    assert lost not in done.fits
    values = json.loads(done.to_json())
    assert values["format"] == 1
    assert values["limits"]["link"]["lanes"] == 16
    assert len(values["readings"]) == len(done.readings)
    assert all(len(row["seconds"]) >= 7 for row in values["readings"])
    assert values["flags"]["wrong bytes"] == FLAGS["wrong bytes"]
    assert values["missing"] == {"svm": "there is none"}


def test_picture_of_made_up_transfers(tmp_path):
    pytest.importorskip("matplotlib")
    from ferkern.bench.transfers_chart import draw_transfers

    draw_transfers(made_up(), tmp_path / "t.svg")
    drawn = (tmp_path / "t.svg").read_text()
    assert len(drawn) > 20_000
    assert "times10" not in drawn  # ticks such as 3 x 10^0, beside 10
    draw_transfers(conclude(made_up().device, {"brand": "Host"}, CARD, [], {}), tmp_path / "nothing.png")
    assert (tmp_path / "nothing.png").stat().st_size > 5_000


def test_table_of_made_up_transfers(capsys, monkeypatch):
    from ferkern.cli.transfers import _print

    monkeypatch.setenv("COLUMNS", "200")
    _print(made_up())
    said = capsys.readouterr().out
    assert "other programs were running" not in said
    _print(replace(made_up(), load=3.2))
    assert "a load of 3.2 when this began: other programs were running" in capsys.readouterr().out
    assert "PCIe 4.0 x16, 31.5 GB/s in each direction" in said
    assert "wrong bytes: not all bytes arrived" in said
    assert "above link: faster than the rated link" in said
    assert "not measured: svm: there is none" in said
    assert "both directions at once 1.7" in said


def test_ladders():
    assert SHORT[0] == FULL[0] == 1
    assert FULL[-1] == 1 << 30
    assert set(SHORT) <= set(FULL)


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("64K", 65536), ("16 MiB", 16 << 20), ("1g", 1 << 30), ("4096B", 4096)]
)
def test_sizes_as_words(text, size):
    assert parse_size(text) == size
    assert parse_size(size_words(size)) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5M", "many", "1X", "9" * 20])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="is not a size such as"):
        parse_size(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1.234e-6, "1.23"), (99.96e-6, "100"), (999.4e-6, "999"), (999.7e-6, "1,000"), (0.25, "250,000")],
)
def test_times_have_no_exponent(seconds: float, words: str) -> None:
    assert microseconds(seconds) == words


def test_rates_have_no_exponent() -> None:
    assert rate_words(Interval(7.43e12, 5.03e12, 2.57e13)) == "7,430"
    assert rate_words(None) == "–"
