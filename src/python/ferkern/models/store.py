"""Networks on disk: a safetensors file with the graph as JSON in its header. Nothing is unpickled.

Every size, offset, name and type is checked against the file's real length, and the whole graph's shapes are
inferred from the header alone, before an array is allocated. Whatever does not fit is a `ModelError`.
"""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import asdict
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as _to_safetensors

from ferkern.errors import ModelError
from ferkern.models.network import Network, Node

__all__ = ["FORMAT_VERSION", "files", "load", "save", "shipped"]

FORMAT_VERSION = 1
_SUFFIX = ".safetensors"
_KEY = "ferkern"  # the one entry of the header's __metadata__, so that the same network gives the same bytes
_MAX_HEADER = 4 << 20
_MAX_FILE = 1 << 31
_MAX_NODES = 10_000
_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}


def files() -> dict[str, Traversable]:
    """Every file of weights in the package, by its name without suffix: networks, and what has a reader of its own."""
    folder = resources.files("ferkern.models").joinpath("weights")
    found = sorted(folder.iterdir(), key=lambda file: file.name) if folder.is_dir() else []
    return {file.name.removesuffix(_SUFFIX): file for file in found if file.name.endswith(_SUFFIX)}


def shipped() -> tuple[str, ...]:
    """Names of the networks whose weights are in the package, for `load`.

    A file of which a network is only a part, such as the detector's, is not among them.
    """
    return tuple(name for name, file in files().items() if _is_network(file))


def _is_network(file: Traversable) -> bool:
    """Whether the file holds a graph and nothing but the graph's tensors."""
    with resources.as_file(file) as path, open(path, "rb") as stream:
        try:
            header, _ = _read_header(stream, os.fstat(stream.fileno()).st_size)
            nodes = _read_graph(header).nodes
        except ModelError:
            return False
    used = {tensor for node in nodes for tensor in node.weights.values()}
    return set(header) - {"__metadata__"} == used


def save(network: Network, path: str | os.PathLike[str], dtype: str = "float16") -> None:
    """Write a network to one file.

    Parameters
    ----------
    network
        The network; it is validated first.
    path
        File to write; it is replaced at once and never left half written.
    dtype
        ``"float16"`` or ``"float32"``, of tensors of two and more axes. Biases and batch-norm statistics are
        always float32: they are few, and variances may lie below float16's range.

    Raises
    ------
    ValueError
        If a weight is not finite, or beyond float16's range.
    """
    if dtype not in ("float16", "float32"):
        raise ValueError(f"dtype must be 'float16' or 'float32', is {dtype!r}")
    network.validate()
    tensors: dict[str, NDArray[Any]] = {}
    for name, tensor in network.weights.items():
        with np.errstate(over="ignore"):  # told below, by name
            small = tensor.astype(dtype) if tensor.ndim > 1 else tensor
        if not np.isfinite(small).all():
            raise ValueError(f"network: tensor {name!r} has values that are not finite in {small.dtype}")
        tensors[name] = np.ascontiguousarray(small)
    graph = json.dumps(
        {
            "format": FORMAT_VERSION,
            "name": network.name,
            "input": network.input,
            "input_shape": list(network.input_shape),
            "output": network.output,
            "nodes": [asdict(node) for node in network.nodes],
            "preprocessing": network.preprocessing,
            "classes": list(network.classes),
            "card": network.metadata,
        },
        allow_nan=False,
    )
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(_to_safetensors(tensors, metadata={_KEY: graph}))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load(name_or_path: str | os.PathLike[str]) -> Network:
    """Read a shipped network by its name, or any network by its file.

    Parameters
    ----------
    name_or_path
        ``"fer_small"``, or the path of a ``.safetensors`` or ``.onnx`` file (`ferkern.models.onnx_import`).

    Raises
    ------
    ValueError
        If there is neither a shipped network nor a file of that name, or it is ONNX and the package onnx is not there.
    ModelError
        If the file is damaged; the message names what is wrong.
    """
    name = os.fspath(name_or_path)
    file = files().get(name)
    if file is not None:
        with resources.as_file(file) as path:
            return _load(path)
    path = Path(name)
    if not path.is_file():
        raise ValueError(
            f"name_or_path: {name!r} is neither a file nor a shipped network ({', '.join(shipped())}); "
            "untrained ones are built with ferkern.models.build"
        )
    if path.suffix.lower() == ".onnx":
        from ferkern.models.onnx_import import read_onnx

        return read_onnx(path)
    return _load(path)


def _load(path: Path) -> Network:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            header, start = _read_header(file, size)
            specs = _tensor_specs(header, size - start)
            network = _read_graph(header)
            network._infer({name: shape for name, (_, shape, _) in specs.items()})
            network.weights = {
                name: _read_tensor(file, name, start + offset, dtype, shape)
                for name, (dtype, shape, offset) in specs.items()
            }
        network.validate()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error
    return network


def _read_header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The header, and where the tensors' bytes begin."""
    if not 8 <= size <= _MAX_FILE:
        raise ModelError(f"file has {size} bytes, expected 8..{_MAX_FILE}")
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(_MAX_HEADER, size - 8):
        raise ModelError(f"header says {length} bytes, at most {min(_MAX_HEADER, size - 8)} are possible")
    header = _parse("header", file.read(length))
    return header, 8 + length


