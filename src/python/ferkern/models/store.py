"""Networks on disk: a safetensors file with the graph as JSON in its header. Nothing is unpickled.

Every size, offset, name and type is checked against the file's real length, and the whole graph's shapes are
inferred from the header alone, before an array is allocated. Whatever does not fit is a `ModelError`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern.errors import ModelError
from ferkern.models import tensors as tensor_file
from ferkern.models.network import Network, Node, Quantization
from ferkern.models.tensors import short

__all__ = ["FORMAT_VERSION", "files", "load", "save", "shipped"]

FORMAT_VERSION = 1
_SUFFIX = ".safetensors"
_KEY = "ferkern"  # the one entry of the header's __metadata__, so that the same network gives the same bytes
_MAX_NODES = 10_000
_DTYPES = ("F32", "F16")


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
            header = tensor_file.read_header(stream, _DTYPES)
            nodes = _read_graph(header.metadata).nodes
        except ModelError:
            return False
    used = {tensor for node in nodes for tensor in node.weights.values()}
    return set(header.specs) == used


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
            # Only where there is one: files of networks that were never calibrated keep their bytes.
            **(
                {"quantization": {k: [q.scale, q.zero_point] for k, q in network.quantization.items()}}
                if network.quantization
                else {}
            ),
        },
        allow_nan=False,
    )
    tensor_file.write(path, tensors, {_KEY: graph})


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
            header = tensor_file.read_header(file, _DTYPES)
            network = _read_graph(header.metadata)
            network._infer({name: spec.shape for name, spec in header.specs.items()})
            network.weights = {
                name: tensor_file.read_tensor(file, name, spec).astype(np.float32)
                for name, spec in header.specs.items()
            }
        network.validate()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error
    return network


def _read_graph(metadata: dict[str, Any]) -> Network:
    """The network of a header, still without weights."""
    if not isinstance(metadata.get(_KEY), str):
        raise ModelError(f"header has no graph (key {_KEY!r} of __metadata__); not a file of ferkern's")
    graph = tensor_file.parse("graph", metadata[_KEY])
    version = graph.get("format")
    if type(version) is not int or version != FORMAT_VERSION:
        raise ModelError(f"graph: format {short(version)}, this version reads format {FORMAT_VERSION}")
    nodes = _field(graph, "nodes", list)
    if not 1 <= len(nodes) <= _MAX_NODES:
        raise ModelError(f"graph: {len(nodes)} nodes, expected 1..{_MAX_NODES}")
    shape = _field(graph, "input_shape", list)
    if len(shape) != 3 or any(type(n) is not int for n in shape):
        raise ModelError(f"graph: input_shape must be three integers, is {short(shape)}")
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
        quantization=_read_quantization(graph.get("quantization", {})),
    )


def _read_quantization(values: Any) -> dict[str, Quantization]:
    if not isinstance(values, dict):
        raise ModelError(f"graph: quantization must be a dict, is {short(values)}")
    found = {}
    for name, value in values.items():
        pair = isinstance(value, list) and len(value) == 2
        if not pair or type(value[0]) not in (int, float) or type(value[1]) is not int:
            raise ModelError(f"quantization of {short(name)}: must be a scale and a zero point, is {short(value)}")
        found[name] = Quantization(float(value[0]), value[1])
    return found


def _read_node(index: int, value: Any) -> Node:
    where = f"node {index}"
    if not isinstance(value, dict) or set(value) != {"op", "inputs", "output", "attributes", "weights"}:
        raise ModelError(f"{where}: needs op, inputs, output, attributes, weights; is {short(value)}")
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
        raise ModelError(f"{where}: {name} must be a {kind.__name__}, is {short(value)}")
    return value


def _texts(where: str, values: list[Any]) -> list[str]:
    if not all(isinstance(v, str) for v in values):
        raise ModelError(f"{where}: must be texts, is {short(values)}")
    return values


def _text_map(where: str, values: dict[str, Any]) -> dict[str, str]:
    _texts(where, list(values.values()))
    return values
