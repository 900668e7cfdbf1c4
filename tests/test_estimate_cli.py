"""``ferkern estimate``: networks on other machines, the papers' rule and prices from the command line."""

from __future__ import annotations

import json
import os

import pytest
from typer.testing import CliRunner

import ferkern.cli.estimate as command
from command import ferkern
from ferkern.bench.estimate_calibrate import calibrate
from ferkern.cli.app import app
from test_estimate import profile, scaled, small
from test_machine import own_cache

# They do not depend on the instruction set.
pytestmark = pytest.mark.slow

__all__ = ["own_cache"]


def run(*arguments: object):
    return ferkern("estimate", *arguments, FERKERN_CACHE_DIR=os.environ["FERKERN_CACHE_DIR"])


def test_the_rule_from_the_command_line():
    done = run("--fps", 60, "--score", 2812, "--at", 2.7, "--price", 400, "--watts", 65, "--per-kwh", 0.3)
    assert done.returncode == 0, done.stderr
    assert "need a machine of 62,489 points" in done.stdout
    assert "A million inferences cost 0.16" in done.stdout
    done = run("--score", 2812, "--at", 2.7, "--other-score", 56240, "--json", "-")
    values = json.loads(done.stdout)
    assert values["kind"] == "estimate"
    assert values["fps_by_score"] == pytest.approx(54.0)
    assert values["given"] == {"score": 2812, "at": 2.7, "other_score": 56240}


def test_the_price_at_a_speed_that_is_known(tmp_path):
    done = run("--at", 2.7, "--price", 400, "--watts", 65, "--per-kwh", 0.3, "--json", tmp_path / "price.json")
    assert done.returncode == 0, done.stderr
    assert "A million inferences cost 3.571: 1.565 of the device's price, 2.006 for energy." in done.stdout
    values = json.loads((tmp_path / "price.json").read_text())
    assert values["price_of_a_million"]["total"] == pytest.approx(3.57102, rel=1e-5)
    assert values["given"]["watts"] == 65


def test_a_network_from_the_command_line(own_cache, tmp_path):
    profile().save()
    calibrate(profile(), networks=[small(), small("other", 24, 32)], seconds=0.0)
    there = scaled(profile(machine={**profile().machine, "brand": "Another Processor"}), 2.0, 2.0)
    there.save(tmp_path / "other.json")
    done = run("fer_2conv", "--machine", tmp_path / "other.json", "--layers", "--threads", 2, "--price", 100)
    assert done.returncode == 0, done.stderr
    assert "fer_2conv, batch 1, float32, on Another Processor" in done.stdout
    assert "2 threads" in done.stdout
    assert "a call takes about" in done.stdout
    assert "by the papers' rule (ratio of scores" in done.stdout
    assert "arithmetic" in done.stdout
    assert "A million inferences cost" in done.stdout
    done = run("fer_2conv", "--machine", tmp_path / "other.json", "--no-run", "--json", "-")
    values = json.loads(done.stdout)["estimate"]
    assert values["here_seconds"] is None
    assert values["low"] < values["seconds"] < values["high"]


def test_a_machine_that_was_not_measured_is_measured_first(own_cache, tmp_path, monkeypatch):
    profile().save()
    calibrate(profile(), networks=[small(), small("other", 24, 32)], seconds=0.0)
    (own_cache / "machine.json").rename(tmp_path / "other.json")
    asked = []
    monkeypatch.setattr(command, "measure_machine", lambda **how: asked.append(how) or profile())
    done = CliRunner().invoke(app, ["estimate", "fer_2conv", "--machine", str(tmp_path / "other.json"), "--no-run"])
    assert done.exit_code == 0, done.output
    assert asked == [{"quiet": False, "unasked": True}]
    assert "a call takes about" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to estimate"),
        (["fer_2conv"], "NET and --machine belong together"),
        (["--machine", "x.json"], "NET and --machine belong together"),
        (["fer_2conv", "--machine", "nowhere.json"], "--machine nowhere.json: there is no such file"),
        (["--fps", "60"], "--fps and --other-score need --score and --at"),
        (["--fps", "0", "--score", "1", "--at", "1"], "--fps must be above 0, is 0"),
        (["--fps", "3", "--score", "nan", "--at", "1"], "--score must be above 0, is nan"),
        (["--at", "0", "--price", "3"], "--at must be above 0, is 0"),
        (["--fps", "3", "--score", "1", "--at", "1", "--other-score", "inf"], "--other-score must be above 0, is inf"),
        (["--at", "2", "--watts", "65"], "--watts and --per-kwh belong together"),
        (["--at", "2", "--price", "nan"], "price nan"),
        (["--at", "2", "--price", "-1"], "price -1.0"),
        (["--at", "2"], "nothing to estimate"),
        (["--at", "2", "--price", "3", "--json", "nowhere/x.json"], "there is no folder"),
        (["--score", "1", "--at", "1", "--fps", "2", "--price", "1", "--busy", "2"], "busy from 0 to 1"),
        (["--price", "1", "--watts", "2", "--per-kwh", "1"], "nothing to estimate"),
    ],
)
def test_wrong_use(own_cache, arguments, message):
    profile().save()
    done = run(*arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        (None, ["--price", "3", "--busy", "2"], "busy from 0 to 1, is 2"),
        ('{"kind": "transfers"}', [], "other.json: no machine profile, or a damaged one: "),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_measured(own_cache, tmp_path, content, more, message):
    profile().save(tmp_path / "other.json")
    if content is not None:
        (tmp_path / "other.json").write_text(content)
    done = run("fer_2conv", "--machine", tmp_path / "other.json", *more)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "not measured yet" not in done.stderr
