"""Plans with chosen and with measured kernels, and what is remembered of the measuring."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferkern import cache, tune
from ferkern.errors import ModelError
from ferkern.models.builder import GraphBuilder
from ferkern.session import Session


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERKERN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def network():
    g = GraphBuilder("small", (20, 12, 12))
    x = g.conv_bn("input", 32, 3)
    x = g.conv_bn(x, 32, 3, stride=2)
    g.conv2d(x, 24, 3)
    g.network.classes = ()
    return g.network


def image(network):
    return np.random.default_rng(1).standard_normal((2, *network.input_shape)).astype(np.float32)


@pytest.mark.parametrize("name", ["direct", "winograd2", "winograd4"])
def test_a_named_kernel_serves_and_gives_the_same_bits_again(network, name):
    session = network.plan(batch=2, kernels={"conv2d_1": name, "conv2d_3": name})
    assert session.choices == {"conv2d_1": name, "conv2d_2": "direct", "conv2d_3": name}
    again = network.plan(batch=2, kernels=session.choices)
    np.testing.assert_array_equal(session.run(image(network)), again.run(image(network)))


def test_a_kernel_that_does_not_serve_or_a_value_that_is_not_made(network):
    with pytest.raises(ModelError, match=r"conv2d_2.*no kernel named 'winograd2' serves this shape"):
        network.plan(kernels={"conv2d_2": "winograd2"})
    with pytest.raises(ValueError, match="no node of network 'small' makes a value named 'conv2d_9'"):
        network.plan(kernels={"conv2d_9": "direct"})


def test_tuning_measures_once_and_remembers(network, own_cache, monkeypatch):
    session = network.plan(batch=2, tune=True)
    stored = json.loads((own_cache / tune.FILE).read_text())
    assert set(stored["layers"].values()) <= {"direct", "winograd2", "winograd4"}
    assert len(stored["layers"]) == 2  # the layer with stride 2 has one kernel

    def measured(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(tune, "_measure", measured)
    assert network.plan(batch=2, tune=True).choices == session.choices
    with pytest.raises(AssertionError, match="measured again"):
        network.plan(batch=1, tune=True)  # another batch is another shape


def test_convolutions_beside_bfloat16_layers_are_tuned_too(network, monkeypatch):
    monkeypatch.setattr(tune, "_measure", lambda net, choices, *_: dict.fromkeys(choices, "winograd2"))
    choices = network.plan(batch=2, tune=True, precision="bfloat16").choices
    assert choices == {"conv2d_1": "winograd2", "conv2d_2": "direct", "conv2d_3": "winograd2"}


def test_the_fastest_is_chosen(network, monkeypatch):
    profile = Session.profile

    def slow_unless(self, x):
        y, ledger = profile(self, x)
        return y, replace(ledger, seconds=tuple(1.0 + ("winograd2" not in cost.kernel) for cost in ledger.costs))

    monkeypatch.setattr(Session, "profile", slow_unless)
    chosen = tune.tuned_kernels(network, batch=1, threads=1)
    assert chosen == {"conv2d_1": "winograd2", "conv2d_3": "winograd2"}


@pytest.mark.parametrize("text", ["", "[1]", '{"machine": 3}', '{"layers": {"a": "direct"}}', "\x00"])
def test_a_damaged_cache_is_measured_anew(network, own_cache, text):
    own_cache.mkdir()
    (own_cache / tune.FILE).write_text(text)
    network.plan(tune=True)
    assert len(json.loads((own_cache / tune.FILE).read_text())["layers"]) == 2


def test_another_machines_figures_are_not_used(network, own_cache):
    network.plan(tune=True)
    stored = json.loads((own_cache / tune.FILE).read_text())
    assert tune._known() == stored["layers"]
    cache.write_json(tune.FILE, {**stored, "machine": {"cpu": "another", "isa": "avx2"}})
    assert tune._known() == {}


def test_a_cache_that_cannot_be_written_is_done_without(network, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("FERKERN_CACHE_DIR", str(blocked / "below"))
    assert not cache.write_json("x.json", {})
    assert network.plan(tune=True).choices["conv2d_2"] == "direct"
