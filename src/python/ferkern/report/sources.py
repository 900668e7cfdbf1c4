"""The files that a report is made from, each recognised by what it holds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferkern.bench.crossover_map import Crossover
from ferkern.bench.machine import MachineProfile

__all__ = ["KINDS", "Source", "read", "select", "sift"]

_MOST_BYTES = 256 << 20

KINDS = {
    "transfers": "transfers (ferkern transfers --json)",
    "crossover": "crossover map (ferkern crossover --json, or the saved crossover.json)",
    "machine": "machine profile (ferkern bench machine --json)",
    "network": "network (ferkern bench NET --json)",
    "estimate": "estimate (ferkern estimate --json)",
    "tune": "tuned convolutions (ferkern tune --json)",
    "ledger": "ledger (Ledger.to_json)",
    "pytest-benchmark": "pytest-benchmark (pytest --benchmark-json)",
    "rows": "side-by-side table (benchmarks/peers/*.py, benchmarks/opencl_*.py --json)",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A file and what stands in it.

    Attributes
    ----------
    name
        Of the file without its folder, told apart from others of that name.
    kind
        One of `KINDS`.
    values
        As JSON; `Crossover`s of a map, a `MachineProfile` of a profile.
    brand
        The processor; empty where the file does not say.
    date
        ISO 8601; empty where the file does not say.
    """

    name: str
    kind: str
    values: Any
    brand: str = ""
    date: str = ""


def read(paths: Sequence[str | os.PathLike[str]]) -> tuple[Source, ...]:
    """Read files.

    Raises
    ------
    ValueError
        There is none, one cannot be read, is not JSON, or holds nothing that is known; the message names it.
    """
    found, trouble = sift(paths)
    if trouble:
        raise ValueError(trouble[0])
    return found


def sift(paths: Sequence[str | os.PathLike[str]]) -> tuple[tuple[Source, ...], tuple[str, ...]]:
    """The files that a report can show, each read once, and of each other one why not.

    Raises
    ------
    ValueError
        There is none.
    """
    if not paths:
        raise ValueError("paths: a report needs at least one file of results")
    files = [Path(path) for path in paths]
    names = [file.name for file in files]
    found, trouble = [], []
    for file in files:
        try:
            found.append(_source(file, file.name if names.count(file.name) == 1 else str(file)))
        except ValueError as error:
            trouble.append(str(error))
    return tuple(found), tuple(trouble)


def select(sources: Sequence[Source], *kinds: str) -> list[Source]:
    """Those of some kinds."""
    return [source for source in sources if source.kind in kinds]


def _source(file: Path, name: str) -> Source:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ValueError(
                f"{file}: {file.stat().st_size:,} bytes, more than the {_MOST_BYTES:,} that a report reads"
            )
        values = json.loads(file.read_bytes(), parse_constant=lambda _: None)  # infinite or not a number: missing
    except IsADirectoryError as error:
        raise ValueError(f"{file}: a folder; name its files, {file}/*.json") from error
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        text = str(error)
        raise ValueError(text if text.startswith(str(file)) else f"{file}: not JSON: {text}") from error
    found = values if isinstance(values, dict) else {}
    kind = next((kind for kind, test in _TESTS.items() if test(found)), None)
    if kind is None:
        known = "\n".join(f"  {words}" for words in KINDS.values())
        raise ValueError(f"{file}: {_found(values)}; a report knows\n{known}")
    try:
        return _MAKERS[kind](name, kind, found)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:  # ModelError is a ValueError
        words = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{file}: looks like a {KINDS[kind]}, but: {words}") from error


def _found(values: Any) -> str:
    """What stands in a file that is not known."""
    if not isinstance(values, dict):
        return f"holds a {type(values).__name__}"
    keys = [repr(key) for key in list(values)[:8]]
    return f"holds an object of {', '.join(keys)}{', ...' if len(values) > 8 else ''}" if keys else "holds nothing"


