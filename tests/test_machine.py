"""The loops that measure a machine, its profile and the profile's file."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from command import ENVIRONMENT
from ferkern import _core, bench, cache
from ferkern.bench.machine import LEVELS, Level, MachineProfile, Measured, Passage, load_profile, saved_profile
from ferkern.bench.measure import Measurement, find_levels, measurements, run_all
from ferkern.config import config
from ferkern.errors import ModelError
from ferkern.registry import isa_levels, kernels

X86 = {"avx2", "avx512", "avx512icl"} & set(isa_levels())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERKERN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def measured(value: float) -> Measured:
    return Measured(value, 0.9 * value, 1.1 * value)


def made_up(**changes: object) -> MachineProfile:
    """A profile with round numbers, as of this processor."""
    gb = 1e9
    passages = [
        Passage(kind, level, 4096, threads, measured(rate * gb * (1.0 if kind == "read" else 0.8)))
        for level, threads, rate in (
            ("L1", 1, 200), ("L2", 1, 100), ("L3", 1, 50), ("L3", 4, 120), ("memory", 1, 20), ("memory", 4, 30),
        )
        for kind in ("read", "copy")
    ]  # fmt: skip
    profile = MachineProfile(
        machine={"brand": _core.cpu()["brand"], "isa": _core.isa_supported(), "threads": 4, "date": "2026-01-01"},
        peaks={
            "fp32": {"scalar": measured(10e9), "avx512": measured(100e9)},
            "int8": {"avx512icl": measured(400e9)},
        },
        levels=(Level("L1", 32 << 10), Level("L2", 1 << 20), Level("L3", 32 << 20), Level("memory", None)),
        passages=tuple(passages),
        missing={"bf16": "not here"},
    )
    return replace(profile, **changes)


@pytest.mark.parametrize("kind", ["fp32", "int8", "xor_popcount"])
def test_every_instruction_set_has_a_loop_that_runs(kind):
    rows = {row.isa for row in kernels("machine") if row.name == kind}
    least = {"scalar", *X86} - ({"avx512icl"} if kind == "fp32" else set())
    assert least <= rows
    for isa in least:
        with config(isa=isa, exact=True):
            operations, used = _core.machine_peak(kind, 0.005)
        assert used == isa
        assert 1e8 < operations < 1e14


def test_bf16_is_measured_where_the_processor_has_it():
    has = _core.cpu()["avx512_bf16"] and _core.isa_supported() == "avx512icl"
    with config(isa=_core.isa_supported()):
        if has:
            assert 1e9 < _core.machine_peak("bf16", 0.005)[0] < 1e14
        else:
            with pytest.raises(ValueError, match="nothing named 'bf16' is measured"):
                _core.machine_peak("bf16", 0.005)


@pytest.mark.parametrize("kind", ["read", "copy"])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_instruction_set_goes_through_memory(kind, threads):
    for isa in {"scalar", *X86} - {"avx512icl"}:
        with config(isa=isa, exact=True):
            rates, used = _core.machine_bandwidth(kind, 1 << 16, threads, 2, 0.002)
        assert used == isa
        assert len(rates) == 2
        assert all(1e6 < rate < 1e14 for rate in rates)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("fp32", 1 << 16, 1, 1, 0.01), "nothing named 'fp32' is measured"),
        (("read", 511, 1, 1, 0.01), "bytes must be from 512 for each of 1 threads to 68719476736, is 511"),
        (("copy", 1024 * 3 - 1, 3, 1, 0.01), "bytes must be from 1024 for each of 3 threads"),
        (("read", 1 << 37, 1, 1, 0.01), "bytes must be"),
        (("read", 1 << 16, 0, 1, 0.01), "threads must be from 1 to 1024, is 0"),
        (("read", 1 << 16, 1, 0, 0.01), "repetitions must be from 1 to 1000, is 0"),
        (("read", 1 << 16, 1, 1, 0.0), "seconds must be from 0.001 to 60, is 0"),
        (("read", 1 << 16, 1, 1, float("nan")), "seconds must be"),
    ],
)
def test_wrong_passages(arguments, match):
    with pytest.raises(ValueError, match=match):
        _core.machine_bandwidth(*arguments)
    with pytest.raises(ValueError, match="nothing named 'read' is measured"):
        _core.machine_peak("read", 0.01)


def test_a_quick_profile_is_whole():
    profile = bench.machine(quick=True)
    assert profile.machine["brand"] == _core.cpu()["brand"]
    assert set(profile.peaks) | set(profile.missing) >= {"fp32", "int8", "bf16", "xor_popcount"}
    assert set(profile.peaks["fp32"]) == {"scalar", *X86} - {"avx512icl"}
    assert [level.name for level in profile.levels][-1] == "memory"
    for level in profile.levels:
        assert profile.bandwidth(level.name) > 1e6
        assert {p.kind for p in profile.passages if p.level == level.name} == {"read", "copy"}
    every = [m for rows in profile.peaks.values() for m in rows.values()] + [p.rate for p in profile.passages]
    assert all(0 < m.low <= m.value <= m.high < 1e14 for m in every)
    assert MachineProfile.from_dict(json.loads(json.dumps(profile.to_dict()))) == profile
    assert (profile.to_dict()["peaks"]["bf16"] is None) == ("bf16" in profile.missing)


def test_a_lesser_machine():
    profile = bench.machine(quick=True, isa="scalar", threads=1)
    assert (profile.machine["isa"], profile.machine["threads"]) == ("scalar", 1)
    assert set(profile.peaks["fp32"]) == {"scalar"}
    assert "bf16" in profile.missing
    assert {p.threads for p in profile.passages} == {1}
    with pytest.raises(ValueError, match=r"isa must be one of scalar, .* is 'vmx'"):
        bench.machine(isa="vmx")
    with pytest.raises(ValueError, match="threads must be at least 1, is 0"):
        bench.machine(threads=0)


def test_what_is_planned_covers_levels_and_threads(monkeypatch):
    monkeypatch.setattr(_core, "default_threads", lambda: 4)
    levels = [Level("L1", 32 << 10), Level("L2", 1 << 20), Level("L3", 2 << 20), Level("memory", None)]
    planned = measurements(levels)
    sizes = {level.name: {m.size_bytes for m in planned if m.level == level.name} for level in levels}
    assert sizes["L1"] == {8 << 10, 16 << 10, 24 << 10}
    assert sizes["L2"] == {256 << 10, 512 << 10, 768 << 10}
    assert sizes["L3"] == set()  # no size of a cache so small would stand in it alone
    assert sizes["memory"] == {64 << 20}
    assert {m.threads for m in planned if m.level == "memory"} == {1, 4}
    assert {m.threads for m in planned if m.level in ("L1", "L2")} == {1}
    assert [m.isa for m in planned if m.kind == "fp32"] == sorted(
        {"scalar", *X86} - {"avx512icl"}, key=isa_levels().index
    )


def test_what_cannot_be_measured_is_missing_with_a_reason(monkeypatch):
    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr(_core, "machine_bandwidth", refuse)
    memory = Measurement("read", level="memory", size_bytes=1 << 30)
    profile = run_all([memory], [Level("memory", None)], quick=True)
    assert profile.passages == ()
    assert profile.missing["read of 1073741824 bytes"] == "does not fit into memory"
    assert profile.missing["L2"] == "its size is not known"
    assert profile.bandwidth("memory") is None


def test_levels_grow_towards_memory():
    levels = find_levels()
    sizes = [level.size_bytes for level in levels[:-1]]
    assert sizes == sorted(set(sizes))
    assert levels[-1] == Level("memory", None)
    assert [level.name for level in levels] == [name for name in LEVELS if name in {level.name for level in levels}]


def test_arithmetic_of_a_profile():
    profile = made_up()
    assert profile.peak("fp32", "avx512icl") == (100e9, "avx512")
    assert profile.peak("fp32", "avx2") == (10e9, "scalar")
    assert profile.peak("int8", "avx512") is None
    assert profile.peak("bf16", "avx512icl") is None
    assert profile.peak("fp32", "opencl") is None
    assert profile.bandwidth("L2", 3) == 300e9  # its own for each core
    assert profile.bandwidth("L3", 2) == 100e9
    assert profile.bandwidth("L3", 3) == 120e9  # no more than all threads got together
    assert profile.bandwidth("memory", 64) == 30e9
    assert profile.level_of(32 << 10) == "L1"
    assert profile.level_of((32 << 10) + 1) == "L2"
    assert profile.level_of(64 << 10, 2) == "L1"
    assert profile.level_of(33 << 20, 2) == "memory"
    none = made_up(levels=(Level("memory", None),), passages=())
    assert none.level_of(1) == "memory"
    assert none.bandwidth("memory") is None


def test_a_profile_is_saved_and_found(own_cache):
    assert saved_profile() is None
    with pytest.raises(FileNotFoundError, match="ferkern bench machine"):
        load_profile()
    profile = made_up()
    assert profile.save() == own_cache / "machine.json"
    assert load_profile() == profile
    assert saved_profile() == profile
    assert [file.name for file in own_cache.iterdir()] == ["machine.json"]
    other = own_cache / "elsewhere" / "other.json"
    made_up(missing={}).save(other)
    assert load_profile(other).missing == {}


def changed(path: str, value: object) -> dict[str, object]:
    """The made-up profile's JSON with one value replaced."""
    values = json.loads(json.dumps(made_up().to_dict()))
    *way, last = path.split("/")
    inner = values
    for key in way:
        inner = inner[int(key) if key.isdigit() else key]
    inner[int(last) if last.isdigit() else last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        ("format", 2, "not a machine profile of format 1: format is 2"),
        ("machine", [], r"machine must be an object, is \[\]"),
        ("machine/brand", None, "machine: brand must be a text, is None"),
        ("machine/threads", [1], "machine: values must be texts or whole numbers"),
        ("peaks/fp64", {}, "peaks: unknown kind 'fp64'"),
        ("peaks/fp32", {}, "peaks.fp32 must be an object of scalar, avx2"),
        ("peaks/fp32/sse9", {}, "peaks.fp32 must be an object of scalar, avx2"),
        ("peaks/fp32/scalar/value", "fast", "peaks.fp32: scalar must have value, low and high above 0"),
        ("peaks/fp32/scalar/low", -1.0, "above 0"),
        ("peaks/fp32/scalar/high", float("inf"), "above 0"),
        ("peaks/fp32/scalar", None, "above 0"),
        ("levels", {}, "levels must be a list of objects"),
        ("levels/0/name", "L9", "levels: name must be one of L1, L2, L3, memory, is 'L9'"),
        ("levels/0/size_bytes", 1.5, "levels: size_bytes must be a whole number from 1, is 1.5"),
        ("bandwidth", [3], "bandwidth must be a list of objects"),
        ("bandwidth/0/kind", "write", "bandwidth: kind must be one of read, copy, is 'write'"),
        ("bandwidth/0/threads", 0, "bandwidth: threads must be a whole number from 1, is 0"),
        ("bandwidth/0/size_bytes", True, "bandwidth: size_bytes must be a whole number"),
        ("bandwidth/0/rate", 5, "bandwidth: rate must have value"),
        ("missing", None, "missing must be an object"),
        ("missing/bf16", 3, "missing: reasons must be texts"),
    ],
)
def test_a_damaged_profile_is_a_model_error(own_cache, path, value, match, caplog):
    own_cache.mkdir()
    (own_cache / "machine.json").write_text(json.dumps(changed(path, value)))
    with pytest.raises(ModelError, match=match) as raised:
        load_profile()
    assert "machine.json" in str(raised.value)
    assert "'ferkern bench machine' measures again" in str(raised.value)
    with caplog.at_level(logging.WARNING):
        assert saved_profile() is None
    assert "no shares of bounds" in caplog.text


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[1, 2]", b"null", b'"text"', b"[" * 100_000, b" " * 2**20]
)
def test_garbage_is_a_model_error(tmp_path, content):
    file = tmp_path / "profile.json"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"profile\.json"):
        load_profile(file)


