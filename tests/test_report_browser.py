"""The report in a real browser without a window: it draws, answers, fits a phone, and asks the network for nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import report_inputs as inputs
from ferkern import bench

pytestmark = pytest.mark.slow

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--window-size=1280,900",
)  # fmt: skip
MARKS = """
const plot = document.getElementById(arguments[0]);
return plot.hidden ? -1 : [...plot.querySelectorAll(".point path, path.point, path.js-line")].filter((p) => {
  const box = p.getBoundingClientRect(), frame = plot.getBoundingClientRect();
  return box.width + box.height > 0 && box.left >= frame.left - 1 && box.right <= frame.right + 1;
}).length;
"""
SHOWN = """
const plot = document.getElementById(arguments[0]), axes = [plot.layout.xaxis, plot.layout.yaxis];
const data = plot.data.map((t) => [t.name, t.x, t.y, t.marker && t.marker.color]);
return JSON.stringify([data, axes.map((a) => [a.type, a.title.text])]);
"""
CONTROLS = [
    ("transfer-curves", "direction"),
    ("transfer-curves", "quantity"),
    ("transfer-curves", "y"),
    ("crossover-map", "state"),
    ("crossover-curves", "call"),
    ("ledger-kinds", "unit"),
    ("ledger-layers", "run"),
    ("estimate-times", "x"),
    ("tuning-times", "x"),
    ("beside-4-times", "setting"),
    ("timed-calls", "group"),
]


def browser_or_skip() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found and shutil.which("chromedriver"):
        return found
    reason = "no chromium with its chromedriver (Debian: apt-get install chromium chromium-driver)"
    if os.environ.get("FERKERN_REQUIRE_BROWSER"):
        pytest.fail(f"{reason} although FERKERN_REQUIRE_BROWSER is set")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    browser_or_skip()
    pytest.importorskip("plotly")
    return bench.report(inputs.results(tmp_path_factory), tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    binary = browser_or_skip()
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(60)
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser: Any, file: Path) -> Any:
    """The page, drawn, as wide as a table."""
    return show(browser, file, 1280)


def show(browser: Any, file: Path, width: int) -> Any:
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get_log("browser")
    browser.get(file.as_uri())
    wait(browser, "it is not drawn", "return document.documentElement.dataset.ready === 'yes'")
    return browser


def wait(browser: Any, what: str, condition: str, *values: object) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60, poll_frequency=0.05).until(lambda b: b.execute_script(condition, *values), what)


def charts(browser: Any) -> list[str]:
    return browser.execute_script("return [...document.querySelectorAll('.plot')].map((p) => p.id)")


def test_it_draws_and_asks_for_nothing(opened):
    names = charts(opened)
    assert len(names) == 15
    marks = {name: opened.execute_script(MARKS, name) for name in names}
    assert all(count >= 1 for count in marks.values()), marks
    assert marks["transfer-curves"] >= 2 * 14
    assert opened.get_log("browser") == []
    asked = "return performance.getEntriesByType('resource').map((e) => e.name).filter((n) => !n.startsWith('data:'))"
    assert opened.execute_script(asked) == []


def test_controls_change_what_is_drawn(opened):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    script = SHOWN.replace("return ", "return arguments[1] !== ")
    for chart, key in CONTROLS:
        before = opened.execute_script(SHOWN, chart)
        found = opened.find_elements(By.CSS_SELECTOR, f"#{chart}-{key}, input[name='{chart}-{key}']")
        assert found, f"{chart} has no control {key}"
        found[0].send_keys(Keys.ARROW_DOWN)  # of a list and of a row of choices alike
        wait(opened, f"{chart}, {key}: nothing changed", script, chart, before)
        assert opened.execute_script(MARKS, chart) >= 1, (chart, key)
    assert opened.get_log("browser") == []


def test_it_fits_a_phone(browser, file):
    show(browser, file, 390)
    assert browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]") == [390, 390]
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    tables = "return [...document.querySelectorAll('.scroll')].filter((s) => s.scrollWidth > s.clientWidth).length"
    assert browser.execute_script(tables) > 0, "a wide table scrolls inside itself"
    widest = "return Math.max(...[...document.querySelectorAll('td.w')].map((cell) => cell.clientWidth))"
    assert 80 < browser.execute_script(widest) < 390 / 2, "words break over lines: a row is seen with its first figure"
    assert all(browser.execute_script(MARKS, name) >= 1 for name in charts(browser))


def test_no_name_of_a_limit_lies_on_a_mark(browser, file, tmp_path):
    """Readings as fast as the host's memory, from caches, and twice as fast: the name's paper covered all of them."""
    done = inputs.transfers()
    limits = replace(done.limits, link=None, host_read=12e9)
    fast = replace(done, limits=limits, readings=tuple(r for r in done.readings if r.way.memory == "pinned"))
    (tmp_path / "fast.json").write_text(fast.to_json(), encoding="utf-8")
    show(browser, bench.report([tmp_path / "fast.json"], tmp_path / "fast.html"), 1280)
    covered = """
    const plot = document.getElementById("transfer-curves");
    const boxes = (what) => [...plot.querySelectorAll(what)].map((p) => p.getBoundingClientRect());
    const names = boxes(".annotation").filter((box) => box.width > 100), marks = boxes("path.point");
    return [names.length, marks.length, marks.filter((m) => names.some((n) => m.left < n.right && m.right > n.left &&
      m.top < n.bottom && m.bottom > n.top)).length];
    """
    names, marks, hidden = browser.execute_script(covered)
    assert names == 1
    assert marks > 10
    assert hidden == 0


def test_light_and_dark(opened):
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = opened.execute_script(paper)
    before = opened.execute_script("return document.getElementById('ledger-kinds').data[0].marker.color")
    opened.execute_script("document.getElementById('theme').click()")
    assert opened.execute_script(paper) != light
    wait(
        opened,
        "colours stay",
        "return document.getElementById('ledger-kinds').data[0].marker.color !== arguments[0]",
        before,
    )


def test_every_chart_has_a_table_and_a_name(opened):
    for name in charts(opened):
        rows = f"""const plot = document.getElementById({name!r});
        return [plot.closest("figure").nextElementSibling.querySelectorAll("tbody tr").length,
          document.getElementById(plot.getAttribute("aria-labelledby")).textContent.length]"""
        assert all(opened.execute_script(rows)), name
