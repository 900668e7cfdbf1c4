"""The crossover map: measured, kept, used by ``device="auto"``."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ferkern
from ferkern import _core, nn
from ferkern.auto import by_map, decided
from ferkern.bench import crossover_cases, decide
from ferkern.bench.crossover import climb, crossover
from ferkern.bench.crossover_cases import CASES, cases_of
from ferkern.bench.crossover_features import FEATURES, Features, conv2d, network_features, svd
from ferkern.bench.crossover_map import Crossover, Identity, Ladder, Rung, load_maps, save_map, saved_maps
from ferkern.bench.crossover_timing import Effort
from ferkern.bench.decide import choose, device_of
from ferkern.config import config
from ferkern.errors import ModelError
from ferkern.models import build
from ferkern.opencl import DeviceError, DeviceInfo

# They do not depend on the instruction set.
pytestmark = pytest.mark.slow

HERE = Identity(
    brand=str(_core.cpu()["brand"]),
    isa=_core.get_choice()[0],
    threads=_core.default_threads(),
    device="Made Up",
    platform="None",
    driver="1.0",
    ferkern=ferkern.__version__,
)
DEVICE = DeviceInfo(
    3, "Made Up", "gpu", "None", "Nobody", "1.2", "1.0", 8, 1 << 30, 1 << 28, 1 << 15, 256, 1, False, False
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERKERN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up device is found."""
    monkeypatch.setattr("ferkern.opencl.devices", lambda: [DEVICE])
    decide._chosen.cache_clear()


def rung(size: float, cpu: float, device: float, **more: object) -> Rung:
    features = Features(work=1e6 * size, moved=1e4 * size, kind="kxk")
    return Rung(size, features, (cpu, 1.02 * cpu, 0.98 * cpu), (device, 1.01 * device, 0.99 * device), **more)


def made_up(op: str = "conv2d", **changes: object) -> Crossover:
    """The processor takes 1 us and 1 ms for each 100 of size, the device 100 us and a tenth of that."""
    rungs = tuple(rung(n, 1e-6 + 1e-5 * n, 1e-4 + 1e-6 * n, first=(1e-4, 1.0)) for n in (1, 4, 16, 64, 256))
    return replace(
        Crossover(op, HERE, "2026-01-01T00:00:00+00:00", (Ladder("made up", "size", rungs),), 0.2), **changes
    )


def of_size(n: float) -> Features:
    return Features(work=1e6 * n, moved=1e4 * n, kind="kxk")


def test_a_map_is_kept_and_read():
    assert saved_maps() == ()
    before = made_up()
    assert save_map(before)
    (after,) = load_maps()
    assert after.to_dict() == before.to_dict()
    assert json.loads(json.dumps(after.to_dict(), allow_nan=False))["ladders"][0]["crossings"]["resident"] is None
    crossings = after.to_dict()["ladders"][0]["crossings"]
    assert crossings["call"]["answer"] == "from"
    assert crossings["call"]["size"] == pytest.approx(11, rel=0.1)
    assert (crossings["first"]["answer"], crossings["first"]["size"]) == ("never", None)


