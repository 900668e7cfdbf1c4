"""Estimates of networks on other machines, the papers' rule, and prices."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from ferkern import bench
from ferkern.bench.estimate import estimate, predict
from ferkern.bench.estimate_calibrate import (
    State,
    Visits,
    calibrate,
    lesser,
    load_samples,
    measure,
    saved_efficiencies,
    states_here,
)
from ferkern.bench.estimate_layers import LANES, Layer, layers_of, terms_of
from ferkern.bench.estimate_model import Sample, fit_efficiencies
from ferkern.bench.estimate_probes import probes
from ferkern.bench.estimate_rule import by_score, price_of_a_million, score_for
from ferkern.bench.machine import MachineProfile, Measured
from ferkern.bench.network import undisturbed, undisturbed_seconds
from ferkern.models import build
from ferkern.models.builder import GraphBuilder
from ferkern.models.network import Network
from ferkern.registry import isa_levels
from ferkern.session import Session
from test_machine import made_up, measured, own_cache

# They do not depend on the instruction set.
pytestmark = pytest.mark.slow

__all__ = ["own_cache"]

G = 1e9


def profile(**changes: object) -> MachineProfile:
    """A machine with peaks of every set."""
    peaks = {"scalar": 20 * G, "avx2": 100 * G, "avx512": 150 * G}
    return made_up(peaks={"fp32": {isa: measured(peak) for isa, peak in peaks.items()}}, **changes)


def scaled(machine: MachineProfile, peaks: float, memory: float) -> MachineProfile:
    def times(m: Measured, by: float) -> Measured:
        return Measured(m.value * by, m.low * by, m.high * by)

    return replace(
        machine,
        peaks={kind: {isa: times(m, peaks) for isa, m in rows.items()} for kind, rows in machine.peaks.items()},
        passages=tuple(replace(p, rate=times(p.rate, memory)) for p in machine.passages),
    )


def layer(**changes: object) -> Layer:
    plain = Layer("a", "conv2d:direct:avx512", 1e8, 1e6, 1e5, 1e6, 2e6, 1, 1, 0.0, 3, 64, 64, 784, 1, 1, 1, False)
    return replace(plain, **changes)


def small(name: str = "small", channels: int = 16, side: int = 24) -> Network:
    g = GraphBuilder(name, (1, side, side))
    x = g.max_pool2d(g.conv_bn(g.conv_bn("input", channels, 3), 2 * channels, 3), 2)
    g.softmax(g.dense(g.global_avg_pool(x), 7))
    return g.finish()


def test_the_papers_rule():
    assert score_for(60, 2812, 2.7) == pytest.approx(62_489, abs=0.5)
    assert score_for(60, 2812, 3.0) == pytest.approx(56_240)  # what the paper printed
    assert by_score(2.7, 2812, 62_489) == pytest.approx(60, rel=1e-5)
    for wrong in ((0, 1, 1), (1, -1, 1), (1, 1, math.inf), (1, 1, math.nan)):
        with pytest.raises(ValueError, match="must be above 0"):
            score_for(*wrong)
        with pytest.raises(ValueError, match="must be above 0"):
            by_score(*wrong)


def test_prices():
    """A device of 1,000 that serves a year and needs a millisecond: a million calls are 1,000 s of its life."""
    cost = price_of_a_million(1e-3, price=1000, years=1, watts=100, per_kwh=0.36)
    assert cost.device == pytest.approx(1000 * 1000 / (365.25 * 86400))
    assert cost.energy == pytest.approx(0.1 * 1000 / 3600 * 0.36)
    assert cost.total == cost.device + cost.energy
    half = price_of_a_million(1e-3, price=1000, years=1, busy=0.5)
    assert half.device == pytest.approx(2 * cost.device)
    assert half.energy == 0
    for wrong in ({"busy": 0}, {"busy": 1.5}, {"years": 0}, {"price": -1}, {"watts": -1}, {"per_kwh": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            price_of_a_million(1e-3, **wrong)
    with pytest.raises(ValueError, match="seconds"):
        price_of_a_million(0)


def test_terms_of_a_layer():
    arithmetic, memory, short, meeting = terms_of(layer(), profile())
    assert arithmetic == pytest.approx(1e8 / (150 * G))
    assert memory == pytest.approx(1e6 / (100 * G))  # the second level holds its working set
    assert short == pytest.approx(5e4 / (20 * G))
    assert meeting == 0
    # Half of half a vector of filters is computed for nothing.
    assert terms_of(layer(outputs=4), profile())[0] == pytest.approx(2 * arithmetic)
    assert terms_of(layer(outputs=8), profile())[0] == pytest.approx(arithmetic)
    assert terms_of(layer(outputs=8, kernel="conv2d:direct:avx2"), profile())[0] == pytest.approx(1e8 / (100 * G))
    two = terms_of(layer(threads=2, shared=2), profile())
    assert two[0] == pytest.approx(arithmetic / 2)
    assert two[3] == short
    # A thread that does nothing brings no cache, and nobody waits for it.
    assert terms_of(layer(threads=2, shared=1), profile()) == pytest.approx((arithmetic, memory, short, 0))
    assert two[1] == pytest.approx(memory / 2)
    # Portions beside each other: each layer of each begins anew, on its own thread.
    beside = terms_of(layer(threads=2, shared=2, passes=4, beside=True), profile())
    assert beside[2:] == pytest.approx((2 * short, 0))
    assert terms_of(layer(threads=2, shared=2, passes=4), profile())[2:] == pytest.approx((4 * short, 4 * short))
    # Three portions go through the weights three times; scratch memory counts.
    assert terms_of(layer(passes=3), profile())[1] == pytest.approx((1e6 + 2e5) / (100 * G))
    assert terms_of(layer(runs=3), profile())[1] == pytest.approx((1e6 + 2e5) / (100 * G))
    assert terms_of(layer(between=1e6), profile())[1] == pytest.approx(2e6 / (100 * G))
    # Weights that no cache kept: all but a quarter.
    heavy = layer(weights=4e6, moved=4e6, working_set=1e5, footprint=4.0 * (32 << 20))
    assert terms_of(heavy, profile())[1] == pytest.approx(0.75 * 4e6 / (20 * G))
    with pytest.raises(ValueError, match="no peak of int8 for avx2"):
        terms_of(layer(kernel="conv2d_int8:direct:avx2"), profile())


def test_layers_of_a_plan():
    net = build("fer_2conv")
    session = net.plan(batch=4, threads=1)
    layers = layers_of(net, session, threads=1)
    assert [found.name for found in layers] == [cost.layer for cost in session.costs]
    assert sum(found.work for found in layers) == pytest.approx(4 * sum(cost.work for cost in session.costs))
    first = layers[0]
    assert (first.window, first.inputs, first.outputs, first.threads, first.shared) == (5, 1, 20, 1, 1)
    assert all(found.isa in LANES for found in layers)
    as_if = layers_of(net, session, threads=1, isa="avx2")
    assert {found.isa for found in as_if} == {"avx2"}
    assert layers_of(net, session, threads=4)[0].shared == 3  # 1.9 million operations, half a million a thread
    assert layers_of(net, session, threads=4)[-1].shared == 1  # softmax: not worth it
    winograd = net.plan(kernels={"conv2d_2": "winograd2_5x5"}, threads=1)
    direct = net.plan(kernels={"conv2d_2": "direct"}, threads=1)
    weights = [
        next(found.weights for found in layers_of(net, plan, threads=1) if "conv2d_2'" in found.name)
        for plan in (winograd, direct)
    ]
    assert weights[0] == pytest.approx(36 / 25 * weights[1])
    assert {found.runs for found in layers_of(net, direct, threads=1)} == {1}


def test_portions_and_runs_of_tiles():
    """Portions beside each other have one thread each; runs of Winograd's tiles are as many for every thread."""
    net = small()
    assert not any(found.beside for found in layers_of(net, net.plan(batch=1, threads=2), threads=2))
    beside = layers_of(net, net.plan(batch=8, threads=2), threads=2)
    assert [found.beside for found in beside][:2] == [True, True]
    assert all(found.shared == 2 for found in beside if found.beside)
    assert not any(found.beside for found in layers_of(net, net.plan(batch=8, threads=1), threads=1))
    # 25 tiles of 4 x 4, weights of 5 MB: one run of up to 28 tiles, or one for each of two threads.
    g = GraphBuilder("far", (192, 17, 17))
    far = g.conv2d("input", 192, 3)
    g.softmax(g.dense(g.global_avg_pool(far), 7))
    wide = g.finish()
    for threads, runs in ((1, 1), (2, 2), (3, 3)):
        session = wide.plan(kernels={far: "winograd4"}, threads=threads)
        assert max(found.runs for found in layers_of(wide, session, threads=threads)) == runs
    # A dense layer takes all images at once: 0.4 million operations each.
    g = GraphBuilder("head", (1, 15, 15))
    g.softmax(g.dense(g.activation(g.dense(g.flatten("input"), 900)), 7))
    head = g.finish()
    gemm = next(f for f in layers_of(head, head.plan(batch=8, threads=4), threads=4) if f.family.startswith("gemm"))
    assert (gemm.outputs, gemm.shared, gemm.beside) == (900, 4, False)
    # Input of 222 KB: worth no second thread to a global pooling.
    assert next(f for f in layers_of(wide, session, threads=3) if f.family.startswith("global_pool")).shared == 1


