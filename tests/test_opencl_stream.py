"""Streams through networks and memory budgets on every OpenCL device."""

from __future__ import annotations

import numpy as np
import pytest

from ferkern.models import build
from ferkern.models.builder import GraphBuilder
from ferkern.opencl import DeviceError, find

pytestmark = pytest.mark.slow


@pytest.fixture(params=[False, True], ids=["in-turn", "overlapping"])
def overlapping(request, monkeypatch):
    """Streams as on a processor, and as on other devices; both are right on every device."""
    monkeypatch.setattr("ferkern.opencl.network._overlaps", lambda info: request.param)


@pytest.mark.usefixtures("overlapping")
def test_streams_give_what_runs_give(cl_device, rng):
    session = build("fer_2conv").plan(device=cl_device, batch=4)
    batches = [rng.standard_normal((n, 1, 48, 48)).astype(np.float32) for n in (1, 4, 0, 9, 3, 4, 0, 17)]
    expected = [session.run(x) for x in batches]
    for depth in (1, 2, 3):
        results = list(session.stream(iter(batches), depth=depth))
        assert len(results) == len(expected)
        assert all((a == b).all() for a, b in zip(results, expected, strict=True))


@pytest.mark.usefixtures("overlapping")
def test_a_supply_may_use_its_memory_again(cl_device, rng):
    session = build("fer_2conv").plan(device=cl_device, batch=2)
    images = rng.standard_normal((6, 2, 1, 48, 48)).astype(np.float32)
    expected = [session.run(x) for x in images]

    def supply():
        memory = np.empty_like(images[0])
        for x in images:
            memory[...] = x
            yield memory
            memory[...] = np.nan

    assert all((a == b).all() for a, b in zip(session.stream(supply()), expected, strict=True))


@pytest.mark.usefixtures("overlapping")
def test_a_session_serves_while_it_streams(cl_device, rng):
    session = build("fer_2conv").plan(device=cl_device, batch=2)
    x = rng.standard_normal((4, 1, 48, 48)).astype(np.float32)
    expected = session.run(x)
    for y in session.stream([x] * 5):
        assert (y == expected).all()
        assert (session.run(x) == expected).all()


@pytest.mark.usefixtures("overlapping")
def test_an_error_in_the_supply_comes_after_the_results_before_it(cl_device, rng):
    session = build("fer_2conv").plan(device=cl_device, batch=2)
    good = rng.standard_normal((2, 1, 48, 48)).astype(np.float32)

    def supply(wrong):
        yield from (good, good)
        if wrong is None:
            raise KeyError("mine")
        yield wrong

    for wrong, error in ((good[..., :40].copy(), "axis 3 must be 48"), (None, "mine")):
        for depth in (1, 2, 3):
            results = []
            with pytest.raises((ValueError, KeyError), match=error):
                results.extend(session.stream(supply(wrong), depth=depth))
            assert len(results) == 2
    assert (next(session.stream([good])) == session.run(good)).all()
    with pytest.raises(ValueError, match="depth must be at least 1, is 0"):
        session.stream([good], depth=0)


def test_overlapping_streams_go_through_pinned_memory(cl_device, monkeypatch):
    monkeypatch.setattr("ferkern.opencl.network._overlaps", lambda info: True)
    session = build("fer_2conv").plan(device=cl_device, batch=2)
    device, x = find(cl_device), np.zeros((2, 1, 48, 48), np.float32)
    copied = []
    copy = device.cl.enqueue_copy
    monkeypatch.setattr(device.cl, "enqueue_copy", lambda *ends, **how: copied.append(ends) or copy(*ends, **how))
    spans = [span for _, ledger in session.profile_stream([x, x]) for span in ledger.spans]
    monkeypatch.undo()
    on_host = [end for ends in copied for end in ends if isinstance(end, np.ndarray)]
    assert len(on_host) == 4
    for array in on_host:
        while isinstance(array.base, np.ndarray):
            array = array.base
        assert isinstance(array.base, device.cl.MemoryMap)
    assert {"copy to pinned memory", "copy from pinned memory"} <= {s.name for s in spans if s.kind == "host"}


