"""``ferkern bench`` from the command line."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import ferkern
from ferkern import _core
from ferkern.bench.chart import draw_roofline, points
from ferkern.bench.machine import MachineProfile, Measured, load_profile
from ferkern.bench.network import NetworkBench
from ferkern.models import build, save
from test_ledger import ledger_of
from test_machine import made_up, own_cache

__all__ = ["own_cache"]

pytest.importorskip("matplotlib")


def bench(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command with the cache folder of this test."""
    return ferkern(
        "bench", *arguments, cwd=cwd, **{"FERKERN_CACHE_DIR": os.environ["FERKERN_CACHE_DIR"], **environment}
    )


@pytest.mark.slow
def test_bench_machine(own_cache, tmp_path):
    done = bench("machine", "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    assert str(_core.cpu()["brand"]) in done.stdout
    assert "xor_popcount" in done.stdout
    assert "memory" in done.stdout
    assert f"saved in {own_cache / 'machine.json'}" in done.stderr
    profile = load_profile()
    assert MachineProfile.from_dict(json.loads((tmp_path / "out.json").read_text())) == profile
    assert len({p.size_bytes for p in profile.passages if p.level == "memory"}) >= 1


def test_bench_network(own_cache, tmp_path):
    made_up().save()
    plot = tmp_path / "roofline.png"
    options = ("--batch", 2, "--threads", 1, "--repeats", 3, "--json", tmp_path / "o.json", "--plot", plot)
    done = bench("fer_4conv", *options)
    assert done.returncode == 0, done.stderr
    assert "fer_4conv, float32, batch 2, threads 1" in done.stdout
    assert "outside the layers" in done.stdout
    assert "conv2d -> 'conv2d_2'" in done.stdout
    assert f"roofline drawn: {plot}" in done.stderr
    values = json.loads((tmp_path / "o.json").read_text())
    assert values["ledger"]["threads"] == 1
    assert values["ledger"]["images"] == 2
    assert all(row["bound"] for row in values["ledger"]["rows"])
    with Image.open(plot) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[0] > 600
    assert pixels.shape[1] > 1000
    assert (pixels < 128).any()


def test_json_alone_on_stdout(own_cache):
    made_up().save()
    done = bench("fer_2conv", "--repeats", 2, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["network"] == "fer_2conv"
    assert bench("fer_2conv", "--repeats", 2, "--quiet").stdout == ""


def test_a_file_and_a_profile_of_another_machine(own_cache, tmp_path):
    made_up(machine={**made_up().machine, "brand": "Another"}).save(tmp_path / "other.json")
    save(build("fer_2conv"), tmp_path / "own.safetensors")
    done = bench(tmp_path / "own.safetensors", "--profile", tmp_path / "other.json", "--repeats", 2)
    assert done.returncode == 0, done.stderr
    assert "fer_2conv" in done.stdout


@pytest.mark.slow
def test_a_machine_that_was_not_measured_is_measured_first(own_cache):
    done = bench("fer_2conv", "--repeats", 2)
    assert done.returncode == 0, done.stderr
    assert "not measured yet" in done.stderr
    assert load_profile().machine["brand"] == _core.cpu()["brand"]


@pytest.mark.slow
def test_a_cache_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = bench("machine", "--json", "-", FERKERN_CACHE_DIR=str(tmp_path / "file" / "below"))
    assert done.returncode == 0, done.stderr
    assert "not saved" in done.stderr
    assert MachineProfile.from_dict(json.loads(done.stdout)).peaks["fp32"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["machine", "--batch", "2", "--plot", "x.png"], "machine has no option --batch, --plot"),
        (["machine", "--isa", "avx1024"], "isa must be one of scalar"),
        (["fer_2conv", "--isa", "avx2"], "--isa is for machine"),
        (["nothing"], "'nothing' is neither a file nor shipped"),
        (["fer_2conv", "--batch", "0"], "--batch"),
        (["fer_2conv", "--threads", "1025"], "--threads"),
        (["fer_2conv", "--device", "opencl", "--threads", "2"], "--device opencl has no option --threads"),
        (["fer_2conv", "--repeats", "0"], "--repeats"),
        (["fer_2conv", "--precision", "int3"], "precision"),
        (["fer_2conv", "--plot", "x.jpeg"], "must end in .png"),
        (["fer_2conv", "--plot", "nowhere/x.png"], "there is no folder"),
        (["fer_2conv", "--json", "nowhere/x.json"], "there is no folder"),
        (["fer_2conv", "--profile", "nothing.json"], "there is no such file"),
        ([], "Missing argument"),
    ],
)
def test_wrong_use(own_cache, tmp_path, arguments, message):
    made_up().save()
    done = bench(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("damage", ["{", '{"format": 1}'])
def test_a_damaged_profile_is_named(own_cache, damage):
    own_cache.mkdir()
    (own_cache / "machine.json").write_text(damage)
    done = bench("fer_2conv", "--repeats", 1)
    assert done.returncode == 2
    assert "machine.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_roofline_of_made_up_layers(tmp_path):
    spread = Measured(0.05, 0.04, 0.06)
    done = NetworkBench("made up", "float32", "avx512", 3, ledger_of(), spread, spread)
    for suffix in ("png", "svg"):
        draw_roofline(done, tmp_path / f"roof.{suffix}")
        assert (tmp_path / f"roof.{suffix}").stat().st_size > 10_000
    drawn = (tmp_path / "roof.svg").read_text()
    assert "<!-- 20 G -->" in drawn  # less than two decades: ticks between them, in the same words
    assert "times10" not in drawn
    assert "fp32 scalar, avx512" not in (tmp_path / "roof.svg").read_text()
    direct, winograd = points(ledger_of().rows)
    assert direct.intensity == pytest.approx(1e9 / 5e6)
    assert direct.rate == direct.work_rate == pytest.approx(50e9)
    assert winograd.rate == pytest.approx(200e9)
    assert winograd.work_rate == pytest.approx(50e9)
    with pytest.raises(ValueError, match="no machine profile"):
        draw_roofline(NetworkBench("x", "float32", "avx2", 1, ledger_of(machine=None), spread, spread), Path("x.png"))


def test_roofline_of_nothing(tmp_path):
    spread = Measured(1e-6, 1e-6, 1e-6)
    empty = ledger_of(costs=(), seconds=(), machine=made_up(passages=()))
    draw_roofline(NetworkBench("empty", "float32", "scalar", 1, empty, spread, spread), tmp_path / "roof.png")
    assert (tmp_path / "roof.png").stat().st_size > 5_000
