"""A call that is described by the shapes of its arrays, as on a command line: judged by the op itself, then counted."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ferkern import _core
from ferkern.bench.crossover_calls import function_of
from ferkern.bench.crossover_features import FEATURES, Features

__all__ = ["Unserved", "described"]

Given = Mapping[str, Any]


class Unserved(ValueError):
    """The arguments are right, but no device serves such a call."""


def described(op: str, shapes: Sequence[tuple[int, ...]], options: Given) -> Features:
    """Features of a call of a function on arrays.

    Parameters
    ----------
    op
        A key of `FEATURES`.
    shapes
        Of its arrays, in their order. They take no memory, frames apart.
    options
        The function's other arguments.

    Raises
    ------
    TypeError, ValueError
        The function would refuse such arguments; the message is its own.
    Unserved
        A ValueError: on the processor it would take them, on a device not.
    """
    arrays = [_zeros(shape, frames=op == "flow") for shape in shapes]
    bound = inspect.signature(function_of(op)).bind(*arrays, **options)
    bound.apply_defaults()
    _JUDGES[op](bound.arguments)
    try:
        return FEATURES[op](*arrays, **options)
    except ValueError as error:
        raise Unserved(str(error)) from error


def _zeros(shape: tuple[int, ...], *, frames: bool) -> Any:
    return np.zeros(shape, np.uint8) if frames else np.broadcast_to(np.float32(0), shape)


def _conv2d(a: Given) -> None:
    names = ("x", "w", "b", "stride", "padding", "dilation", "groups", "activation", "alpha")
    _core.conv2d_shape(*(a[name] for name in names))


def _separable(a: Given) -> None:
    names = ("x", "w_dw", "w_pw", "b", "b_dw", "stride", "padding", "dilation", "activation_dw", "activation", "alpha")
    _core.separable_shape(*(a[name] for name in names))


def _binary(a: Given) -> None:
    """By the rule of windows that they share with others: filters are not packed for the sake of a question."""
    _core.conv2d_shape(a["x"], a["filters"], a["b"], a["stride"], a["padding"], 1, 1, a["activation"], a["slope"])


def _dense(a: Given) -> None:
    _core.dense_shape(*(a[name] for name in ("x", "w", "b", "activation", "alpha")))


def _svd(a: Given) -> None:
    names = ("a", "k", "full_matrices", "compute_uv", "method", "oversample", "iterations", "seed")
    _core.svd_shape(*(a[name] for name in names))


def _flow(a: Given) -> None:
    from ferkern.flow._dense import preset_of

    known = preset_of(a["preset"])
    names = ("finest", "stride", "iterations", "refinements", "sweeps")
    given = [getattr(known, name) if a[name] is None else a[name] for name in names]
    _core.flow_dis_shape(
        a["prev"], a["next"], *given, *(a[name] for name in ("alpha", "delta", "gamma", "white", "out"))
    )


_JUDGES: dict[str, Callable[[Given], None]] = {
    "conv2d": _conv2d,
    "depthwise_separable": _separable,
    "binary_conv2d": _binary,
    "dense": _dense,
    "svd": _svd,
    "flow": _flow,
}
