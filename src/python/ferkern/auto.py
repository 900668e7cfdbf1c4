"""``device="auto"``: the side that this machine's crossover map says is faster, decided before anything else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from ferkern.bench.crossover_features import Features
    from ferkern.models.network import Network

__all__ = ["AUTO", "CPU", "by_map", "decided", "for_network", "for_pipeline"]

AUTO = "auto"
CPU = "cpu"

P = ParamSpec("P")
T = TypeVar("T")


def by_map(op: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Gives a function with a keyword `device` the value ``"auto"``.

    Parameters
    ----------
    op
        Its name in the crossover map (`ferkern.bench.crossover_features.FEATURES`).
    """

    def wrap(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            if kwargs.get("device") == AUTO:
                return function(*args, **cast(Any, {**kwargs, "device": _resolved(op, args, kwargs)}))
            return function(*args, **kwargs)

        return wrapper

    return wrap


def decided(op: str, features: Features, *, threads: int | None = None) -> str:
    """The device string for a call of these features; see `ferkern.bench.decide.choose`."""
    from ferkern.bench.decide import choose

    return choose(op, features, threads=threads).device


def for_network(network: Network, *, batch: int, precision: str, threads: int | None) -> str:
    """The device string for a plan of a network."""
    from ferkern.bench.crossover_features import network_features

    return decided("network", network_features(network, batch, precision), threads=threads)


def for_pipeline(*, threads: int | None) -> str:
    """The device string for the pipeline, on a picture of 1024 x 768 pixels with one face."""
    from ferkern.bench.crossover_features import pipeline_features

    return decided("pipeline", pipeline_features(768, 1024, 1), threads=threads)


def _resolved(op: str, args: tuple[object, ...], kwargs: dict[str, Any]) -> str:
    from ferkern.bench.crossover_features import FEATURES

    given = {name: value for name, value in kwargs.items() if name != "device"}
    try:
        features = FEATURES[op](*args, **given)
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError):
        return CPU  # arguments that do not fit: the op itself says how
    return decided(op, features)
