"""What each operator of the stored graph takes and makes: one rule an operator.

Shapes are without the batch: (C, H, W) or (C,). The window rule of convolution and pooling is
``out = floor((in + pad_before + pad_after - dilation * (k - 1) - 1) / stride) + 1``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ferkern.errors import ModelError

__all__ = ["ACTIVATIONS", "OPERATORS", "infer_node", "node_multiply_adds"]

ACTIVATIONS = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hard_swish", "silu", "elu")
_POOLS = ("max_pool2d", "avg_pool2d", "l2_pool2d")
_LARGEST = 1 << 30

Shape = tuple[int, ...]


class _Context:
    """One node under judgement: takes attributes out, says what is wrong and where."""

    def __init__(
        self,
        where: str,
        op: str,
        inputs: Sequence[Shape],
        attributes: dict[str, Any],
        weights: dict[str, Shape],
    ) -> None:
        self.where, self.op, self.inputs, self.weights = where, op, inputs, weights
        self.attributes = attributes

    def fail(self, what: str) -> ModelError:
        return ModelError(f"{self.where}: {what}")

    def one(self, rank: int | None = None) -> Shape:
        if len(self.inputs) != 1:
            raise self.fail(f"{self.op} takes one input, got {len(self.inputs)}")
        shape = self.inputs[0]
        if rank is not None and len(shape) != rank:
            raise self.fail(f"{self.op} takes an input of rank {rank} (without the batch), got {shape}")
        return shape

    def integers(self, key: str, count: int, low: int, default: Sequence[int] | None = None) -> list[int]:
        value = self.attributes.get(key, default)
        ok = isinstance(value, (list, tuple)) and len(value) == count
        if not ok or any(type(v) is not int or not low <= v <= 65536 for v in value or ()):
            raise self.fail(f"attribute {key!r} must be {count} integers in {low}..65536, is {value!r}")
        return [int(v) for v in value or ()]

    def integer(self, key: str, low: int, default: int | None = None) -> int:
        value = self.attributes.get(key, default)
        if type(value) is not int or not low <= value <= 65536:
            raise self.fail(f"attribute {key!r} must be an integer in {low}..65536, is {value!r}")
        return value

    def number(self, key: str, default: float | None = None, low: float = -math.inf) -> float:
        value: Any = self.attributes.get(key, default)
        if type(value) not in (int, float) or not math.isfinite(value) or value < low:
            raise self.fail(f"attribute {key!r} must be a finite number of at least {low}, is {value!r}")
        return float(value)

    def roles(self, needed: Sequence[str], optional: Sequence[str] = ()) -> None:
        given = set(self.weights)
        if not set(needed) <= given or not given <= set(needed) | set(optional):
            raise self.fail(f"{self.op} has weights {sorted(given)}, needs {list(needed)}, may have {list(optional)}")

    def vector(self, role: str, length: int) -> None:
        if role in self.weights and self.weights[role] != (length,):
            raise self.fail(f"weight {role!r} must have shape ({length},), has {self.weights[role]}")


def _window(c: _Context, axis: int, size: int, k: int, stride: int, pads: int, dilation: int) -> int:
    reach = dilation * (k - 1) + 1
    if size + pads < reach:
        raise c.fail(f"axis {axis}: window reaches over {reach} of {size} + {pads} padded")
    return (size + pads - reach) // stride + 1


def _conv2d(c: _Context) -> Shape:
    channels, height, width = c.one(3)
    c.roles(["w"], ["b"])
    w = c.weights["w"]
    groups = c.integer("groups", 1, 1)
    if len(w) != 4 or min(w) < 1:
        raise c.fail(f"weight 'w' must have shape [OC, IC/groups, KH, KW], has {w}")
    if w[1] * groups != channels or w[0] % groups:
        raise c.fail(f"weight 'w' {w} with groups={groups} does not fit {channels} input channels")
    c.vector("b", w[0])
    stride = c.integers("stride", 2, 1, [1, 1])
    top, bottom, left, right = c.integers("padding", 4, 0, [0, 0, 0, 0])
    dilation = c.integers("dilation", 2, 1, [1, 1])
    return (
        w[0],
        _window(c, 2, height, w[2], stride[0], top + bottom, dilation[0]),
        _window(c, 3, width, w[3], stride[1], left + right, dilation[1]),
    )


def _pool2d(c: _Context) -> Shape:
    channels, height, width = c.one(3)
    c.roles([])
    size = c.integers("size", 2, 1)
    stride = c.integers("stride", 2, 1)
    top, bottom, left, right = c.integers("padding", 4, 0, [0, 0, 0, 0])
    if max(top, bottom) >= size[0] or max(left, right) >= size[1]:
        raise c.fail(f"padding {[top, bottom, left, right]} must be smaller than the window {size}")
    if c.op == "avg_pool2d" and type(c.attributes.get("count_include_pad", False)) is not bool:
        raise c.fail("attribute 'count_include_pad' must be true or false")
    return (
        channels,
        _window(c, 2, height, size[0], stride[0], top + bottom, 1),
        _window(c, 3, width, size[1], stride[1], left + right, 1),
    )


def _dense(c: _Context) -> Shape:
    (features,) = c.one(1)
    c.roles(["w"], ["b"])
    w = c.weights["w"]
    if len(w) != 2 or w[1] != features or w[0] < 1:
        raise c.fail(f"weight 'w' must have shape [out, {features}], has {w}")
    c.vector("b", w[0])
    return (w[0],)


def _batch_norm(c: _Context) -> Shape:
    shape = c.one()
    c.roles(["gamma", "beta", "mean", "variance"])
    for role in c.weights:
        c.vector(role, shape[0])
    if c.number("epsilon") <= 0:
        raise c.fail("attribute 'epsilon' must be above 0")
    return shape


def _activation(c: _Context) -> Shape:
    c.roles([])
    kind = c.attributes.get("kind")
    if kind not in ACTIVATIONS:
        raise c.fail(f"attribute 'kind' must be one of {', '.join(ACTIVATIONS)}, is {kind!r}")
    if "alpha" in c.attributes:
        c.number("alpha")
    return c.one()


def _global_pool(c: _Context) -> Shape:
    c.roles([])
    return (c.one(3)[0],)


def _flatten(c: _Context) -> Shape:
    c.roles([])
    return (math.prod(c.one()),)


def _add(c: _Context) -> Shape:
    c.roles([])
    if len(c.inputs) < 2 or any(shape != c.inputs[0] for shape in c.inputs):
        raise c.fail(f"add takes two or more inputs of one shape, got {list(c.inputs)}")
    return c.inputs[0]


def _concat(c: _Context) -> Shape:
    c.roles([])
    if c.integer("axis", 1, 1) != 1:
        raise c.fail(f"attribute 'axis' must be 1, is {c.attributes.get('axis')}")
    if len(c.inputs) < 2 or any(shape[1:] != c.inputs[0][1:] for shape in c.inputs):
        raise c.fail(f"concat takes two or more inputs equal but for channels, got {list(c.inputs)}")
    return (sum(shape[0] for shape in c.inputs), *c.inputs[0][1:])


def _softmax(c: _Context) -> Shape:
    c.roles([])
    if c.integer("axis", 1, 1) != 1:
        raise c.fail(f"attribute 'axis' must be 1, is {c.attributes.get('axis')}")
    return c.one(1)


def _local_response_norm(c: _Context) -> Shape:
    c.roles([])
    c.integer("size", 1)
    for key in ("alpha", "beta", "k"):
        c.number(key)
    return c.one(3)


def _dropout(c: _Context) -> Shape:
    c.roles([])
    if not 0 <= c.number("rate") < 1:
        raise c.fail(f"attribute 'rate' must be in [0, 1), is {c.attributes['rate']}")
    return c.one()


OPERATORS: dict[str, Callable[[_Context], Shape]] = {
    "conv2d": _conv2d,
    "dense": _dense,
    "batch_norm": _batch_norm,
    "activation": _activation,
    **dict.fromkeys(_POOLS, _pool2d),
    "global_avg_pool": _global_pool,
    "global_max_pool": _global_pool,
    "flatten": _flatten,
    "add": _add,
    "concat": _concat,
    "softmax": _softmax,
    "local_response_norm": _local_response_norm,
    "dropout": _dropout,
}


def infer_node(
    where: str, op: str, inputs: Sequence[Shape], attributes: dict[str, Any], weights: dict[str, Shape]
) -> Shape:
    """Shape of one node's output.

    Parameters
    ----------
    where
        The node, in words, for messages.
    op
        Name of the operator.
    inputs
        Shapes of its inputs, without the batch.
    attributes
        The node's attributes.
    weights
        Role to the shape of its tensor.

    Raises
    ------
    ModelError
        If the operator is unknown, or something does not fit it.
    """
    rule = OPERATORS.get(op)
    if rule is None:
        raise ModelError(f"{where}: unknown operator {op!r}; known: {', '.join(OPERATORS)}")
    shape = rule(_Context(where, op, inputs, attributes, weights))
    if math.prod(shape) > _LARGEST:
        raise ModelError(f"{where}: output {shape} has more than {_LARGEST} values")
    return shape


def node_multiply_adds(op: str, output: Shape, weight: Shape) -> int:
    """Multiply-adds of a convolution ([OC, IC/groups, KH, KW]) or dense layer ([out, in]) for one input."""
    if op == "conv2d":
        return math.prod(output) * math.prod(weight[1:])
    return math.prod(weight)
