"""A network on this machine, layer by layer: medians over many runs."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkern import _core
from ferkern.bench.machine import Measured

if TYPE_CHECKING:
    from ferkern.bench.machine import MachineProfile
    from ferkern.ledger import Ledger
    from ferkern.models.network import Network

__all__ = ["NetworkBench", "median", "named", "network", "undisturbed", "undisturbed_seconds"]

_WARM_UP = 3
_FEWEST_UNDISTURBED = 3


@dataclass(frozen=True, slots=True)
class NetworkBench:
    """What a network's runs took.

    Attributes
    ----------
    isa
        The highest instruction set that the plan could use.
    ledger
        Medians over the runs.
    seconds
        Of a call without the ledger: median, lowest, highest.
    ledger_seconds
        Of a call with it, alternating with the others.
    date
        ISO 8601, UTC.
    """

    name: str
    precision: str
    isa: str
    repeats: int
    ledger: Ledger
    seconds: Measured
    ledger_seconds: Measured
    date: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ledger = self.ledger.to_dict()
        spread = {
            name: {"value": m.value, "low": m.low, "high": m.high}
            for name, m in (("seconds", self.seconds), ("ledger_seconds", self.ledger_seconds))
        }
        return {
            "network": self.name,
            "precision": self.precision,
            "isa": self.isa,
            "cpu": str(_core.cpu()["brand"]),
            "date": self.date,
            "repeats": self.repeats,
            **spread,
            "ledger": ledger,
        }


def network(
    net: Network,
    *,
    device: str = "cpu",
    batch: int = 1,
    threads: int | None = None,
    precision: str = "float32",
    repeats: int = 50,
    machine: MachineProfile | None = None,
    wrap: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> NetworkBench:
    """Run a network often on random input, with and without its ledger in turn.

    Parameters
    ----------
    net
        The stored graph; `named` finds one by its name.
    device
        ``"cpu"``, ``"auto"``, or an OpenCL device such as ``"opencl"``; there the ledger is that of the run of median
        time.
    batch, threads, precision
        As in `Network.plan`; every call has `batch` images. A network that is not calibrated is calibrated on noise for
        ``"int8"``.
    repeats
        Calls of each kind, after some that are not counted.
    machine
        Profile that shares refer to; None: the saved one.
    wrap
        Given the numbers of the repeats, gives them back one by one: for a display of progress.

    Raises
    ------
    ValueError
        An argument is out of range, or the plan refuses it.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, is {repeats}")
    if precision == "int8" and not net.quantization:
        net = _calibrated(net)
    session = net.plan(device=device, batch=batch, threads=threads, precision=precision)
    x = np.random.default_rng(0).standard_normal((batch, *net.input_shape)).astype(np.float32)
    y = session.run(x)
    for _ in range(_WARM_UP):
        session.run(x, out=y)
        session.profile(x)
    plain, ledgers = [], []
    for _ in wrap(range(repeats)):
        begin = perf_counter()
        session.run(x, out=y)
        plain.append(perf_counter() - begin)
        ledgers.append(session.profile(x, machine=machine)[1])
    return NetworkBench(
        name=net.name,
        precision=precision,
        isa=_core.get_choice()[0] if session.device == "cpu" else session.device,
        repeats=repeats,
        ledger=median(ledgers),
        seconds=_spread(plain),
        ledger_seconds=_spread([one.wall_seconds for one in ledgers]),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _calibrated(net: Network) -> Network:
    """With the ranges that random input gives: the time of a layer on bytes does not depend on them."""
    from ferkern.quantize import calibrate

    return calibrate(net, np.random.default_rng(1).standard_normal((2, *net.input_shape)).astype(np.float32))


def median(ledgers: Sequence[Ledger]) -> Ledger:
    """The ledger of a typical run: of each layer its median, of the remainder its median, the wall time their sum.

    Parameters
    ----------
    ledgers
        Of runs of one session on as many images; at least one.

    Raises
    ------
    ValueError
        There is none, or they are not of one session on as many images.
    """
    if not ledgers:
        raise ValueError("ledgers must hold at least one")
    if any((other.costs, other.images) != (ledgers[0].costs, ledgers[0].images) for other in ledgers):
        raise ValueError("ledgers must be of one session, on as many images")
    if ledgers[0].spans:  # of a device: they are one run's, and its alone
        return sorted(ledgers, key=lambda one: one.wall_seconds)[len(ledgers) // 2]
    seconds = tuple(statistics.median(spans) for spans in zip(*(one.seconds for one in ledgers), strict=True))
    remainder = statistics.median(one.remainder_seconds for one in ledgers)
    return replace(ledgers[0], seconds=seconds, wall_seconds=sum(seconds) + remainder)


def undisturbed(ledgers: Sequence[Ledger]) -> Ledger:
    """The ledger of a run that had the machine for itself: the `median` of the fastest quarter, three at least.

    What else runs, on a virtual machine above all what other guests do to the cores' pipelines, the last cache and
    memory, only ever adds to a run: by half and more, for a tenth of a second or for minutes.
    """
    return median(sorted(ledgers, key=lambda one: one.wall_seconds)[: _quarter(len(ledgers))])


def undisturbed_seconds(seconds: Sequence[float]) -> float:
    """The same of times alone."""
    return statistics.median(sorted(seconds)[: _quarter(len(seconds))])


def _quarter(count: int) -> int:
    return max(_FEWEST_UNDISTURBED, count // 4)


def named(name: str) -> Network:
    """A network by the name of shipped weights, by its file, or by its builder.

    Parameters
    ----------
    name
        ``"fer_small"``, ``"model.onnx"``, ``"resnet50"``, or a builder with options:
        ``"mobilenet:alpha=0.25,resolution=160"``.

    Raises
    ------
    ValueError
        There is none of that name, or its builder refuses an option.
    ModelError
        The file is damaged.
    """
    from ferkern.models import load, shipped
    from ferkern.models.zoo import BUILDERS

    if name in shipped() or Path(name).is_file():
        return load(name)
    builder, _, options = name.partition(":")
    if builder not in BUILDERS:
        raise ValueError(
            f"{name!r} is neither a file nor shipped ({', '.join(shipped())}) nor a builder ({', '.join(BUILDERS)})"
        )
    try:
        given = {key.strip(): ast.literal_eval(value) for key, _, value in (o.partition("=") for o in _split(options))}
        return BUILDERS[builder](**given)
    except (TypeError, SyntaxError, ValueError) as error:
        raise ValueError(f"{name!r}: {error}; options look like mobilenet:alpha=0.25,resolution=160") from error


def _split(options: str) -> list[str]:
    return [option for option in options.split(",") if option]


def _spread(seconds: Sequence[float]) -> Measured:
    return Measured(statistics.median(seconds), min(seconds), max(seconds))
