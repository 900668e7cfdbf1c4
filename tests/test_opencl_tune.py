"""ferkern tune: the best candidate is picked, kept for its device alone, and used; a damaged cache does no harm."""

from __future__ import annotations

import dataclasses
import json
import logging

import numpy as np
import pytest
from typer.testing import CliRunner

from ferkern import _core, nn
from ferkern.cli.app import app
from ferkern.config import config
from ferkern.models.builder import GraphBuilder
from ferkern.opencl import find, tune, tuned
from ferkern.opencl.ops import conv2d as op
from ferkern.opencl.ops.conv2d_tuning import Tuning, candidates
from ferkern.registry import last_kernel

pytestmark = pytest.mark.slow

LAYER = tune.Layer("small", (1, 6, 12, 12), (8, 6, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A cache of the test's own, and tiles that are built by other tests as well."""
    monkeypatch.setenv("FERKERN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tune, "candidates", lambda info, cols: candidates(info, cols, widths=1, tiles=2))
    return tmp_path


def planted(fastest):
    """A timer that calls nothing: what fits costs least."""

    def seconds(choice, call):
        return 1e-4 if fastest(choice) else 1e-3

    return seconds


def arrays(rng):
    x = rng.standard_normal(LAYER.x).astype(np.float32)
    return x, rng.standard_normal(LAYER.w).astype(np.float32)


@pytest.mark.parametrize("kernel", ["direct", "winograd4", "winograd2"])
def test_the_least_cost_is_picked_and_used(cl_device, rng, kernel):
    device, shape = find(cl_device), LAYER.shape()
    (found,) = tune.tune([LAYER], cl_device, timer=planted(lambda choice: choice.kernel == kernel))
    assert found.best.kernel == kernel
    assert found.tried > 4
    # One tile of that kernel alone, another than the rule's.
    cols = {"direct": 144, "winograd4": 9, "winograd2": 36}[kernel]
    tiles = list(candidates(device.info, cols, widths=1, tiles=2))
    other = next(t for t in tiles if tuned.Choice(kernel, t) != found.by_rule)
    (found,) = tune.tune([LAYER], cl_device, timer=planted(lambda c: c == tuned.Choice(kernel, other)))
    assert found.best == tuned.Choice(kernel, other)
    assert found.best_seconds == 1e-4
    assert found.rule_seconds == 1e-3
    plan = op.preferred(device, shape)
    assert plan is not None
    assert plan.tuning == other
    x, w = arrays(rng)
    expected = nn.conv2d(x, w, padding=1)
    y = nn.conv2d(x, w, padding=1, device=cl_device)
    assert last_kernel() == f"conv2d:{kernel}:opencl"
    np.testing.assert_allclose(y, expected, atol=1e-4)


def test_a_network_uses_what_was_found(cl_device, rng):
    g = GraphBuilder("layer", LAYER.x[1:])
    g.conv2d("input", LAYER.w[0], 3)
    g.network.classes = ()
    x = rng.standard_normal(LAYER.x).astype(np.float32)
    before = dict(g.network.plan(device=cl_device).kernels)["conv2d -> 'conv2d_1'"]
    rare = "winograd2" if "winograd2" not in before else "winograd4"
    (layer,) = tune.layers_of(g.network)
    list(tune.tune([layer], cl_device, timer=planted(lambda choice: choice.kernel == rare)))
    session = g.network.plan(device=cl_device)
    assert dict(session.kernels)["conv2d -> 'conv2d_1'"] == f"conv2d:{rare}:opencl"
    np.testing.assert_allclose(session.run(x), g.network.plan().run(x), atol=1e-4)
    by_name = g.network.plan(device=cl_device, kernels={"conv2d_1": "reference"})
    assert dict(by_name.kernels)["conv2d -> 'conv2d_1'"] == "conv2d:reference:opencl"


def test_a_kernel_asked_for_by_name_comes_first(cl_device, rng):
    x, w = arrays(rng)
    list(tune.tune([LAYER], cl_device, timer=planted(lambda choice: choice.kernel == "winograd4")))
    with config(kernel="direct"):
        nn.conv2d(x, w, padding=1, device=cl_device)
    assert last_kernel() == "conv2d:direct:opencl"
    with config(kernel="reference"):
        nn.conv2d(x, w, padding=1, device=cl_device)
    assert last_kernel() == "conv2d:reference:opencl"


def test_kept_for_the_device_and_driver_alone(cl_device, folder):
    device, shape = find(cl_device), LAYER.shape()
    choice = tuned.Choice("direct", next(candidates(device.info, 144)))
    assert tuned.save(device.info, [(shape, choice, 1e-3)])
    tuned._read.clear()  # as another process
    assert tuned.lookup(device.info, shape) == choice
    assert tuned.lookup(dataclasses.replace(device.info, driver="another"), shape) is None
    other = dataclasses.replace(LAYER, x=(2, *LAYER.x[1:])).shape()
    assert tuned.lookup(device.info, other) is None
    # What others kept stays.
    twin = dataclasses.replace(device.info, name="twin")
    assert tuned.save(twin, [(other, choice, 1e-3)])
    tuned._read.clear()
    assert tuned.lookup(device.info, shape) == choice
    assert tuned.lookup(twin, other) == choice


DAMAGE = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b'{"devices": 3}',
    lambda key, shape: {"devices": {key: []}},
    lambda key, shape: {"devices": {key: {shape: "direct"}}},
    lambda key, shape: {"devices": {key: {shape: {"kernel": "direct"}}}},
    lambda key, shape: {"devices": {key: {shape: {"kernel": 3, "tuning": GOOD}}}},
    lambda key, shape: {"devices": {key: {shape: {"kernel": "reference", "tuning": GOOD}}}},
    lambda key, shape: {"devices": {key: {shape: {"kernel": "nonsense", "tuning": GOOD}}}},
    *(
        lambda key, shape, wrong=wrong: {"devices": {key: {shape: {"kernel": "direct", "tuning": {**GOOD, **wrong}}}}}
        for wrong in (
            {"lanes": 3},
            {"tile": -1},
            {"tile": 10**9},
            {"vecs": "2"},
            {"group": [1]},
            {"interleave": 1},
            {"runs": 1},
            {"local": 1},
            {"local": True},  # of vectors
            {"local": True, "lanes": 1},  # of 6 filters
        )
    ),
]
GOOD = {"lanes": 4, "vecs": 2, "tile": 6, "interleave": False, "group": [1, 1, 1]}


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_file_does_no_harm(cl_device, folder, rng, damage):
    device, shape = find(cl_device), LAYER.shape()
    by_rule = type(op.preferred(device, shape))  # a GPU may take another kernel than the list's first anyway
    tuned._read.clear()
    if callable(damage):
        damage = json.dumps(damage(tuned._device_key(device.info), tuned._shape_key(shape))).encode()
    (folder / tuned.FILE).write_bytes(damage)
    assert type(op.preferred(device, shape)) is by_rule
    x, w = arrays(rng)
    np.testing.assert_allclose(nn.conv2d(x, w, padding=1, device=cl_device), nn.conv2d(x, w, padding=1), atol=1e-4)
    choice = tuned.Choice("direct", Tuning(**{**GOOD, "group": (1, 1, 1)}))
    assert tuned.save(device.info, [(shape, choice, 1e-3)])  # and it is mended by the next one
    tuned._read.clear()
    assert tuned.lookup(device.info, shape) == choice


def test_an_entry_of_a_kernel_that_does_not_serve_the_shape(cl_device, folder):
    device = find(cl_device)
    shape = dataclasses.replace(LAYER, stride=(2, 2)).shape()
    by_rule = type(op.preferred(device, shape))
    tuned.save(device.info, [(shape, tuned.Choice("winograd4", Tuning(1, 1, 4, False, (1, 1, 1))), 1e-3)])
    assert type(op.preferred(device, shape)) is by_rule


def test_a_cache_that_cannot_be_written(cl_device, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FERKERN_CACHE_DIR", str(tmp_path / "file" / "below"))
    with caplog.at_level(logging.WARNING):
        (found,) = tune.tune([LAYER], cl_device, timer=planted(lambda choice: choice.kernel == "winograd2"))
    assert "cannot be written" in caplog.text
    plan = op.preferred(find(cl_device), LAYER.shape())  # it serves this process all the same
    assert isinstance(plan, op.PLANS["conv2d_winograd2"])
    assert found.best.kernel == "winograd2"


def test_a_wrong_kernel_is_never_picked(cl_device, monkeypatch, caplog):
    """The fastest candidate computes nothing; what the others left in the output must not pass for its result."""
    plan_of = tune.plan_of

    def broken(device, shape, choice):
        plan = plan_of(device, shape, choice)
        if isinstance(choice, tuned.Choice) and choice.kernel == "winograd4":
            plan.run = lambda inputs, residual, y, images: None
        return plan

    monkeypatch.setattr(tune, "plan_of", broken)
    (found,) = tune.tune([LAYER], cl_device, timer=planted(lambda choice: choice.kernel == "winograd4"))
    assert found.best.kernel != "winograd4"
    assert "winograd4" in caplog.text
    assert "wrong result" in caplog.text


def test_the_clock_is_read_around_enough_calls(cl_device, monkeypatch):
    now, calls = [0.0], []
    monkeypatch.setattr(tune, "perf_counter", lambda: now[0])

    def call():
        calls.append(1)
        now[0] += 1e-5

    assert tune._clocked(find(cl_device))(None, call) == pytest.approx(1e-5)
    assert len(calls) * 1e-5 >= tune._TURN


def test_layers_of_a_network_once_each(cl_device):
    g = GraphBuilder("net", (4, 8, 8))
    y = g.conv2d(g.conv2d("input", 4, 3), 4, 3)
    y = g.conv2d(y, 4, 3, groups=4)  # depthwise
    g.conv2d(y, 6, 1, stride=2)
    g.network.classes = ()
    layers = tune.layers_of(g.network, batch=3)
    assert [(layer.x, layer.w, layer.stride) for layer in layers] == [
        ((3, 4, 8, 8), (4, 4, 3, 3), (1, 1)),
        ((3, 4, 8, 8), (6, 4, 1, 1), (2, 2)),
    ]
    shape = layers[0].shape()
    assert _core.device_cost("conv2d", shape)[0] == 2 * 3 * 4 * 64 * 4 * 9


def test_command(cl_device, monkeypatch, folder):
    monkeypatch.setattr(tune, "_clocked", lambda device: planted(lambda choice: choice.kernel == "direct"))
    done = CliRunner().invoke(app, ["tune", "fer_2conv", "--device", cl_device, "--json", "-"])
    assert done.exit_code == 0, done.output
    values = json.loads(done.stdout)
    rows = values["layers"]
    assert values["kind"] == "tune"
    assert values["device"]["driver"] == find(cl_device).info.driver
    assert [row["layer"] for row in rows] == ["fer_2conv.conv2d_1", "fer_2conv.conv2d_2"]
    assert all(row["seconds"] == 1e-4 and row["kernel"] == "direct" for row in rows)
    assert (folder / tuned.FILE).exists()
    done = CliRunner().invoke(app, ["tune", "fer_2conv", "--device", cl_device])
    assert done.exit_code == 0, done.output
    assert "fer_2conv.conv2d_2" in done.stdout
    assert f"saved in {folder / tuned.FILE}" in done.stderr
    monkeypatch.setenv("FERKERN_CACHE_DIR", str(folder / tuned.FILE))  # no folder
    done = CliRunner().invoke(app, ["tune", "fer_2conv", "--device", cl_device])
    assert done.exit_code == 0, done.output
    assert "saved in" not in done.stderr
    done = CliRunner().invoke(app, ["tune", "smile"])
    assert done.exit_code == 2
    assert "no convolution" in done.output
    for wrong in (["tune", "nonsense"], ["tune", "fer_2conv", "--device", "opencl:99"], ["tune", "--json", "no/x"]):
        assert CliRunner().invoke(app, wrong).exit_code == 2
