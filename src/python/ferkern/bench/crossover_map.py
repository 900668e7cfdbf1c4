"""What was measured of processor and device beside each other, and the file that keeps it: the crossover map."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from ferkern import cache
from ferkern.bench.crossover_crossing import Crossing, crossing
from ferkern.bench.crossover_features import Features
from ferkern.errors import ModelError

__all__ = ["FILE", "STATES", "Crossover", "Identity", "Ladder", "Rung", "State", "load_maps", "save_map", "saved_maps"]

log = logging.getLogger(__name__)

FILE = "crossover.json"
FORMAT_VERSION = 1
State = Literal["call", "resident", "first"]
STATES: tuple[State, ...] = ("call", "resident", "first")
"""A call with its copies, the same without them, and the first call of a process."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose figures they are; another driver or version may be another matter."""

    brand: str
    isa: str
    threads: int
    device: str
    platform: str
    driver: str
    ferkern: str


@dataclass(frozen=True, slots=True)
class Rung:
    """One size: seconds of a call, round by round.

    Attributes
    ----------
    cpu, device
        From arrays on the host to arrays on the host; rounds were taken in turn.
    resident
        On the device without the time of its copies; empty where that was not measured.
    first
        The first call of a process: (processor, device); empty where that was not measured.
    """

    size: float
    features: Features
    cpu: tuple[float, ...]
    device: tuple[float, ...]
    resident: tuple[float, ...] = ()
    first: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Ladder:
    """A family of calls that grow with a size.

    Attributes
    ----------
    ended
        Why larger sizes were not measured; empty where all were.
    """

    family: str
    axis: str
    rungs: tuple[Rung, ...]
    ended: str = ""

    def crossing(self, state: State = "call") -> Crossing | None:
        """From which size on the device wins; None where that was not measured."""
        if state == "call":
            known = [(r.size, r.cpu, r.device) for r in self.rungs]
        elif state == "resident":
            known = [(r.size, r.cpu, r.resident) for r in self.rungs if len(r.resident) == len(r.cpu)]
        else:
            known = [(r.size, r.first[:1], r.first[1:]) for r in self.rungs if len(r.first) == 2]
        if not known:
            return None
        sizes, cpu, device = zip(*known, strict=True)
        return crossing(sizes, cpu, device)


@dataclass(frozen=True, slots=True, eq=False)
class Crossover:
    """One op on this machine's processor and on one device; two are the same if they are one object, so that what
    follows from one can be remembered.

    Attributes
    ----------
    op
        ``"conv2d"``, ..., ``"network"``, ``"pipeline"``.
    date
        ISO 8601, UTC.
    opening_seconds
        Once a process: finding the device and starting its driver; 0 where first calls were not measured.
    """

    op: str
    identity: Identity
    date: str
    ladders: tuple[Ladder, ...]
    opening_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the crossings, whose infinite sizes are null."""
        values = asdict(self)
        for ladder, row in zip(self.ladders, values["ladders"], strict=True):
            row["crossings"] = {state: _plain(ladder.crossing(state)) for state in STATES}
        return values

    @classmethod
    def from_dict(cls, values: Any) -> Crossover:
        """What `to_dict` gave; crossings are not read, they follow from the rounds.

        Raises
        ------
        ModelError
            Something is missing or not of its kind; the message names it.
        """
        row = _object(values, "map")
        return cls(
            op=_text(row, "op"),
            identity=_identity(_object(row.get("identity"), "identity")),
            date=_text(row, "date"),
            ladders=tuple(_ladder(_object(one, "ladders")) for one in _list(row, "ladders")),
            opening_seconds=_number(row, "opening_seconds"),
        )

    def joined(self, other: Crossover) -> Crossover:
        """With the ladders of `other` that this has not."""
        own = {ladder.family for ladder in self.ladders}
        kept = tuple(ladder for ladder in other.ladders if ladder.family not in own)
        return Crossover(self.op, self.identity, self.date, (*self.ladders, *kept), self.opening_seconds)


def load_maps(path: Path | None = None) -> tuple[Crossover, ...]:
    """Maps of a file; None: the one in the cache folder (`ferkern.cache`), which may be missing.

    Raises
    ------
    ModelError
        It is damaged; the message says where.
    """
    import json

    file = cache.folder() / FILE if path is None else path
    try:
        values = json.loads(file.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file}: cannot be read: {error}; 'ferkern crossover' measures again") from error
    try:
        whole = _object(values, "file")
        if whole.get("format") != FORMAT_VERSION:
            raise ModelError(f"format must be {FORMAT_VERSION}, is {whole.get('format')!r}")
        return tuple(Crossover.from_dict(one) for one in _list(whole, "maps"))
    except ModelError as error:
        raise ModelError(f"{file}: {error}; 'ferkern crossover' measures again") from error


def saved_maps() -> tuple[Crossover, ...]:
    """This cache folder's maps; none where the file is missing, or damaged, which is logged."""
    file = cache.folder() / FILE
    try:
        return _loaded(file, file.stat().st_mtime_ns)
    except OSError:
        return ()