def _parse(what: str, text: bytes | str) -> dict[str, Any]:
    """JSON object without repeated keys and without numbers that are not finite."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            raise ValueError("a key stands twice")
        return result

    def constant(word: str) -> Any:
        raise ValueError(f"{word} is not a number")

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{what} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{what} is a JSON {type(value).__name__}, expected an object")
    return value


Spec = tuple[np.dtype[Any], tuple[int, ...], int]


def _tensor_specs(header: dict[str, Any], data_bytes: int) -> dict[str, Spec]:
    """Name to (type, shape, offset); the tensors must fill the data exactly, without gap or overlap."""
    specs: dict[str, Spec] = {}
    spans: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ModelError(f"tensor {name!r}: needs dtype, shape and data_offsets, has {_short(entry)}")
        dtype = _DTYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
        if dtype is None:
            raise ModelError(f"tensor {name!r}: dtype {_short(entry['dtype'])} is not one of {list(_DTYPES)}")
        shape, offsets = (
            _counts(name, "shape", entry["shape"]),
            _counts(name, "data_offsets", entry["data_offsets"]),
        )
        if len(shape) > 8 or len(offsets) != 2:
            raise ModelError(f"tensor {name!r}: shape {_short(shape)}, data_offsets {_short(offsets)}")
        begin, end = offsets
        needed = math.prod(shape) * dtype.itemsize
        if not begin <= end <= data_bytes or end - begin != needed:
            raise ModelError(
                f"tensor {name!r}: {list(shape)} of {entry['dtype']} takes {needed} bytes, "
                f"data_offsets are [{begin}, {end}] of {data_bytes} bytes"
            )
        specs[name] = (dtype, shape, begin)
        spans.append((begin, end, name))
    reached = 0
    for begin, end, name in sorted(spans):
        if begin != reached:
            raise ModelError(f"tensor {name!r}: begins at byte {begin}, the tensor before it ends at {reached}")
        reached = end
    if reached != data_bytes:
        raise ModelError(f"tensors end at byte {reached}, the data has {data_bytes}")
    return specs


def _counts(name: str, field: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or any(type(v) is not int or not 0 <= v <= _MAX_FILE for v in value):
        raise ModelError(f"tensor {name!r}: {field} must be a list of counts, is {_short(value)}")
    return tuple(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _read_tensor(
    file: BinaryIO, name: str, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    file.seek(offset)
    raw = file.read(math.prod(shape) * dtype.itemsize)
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise ModelError(f"tensor {name!r}: the file ends inside it")
    tensor = np.frombuffer(raw, dtype).reshape(shape).astype(np.float32)
    if not np.isfinite(tensor).all():
        raise ModelError(f"tensor {name!r}: has values that are not finite")
    return tensor


def _read_graph(header: dict[str, Any]) -> Network:
    """The network of a header, still without weights."""
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str):
        raise ModelError(f"header has no graph (key {_KEY!r} of __metadata__); not a file of ferkern's")
    graph = _parse("graph", metadata[_KEY])
    version = graph.get("format")
    if type(version) is not int or version != FORMAT_VERSION:
        raise ModelError(f"graph: format {_short(version)}, this version reads format {FORMAT_VERSION}")
    nodes = _field(graph, "nodes", list)
    if not 1 <= len(nodes) <= _MAX_NODES:
        raise ModelError(f"graph: {len(nodes)} nodes, expected 1..{_MAX_NODES}")
    shape = _field(graph, "input_shape", list)
    if len(shape) != 3 or any(type(n) is not int for n in shape):
        raise ModelError(f"graph: input_shape must be three integers, is {_short(shape)}")
    return Network(
        name=_field(graph, "name", str),
        input=_field(graph, "input", str),
        input_shape=(shape[0], shape[1], shape[2]),
        output=_field(graph, "output", str),
        nodes=[_read_node(index, node) for index, node in enumerate(nodes)],
        weights={},
        preprocessing=_field(graph, "preprocessing", dict),
        classes=tuple(_texts("classes", _field(graph, "classes", list))),
        metadata=_text_map("card", _field(graph, "card", dict)),
    )


def _read_node(index: int, value: Any) -> Node:
    where = f"node {index}"
    if not isinstance(value, dict) or set(value) != {"op", "inputs", "output", "attributes", "weights"}:
        raise ModelError(f"{where}: needs op, inputs, output, attributes, weights; is {_short(value)}")
    return Node(
        op=_field(value, "op", str, where),
        inputs=tuple(_texts(f"{where}: inputs", _field(value, "inputs", list, where))),
        output=_field(value, "output", str, where),
        attributes=_field(value, "attributes", dict, where),
        weights=_text_map(f"{where}: weights", _field(value, "weights", dict, where)),
    )


def _field(values: dict[str, Any], name: str, kind: type[Any], where: str = "graph") -> Any:
    value = values.get(name)
    if not isinstance(value, kind):
        raise ModelError(f"{where}: {name} must be a {kind.__name__}, is {_short(value)}")
    return value


def _texts(where: str, values: list[Any]) -> list[str]:
    if not all(isinstance(v, str) for v in values):
        raise ModelError(f"{where}: must be texts, is {_short(values)}")
    return values


def _text_map(where: str, values: dict[str, Any]) -> dict[str, str]:
    _texts(where, list(values.values()))
    return values