def truth(found: Layer, machine: MachineProfile) -> float:
    """Seconds on a machine that never was: kernels that need enough channels and pixels, memory half hidden."""
    arithmetic, memory, short, meeting = terms_of(found, machine)
    used = found.inputs / (found.inputs + 4) * found.pixels / (found.pixels + 20)
    wide = 0.95 if found.lanes == 16 else 1.0
    return arithmetic / (0.9 * used * wide) + 0.6 * memory + 0.4 * short + 1.5 * meeting


def states() -> list[State]:
    return [State(isa, threads) for isa in ("avx2", "avx512") for threads in (1, 2)]


def simulated(
    plans: list[tuple[Network, Session]], state: State, machine: MachineProfile, noise: float = 0.03
) -> list[Sample]:
    """Samples as `measure` makes them, from `truth`; kernels as if of the state's set."""
    rng = np.random.default_rng(3)
    samples = []
    for net, session in plans:
        for found in layers_of(net, session, threads=state.threads, isa=state.isa):
            seconds = truth(found, machine) * math.exp(noise * rng.standard_normal())
            samples.append(Sample(found, terms_of(found, machine), seconds, net.name))
    return samples


def made(count: int) -> list[Network]:
    found = []
    for net in probes():
        if len(found) == count:
            break
        found.append(net)
    return found


