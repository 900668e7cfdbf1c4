"""The profile of a machine: what one core can compute at most, and how fast each level of memory is.

`ferkern.bench.machine` measures it; here is what it holds, and its file.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ferkern import _core, cache
from ferkern.errors import ModelError
from ferkern.registry import ISAS

__all__ = [
    "FILE",
    "KINDS",
    "LEVELS",
    "Level",
    "MachineProfile",
    "Measured",
    "Passage",
    "load_profile",
    "profile_path",
    "saved_profile",
]

log = logging.getLogger(__name__)

FILE = "machine.json"
FORMAT_VERSION = 1
KINDS = ("fp32", "int8", "bf16", "xor_popcount")
LEVELS = ("L1", "L2", "L3", "memory")
_PRIVATE = ("L1", "L2")  # every core has its own
_MOST_BYTES = 1 << 20  # of a profile's file
_AGAIN = "'ferkern bench machine' measures again"


@dataclass(frozen=True, slots=True)
class Measured:
    """Median, lowest and highest of several repetitions, in operations or bytes a second."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Level:
    """A level of memory: ``"L1"`` (data), ``"L2"``, ``"L3"`` or ``"memory"``.

    Attributes
    ----------
    size_bytes
        Of one cache; None for memory.
    """

    name: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Passage:
    """Bytes a second when `size_bytes` in all are gone through again and again.

    Attributes
    ----------
    kind
        ``"read"``, or ``"copy"`` of one half to the other: bytes read and bytes written both count, what the processor
        reads in order to write part of a line does not.
    level
        That the bytes stand in.
    threads
        Each with its own part.
    """

    kind: str
    level: str
    size_bytes: int
    threads: int
    rate: Measured


@dataclass(frozen=True, slots=True)
class MachineProfile:
    """What a machine can do at most, as measured.

    Attributes
    ----------
    machine
        ``brand``, ``isa`` (the highest that runs), ``threads``, ``date`` (ISO 8601, UTC), ``platform``, versions.
    peaks
        Kind (``"fp32"``, ``"int8"``, ``"bf16"``, ``"xor_popcount"``) to instruction set to operations a second of one
        core; a multiply-add counts two, a compared bit too.
    levels
        From the nearest to memory.
    passages
        Bandwidth.
    missing
        What could not be measured, and why.
    """

    machine: Mapping[str, str | int]
    peaks: Mapping[str, Mapping[str, Measured]]
    levels: tuple[Level, ...]
    passages: tuple[Passage, ...]
    missing: Mapping[str, str]

    def peak(self, kind: str, isa: str) -> tuple[float, str] | None:
        """Operations a second of one core, and the instruction set that reached them: `isa` or the next below."""
        rows = self.peaks.get(kind, {})
        if isa not in ISAS:
            return None
        for name in reversed(ISAS[: ISAS.index(isa) + 1]):
            if name in rows:
                return rows[name].value, name
        return None

    def bandwidth(self, level: str, threads: int = 1) -> float | None:
        """Bytes a second between a level and `threads` cores: read or copied, whichever is faster, at the best size.

        Private levels count once for each thread; shared ones give no more than was measured with all threads.
        """
        best: dict[int, float] = {}
        for p in self.passages:
            if p.level == level:
                best[p.threads] = max(best.get(p.threads, 0.0), p.rate.value)
        if 1 not in best:
            return None
        one, most = best[1], max(best)
        if level in _PRIVATE or threads == 1 or most == 1:
            return one * (threads if level in _PRIVATE else 1)
        return min(threads * one, max(one, best[most]))

    def capacity(self, level: str, threads: int = 1) -> float:
        """Bytes that a level holds for `threads` cores."""
        for known in self.levels:
            if known.name == level and known.size_bytes is not None:
                return float(known.size_bytes * (threads if level in _PRIVATE else 1))
        return math.inf if level == LEVELS[-1] else 0.0

    def level_of(self, size_bytes: float, threads: int = 1) -> str:
        """The nearest level that holds so many bytes, spread over the cores."""
        return next(name for name in LEVELS if size_bytes <= self.capacity(name, threads))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a peak that could not be measured is null, and `missing` says why."""
        peaks = {kind: self.peaks.get(kind) for kind in KINDS}
        return {
            "format": FORMAT_VERSION,
            "machine": dict(self.machine),
            "peaks": {
                kind: {isa: asdict(m) for isa, m in rows.items()} if rows is not None else None
                for kind, rows in peaks.items()
            },
            "levels": [asdict(level) for level in self.levels],
            "bandwidth": [asdict(p) for p in self.passages],
            "missing": dict(self.missing),
        }

    @classmethod
    def from_dict(cls, values: Any) -> MachineProfile:
        """What `to_dict` gave.

        Raises
        ------
        ModelError
            Something is missing or not of its kind; the message names it.
        """
        if not isinstance(values, dict) or values.get("format") != FORMAT_VERSION:
            found = values.get("format") if isinstance(values, dict) else values
            raise ModelError(f"not a machine profile of format {FORMAT_VERSION}: format is {_short(found)}")
        machine = _dict(values, "machine")
        for key in ("brand", "isa", "date"):
            if not isinstance(machine.get(key), str):
                raise ModelError(f"machine: {key} must be a text, is {_short(machine.get(key))}")
        if not all(isinstance(v, str | int) for v in machine.values()):
            raise ModelError("machine: values must be texts or whole numbers")
        peaks = {}
        for kind, rows in _dict(values, "peaks").items():
            if kind not in KINDS:
                raise ModelError(f"peaks: unknown kind {_short(kind)}; there are {', '.join(KINDS)}")
            if rows is not None:
                peaks[kind] = {isa: _measured(rows, isa, f"peaks.{kind}") for isa in _known_isas(rows, kind)}
        levels = tuple(
            Level(_word(row, "name", LEVELS, "levels"), _size(row, "size_bytes", "levels", optional=True))
            for row in _list(values, "levels")
        )
        passages = tuple(
            Passage(
                _word(row, "kind", ("read", "copy"), "bandwidth"),
                _word(row, "level", LEVELS, "bandwidth"),
                _size(row, "size_bytes", "bandwidth") or 0,
                _size(row, "threads", "bandwidth") or 0,
                _measured(row, "rate", "bandwidth"),
            )
            for row in _list(values, "bandwidth")
        )
        missing = _dict(values, "missing")
        if not all(isinstance(reason, str) for reason in missing.values()):
            raise ModelError("missing: reasons must be texts")
        return cls(machine, peaks, levels, passages, missing)

    def save(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the profile as JSON, whole or not at all; None: where `load_profile` looks for it.

        Raises
        ------
        OSError
            It cannot be written.
        """
        target = profile_path() if path is None else Path(path)
        cache.write_whole(target, json.dumps(self.to_dict(), indent=1) + "\n")
        return target