def test_maps_of_other_ops_devices_and_families_stay():
    save_map(made_up())
    save_map(made_up("dense"))
    save_map(made_up(identity=replace(HERE, device="Another")))
    other = Ladder("another", "side", (rung(1, 1.0, 2.0),), "larger ones do not fit")
    save_map(made_up(ladders=(other,), date="later"))
    found = load_maps()
    assert sorted((m.op, m.identity.device) for m in found) == [
        ("conv2d", "Another"),
        ("conv2d", "Made Up"),
        ("dense", "Made Up"),
    ]
    joined = next(m for m in found if (m.op, m.identity) == ("conv2d", HERE))
    assert [ladder.family for ladder in joined.ladders] == ["another", "made up"]
    assert joined.ladders[0].ended == "larger ones do not fit"


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        ("format", 2, "format must be 1, is 2"),
        ("maps", {}, "maps must be a list"),
        ("maps/0", 3, "map must be an object, is int"),
        ("maps/0/op", None, "op must be a text"),
        ("maps/0/identity/brand", 1, "brand must be a text"),
        ("maps/0/identity/threads", "2", "threads must be a number"),
        ("maps/0/ladders/0/rungs/0/size", -1, "size must be a number from 0, is -1"),
        ("maps/0/ladders/0/rungs/0/size", 1000, "sizes must rise"),
        ("maps/0/ladders/0/rungs/0/cpu", [], "cpu and device must hold as many rounds"),
        ("maps/0/ladders/0/rungs/0/cpu", [1.0], "as many rounds"),
        ("maps/0/ladders/0/rungs/0/device", [0.0, 1.0, 1.0], "device must hold times above 0"),
        ("maps/0/ladders/0/rungs/0/features/work", True, "work must be a number"),
        ("maps/0/ladders/0/rungs/0/features", None, "features must be an object"),
        ("maps/0/opening_seconds", None, "opening_seconds must be a number"),
    ],
)
def test_a_damaged_map_is_named_and_not_used(own_cache, caplog, path, value, match):
    save_map(made_up())
    values = json.loads((own_cache / "crossover.json").read_text())
    *way, last = path.split("/")
    inner = values
    for key in way:
        inner = inner[int(key) if key.isdigit() else key]
    inner[int(last) if last.isdigit() else last] = value
    (own_cache / "crossover.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=match) as raised:
        load_maps()
    assert "crossover.json" in str(raised.value)
    assert "'ferkern crossover' measures again" in str(raised.value)
    with caplog.at_level(logging.WARNING):
        assert saved_maps() == ()
    assert "takes the CPU" in caplog.text
    assert choose("conv2d", of_size(1000)).device == "cpu"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"null", b"[" * 100_000])
