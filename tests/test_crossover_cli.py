"""``ferkern crossover`` and ``ferkern why`` from the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from command import ferkern
from ferkern.bench.crossover_crossing import Crossing
from ferkern.bench.crossover_features import network_features
from ferkern.bench.crossover_map import Crossover, Ladder, Rung, save_map
from ferkern.bench.decide import choose
from ferkern.cli.crossover import crossover, words
from ferkern.cli.why import explain
from ferkern.models import build
from ferkern.opencl import find
from test_crossover import HERE, made_up, of_size, own_cache, rung, there

# They do not depend on the instruction set.
pytestmark = pytest.mark.slow

__all__ = ["own_cache", "there"]


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return ferkern(*arguments, cwd=cwd, FERKERN_CACHE_DIR=os.environ["FERKERN_CACHE_DIR"])


@pytest.mark.slow
def test_crossover(cl_device, tmp_path, own_cache):
    options = ("--device", cl_device, "--quick", "--no-first", "--times", "--threads", 1, "--json", tmp_path / "o.json")
    done = run("crossover", "conv2d", *options)
    assert done.returncode == 0, done.stderr
    assert "1 thread)" in done.stdout
    assert "3x3, 64 to 64 channels" in done.stdout
    assert "not measured" in done.stdout  # the first call
    (values,) = json.loads((tmp_path / "o.json").read_text())["crossover"]
    assert values["op"] == "conv2d"
    assert values["identity"]["threads"] == 1
    assert {"call", "resident", "first"} == set(values["ladders"][0]["crossings"])
    assert all(len(r["cpu"]) >= 3 for ladder in values["ladders"] for r in ladder["rungs"])
    assert not (own_cache / "crossover.json").exists()  # a rough look decides nothing
    assert "not saved" in done.stderr


def test_what_was_measured_before_the_end_is_written(tmp_path, monkeypatch):
    def measure(name, *_, **__):
        if name == "dense":
            raise KeyboardInterrupt
        return made_up(name)

    monkeypatch.setattr("ferkern.cli.crossover._measure", measure)
    path = tmp_path / "out.json"
    with pytest.raises(KeyboardInterrupt):
        crossover(["conv2d", "dense"], json_path=path, quiet=True)
    (values,) = json.loads(path.read_text())["crossover"]
    assert values["op"] == "conv2d"


def test_what_cannot_be_measured_fails_and_replaces_nothing(cl_device, tmp_path, own_cache):
    info = find(cl_device).info
    here = replace(HERE, device=info.name, platform=info.platform, driver=info.driver)
    save_map(made_up("dense", identity=here))
    before = (own_cache / "crossover.json").read_bytes()
    done = ferkern(
        "crossover", "dense", "--device", cl_device, "--no-first", "-q",
        FERKERN_CACHE_DIR=os.environ["FERKERN_CACHE_DIR"], FERKERN_CL_DIR=str(tmp_path / "nowhere"),
    )  # fmt: skip
    assert done.returncode == 1
    assert "failed dense, square, one input: 64: kernel source dense.cl cannot be read" in done.stderr
    assert (own_cache / "crossover.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["crossover", "nothing"], "'nothing' is neither a file nor shipped"),
        (["crossover", "conv2d", "nothing"], "'nothing' is neither a file nor shipped"),  # before conv2d is measured
        (["crossover", "conv2d", "--device", "cpu"], "device must be an OpenCL device here"),
        (["crossover", "conv2d", "--device", "opencl:99"], "opencl:99"),
        (["crossover", "--json", "nowhere/x.json"], "there is no folder"),
        (["why", "nothing"], "'nothing' is neither a file nor shipped"),
        (["why", "conv2d"], "it needs --shape, the shapes of its arrays, as in 'ferkern why conv2d --shape 1x64"),
        (["why", "conv2d", "--shape", "1x3x0x9"], "must be whole numbers from 1"),
        (["why", "conv2d", "--shape", "1x3x9x9"], "not a call of conv2d: missing a required argument: 'w'"),
        (["why", "conv2d", "--shape", "3x9,1x2"], "--shape 3x9,1x2: not a call of conv2d: x must have 4 dimensions"),
        (["why", "conv2d", "--shape", "1x3x9x9,4x5x3x3"], "w has 5 input channels, expected"),
        (["why", "conv2d", "--shape", "1x3x9x9,4x3x3x3", "--option", "stride=0"], "stride along the height must be"),
        (["why", "conv2d", "--shape", "1x3x9x9,4x3x3x3", "--option", "strides=2"], "keyword argument 'strides'"),
        (["why", "xnor", "--shape", "1x3x9x9,4x2x3x3"], "not a call of xnor: w has 2 input channels"),
        (["why", "separable", "--shape", "1x8x9x9,8x1x3x3,4x9x1x1"], "pointwise: w has 9 input channels"),
        (["why", "dense", "--shape", "2x3,4x5"], "w [4, 5] takes 5 inputs, x [2, 3] has 3"),
        (["why", "svd", "--shape", "9x9", "--option", "k=10"], "k must be from 1 to min(m, n) = 9, is 10"),
        (["why", "flow", "--shape", "20x20,20x21"], "prev and next must have the same shape"),
        (["why", "flow", "--shape", "20x20,20x20", "--option", "preset=slow"], "unknown preset 'slow'"),
        (["why", "pipeline", "--precision", "int8"], "pipeline has --batch"),
        (["why", "fer_small", "--precision", "int4"], "--precision must be float32, bfloat16, int8, is int4"),
        (["why", "conv2d", "--shape", "1x3x9x9,2x3x3x3", "--option", "stride"], "must be NAME=VALUE"),
        (["why", "conv2d", "--shape", "1x3x9x9,2x3x3x3", "--batch", "2"], "no --batch"),
        (["why", "fer_small", "--shape", "1x3x9x9"], "--shape and --option are for functions"),
        (["why", "fer_small", "--batch", "0"], "--batch"),
    ],
)
def test_wrong_use(tmp_path, arguments, message):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_why_without_a_map():
    done = run("why", "fer_small", "--batch", 8)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("fer_small, batch 8, float32: the CPU, because no crossover map of this machine")
    assert "ferkern crossover network" in done.stdout
    done = run("why", "pipeline", "--json")
    assert json.loads(done.stdout)["device"] == "cpu"
    assert json.loads(done.stdout)["cpu"] is None


def test_why_by_a_map():
    """A network beside a map of networks: the saved sides, the evidence, what lies outside of it."""
    net = build("fer_2conv")
    rungs = []
    for batch in (1, 8, 64):
        features = network_features(net, batch)
        rungs.append(Rung(batch, features, (1e-4 * batch,) * 3, (1e-2 + 1e-3 * batch,) * 3))
    save_map(Crossover("network", HERE, "2026-01-02T03:04:05+00:00", (Ladder("fer_2conv", "batch", tuple(rungs)),)))
    done = run("why", "fer_2conv", "--batch", 8)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("fer_2conv, batch 8, float32: the CPU.")
    assert "0.800 ms" in done.stdout
    assert "18.000 ms" in done.stdout
    assert "The CPU is expected to be 2" in done.stdout
    assert "3 sizes of network in 1 ladder, both sides in turn, measured 2026-01-02" in done.stdout
    assert "This very call was measured" in done.stdout
    assert "between the least and the most that were measured" in run("why", "fer_2conv", "--batch", 16).stdout
    assert "fer_2conv, by batch: the device never wins\n" in done.stdout
    work = 8 * rungs[0].features.work
    assert f"This call has {work / 1e6:.3g} million operations and copies" in done.stdout
    far = run("why", "resnet50", "--batch", 500)
    assert "outside what was measured" in far.stdout
    assert "thousand billion" not in far.stdout
    assert "billion operations" in far.stdout


def test_why_of_a_function_as_json():
    save_map(made_up())
    shape = ("--shape", "1x8x8x8,8x8x3x3", "--option", "padding=same", "--option", "stride=2")
    done = run("why", "conv2d", *shape, "--json")
    values = json.loads(done.stdout)
    assert values["device"] == "cpu"
    assert values["features"]["work"] == 2 * 16 * 8 * 8 * 9
    assert values["cpu"]["low"] < values["cpu"]["seconds"] < values["cpu"]["high"]
    assert values["devices"][0]["identity"]["device"] == "Made Up"
    assert values["measured"] == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("op", "shape", "options"),
    [
        ("conv2d", "1x3x9x9,4x3x3x3,4", ["padding=same", "activation=leaky_relu", "alpha=0.1", "stride=(2, 1)"]),
        ("depthwise_separable", "1x8x9x9,8x1x3x3,4x8x1x1", ["padding=same"]),
        ("xnor", "1x3x9x9,4x3x3x3", ["padding=1", "scale_input=True"]),
        ("dense", "2x3,4x3", []),
        ("svd", "50x20", ["k=3", "method=randomized"]),
        ("flow", "40x50,40x50", ["preset=medium"]),
    ],
)
def test_why_of_every_function(op, shape, options):
    done = run("why", op, "--shape", shape, *(word for one in options for word in ("--option", one)))
    assert done.returncode == 0, done.stderr
    assert "the CPU, because no crossover map of this machine has" in done.stdout


def test_why_where_no_device_serves():
    done = run("why", "svd", "--shape", "9x9", "--option", "method=gram")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("svd: the CPU, because no device serves it: svd on opencl serves the methods")
    done = run("why", "svd", "--shape", "9x9", "--option", "method=gram", "--json")
    assert json.loads(done.stdout)["device"] == "cpu"


def test_words_for_a_device_that_wins(there):
    save_map(made_up())
    text = explain(choose("conv2d", of_size(200)), "a call")
    assert text[0] == "a call: opencl:3 (Made Up)."
    assert any(line.startswith("The device is expected to be ") for line in text)
    odd = of_size(200)
    text = explain(choose("conv2d", replace(odd, kind="1x1")), "a call")
    assert any("No call of its kind (1x1) was measured" in line for line in text)
    assert any(re.search(r"the device wins from [\d.]+ \(", line) for line in text), text
    close = tuple(rung(n, 1e-5 * n, 1.02e-5 * n) for n in (1, 4, 16, 64))
    save_map(made_up("dense", ladders=(Ladder("alike", "size", close),)))
    assert any("the intervals overlap" in line for line in explain(choose("dense", of_size(10)), "a call"))


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, "not measured"),
        (Crossing("never", float("inf"), float("inf"), float("inf"), 1.0), "never"),
        (Crossing("always", 0.0, 0.0, 3.0, 0.8), "always (80 % sure)"),
        (Crossing("from", 37.0, 30.0, 45.0, 1.0), "from 37 (30 to 45)"),
        (Crossing("from", 1837.2, 1712.0, 2160.4, 1.0), "from 1,837 (1,712 to 2,160)"),
        (Crossing("from", 37.0, 0.0, float("inf"), 0.5), "from 37 (always to never)"),
        (Crossing("from", 37.0, 37.0, 37.0, 1.0, (4.0, 8.0)), "from 37, but not at 4, 8"),
    ],
)
def test_words_of_a_crossing(found, text):
    assert words(found) == text
