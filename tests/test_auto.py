"""``device="auto"`` where a network is planned, measured and tuned, by a map that says that the device wins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ferkern import bench
from ferkern.bench import decide
from ferkern.bench.crossover import identity
from ferkern.bench.crossover_features import Features, network_features
from ferkern.bench.crossover_map import Crossover, Ladder, Rung, save_map
from ferkern.models import build
from ferkern.opencl import find
from ferkern.session import Session
from test_crossover import HERE, own_cache

__all__ = ["own_cache"]

# They do not depend on the instruction set.
pytestmark = pytest.mark.slow


@pytest.fixture
def network():
    return build("fer_2conv")


@pytest.fixture
def wins(cl_device, network):
    """A map in which the device is ten times as fast at this network."""
    rungs = tuple(Rung(n, network_features(network, n), (1e-2 * n,) * 3, (1e-3 * n,) * 3) for n in (1, 8, 64))
    ladders = (Ladder("fer_2conv", "batch", rungs),)
    save_map(Crossover("network", identity(find(cl_device)), "2026-01-01T00:00:00+00:00", ladders))
    decide._chosen.cache_clear()
    return cl_device


def test_a_call_that_was_measured_has_its_own_times(cl_device):
    """Whatever calls like it took: 3x3 filters on 56 x 56 pixels went to a device that had lost just there."""
    alike = Ladder("won", "size", tuple(Rung(n, counts(1.1 * n), (5e-4 * n,) * 3, (1e-4 * n,) * 3) for n in (1, 4, 16)))
    own = Ladder("lost", "size", tuple(Rung(n, counts(n), (1.0e-4 * n,) * 3, (1.3e-4 * n,) * 3) for n in (1, 4, 16)))
    save_map(Crossover("conv2d", identity(find(cl_device)), "2026-01-01T00:00:00+00:00", (alike, own)))
    for n in (1, 4, 16):
        lost, won = decide.choose("conv2d", counts(n)), decide.choose("conv2d", counts(1.1 * n))
        assert (lost.device, won.device) == ("cpu", cl_device)
        assert lost.cpu is not None
        assert lost.cpu.seconds == 1.0e-4 * n
        bent, _ = replace(decide.rule_of_map(lost.by), known={}).expect(counts(n))
        assert bent.seconds > 1.2e-4 * n  # what those near it make of it


def counts(n: float) -> Features:
    return Features(work=1e6 * n, moved=1e4 * n, kind="kxk")


def test_a_session_is_decided_as_a_plan_is(network, wins):
    for session in (Session(network, device="auto"), network.plan(device="auto")):
        assert session.device == wins
        assert all(kernel.endswith(":opencl") for _, kernel in session.kernels)


def test_a_budget_is_of_a_device_alone(network, wins, own_cache):
    """What the processor does has no budget: a choice that is left to the map must not make one wrong."""
    assert network.plan(device="auto", batch=8, budget=1 << 30).device == wins
    (own_cache / "crossover.json").unlink()
    session = network.plan(device="auto", batch=8, budget=1)
    assert (session.device, session.batch) == ("cpu", 8)
    with pytest.raises(ValueError, match="budget is for devices"):
        network.plan(device="auto", budget=0)


def test_a_bench_says_where_it_ran(network, wins, own_cache):
    assert bench.network(network, device="auto", repeats=1).isa == wins
    (own_cache / "crossover.json").unlink()
    assert bench.network(network, device="auto", repeats=1).isa == HERE.isa


def test_tuned_plans_tune_the_device_that_they_are_for(network, wins, monkeypatch):
    """Once: what is known is not measured again; and by measuring there, not by names of the processor's kernels."""
    asked = []
    monkeypatch.setattr(
        "ferkern.opencl.tune.tune", lambda layers, device: asked.append((len(layers), device)) or iter(())
    )
    x = np.zeros((1, 1, 48, 48), np.float32)
    expected = network.plan(device=wins).run(x)
    for device in (wins, "auto"):
        assert (network.plan(device=device, tune=True).run(x) == expected).all()
    monkeypatch.setattr("ferkern.opencl.tune.lookup", lambda info, shape: "known")
    network.plan(device=wins, tune=True)
    assert asked == [(2, wins), (2, wins), (0, wins)]


@pytest.mark.parametrize("call", ["stream", "profile_stream"])
@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_depth_is_a_whole_number(network, call, device):
    session = network.plan(device=device)
    for wrong in (1.5, "2", None):
        with pytest.raises(TypeError, match="depth must be a whole number, is "):
            getattr(session, call)([], depth=wrong)
    with pytest.raises(ValueError, match="depth must be at least 1, is 0"):
        getattr(session, call)([], depth=0)