def test_garbage_is_no_map(own_cache, content):
    own_cache.mkdir()
    (own_cache / "crossover.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"crossover\.json"):
        load_maps()
    assert saved_maps() == ()


def test_a_cache_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FERKERN_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert not save_map(made_up())
    assert saved_maps() == ()


def test_the_choice_follows_the_map(there):
    save_map(made_up())
    small, large = choose("conv2d", of_size(2)), choose("conv2d", of_size(100))
    assert (small.device, large.device) == ("cpu", "opencl:3")
    assert large.cpu.seconds == pytest.approx(1e-6 + 1e-3, rel=0.05)
    assert large.devices[0][1].seconds == pytest.approx(2e-4, rel=0.05)
    assert large.cpu.low < large.cpu.seconds < large.cpu.high
    assert decided("conv2d", of_size(100)) == "opencl:3"


def test_without_a_map_the_cpu():
    choice = choose("conv2d", of_size(100))
    assert (choice.device, choice.by, choice.cpu, choice.devices) == ("cpu", None, None, ())
    assert "'ferkern crossover conv2d' makes one" in choice.remarks[0]


@pytest.mark.parametrize(
    "changes",
    [{"brand": "Another"}, {"isa": "scalar2"}, {"threads": 63}, {"ferkern": "0.0"}],
    ids=lambda c: next(iter(c)),
)
def test_a_map_of_another_state_is_not_used(there, changes):
    save_map(made_up(identity=replace(HERE, **changes)))
    choice = choose("conv2d", of_size(100))
    assert choice.device == "cpu"
    assert str(next(iter(changes.values()))) in choice.remarks[0]


def test_other_threads_are_another_machine(there):
    save_map(made_up(identity=replace(HERE, threads=1)))
    assert choose("conv2d", of_size(100), threads=1).device == "opencl:3"
    with config(threads=1):
        assert choose("conv2d", of_size(100)).device == "opencl:3"
    with config(threads=7):
        assert choose("conv2d", of_size(100)).device == "cpu"


@pytest.mark.parametrize("changes", [{"driver": "1.1"}, {"device": "Gone"}])
def test_a_device_that_is_not_there(there, changes):
    identity = replace(HERE, **changes)
    save_map(made_up(identity=identity))
    choice = choose("conv2d", of_size(100))
    assert choice.device == "cpu"
    assert f"{identity.device} would be faster, but is not there now" in choice.remarks[0]


def test_devices_are_looked_for_only_where_one_would_win(monkeypatch):
    def fail() -> list[DeviceInfo]:
        raise DeviceError("platform", "none", "none")

    monkeypatch.setattr("ferkern.opencl.devices", fail)
    save_map(made_up())
    assert choose("conv2d", of_size(1)).device == "cpu"
    assert choose("conv2d", of_size(1)).remarks == ()
    assert choose("conv2d", of_size(200)).device == "cpu"
    assert device_of(HERE) is None


def test_the_best_of_several_devices(there):
    slower = tuple(rung(n, 1e-6 + 1e-5 * n, 1e-4 + 5e-6 * n) for n in (1, 4, 16, 64, 256))
    other = made_up(identity=replace(HERE, device="Slower"), ladders=(Ladder("made up", "size", slower),))
    save_map(other)
    save_map(made_up())
    choice = choose("conv2d", of_size(200))
    assert choice.device == "opencl:3"
    assert [m.identity.device for m, _ in choice.devices] == ["Made Up", "Slower"]


def recorder(op: str) -> Callable[..., str]:
    @by_map(op)
    def function(*arrays: object, padding: object = 0, device: str = "cpu") -> str:
        """What a function with this decorator sees."""
        return device

    return function


def test_functions_see_a_device_string(there):
    x, w = np.zeros((1, 64, 40, 40), np.float32), np.zeros((64, 64, 3, 3), np.float32)
    assert recorder("conv2d")(x, w, padding="same", device="auto") == "cpu"
    save_map(made_up())
    assert recorder("conv2d")(x, w, padding="same", device="auto") == "opencl:3"
    assert recorder("conv2d")(x[:, :2, :4, :4], w[:2, :2], padding="same", device="auto") == "cpu"
    assert recorder("conv2d")(x, w, device="cpu") == "cpu"
    assert recorder("conv2d")(x, w, device="opencl:9") == "opencl:9"
    assert recorder("conv2d")(x, device="auto") == "cpu"  # not enough arguments: the op itself says so
    assert recorder("conv2d")(x, None, device="auto") == "cpu"
    assert recorder("nothing")(x, w, device="auto") == "cpu"
    assert nn.conv2d.__doc__ is not None
    assert nn.conv2d.__name__ == "conv2d"


def test_every_function_with_a_device_knows_auto():
    """Public functions on arrays that take `device` resolve it first, whatever else they are given."""
    from ferkern import flow, image, linalg

    found = [
        (module, name, function)
        for module in (nn, flow, image, linalg)
        for name, function in vars(module).items()
        if name in module.__all__
        and callable(function)
        and not isinstance(function, type)
        and "device" in inspect.signature(function).parameters
    ]
    assert len(found) > 20
    through = {"pca": "svd", "binary_weight_conv2d": "conv2d", "binary_weight_dense": "dense"}  # call one that does
    for module, name, function in found:
        if name not in through:
            assert hasattr(function, "__wrapped__"), f"{module.__name__}.{name} is not decorated with by_map"


def test_auto_gives_the_processors_bits_and_messages(rng):
    x = rng.standard_normal((1, 3, 9, 9)).astype(np.float32)
    w = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    assert (nn.conv2d(x, w, device="auto") == nn.conv2d(x, w)).all()
    assert (nn.max_pool2d(x, 2, device="auto") == nn.max_pool2d(x, 2)).all()
    with pytest.raises(ValueError, match="channels"):
        nn.conv2d(x[:, :2], w, device="auto")
    with pytest.raises(TypeError, match="float32"):
        nn.conv2d(x.astype(np.float64), w, device="auto")


def test_a_plan_is_decided_by_its_batch(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "ferkern.auto.decided", lambda op, features, threads: asked.append((op, features, threads)) or "cpu"
    )
    net = build("fer_2conv")
    net.plan(device="auto", batch=8, threads=1)
    assert asked == [("network", network_features(net, 8), 1)]


def test_counts_of_networks_and_functions():
    net = build("fer_2conv")
    found = network_features(net, 2)
    assert found.work == pytest.approx(2 * 2 * 5.2e6, rel=0.02)
    assert found.moved == 2 * 4 * (48 * 48 + 7)
    x, w = np.empty((2, 8, 20, 21), np.float32), np.empty((16, 8, 3, 3), np.float32)
    same, halved = conv2d(x, w, padding="same"), conv2d(x, w, padding=(1, 1), stride=2)
    assert same.work == 2 * 2 * 20 * 21 * 16 * 8 * 9
    assert halved.work == 2 * 2 * 10 * 11 * 16 * 8 * 9
    assert conv2d(x, w).work == 2 * 2 * 18 * 19 * 16 * 8 * 9
    assert conv2d(x, w[:, :, :1, :1]).kind == "1x1"
    assert conv2d(x, w[:8, :1]).kind == "depthwise"
    wide, tall = np.empty((10, 100), np.float32), np.empty((100, 10), np.float32)
    assert svd(wide) == svd(tall)
    assert svd(tall).kind == "tall"
    assert svd(np.empty((7, 8, 8), np.float32)).kind == "batch"
    assert svd(tall, k=3, method="randomized").kind == "randomized"


@pytest.mark.parametrize("op", sorted(CASES))
def test_every_family_is_a_call_that_grows(op, portrait):
    """The smallest size of each family runs, and its counts grow with it."""
    for family in CASES[op].families:
        small, next_one = family.make(family.sizes[0]), family.make(family.sizes[1])
        assert small.features.work < next_one.features.work
        assert list(family.sizes) == sorted(set(family.sizes))
    small.prepare("cpu")()
    assert op in FEATURES or op in ("network", "pipeline")


def test_names_of_cases():
    assert cases_of("xnor").op == "binary_conv2d"
    assert [f.name for f in cases_of("mini_xception").families] == ["mini_xception"]
    with pytest.raises(ValueError, match=r"'nothing' is neither .* nor one of conv2d, "):
        cases_of("nothing")


def test_the_ladder_is_climbed_and_refined():
    """Sizes are put between the two where the sides change places; a refusal or a long call ends the ladder."""
    effort = Effort(seconds=1.0, least=7, most=9, longest=0.5)
    tried = []

    def measure(size: int) -> Rung:
        tried.append(size)
        return rung(size, 1e-5 * size, 1e-4 + 1e-6 * size)

    rungs, ended = climb((1, 4, 16, 64), measure, effort, (MemoryError,))
    assert [r.size for r in rungs] == [1, 4, 8, 11, 16, 64]
    assert tried == [1, 4, 16, 64, 8, 11]
    assert ended == ""

    def refuse(size: int) -> Rung:
        if size > 4:
            raise MemoryError("too large")
        return rung(size, 1.0, 2.0)

    rungs, ended = climb((1, 4, 16, 64), refuse, replace(effort, longest=9.0), (MemoryError,))
    assert [r.size for r in rungs] == [1, 4]
    assert ended == "16: too large"
    rungs, ended = climb((1, 4, 16), lambda n: rung(n, 1.0 * n, 2.0), effort, (MemoryError,))
    assert [r.size for r in rungs] == [1]
    assert "takes more than 0.5 s" in ended
    assert climb((1,), lambda n: rung(n, 1.0, 2.0), effort, ())[1] == ""


@pytest.mark.slow
def test_measured_on_a_device(cl_device, monkeypatch):
    """The whole way on a real device: measured, saved, read, decided; the first call in a process of its own."""
    small = replace(CASES["conv2d"].families[0], sizes=(6,))
    monkeypatch.setitem(crossover_cases.CASES, "conv2d", replace(CASES["conv2d"], families=(small,)))
    measured = crossover("conv2d", device=cl_device, quick=True)
    (ladder,) = measured.ladders
    assert [r.size for r in ladder.rungs] == [6]
    for r in ladder.rungs:
        assert len(r.cpu) == len(r.device) == len(r.resident) >= 3
        assert min(r.cpu + r.device + r.resident) > 0
        assert len(r.first) == 2
        assert r.first[1] > min(r.device)  # the program was built
    assert measured.opening_seconds > 0
    assert device_of(measured.identity) == cl_device
    choice = choose("conv2d", ladder.rungs[0].features)
    assert choice.by is not None
    assert choice.device in ("cpu", cl_device)


def test_a_device_that_is_missing(monkeypatch):
    with pytest.raises(ValueError, match="nothing"):
        crossover("nothing")
    with pytest.raises(ValueError, match="device must be"):
        crossover("conv2d", device="cpu")