@pytest.mark.slow
def test_networks_on_simulated_machines_are_within_15_percent():
    """Learned on one machine in three of four states, asked for the fourth, for machines whose peaks are another
    multiple of their memory's speed, and for networks that are not among the probes."""
    here, plans = profile(), [(net, net.plan(threads=1)) for net in made(20)]
    zoo = [(net, net.plan(threads=1)) for net in map(build, ("fer_4conv", "fer_small", "mini_xception", "squeezenet"))]
    others = [scaled(here, 1.0, 1.0), scaled(here, 1.5, 1.0), scaled(here, 0.7, 1.0), scaled(here, 4.0, 4.0)]
    for target in states()[::3]:
        known = fit_efficiencies(
            [s for state in states() if state != target for s in simulated(plans, state, lesser(here, state))]
        )
        assert 0.02 <= known.spread < 0.2
        for machine in others:
            there = lesser(machine, target)
            for net, session in zoo:
                planned = layers_of(net, session, threads=target.threads, isa=target.isa)
                expected = sum(known.expect(found, terms_of(found, there)) for found in planned)
                actual = sum(truth(found, there) for found in planned)
                assert expected == pytest.approx(actual, rel=0.15), (target, net.name)


def test_efficiencies_are_bounded_by_the_peak():
    """However fast the samples were: no estimate below nine tenths of the arithmetic at the peak."""
    samples = [Sample(layer(), (1.0, 0.0, 1e-6, 0.0), 0.1, f"n{i}") for i in range(8)]
    assert fit_efficiencies(samples).expect(layer(), (1.0, 0.0, 1e-6, 0.0)) == pytest.approx(0.9)
    with pytest.raises(ValueError, match="none to fit"):
        fit_efficiencies([])


