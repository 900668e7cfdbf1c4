"""What is measured on both sides: families of calls that grow with one size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ferkern.bench import crossover_calls as calls
from ferkern.bench.crossover_calls import Call

__all__ = ["ALIASES", "CASES", "Case", "Family", "cases_of"]


@dataclass(frozen=True, slots=True)
class Family:
    """Calls that grow with a size.

    Attributes
    ----------
    name
        What is called.
    axis
        What the size is: ``"image side"``.
    sizes
        Rising.
    make
        The call of a size; raises ImportError where what it needs is not installed.
    """

    name: str
    axis: str
    sizes: tuple[int, ...]
    make: Callable[[int], Call]


@dataclass(frozen=True, slots=True)
class Case:
    """What is decided by one map: an op, whole networks, or the pipeline."""

    op: str
    families: tuple[Family, ...]
    on_device: Callable[[], bool]
    """Whether there is a form for devices at all."""


_SIDES = (4, 8, 16, 28, 56, 112)
_BATCHES = (1, 4, 16, 64)
_MOBILENET = "mobilenet:alpha=0.25,resolution=96"


def _networks(*families: tuple[str, tuple[int, ...]]) -> tuple[Family, ...]:
    return tuple(Family(name, "batch", sizes, partial(calls.network, name)) for name, sizes in families)


def _always() -> bool:
    return True


def _function(op: str, *families: Family) -> Case:
    return Case(op, families, partial(calls.takes_device, op))


_ALL = (
    _function(
        "conv2d",
        Family("3x3, 64 to 64 channels", "image side", _SIDES, partial(calls.conv, 64, 64, 3)),
        Family("1x1, 128 to 128 channels", "image side", _SIDES, partial(calls.conv, 128, 128, 1)),
        Family("1x1, 16 to 16 channels", "image side", (8, 28, 112), partial(calls.conv, 16, 16, 1)),
        Family("1x1, 7x7 pixels", "channels", (64, 256, 768), partial(calls.channels, 7, 1)),
        Family("5x5, 1 to 20 channels, 48x48", "batch", _BATCHES, partial(calls.faces, 20, 5)),
        Family("3x3, 7x7 pixels", "channels", (16, 64, 256, 512), partial(calls.channels, 7, 3)),
    ),
    _function(
        "depthwise_separable",
        Family("32 to 64 channels", "image side", (8, 16, 32, 64, 128), partial(calls.separable, 32)),
        Family("256 to 512 channels", "image side", (5, 10, 20, 40), partial(calls.separable, 256)),
    ),
    _function(
        "binary_conv2d",
        Family("128 channels, floats in", "image side", (6, 12, 24, 48, 96), partial(calls.signs, 128, packed=False)),
        Family("256 channels, bits in", "image side", (6, 12, 24, 48, 96), partial(calls.signs, 256, packed=True)),
    ),
    _function(
        "dense",
        Family("square, one input", "side", (64, 256, 1024, 4096), calls.square_dense),
        Family("1,620 to 500", "batch", (1, 8, 64, 512), partial(calls.dense, 1620, 500)),
    ),
    _function(
        "svd",
        Family("square", "side", (16, 64, 136, 256), calls.square),
        Family("136 columns", "rows", (300, 1000, 3000, 10000), partial(calls.tall, 136)),
        Family("8x8", "matrices", (10, 100, 1000, 10000), partial(calls.small, 8)),
        Family("136 columns, 16 triples", "rows", (1000, 4000, 16000), partial(calls.truncated, 136, 16)),
    ),
    _function(
        "flow",
        Family("dense, fast, 4:3", "rows", (60, 120, 240, 480), partial(calls.moving, "fast")),
        Family("dense, ultrafast, 4:3", "rows", (60, 120, 240, 480), partial(calls.moving, "ultrafast")),
        Family("dense, medium, 4:3", "rows", (60, 120, 240), partial(calls.moving, "medium")),
    ),
    Case(
        "network",
        _networks(("fer_small", _BATCHES), ("fer_2conv", _BATCHES), (_MOBILENET, (1, 4, 16))),
        _always,
    ),
    Case("pipeline", (Family("portraits", "faces", (1, 4, 16), calls.recognized),), _always),
)
CASES: dict[str, Case] = {case.op: case for case in _ALL}
"""Every case by its op, in the order in which they are measured."""

ALIASES = {"xnor": "binary_conv2d", "separable": "depthwise_separable", "flow.dense": "flow", "recognize": "pipeline"}


def cases_of(name: str) -> Case:
    """The case of an op, or of a network by its name: its families are then batches of that network alone.

    Raises
    ------
    ValueError
        There is neither.
    """
    from ferkern.bench.network import named

    if ALIASES.get(name, name) in CASES:
        return CASES[ALIASES.get(name, name)]
    try:
        named(name)
    except ValueError as error:
        raise ValueError(f"{error}, nor one of {', '.join((*CASES, *ALIASES))}") from None
    return Case("network", _networks((name, _BATCHES)), _always)