def _rows(values: Mapping[str, Any]) -> bool:
    rows = values.get("rows", values.get("layers"))
    rows = list(rows.values()) if isinstance(rows, dict) else rows
    return isinstance(rows, list) and bool(rows) and all(isinstance(row, dict) for row in rows) and "machine" in values


_TESTS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "transfers": lambda v: v.get("kind") == "transfers",
    "estimate": lambda v: v.get("kind") == "estimate",
    "tune": lambda v: v.get("kind") == "tune",
    "crossover": lambda v: isinstance(v.get("maps", v.get("crossover")), list),
    "machine": lambda v: {"peaks", "levels", "bandwidth"} <= set(v),
    "network": lambda v: {"network", "ledger", "seconds"} <= set(v),
    "ledger": lambda v: {"wall_seconds", "rows", "kinds"} <= set(v),
    "pytest-benchmark": lambda v: {"machine_info", "benchmarks"} <= set(v),
    "rows": _rows,
}


def _transfers(name: str, kind: str, v: dict[str, Any]) -> Source:
    for reading in v["readings"]:
        reading["way"]["memory"], reading["way"]["direction"], reading["median_seconds"]
    return Source(name, kind, v, v["machine"]["brand"], v["machine"]["date"])


def _of_machine(name: str, kind: str, v: dict[str, Any]) -> Source:
    return Source(name, kind, v, str(v["machine"]["brand"]), str(v["machine"]["date"]))


def _crossover(name: str, kind: str, v: dict[str, Any]) -> Source:
    maps = tuple(Crossover.from_dict(one) for one in v["maps" if "maps" in v else "crossover"])
    if not maps:
        raise ValueError("it holds no map")
    return Source(name, kind, maps, maps[0].identity.brand, maps[0].date)


def _machine(name: str, kind: str, v: dict[str, Any]) -> Source:
    profile = MachineProfile.from_dict(v)
    return Source(name, kind, profile, str(profile.machine["brand"]), str(profile.machine["date"]))


def _network(name: str, kind: str, v: dict[str, Any]) -> Source:
    _check_ledger(v["ledger"])
    return Source(name, kind, v, v["cpu"], str(v.get("date", "")))


def _ledger(name: str, kind: str, v: dict[str, Any]) -> Source:
    _check_ledger(v)
    machine = v.get("machine") or {}
    return Source(name, kind, v, machine.get("brand", ""), "")


def _check_ledger(v: dict[str, Any]) -> None:
    float(v["wall_seconds"]), float(v["remainder_seconds"]), v["device"], v["images"]
    for row in v["rows"]:
        float(row["seconds"]), row["layer"], row["kernel"], row["flops"] + row["bytes_read"] + row["bytes_written"]
    for span in v["spans"]:
        float(span["seconds"]), span["kind"], span["layer"]


def _pytest(name: str, kind: str, v: dict[str, Any]) -> Source:
    for one in v["benchmarks"]:
        one["name"], one["fullname"], one["stats"]["median"], one["extra_info"]
    return Source(name, kind, v, (v["machine_info"].get("cpu") or {}).get("brand_raw", ""), v.get("datetime", ""))


def _table(name: str, kind: str, v: dict[str, Any]) -> Source:
    machine = v["machine"]
    known = machine if isinstance(machine, dict) else {}
    cpu, date = known.get("cpu", known.get("processor", {})), known.get("date", "")
    return Source(name, kind, v, cpu.get("brand", "") if isinstance(cpu, dict) else str(cpu), str(date))


_MAKERS: dict[str, Callable[[str, str, dict[str, Any]], Source]] = {
    "transfers": _transfers,
    "estimate": _of_machine,
    "tune": _of_machine,
    "crossover": _crossover,
    "machine": _machine,
    "network": _network,
    "ledger": _ledger,
    "pytest-benchmark": _pytest,
    "rows": _table,
}