def test_a_file_that_is_too_long_is_not_read(tmp_path):
    file = tmp_path / "profile.json"
    file.write_bytes(b" " * (2**20 + 1))
    with pytest.raises(ModelError, match="longer than 1,048,576 bytes"):
        load_profile(file)


def test_a_folder_is_a_model_error(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        load_profile(tmp_path)


def test_a_profile_of_another_machine(own_cache):
    foreign = made_up(machine={**made_up().machine, "brand": "Another Processor"})
    foreign.save()
    with pytest.raises(ModelError, match=r"measured on Another Processor .* this is "):
        load_profile()
    assert saved_profile() is None
    assert load_profile(own_cache / "machine.json") == foreign  # asked for by name, it is read


def test_a_profile_saved_anew_is_read_anew(own_cache):
    made_up().save()
    assert saved_profile().missing == {"bf16": "not here"}
    made_up(missing={}).save()
    os.utime(own_cache / "machine.json", ns=(1, 1))
    assert saved_profile().missing == {}


def test_a_cache_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FERKERN_CACHE_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(OSError, match="below"):
        made_up().save()
    assert saved_profile() is None
    assert not cache.write_json("x.json", {})


def test_profile_without_a_system_that_tells_caches(monkeypatch, tmp_path):
    from ferkern.bench import measure

    monkeypatch.setattr(measure, "_CACHES", tmp_path)
    monkeypatch.setattr(measure, "_SYSCONF", {})
    levels = find_levels()
    assert levels == [Level("memory", None)]
    assert {m.size_bytes for m in measurements(levels) if m.level} == {64 << 20}


def test_bench_is_imported_when_it_is_used():
    code = "import sys, ferkern; print('ferkern.bench' in sys.modules, callable(ferkern.bench.machine))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout.split() == ["False", "True"]