@functools.lru_cache(maxsize=4)
def _loaded(file: Path, changed: int) -> tuple[Crossover, ...]:
    try:
        return load_maps(file)
    except ModelError as error:
        log.warning('device="auto" takes the CPU: %s', error)
        return ()


def save_map(measured: Crossover) -> bool:
    """Keep a map beside those of other ops and devices; ladders measured before stay unless measured anew.

    Returns
    -------
    False where the cache folder cannot be written.
    """
    kept = []
    for one in saved_maps():
        if (one.op, one.identity) == (measured.op, measured.identity):
            measured = measured.joined(one)
        else:
            kept.append(one)
    maps = [one.to_dict() for one in (*kept, measured)]
    return cache.write_json(FILE, {"format": FORMAT_VERSION, "maps": maps})


def _plain(found: Crossing | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {k: None if isinstance(v, float) and math.isinf(v) else v for k, v in asdict(found).items()}


def _ladder(row: dict[str, Any]) -> Ladder:
    rungs = tuple(_rung(_object(one, "rungs")) for one in _list(row, "rungs"))
    if any(b.size <= a.size for a, b in pairwise(rungs)):
        raise ModelError("rungs: sizes must rise")
    return Ladder(_text(row, "family"), _text(row, "axis"), rungs, _text(row, "ended"))


def _rung(row: dict[str, Any]) -> Rung:
    features = _object(row.get("features"), "features")
    cpu, device, resident, first = (_seconds(row, name) for name in ("cpu", "device", "resident", "first"))
    if not cpu or len(cpu) != len(device):
        raise ModelError("rungs: cpu and device must hold as many rounds, at least one")
    work, moved, launches = (_number(features, name) for name in ("work", "moved", "launches"))
    known = Features(work, moved, launches, _text(features, "kind"))
    return Rung(_number(row, "size"), known, cpu, device, resident, first)


def _identity(row: dict[str, Any]) -> Identity:
    texts = {name: _text(row, name) for name in ("brand", "isa", "device", "platform", "driver", "ferkern")}
    return Identity(**texts, threads=int(_number(row, "threads")))


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{name} must be an object, is {type(value).__name__}")
    return value


def _list(row: Mapping[str, Any], name: str) -> list[Any]:
    if not isinstance(row.get(name), list):
        raise ModelError(f"{name} must be a list, is {type(row.get(name)).__name__}")
    return list(row[name])


def _text(row: Mapping[str, Any], name: str) -> str:
    if not isinstance(row.get(name), str):
        raise ModelError(f"{name} must be a text, is {type(row.get(name)).__name__}")
    return str(row[name])


def _number(row: Mapping[str, Any], name: str) -> float:
    value = row.get(name)
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:  # type: ignore[arg-type, operator]
        raise ModelError(f"{name} must be a number from 0, is {value!r}")
    return float(value)  # type: ignore[arg-type]


def _seconds(row: Mapping[str, Any], name: str) -> tuple[float, ...]:
    values = _list(row, name)
    if not all(type(v) in (int, float) and math.isfinite(v) and v > 0 for v in values):
        raise ModelError(f"rungs: {name} must hold times above 0")
    return tuple(map(float, values))
