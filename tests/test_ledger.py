"""The ledger of a run, and the bounds that its layers are compared with."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from ferkern.bench.network import median, named, network
from ferkern.bench.roofline import Bound, Demand, bound, kind_of
from ferkern.config import config
from ferkern.errors import ModelError
from ferkern.ledger import LayerCost, Ledger
from ferkern.models import build, save
from test_machine import made_up, own_cache

__all__ = ["own_cache"]  # no profile but those saved here

GB, G = 1e9, 1e9


def demand(**changes: object) -> Demand:
    """A layer that does little."""
    plain = Demand("conv2d:direct:avx512", 1.0, 1.0, 1.0, 0.0, 1.0, threads=1)
    moved = changes.get("moved_bytes", 1.0)
    return replace(plain, **{"set_bytes": moved, **changes})


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("conv2d:direct:avx512", "fp32"),
        ("separable:bands:avx2", "fp32"),
        ("conv2d_int8:direct:avx512icl", "int8"),
        ("depthwise_int8:quads:avx512icl", "int8"),
        ("binary:popcount:avx512icl", "xor_popcount"),
        ("dense:matvec:avx512", "fp32"),
    ],
)
def test_kind_of_a_kernel(kernel, kind):
    assert kind_of(kernel) == kind


@pytest.mark.parametrize(
    ("changes", "seconds", "by"),
    [
        ({"operations": 100 * G}, 1.0, "fp32 avx512"),
        ({"operations": 100 * G, "threads": 2}, 0.5, "fp32 avx512"),
        ({"operations": 100 * G, "kernel": "conv2d:direct:avx2"}, 10.0, "fp32 scalar"),
        ({"operations": 800 * G, "kernel": "conv2d_int8:direct:avx512icl"}, 2.0, "int8 avx512icl"),
        ({"moved_bytes": 16e3}, 16e3 / (200 * GB), "L1"),
        ({"moved_bytes": 1e6}, 1e6 / (100 * GB), "L2"),
        ({"moved_bytes": 1e6, "threads": 2}, 1e6 / (200 * GB), "L2"),
        ({"moved_bytes": 10e6, "threads": 4}, 10e6 / (120 * GB), "L3"),
        ({"moved_bytes": 1e9}, 1e9 / (20 * GB), "memory"),
        ({"moved_bytes": 1e6, "set_bytes": 1e4}, 1e6 / (200 * GB), "L1"),  # in small portions
        # A network of 128 MiB: at least three quarters of the weights come from memory again, however small the layer.
        (
            {"moved_bytes": 2e6, "weight_bytes": 1.9e6, "footprint_bytes": 4.0 * (32 << 20)},
            0.75 * 1.9e6 / (20 * GB),
            "weights: memory",
        ),
        # One that fits into the second level does not lose them.
        ({"moved_bytes": 2e5, "weight_bytes": 1e5, "footprint_bytes": 1e6}, 2e5 / (100 * GB), "L2"),
    ],
)
def test_bound(changes, seconds, by):
    found = bound(made_up(), demand(**changes))
    assert found is not None
    assert found.seconds == pytest.approx(seconds, rel=1e-9)
    assert found.by == by


def test_no_bound_where_nothing_is_known():
    assert bound(made_up(), demand(kernel="conv2d:tiles:opencl")) is None
    assert bound(made_up(), demand(kernel="binary:popcount:avx512icl")) is None
    assert bound(made_up(passages=()), demand(operations=100 * G)) == Bound(1.0, "fp32 avx512")


def ledger_of(**changes: object) -> Ledger:
    direct = LayerCost("conv2d -> 'a'", "conv2d:direct:avx512", 1e9, 1e9, 4e6, 1e6, 3e6, 2)
    winograd = LayerCost("conv2d -> 'b'", "conv2d:winograd4:avx512", 4e9, 1e9, 2e6, 1e6, 1e6, 2)
    plain = Ledger(
        costs=(direct, winograd),
        seconds=(0.02, 0.02),
        wall_seconds=0.05,
        images=1,
        batch=1,
        threads=1,
        value_bytes=1e6,
        machine=made_up(),
    )
    return replace(plain, **changes)


def test_shares_of_direct_and_of_winograd():
    direct, winograd = ledger_of().rows
    assert direct.bound == direct.work_bound == Bound(pytest.approx(0.01), "fp32 avx512")
    assert direct.share == direct.work_share == pytest.approx(0.5)
    assert winograd.share == pytest.approx(2.0)  # of the direct sum's operations
    assert winograd.work_share == pytest.approx(0.5)  # of those that it does
    assert ledger_of().remainder_seconds == pytest.approx(0.01)


def test_weights_count_once_for_each_batch():
    row = ledger_of(images=5, batch=2).rows[0]
    assert row.flops == 5e9
    assert row.bytes_written == 5e6
    assert row.weight_bytes == 3 * 3e6
    assert row.bytes_read == 3 * 3e6 + 5 * 1e6
    assert row.bound.seconds == pytest.approx(0.05)


def test_a_run_of_nothing_has_no_shares():
    rows = ledger_of(images=0, seconds=(0.0, 0.0), wall_seconds=0.0).rows
    assert [row.share for row in rows] == [None, None]
    assert "total" in str(ledger_of(images=0, seconds=(0.0, 0.0), wall_seconds=0.0))


def test_text_of_a_ledger():
    lines = str(ledger_of()).splitlines()
    assert lines[0].split()[:4] == ["layer", "kernel", "us", "time"]
    assert "50 %" in lines[1]
    assert "25 %" in lines[2]  # work
    assert "200 %" in lines[2]
    assert lines[3].startswith("outside the layers")
    assert "10000.0" in lines[3]
    assert lines[4].split()[0] == "total"
    assert "Winograd does only a part" in lines[5]
    without = str(ledger_of(machine=None))
    assert "No machine profile, so no shares: ferkern bench machine measures one." in without


def test_json_of_a_ledger():
    values = json.loads(ledger_of().to_json())
    assert values["wall_seconds"] == 0.05
    assert values["remainder_seconds"] == pytest.approx(0.01)
    assert [row["work_share"] for row in values["rows"]] == pytest.approx([0.5, 0.5])
    assert values["rows"][1]["bound"] == {"seconds": pytest.approx(0.04), "by": "fp32 avx512"}
    assert values["machine"]["date"] == "2026-01-01"
    values = json.loads(ledger_of(machine=None).to_json())
    assert values["machine"] is None
    assert values["rows"][0]["bound"] is None
    assert values["rows"][0]["share"] is None


def test_the_saved_profile_serves_where_none_is_given(rng):
    session = build("fer_2conv").plan(threads=1)
    x = rng.standard_normal((1, 1, 48, 48)).astype(np.float32)
    assert all(row.bound is None for row in session.profile(x)[1].rows)
    made_up().save()
    _, ledger = session.profile(x)
    assert ledger.profile == made_up()
    assert all(row.bound is not None for row in ledger.rows)
    _, ledger = session.profile(x, machine=made_up(missing={}))
    assert ledger.profile == made_up(missing={})
    assert ledger.against(None).profile == made_up()


def test_work_of_winograd_layers():
    """F(m x m, 3 x 3) on 13 x 13 outputs: whole tiles at the border, (m + 2)^2 products for each pair of channels."""
    network_ = build("fer_4conv")
    for name, tile in (("direct", 0), ("winograd2", 2), ("winograd4", 4)):
        session = network_.plan(kernels={"conv2d_3": name}, threads=1)
        _, ledger = session.profile(np.zeros((3, 1, 48, 48), np.float32))
        row = next(row for row in ledger.rows if row.layer.endswith("'conv2d_3'"))
        side = 48 // 4
        assert row.flops == 3 * 2.0 * side**2 * 9 * 64 * 96
        if tile == 0:
            assert row.work == row.flops
        else:
            tiles = math.ceil(side / tile) ** 2
            assert row.work == 3 * 2.0 * tiles * (tile + 2) ** 2 * 64 * 96


def test_every_span_is_measured(rng):
    for threads in (1, 2):
        session = build("fer_small").plan(batch=4, threads=threads)
        assert session.threads == threads
        _, ledger = session.profile(rng.standard_normal((6, 1, 48, 48)).astype(np.float32))
        assert len(ledger.seconds) == len(session.kernels)
        assert all(s > 0 for s in ledger.seconds)
        assert 0 < sum(ledger.seconds) < ledger.wall_seconds
        assert ledger.remainder_seconds > 0
        assert ledger.images == 6
    with config(threads=3):
        assert build("fer_2conv").plan().threads == 3


def test_portions_side_by_side_are_measured_as_they_run(rng):
    """Spans are means over the threads: together they stay within the call."""
    network_ = build("fer_small")
    x = rng.standard_normal((32, 1, 48, 48)).astype(np.float32)
    session = network_.plan(batch=32, threads=2)
    y, ledger = session.profile(x)
    np.testing.assert_array_equal(y, session.run(x))
    assert all(s > 0 for s in ledger.seconds)
    assert sum(ledger.seconds) < ledger.wall_seconds
    _, again = session.profile(x[:1])  # what was measured before is forgotten
    assert sum(again.seconds) < again.wall_seconds


def test_median_of_ledgers():
    runs = [
        ledger_of(seconds=(s, 0.02), wall_seconds=s + 0.02 + r) for s, r in ((0.01, 3e-3), (0.05, 1e-3), (0.02, 2e-3))
    ]
    typical = median(runs)
    assert typical.seconds == (0.02, 0.02)
    assert typical.remainder_seconds == pytest.approx(2e-3)
    assert typical.wall_seconds == pytest.approx(0.042)
    with pytest.raises(ValueError, match="at least one"):
        median([])
    with pytest.raises(ValueError, match="one session"):
        median([ledger_of(), ledger_of(images=2)])


def test_a_network_by_its_name(tmp_path):
    assert named("fer_small").name == "fer_small"
    assert named("squeezenet:resolution=65,classes=3").input_shape == (3, 65, 65)
    save(build("fer_2conv"), tmp_path / "own.safetensors")
    assert named(str(tmp_path / "own.safetensors")).name == "fer_2conv"
    (tmp_path / "bad.safetensors").write_bytes(b"1234")
    with pytest.raises(ModelError, match="bad"):
        named(str(tmp_path / "bad.safetensors"))


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("resnet49", "'resnet49' is neither a file nor shipped"),
        ("mobilenet:beta=1", "options look like mobilenet:alpha"),
        ("mobilenet:alpha", "options look like"),
        ("mobilenet:alpha=__import__('os')", "options look like"),
        ("mobilenet:alpha=-1", "alpha"),
    ],
)
def test_no_such_network(name, match):
    with pytest.raises(ValueError, match=match):
        named(name)


def test_bench_of_a_network():
    done = network(build("fer_2conv"), batch=2, threads=1, repeats=3, machine=made_up())
    assert done.ledger.images == 2
    assert done.seconds.low <= done.seconds.value <= done.seconds.high
    values = json.loads(json.dumps(done.to_dict()))
    assert values["network"] == "fer_2conv"
    assert values["repeats"] == 3
    assert len(values["ledger"]["rows"]) == len(done.ledger.rows)
    for options, match in (
        ({"repeats": 0}, "repeats must be"),
        ({"batch": 0}, "batch must be"),
        ({"threads": 0}, "threads"),
    ):
        with pytest.raises(ValueError, match=match):
            network(build("fer_2conv"), **options)
