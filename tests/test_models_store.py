"""Files of networks: what is written comes back, and every kind of damage is a ModelError."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferkern import models
from ferkern.errors import ModelError
from ferkern.models import store
from ferkern.models.builder import GraphBuilder
from ferkern.models.network import Network
from ferkern.models.zoo import BUILDERS


def _small() -> Network:
    g = GraphBuilder("small", (1, 8, 8), seed=3)
    x = g.max_pool2d(g.conv_bn("input", 4, 3), 2)
    g.softmax(g.dense(g.dropout(g.flatten(x), 0.1), 7))
    network = g.finish(preprocessing={"size": [8, 8], "channels": 1, "normalization": "per_image", "epsilon": 1.0})
    network.metadata = {"accuracy": "0.5"}
    return network


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    models.save(_small(), path)
    return path


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_is_saved_comes_back(tmp_path: Path, dtype: str) -> None:
    network = _small()
    models.save(network, tmp_path / "n.safetensors", dtype=dtype)
    back = models.load(tmp_path / "n.safetensors")
    assert back.nodes == network.nodes
    for field in ("name", "input", "input_shape", "output", "preprocessing", "classes", "metadata"):
        assert getattr(back, field) == getattr(network, field)
    for name, tensor in network.weights.items():
        assert back.weights[name].dtype == np.float32
        expected = tensor.astype(dtype) if tensor.ndim > 1 else tensor
        assert np.array_equal(back.weights[name], expected.astype(np.float32))


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    models.save(_small(), tmp_path / "a.safetensors")
    models.save(_small(), tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_other_readers_of_safetensors_accept_it(file: Path) -> None:
    from safetensors.numpy import load_file

    assert set(load_file(file)) == set(_small().weights)


def test_values_beyond_float16_are_refused(tmp_path: Path) -> None:
    network = _small()
    network.weights[network.nodes[0].weights["w"]][0] = 1e6
    with pytest.raises(ValueError, match=r"conv2d_1\.w.*not finite in float16"):
        models.save(network, tmp_path / "n.safetensors")
    with pytest.raises(ValueError, match="dtype must be"):
        models.save(network, tmp_path / "n.safetensors", dtype="int8")


def test_unknown_name_and_missing_file() -> None:
    with pytest.raises(ValueError, match="neither a file nor a shipped network"):
        models.load("fer_enormous")


def test_every_truncation_is_a_model_error(file: Path) -> None:
    data = file.read_bytes()
    for length in [*range(0, 200), *range(200, len(data), 37), len(data) - 1]:
        file.write_bytes(data[:length])
        with pytest.raises(ModelError):
            models.load(file)


def test_bytes_too_many_are_a_model_error(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="tensors end at byte"):
        models.load(file)


def test_flipped_bits_of_the_header_never_escape_as_another_error(file: Path) -> None:
    data = file.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    rng = np.random.default_rng(0)
    refused = 0
    for at in rng.integers(0, 8 + length, 1500):
        damaged = bytearray(data)
        damaged[at] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        try:
            models.load(file).validate()  # a flip inside a name may leave a network that is whole
        except ModelError:
            refused += 1
    assert refused > 1000


def _header(file: Path) -> tuple[dict[str, Any], bytes]:
    data = file.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _write(file: Path, header: dict[str, Any] | str, body: bytes) -> None:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + body)


def _set(tensor: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda header: header[tensor].__setitem__(key, value)


_W = "conv2d_1.w"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set(_W, "shape", [1 << 60, 1 << 60]), "shape must be a list of counts"),
        (_set(_W, "shape", [1 << 30, 1 << 30, 1 << 30]), "takes"),
        (_set(_W, "shape", [-4, -1, 3, 3]), "shape must be a list of counts"),
        (_set(_W, "shape", [4.0, 1, 3, 3]), "shape must be a list of counts"),
        (_set(_W, "shape", [1] * 64 + [4, 1, 3, 3]), "shape"),
        (_set(_W, "shape", [4, 3, 3]), "must have shape"),
        (_set(_W, "shape", "36"), "shape must be"),
        (_set(_W, "dtype", "F64"), "dtype 'F64' is not one of"),
        (_set(_W, "dtype", ["F16"]), "dtype"),
        (_set(_W, "data_offsets", [0, 1 << 31]), "takes"),
        (_set(_W, "data_offsets", [8, 0]), "takes"),
        (_set(_W, "data_offsets", [None, 2]), "data_offsets must be"),
        (
            lambda h: h.__setitem__("extra", {"dtype": "F32", "shape": [0], "data_offsets": [5, 5]}),
            "begins at",
        ),
        (lambda h: h.__setitem__(_W, 3), "needs dtype, shape"),
        (lambda h: h.pop(_W), "begins at byte|names tensor"),
        (lambda h: h.pop("__metadata__"), "has no graph"),
        (lambda h: h.__setitem__("__metadata__", {"ferkern": "{"}), "graph is not valid JSON"),
        (lambda h: h.__setitem__("__metadata__", {"ferkern": "[" * 100_000}), "not valid JSON"),
        (lambda h: h.__setitem__("__metadata__", {"ferkern": "[]"}), "expected an object"),
    ],
)
def test_hostile_headers_are_named(file: Path, change: Callable[[dict[str, Any]], None], message: str) -> None:
    header, body = _header(file)
    change(header)
    _write(file, header, body)
    with pytest.raises(ModelError, match=message) as caught:
        models.load(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), 2, "this version reads format 1"),
        (("format",), None, "this version reads format 1"),
        (("nodes",), [], "0 nodes"),
        (("nodes",), {}, "nodes must be a list"),
        (("nodes", 0), 5, "node 0: needs op"),
        (("nodes", 0, "op"), ["conv2d"], "node 0: op must be a str"),
        (("nodes", 0, "inputs"), [1], "node 0: inputs: must be texts"),
        (("nodes", 0, "weights", "w"), 7, "node 0: weights: must be texts"),
        (("nodes", 0, "attributes", "padding"), [1 << 40] * 4, "'padding' must be 4 integers"),
        (("nodes", 0, "attributes", "padding"), [65536] * 4, "has more than"),
        (("input_shape",), [1, 8], "three integers"),
        (("input_shape",), [1, 10**9, 10**9], "1..65536"),
        (("classes",), [[]], "classes: must be texts"),
        (("preprocessing", "normalization"), {}, "normalization must be"),
        (("preprocessing", "size"), 8, "do not make the input"),
    ],
)
def test_hostile_graphs_are_named(file: Path, path: tuple[Any, ...], value: Any, message: str) -> None:
    header, body = _header(file)
    graph = json.loads(header["__metadata__"]["ferkern"])
    place = graph
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    header["__metadata__"]["ferkern"] = json.dumps(graph)
    _write(file, header, body)
    with pytest.raises(ModelError, match=message):
        models.load(file)


def test_header_length_is_bounded_before_it_is_read(file: Path) -> None:
    data = file.read_bytes()
    for length in (1 << 63, (1 << 64) - 1, len(data), 5 << 20):
        file.write_bytes(struct.pack("<Q", length) + data[8:])
        with pytest.raises(ModelError, match="header says"):
            models.load(file)


def test_repeated_keys_and_numbers_that_are_none_are_refused(file: Path) -> None:
    header, body = _header(file)
    text = json.dumps(header)
    _write(file, text[:-1] + f', "{_W}": {{}}' + "}", body)
    with pytest.raises(ModelError, match="a key stands twice"):
        models.load(file)
    _write(file, text.replace("[4, 1, 3, 3]", "[NaN, 1, 3, 3]"), body)
    with pytest.raises(ModelError, match="NaN is not a number"):
        models.load(file)


def test_weights_that_are_not_finite_are_refused(file: Path) -> None:
    header, body = _header(file)
    begin, _ = header[_W]["data_offsets"]
    _write(file, header, body[:begin] + b"\x00\x7e" + body[begin + 2 :])
    with pytest.raises(ModelError, match=r"'conv2d_1\.w': has values that are not finite"):
        models.load(file)


def test_shipped_networks_load_and_run() -> None:
    assert models.shipped()
    for name in models.shipped():
        network = models.load(name)
        assert network.name == name
        assert np.isfinite(network.plan().run(np.zeros((1, *network.input_shape), np.float32))).all()
        if name in BUILDERS:
            assert network.classes == models.CLASSES
            assert network.preprocessing


def test_what_is_only_part_network_is_not_listed_as_one(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    assert "frontal" in store.files()
    assert "frontal" not in models.shipped()
    more = _small()
    more.weights["trees"] = np.ones(3, np.float32)
    models.save(more, file.with_name("detector.safetensors"))
    file.with_name("damaged.safetensors").write_bytes(file.read_bytes()[:100])
    listed = {name: file.with_name(f"{name}.safetensors") for name in ("damaged", "detector", "small")}
    monkeypatch.setattr(store, "files", lambda: listed)
    assert models.shipped() == ("small",)
    assert models.load("small").name == "small"
    with pytest.raises(ModelError, match="header says"):
        models.load("damaged")