def test_a_family_that_was_not_measured_is_taken_for_the_others():
    known = fit_efficiencies([Sample(layer(), (1.0, 0.1, 0.0, 0.0), 2.0, f"n{i}") for i in range(8)])
    assert known.expect(layer(kernel="fancy:new:avx2"), (1.0, 0.1, 0.0, 0.0)) == pytest.approx(2.0, rel=0.2)


def test_few_layers_of_an_algorithm_are_expected_like_its_other_tiles():
    def sample(name: str, channels: int, pixels: int) -> Sample:
        found = layer(kernel=f"conv2d:{name}:avx2", inputs=channels, outputs=channels, pixels=pixels)
        terms = (1e-3 * channels, 1e-4 * pixels, 1e-6, 0.0)
        return Sample(found, terms, 1.5 * terms[0] + 0.5 * terms[1], f"{channels}/{pixels}")

    many = [sample("winograd4", channels, pixels) for channels in (16, 32, 64, 256) for pixels in (49, 196, 784, 12544)]
    many += [sample("winograd4", channels, 3136) for channels in (8, 16, 24, 32, 48, 64, 128, 256)]
    known = fit_efficiencies([*many, *(sample("winograd2", 16, 49) for _ in range(6))])
    far = sample("winograd2", 256, 12544)
    assert known.expect(far.layer, far.terms) == pytest.approx(far.seconds, rel=0.1)


def test_lesser_profiles():
    less = lesser(profile(), State("avx2", 1))
    assert set(less.peaks["fp32"]) == {"scalar", "avx2"}
    assert {p.threads for p in less.passages} == {1}
    assert (less.machine["isa"], less.machine["threads"]) == ("avx2", 1)


def test_states_are_forced():
    found = states_here()
    assert {s.threads for s in found} >= {1}
    assert all(s.isa in isa_levels() for s in found)
    assert found[-1].isa == isa_levels()[-1]
    state = State(found[0].isa, 1)
    samples = measure([small()], state, profile(), seconds=0.0)
    assert {s.network for s in samples} == {"small/1", "small/8"}
    assert all(LANES[s.layer.isa] <= LANES[state.isa] for s in samples)
    assert all(s.seconds > 0 and s.terms == terms_of(s.layer, profile()) for s in samples)


def test_probes_are_drawn_the_same_every_time():
    first, again = made(3), made(3)
    assert [net.name for net in first] == [net.name for net in again]
    assert all((a.weights[k] == b.weights[k]).all() for a, b in zip(first, again, strict=True) for k in a.weights)
    assert len({len(net.nodes) for net in first}) > 1
    assert len({list(net.infer_shapes().values())[-1] for net in made(12)}) > 2  # classes


def test_what_others_did_to_a_run_is_left_out():
    session = small().plan(threads=1)
    one = session.profile(np.zeros((1, 1, 24, 24), np.float32))[1]
    steps = len(one.seconds)
    fast = [replace(one, seconds=(1e-6 * k,) * steps, wall_seconds=1e-6 * k * steps + 1e-6) for k in (2, 1, 3)]
    slow = [replace(one, seconds=(1e-4,) * steps, wall_seconds=1e-4 * steps + k * 1e-6) for k in range(9)]
    found = undisturbed([*slow, *fast])
    assert found.seconds == pytest.approx((2e-6,) * steps)
    assert found.remainder_seconds == pytest.approx(1e-6)
    assert undisturbed_seconds([9, 1, 8, 1.2, 7, 5, 1.1, 6]) == 1.1
    assert undisturbed_seconds([2.0, 1.0]) == 1.5


def test_visits_count_calls_where_they_are_asked_for():
    state = State(states_here()[0].isa, 1)
    visits = Visits([small()], state, batches={"small": (1, 3)})
    visits.round()
    assert visits.calls == {}
    visits.round(calls=True)
    assert set(visits.calls) == {("small", 1), ("small", 3)}
    assert all(len(spent) == 1 and spent[0] > 0 for spent in visits.calls.values())
    assert [net.name for net in visits.networks] == ["small", "small"]
    assert {s.network for s in visits.samples(profile())} == {"small/1", "small/3"}