def profile_path() -> Path:
    """Where this machine's profile is kept: ``machine.json`` in the cache folder (`ferkern.cache`)."""
    return cache.folder() / FILE


def load_profile(path: str | os.PathLike[str] | None = None) -> MachineProfile:
    """Read a saved profile.

    Parameters
    ----------
    path
        A file, of this or another machine; None: the one that ``ferkern bench machine`` saved, which must be of this.

    Raises
    ------
    FileNotFoundError
        There is none.
    ModelError
        It is damaged, cannot be read, or was measured on another processor than this.
    """
    file = profile_path() if path is None else Path(path)
    try:
        with file.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise FileNotFoundError(f"{file}: no machine profile; 'ferkern bench machine' measures one") from None
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror or error}") from error
    if len(data) > _MOST_BYTES:
        raise ModelError(f"{file}: longer than {_MOST_BYTES:,} bytes, not a machine profile; {_AGAIN}")
    try:
        profile = MachineProfile.from_dict(json.loads(data))
    except ModelError as error:
        raise ModelError(f"{file}: no machine profile, or a damaged one: {error}; {_AGAIN}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{file}: not JSON ({error}); {_AGAIN}") from error
    here = str(_core.cpu()["brand"])
    if path is None and (profile.machine["brand"], profile.machine["isa"]) != (here, _core.isa_supported()):
        measured = f"{profile.machine['brand']} ({profile.machine['isa']})"
        raise ModelError(f"{file}: measured on {measured}, this is {here} ({_core.isa_supported()}); {_AGAIN}")
    return profile


def saved_profile() -> MachineProfile | None:
    """This machine's saved profile; None where there is none, or it is damaged, which is logged."""
    file = profile_path()
    try:
        return _loaded(file, file.stat().st_mtime_ns)
    except OSError:
        return None


@functools.lru_cache(maxsize=4)
def _loaded(file: Path, changed: int) -> MachineProfile | None:
    try:
        return load_profile()
    except (ModelError, FileNotFoundError) as error:
        log.warning("no shares of bounds: %s", error)
        return None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _dict(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(values.get(name), dict):
        raise ModelError(f"{name} must be an object, is {_short(values.get(name))}")
    return dict(values[name])


def _list(values: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = values.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ModelError(f"{name} must be a list of objects, is {_short(rows)}")
    return rows


def _word(row: Mapping[str, Any], name: str, known: tuple[str, ...], where: str) -> str:
    if row.get(name) not in known:
        raise ModelError(f"{where}: {name} must be one of {', '.join(known)}, is {_short(row.get(name))}")
    return str(row[name])


def _size(row: Mapping[str, Any], name: str, where: str, *, optional: bool = False) -> int | None:
    value = row.get(name)
    if value is None and optional:
        return None
    if type(value) is not int or value < 1:
        raise ModelError(f"{where}: {name} must be a whole number from 1, is {_short(value)}")
    return value


def _known_isas(rows: Any, kind: str) -> list[str]:
    if not isinstance(rows, dict) or not rows or not set(rows) <= set(ISAS):
        raise ModelError(f"peaks.{kind} must be an object of {', '.join(ISAS)}, is {_short(rows)}")
    return list(rows)


def _measured(rows: Mapping[str, Any], name: str, where: str) -> Measured:
    value = rows.get(name)
    numbers: list[Any] = [value.get(key) for key in ("value", "low", "high")] if isinstance(value, dict) else []
    if not numbers or not all(type(n) in (int, float) and math.isfinite(n) and n > 0 for n in numbers):
        raise ModelError(f"{where}: {name} must have value, low and high above 0, is {_short(value)}")
    return Measured(*map(float, numbers))
