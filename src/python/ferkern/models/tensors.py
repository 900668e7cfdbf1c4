"""Tensors on disk: the safetensors format, read with bounds and written whole. Nothing is unpickled.

Every size, offset, name and type is checked against the file's real length before an array is allocated. Whatever does
not fit is a `ModelError`.
"""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as _to_safetensors

from ferkern.errors import ModelError

__all__ = ["Header", "Spec", "parse", "read_header", "read_tensor", "short", "write"]

_MAX_HEADER = 4 << 20
_MAX_FILE = 1 << 31
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "I16": np.dtype("<i2"),
    "U16": np.dtype("<u2"),
}


@dataclass(frozen=True, slots=True)
class Spec:
    """What the header says of a tensor: type, shape, and the byte of the file at which it begins."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int


@dataclass(frozen=True, slots=True)
class Header:
    """A judged header: free metadata, and the tensors by name, which fill the file without gap or overlap."""

    metadata: dict[str, Any]
    specs: dict[str, Spec]


def write(path: str | os.PathLike[str], tensors: dict[str, NDArray[Any]], metadata: dict[str, str]) -> None:
    """Write a file; it is replaced at once and never left half written."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(_to_safetensors(tensors, metadata=metadata))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_header(file: BinaryIO, dtypes: tuple[str, ...]) -> Header:
    """The header of an open file whose tensors may have these types, by the format's names (``"F16"``).

    Raises
    ------
    ModelError
        If a size, offset, name or type is wrong, or the tensors do not fill the file exactly.
    """
    size = os.fstat(file.fileno()).st_size
    if not 8 <= size <= _MAX_FILE:
        raise ModelError(f"file has {size} bytes, expected 8..{_MAX_FILE}")
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(_MAX_HEADER, size - 8):
        raise ModelError(
            f"no safetensors file, or damaged: header says {length:,} bytes, at most "
            f"{min(_MAX_HEADER, size - 8):,} are possible"
        )
    entries = parse("header", file.read(length))
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise ModelError(f"header: __metadata__ must be an object, is {short(metadata)}")
    return Header(metadata, _specs(entries, dtypes, 8 + length, size))


def parse(what: str, text: bytes | str) -> dict[str, Any]:
    """JSON object without repeated keys and without numbers that are not finite, or a `ModelError`."""

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


def _specs(entries: dict[str, Any], dtypes: tuple[str, ...], start: int, size: int) -> dict[str, Spec]:
    specs = {name: _spec(name, entry, dtypes, start, size - start) for name, entry in entries.items()}
    reached = 0
    for begin, needed, name in sorted((s.begin - start, _bytes(s), name) for name, s in specs.items()):
        if begin != reached:
            raise ModelError(f"tensor {name!r}: begins at byte {begin}, the tensor before it ends at {reached}")
        reached = begin + needed
    if reached != size - start:
        raise ModelError(f"tensors end at byte {reached}, the data has {size - start}")
    return specs


def _spec(name: str, entry: Any, dtypes: tuple[str, ...], start: int, data_bytes: int) -> Spec:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ModelError(f"tensor {name!r}: needs dtype, shape and data_offsets, has {short(entry)}")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in dtypes:
        raise ModelError(f"tensor {name!r}: dtype {short(entry['dtype'])} is not one of {list(dtypes)}")
    shape = _counts(name, "shape", entry["shape"])
    offsets = _counts(name, "data_offsets", entry["data_offsets"])
    if len(shape) > 8 or len(offsets) != 2:
        raise ModelError(f"tensor {name!r}: shape {short(shape)}, data_offsets {short(offsets)}")
    begin, end = offsets
    spec = Spec(_DTYPES[entry["dtype"]], shape, start + begin)
    if not begin <= end <= data_bytes or end - begin != _bytes(spec):
        raise ModelError(
            f"tensor {name!r}: {list(shape)} of {entry['dtype']} takes {_bytes(spec)} bytes, "
            f"data_offsets are [{begin}, {end}] of {data_bytes} bytes"
        )
    return spec


def _bytes(spec: Spec) -> int:
    return math.prod(spec.shape) * spec.dtype.itemsize


def _counts(name: str, field: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or any(type(v) is not int or not 0 <= v <= _MAX_FILE for v in value):
        raise ModelError(f"tensor {name!r}: {field} must be a list of counts, is {short(value)}")
    return tuple(value)


def short(value: Any) -> str:
    """A value for an error message, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def read_tensor(file: BinaryIO, name: str, spec: Spec) -> NDArray[Any]:
    """A tensor in the type it is stored in; its numbers are finite, or a `ModelError`."""
    file.seek(spec.begin)
    raw = file.read(_bytes(spec))
    if len(raw) != _bytes(spec):
        raise ModelError(f"tensor {name!r}: the file ends inside it")
    tensor = np.frombuffer(raw, spec.dtype).reshape(spec.shape)
    if not np.isfinite(tensor).all():
        raise ModelError(f"tensor {name!r}: has values that are not finite")
    return tensor