def test_samples_are_kept_and_damaged_ones_are_not_used(own_cache, caplog):
    assert saved_efficiencies() is None
    state = states_here()[0]
    samples = calibrate(profile(), states=[state], networks=[small()], seconds=0.0)
    assert load_samples() == samples
    known = saved_efficiencies()
    assert known is not None
    assert known.states == tuple(sorted({(s.layer.isa, s.layer.threads) for s in samples}))
    file = own_cache / "efficiencies.json"
    whole = json.loads(file.read_text())
    for damage in (
        {**whole, "format": 1},
        {**whole, "machine": {}},
        {**whole, "samples": [{}]},
        {**whole, "samples": [{**asdict(samples[0]), "seconds": -1}]},
        {**whole, "samples": [{**asdict(samples[0]), "terms": [1.0]}]},
        {**whole, "samples": 3},
        [],
    ):
        file.write_text(json.dumps(damage))
        assert load_samples() == ()
    file.write_text("{")
    assert load_samples() == ()


def test_a_machine_twice_as_fast(own_cache):
    """Through the whole of `estimate`: everything twice as fast takes half the time; the network's own run counts."""
    profile().save()
    calibrate(profile(), networks=[small(), small("other", 24, 32)], seconds=0.0)
    there = replace(scaled(profile(), 1.0, 1.0), machine={**profile().machine, "isa": isa_levels()[-1], "threads": 1})
    faster = scaled(there, 2.0, 2.0)
    net = small("third", 32, 16)
    known = saved_efficiencies()
    once, twice = (predict(net, m, known, threads=1) for m in (there, faster))
    assert twice.seconds == pytest.approx(once.seconds / 2, rel=0.02)
    assert once.low < once.seconds < once.high
    assert once.seconds == pytest.approx(sum(row.seconds for row in once.layers))
    assert {row.by for row in once.layers} <= {"arithmetic", "memory", "overhead"}
    found = bench.estimate(net, there, threads=1, run=False)
    assert found.seconds == once.seconds
    assert found.here_seconds is None
    ran = estimate(net, there, threads=1, here=profile())
    assert ran.here_seconds > 0
    assert ran.high / ran.low < 2
    assert ran.rule_seconds > 0
    assert json.loads(json.dumps(ran.to_dict()))["network"] == "third"


def test_what_is_a_guess_is_said(own_cache):
    known = fit_efficiencies(
        [Sample(layer(kernel="conv2d:direct:avx2", threads=2), (1.0, 0.1, 0.0, 0.0), 2.0, f"n{i}") for i in range(8)]
    )
    many = predict(small(), made_up(machine={**made_up().machine, "isa": "avx2", "threads": 64}), known, threads=64)
    assert "measured with up to 2 threads; 64 are a guess" in many.notes[0]
    few = predict(small(), profile(machine={**made_up().machine, "isa": "avx2"}), known, threads=2)
    assert many.high / many.low > few.high / few.low
    scalar = predict(small(), profile(machine={**made_up().machine, "isa": "scalar"}), known, threads=2)
    assert "no kernel of scalar was measured here" in scalar.notes[-1]
    with pytest.raises(ValueError, match="unknown instruction set 'vmx'"):
        predict(small(), profile(machine={**made_up().machine, "isa": "vmx"}), known)
    with pytest.raises(ValueError, match="batch must be at least 1, is 0"):
        estimate(small(), profile(), batch=0)
    with pytest.raises(ValueError, match="threads must be at least 1, is 0"):
        estimate(small(), profile(), threads=0)


def test_the_check_joins_profiles_of_its_rounds():
    """Medians of what the rounds measured, and the error of a guess by a truth."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
    from estimate_check import joined, summary

    one = joined([scaled(profile(), peaks, memory) for peaks, memory in ((1, 3), (2, 1), (4, 2))])
    assert one.peak("fp32", "avx2") == (200 * G, "avx2")
    assert one.bandwidth("memory") == pytest.approx(2 * profile().bandwidth("memory"))
    rows = [{"guess": guess, "truth": 2.0} for guess in (2.0, 2.2, 1.5, 2.3)]
    assert summary(rows, "guess", "truth") == "75 % of 4 within 15 %, mean 12.5 %, largest 25 %"