@pytest.mark.usefixtures("overlapping")
def test_a_budget_is_kept(cl_device, rng):
    network = build("fer_2conv")
    x = rng.standard_normal((40, 1, 48, 48)).astype(np.float32)
    whole = network.plan(device=cl_device, batch=40)
    expected = whole.run(x)
    device = find(cl_device)
    device.peak_bytes = 0
    budget = 6 << 20
    session = network.plan(device=cl_device, batch=40, budget=budget)
    assert 1 < session.batch < 40
    assert (session.run(x) == expected).all()
    assert (np.concatenate(list(session.stream([x, x[:3]]))) == np.concatenate([expected, expected[:3]])).all()
    assert 0 < device.peak_bytes <= budget
    with pytest.raises(DeviceError, match=r"bytes are needed .*, the budget is 100,000") as caught:
        network.plan(device=cl_device, batch=4, budget=100_000)
    assert caught.value.cause == "limit"
    with pytest.raises(ValueError, match="budget is for devices"):
        network.plan(budget=1 << 20)


def test_a_budget_is_used(cl_device):
    """Also where most of it goes to weights, of which no batch needs less."""
    network = build("fer_small")
    for batch in (1, 2, 3, 7, 18, 33):
        needed = network.plan(device=cl_device, batch=batch)._native.bytes
        session = network.plan(device=cl_device, batch=40, budget=needed)
        assert session._native.bytes <= needed
        assert session.batch >= 0.8 * batch  # one image less may take more: it may have another kernel


@pytest.mark.usefixtures("overlapping")
def test_five_times_the_budget_goes_through(cl_device, rng):
    """Of a network whose weights are small: nearly all that is there are images."""
    g = GraphBuilder("thin", (1, 48, 48))
    g.softmax(g.dense(g.global_avg_pool(g.conv_bn("input", 8, 3, stride=2)), 7))
    network, budget, device = g.finish(), 1 << 20, find(cl_device)
    few = rng.standard_normal((40, 1, 48, 48)).astype(np.float32)
    expected = network.plan(device=cl_device, batch=40).run(few)
    x = np.tile(few, (-(-5 * budget // few.nbytes), 1, 1, 1))
    assert x.nbytes >= 5 * budget
    session = network.plan(device=cl_device, batch=len(x), budget=budget)
    device.peak_bytes = 0
    for y in (session.run(x), np.concatenate(list(session.stream(np.array_split(x, 7))))):
        np.testing.assert_allclose(y, np.tile(expected, (len(x) // 40, 1)), rtol=0, atol=1e-6)
    assert 0.5 * budget < device.peak_bytes <= budget
    assert session._native.lane.pool.managed_bytes <= budget  # with what is kept to be used again


def test_more_pieces_than_the_budget_holds(cl_device, monkeypatch):
    monkeypatch.setattr("ferkern.opencl.network._overlaps", lambda info: True)
    network, x = build("fer_2conv"), np.zeros((4, 1, 48, 48), np.float32)
    session = network.plan(device=cl_device, batch=40, budget=6 << 20)
    with pytest.raises(DeviceError, match=r"depth 9 takes [\d,]+ bytes, the budget is 6,291,456; use") as caught:
        session.stream([x], depth=9)
    assert caught.value.cause == "limit"
    with pytest.raises(DeviceError, match="depth 9"):
        next(session.profile_stream([x], depth=9))
    for allowed, depth in ((session, 2), (network.plan(device=cl_device), 9)):
        (y,) = allowed.stream([x], depth=depth)
        assert y.shape == (4, 7)


@pytest.mark.usefixtures("overlapping")
def test_a_profiled_stream_shows_the_first_pass_apart(cl_device, rng):
    session = build("fer_2conv").plan(device=cl_device, batch=8)
    batches = [rng.standard_normal((16, 1, 48, 48)).astype(np.float32) for _ in range(6)]
    results = list(session.profile_stream(batches))
    assert len(results) == 6
    for x, (y, ledger) in zip(batches, results, strict=True):
        assert (y == session.run(x)).all()
        assert ledger.images == 16
        assert sum(ledger.kinds.values()) <= ledger.wall_seconds * (1 + 1e-9)
    # Every kernel of every piece is in some array's time, or in the time that the caller took between them.
    assert sum(ledger.kinds.get("kernel", 0) for _, ledger in results) > 0
    on_processor = list(build("fer_2conv").plan(batch=8).profile_stream(batches[:2]))
    assert [ledger.device for _, ledger in on_processor] == ["cpu", "cpu"]
