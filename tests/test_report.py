"""``ferkern report``: which files it knows, what the page says of them, what it says of others."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

import report_inputs as inputs
from command import ferkern
from ferkern import bench
from ferkern.bench.crossover_map import Crossover
from ferkern.cli.app import app
from ferkern.report import page, read
from ferkern.report.page import sections
from ferkern.report.sources import KINDS
from ferkern.report.words import rate, seconds

pytest.importorskip("plotly")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    return inputs.results(tmp_path_factory)


@pytest.fixture(scope="module")
def text(files) -> str:
    return page(read(files))


def test_every_kind_is_recognised(files):
    sources = read(files)
    assert {source.kind for source in sources} == set(KINDS)
    by_name = {source.name: source.kind for source in sources}
    assert by_name["transfers.json"] == "transfers"
    assert by_name["device.json"] == "ledger"
    undated = {source.kind for source in sources if not source.date}
    assert undated <= {"ledger", "rows"}  # what others write says when, or not
    assert by_name["timed.json"] == "pytest-benchmark"
    assert [section.id for section in sections(sources)] == [
        "crossover", "transfers", "ledger", "roofline", "estimates", "tuning", *(f"beside-{i}" for i in range(1, 5)),
        "timed", "machine",
    ]  # fmt: skip


def test_estimates_and_tuned_convolutions_are_told(tmp_path):
    (tmp_path / "e.json").write_text(json.dumps(inputs.estimate()))
    (tmp_path / "t.json").write_text(json.dumps(inputs.tuned()))
    estimates, tuning = sections(read([tmp_path / "e.json", tmp_path / "t.json"]))
    assert estimates.findings == (
        "A call of fer_2conv, 2 images, Another <Processor> (avx2, 8 threads) is expected to take 60.0 µs (50.0 µs to "
        "75.0 µs); here it takes 100 µs.",
        "By the papers' rule: 2,812 points give 2.7 frames/s; for 60 frames/s: 62,489 points.",
        "By the papers' rule: 2,812 points give 2.7 frames/s; with 56,240 points: 54 frames/s.",
        "A million inferences cost 0.4 (fer_2conv, 2 images, Another <Processor> (avx2, 8 threads)).",
    )
    assert [row[-2:] for row in estimates.charts[1].table.rows] == [
        ("10.0 µs", "17 %"), ("20.0 µs", "33 %"), ("30.0 µs", "50 %"),
    ]  # fmt: skip
    assert tuning.findings == (
        "Tuning 2 convolutions of Card <A&B> (Made), 1 image made them 1.41 times as fast (geometric mean); the most "
        "2.00 (net.conv2d_2).",
    )
    assert tuning.charts[0].table.rows[1][-4:] == ("10.0 µs", "100 Gop/s", "2.00", "25")


def test_a_stream_stands_beside_the_whole(tmp_path):
    (tmp_path / "stream.json").write_text(json.dumps(inputs.STREAM))
    (section,) = sections(read([tmp_path / "stream.json"]))
    assert section.findings == ("Side by side, stream: whole 250 ms, sliced 500 ms.",)
    (chart,) = section.charts
    assert [control.key for control in chart.controls] == ["x"]  # one picture, whatever the batch
    title, table = section.tables[1]
    assert title == "Where the time went"
    assert table.heads == ("", "first", "steady")
    assert table.rows == (("kernel", "500 ms", "400 ms"), ("compile", "250 ms", "–"))


def test_the_rule_alone_and_a_price_alone(tmp_path):
    whole = inputs.estimate()
    rule = {**whole, "estimate": None, "price_of_a_million": None}
    (tmp_path / "rule.json").write_text(json.dumps(rule))
    given = {"at": 2.7, "price": 400, "years": 3, "watts": 0, "per_kwh": 0, "busy": 1}
    price = {key: whole[key] for key in ("kind", "machine", "price_of_a_million")} | {"given": given, "estimate": None}
    (tmp_path / "price.json").write_text(json.dumps(price))
    (section,) = sections(read([tmp_path / "rule.json", tmp_path / "price.json"]))
    assert section.charts == ()
    assert [title.partition(":")[0] for title, _ in section.tables] == [
        "The papers' rule", "Price of a million inferences",
    ]  # fmt: skip
    assert section.tables[1][1].rows == (("2.7 frames/s", "price 400 over 3 years, 100 % busy", "0.3", "0.1", "0.4"),)


def test_every_file_is_read_once(files, tmp_path, monkeypatch):
    opened: list[Path] = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path) or read_bytes(path))
    done = CliRunner().invoke(app, ["report", *map(str, files), "-o", str(tmp_path / "out.html")])
    assert done.exit_code == 0, done.output
    assert [path for path in opened if path in files] == files


def test_the_saved_map_is_one_too(tmp_path):
    saved = {"format": 1, "maps": [one.to_dict() for one in inputs.crossovers()]}
    (tmp_path / "crossover.json").write_text(json.dumps(saved))
    (source,) = read([tmp_path / "crossover.json"])
    assert source.kind == "crossover"
    assert all(isinstance(one, Crossover) for one in source.values)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{}", "holds nothing"),
        ("[1]", "holds a list"),
        ('{"apples": 1}', "'apples'"),
        ("no json", "not JSON"),
        ('{"kind": "transfers", "readings": []}', "'machine' is missing"),
        ('{"crossover": [{"op": "conv2d"}]}', "identity must be an object"),
        ('{"rows": [], "machine": {}}', "'rows', 'machine'"),
        ('{"wall_seconds": "x", "rows": [], "kinds": {}, "device": "cpu"}', "could not convert"),
    ],
)
def test_other_files_are_named(tmp_path, content, found):
    file = tmp_path / "odd.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"odd\.json: ") as error:
        bench.report([file], tmp_path / "out.html")
    assert found in str(error.value)
    assert not (tmp_path / "out.html").exists()


def test_damaged_files_are_named(tmp_path, files, monkeypatch):
    """Values taken away or replaced, all over each file: a page, or an error that names the file."""
    monkeypatch.setattr("plotly.offline.get_plotlyjs", str)
    rng = random.Random(0)
    refused = 0
    for file in files:
        for _ in range(40):
            values = json.loads(file.read_text(encoding="utf-8"))
            damage(values, rng)
            odd = tmp_path / f"odd_{file.name}"
            odd.write_text(json.dumps(values))
            words = refusal(odd)
            assert not words or odd.name in words
            refused += bool(words)
    assert refused > len(files)


def refusal(file: Path) -> str:
    """What is said against a file; empty: it gives a page."""
    try:
        page(read([file]))
    except ValueError as error:
        return str(error)
    return ""


def damage(values: dict | list, rng: random.Random) -> None:
    """One value somewhere below is lost, or becomes one of another kind."""
    while True:
        key = rng.choice(list(values) if isinstance(values, dict) else range(len(values)))
        if isinstance(values[key], dict | list) and values[key] and rng.random() < 0.8:
            values = values[key]
            continue
        if rng.random() < 0.4:
            del values[key]
        else:
            values[key] = rng.choice([None, "text", -1, 0, [], {}, [1], float("nan")])
        return


def test_no_files_and_missing_ones(tmp_path):
    with pytest.raises(ValueError, match="paths"):
        bench.report([])
    with pytest.raises(ValueError, match=r"none\.json: No such file"):
        bench.report([tmp_path / "none.json"])
    with pytest.raises(ValueError, match=r"a folder; name its files, .*/\*\.json"):
        bench.report([tmp_path])


def test_findings_are_computed(files):
    found = {section.id: section.findings for section in sections(read(files))}
    # 5e-5 s times the size is 1e-3 s + 1e-6 s times the size at 20.4.
    where = float(re.search(r"conv2d, 3x3 from image side (\S+?);? ?[,.]", found["crossover"][0])[1])
    assert 16 < where < 30
    assert "never faster in conv2d, 1x1" in found["crossover"][0]
    assert "every measured size of dense" in found["crossover"][0]
    assert "host to device 12.0 GB/s at 64 MiB (pinned memory; pageable 5.99 GB/s)" in found["transfers"][0]
    total = sum(1 + i for i in range(6)) + 0.1
    assert f"takes {total:.1f} ms: {100 * 6 / total:.0f} %" in found["ledger"][0]
    assert (
        "2.12 times as long as ferkern (geometric mean of 2 rows)" in found["beside-4"][0]
    )  # of 1.5 / 1 and 1.5 / 0.5
    assert "0.50 times as long as the device (conv_1)" in found["beside-3"][0]
    assert "computes 100 Gop/s in fp32 (avx2) and moves 20.0 GB/s" in found["machine"][0]


def test_charts_hold_what_was_measured(files):
    charts = {chart.id: chart for section in sections(read(files)) for chart in section.charts}
    pinned = next(
        t for t in charts["transfer-curves"].traces
        if (t.name, t.keys.get("quantity"), t.keys.get("direction")) == ("pinned", "rate", "host to device")
    )  # fmt: skip
    assert pinned.x[-1] == 1 << 26
    assert pinned.y[-1] == pytest.approx((1 << 26) / (8e-6 + (1 << 26) / 12e9))
    layers = [t for t in charts["ledger-layers"].traces if "opencl:0" in t.keys["run"]]
    assert sum(sum(t.x) for t in layers) == pytest.approx(21e-3)
    shares = [t for t in charts["ledger-kinds"].traces if t.keys["unit"] == "share"]
    for row in range(2):
        assert sum(t.x[row] for t in shares) == pytest.approx(100, abs=0.1)
    assert {t.name for t in charts["timed-calls"].traces} == {"whole call", "device's own time"}
    for chart in charts.values():
        assert chart.words
        assert chart.table.rows, chart.id
        for trace in chart.traces:
            assert len(trace.x) == len(trace.y), (chart.id, trace.name)
            assert all(math.isfinite(v) for v in (*trace.x, *trace.y) if isinstance(v, float)), chart.id


@pytest.mark.parametrize(
    ("shared", "most"),
    [(False, {"host memory": 50e9, "rated link, PCIe 4.0 x16": 31.5e9}), (True, {"host memory": 20e9})],
)
def test_limits_are_those_that_readings_are_flagged_by(tmp_path, shared, most):
    """Where the memory is the host's, a copy passes through it twice: half of 40 GB/s."""
    done = inputs.transfers()
    link = None if shared else done.limits.link
    done = replace(done, limits=replace(done.limits, shared=shared, link=link))
    (tmp_path / "t.json").write_text(done.to_json())
    (section,) = sections(read([tmp_path / "t.json"]))
    rules = [t for t in section.charts[0].traces if t.kind == "rule" and t.keys["direction"] == "host to device"]
    assert {t.name: t.y[0] for t in rules} == pytest.approx(most)


class Page(HTMLParser):
    """What a page loads, its identifiers, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids |= {given["id"]} if given.get("id") else set()
        if tag == "a":
            self.links.append(given["href"] or "")
        elif tag != "link" or given.get("href") != "data:,":
            self.loaded += [given[name] or "" for name in ("src", "href", "srcset", "data", "action") if name in given]


def test_the_page_loads_nothing(text):
    found = Page()
    found.feed(text)
    assert found.loaded == []
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.links)
    assert "default-src 'none'" in text
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    own = text[: text.index('id="library"')] + text[text.rindex("<script>") :]
    assert not re.search(r"https?://", own)
    assert len(text) < 4e6


def test_a_busy_machine_is_said_first(tmp_path, monkeypatch):
    monkeypatch.setattr("plotly.offline.get_plotlyjs", str)
    for load, said in ((0.2, False), (3.0, True)):
        (tmp_path / "t.json").write_text(replace(inputs.transfers(), load=load).to_json())
        opening = page(read([tmp_path / "t.json"])).partition("<section")[0]
        assert ("3.0 processes wanted a processor" in opening) is said


def test_words_of_files_are_words_on_the_page(text):
    assert "Card &lt;A&amp;B&gt;" in text
    assert "Card <A&B>" not in text


def test_the_command_line(tmp_path, files):
    done = ferkern("report", *files, "-o", tmp_path / "page.html", "--title", "A title")
    assert done.returncode == 0, done.stderr
    assert "<title>A title</title>" in (tmp_path / "page.html").read_text(encoding="utf-8")
    (tmp_path / "odd.json").write_text("{}")
    done = ferkern("report", tmp_path / "odd.json", "-o", tmp_path / "other.html")
    assert done.returncode == 2
    assert "odd.json" in done.stderr
    # A trace that ferkern bench --trace wrote lies among the results: the others are shown all the same.
    done = ferkern("report", files[0], tmp_path / "odd.json", "-o", tmp_path / "other.html")
    assert done.returncode == 1
    assert done.stderr.startswith(f"failed {tmp_path / 'odd.json'}: holds nothing\n")
    assert "</html>" in (tmp_path / "other.html").read_text(encoding="utf-8")
    done = ferkern("report", files[0], "-o", tmp_path / "no" / "page.html")
    assert done.returncode == 2
    assert "there is no folder" in done.stderr


def test_numbers_as_words():
    assert [seconds(s) for s in (0, 1.5e-9, 1.234e-5, 0.0345, 12.0, math.nan)] == [
        "0", "1.50 ns", "12.3 µs", "34.5 ms", "12.0 s", "–",
    ]  # fmt: skip
    assert [rate(r, "B/s") for r in (12.0, 9.999e8, 1.5e12, None)] == ["12.0 B/s", "1.00 GB/s", "1.50 TB/s", "–"]
