"""A stored graph as a trainable torch module, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ferkern.models.network import Network, Node

__all__ = ["GraphModule"]

_ACTIVATIONS: dict[str, Any] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hard_swish": F.hardswish,
    "silu": F.silu,
    "elu": F.elu,
}


class GraphModule(nn.Module):
    """Runs the nodes of a `Network`; its weights are torch parameters.

    Parameters
    ----------
    network
        The graph. A softmax at its end is left out in training: `forward` gives logits.

    Notes
    -----
    Weights are named ``node__role``; batch-norm statistics are buffers.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        network.validate()
        self.network = network
        self.momentum = 0.1
        for node in network.nodes:
            for role, name in node.weights.items():
                value = torch.from_numpy(network.weights[name].copy())
                if node.op == "batch_norm" and role in ("mean", "variance"):
                    self.register_buffer(_key(node, role), value)
                else:
                    self.register_parameter(_key(node, role), nn.Parameter(value))
        last = network.nodes[-1]
        ends_in_softmax = last.op == "softmax" and last.output == network.output
        self.nodes = network.nodes[:-1] if ends_in_softmax else network.nodes
        self.logits = last.inputs[0] if ends_in_softmax else network.output

    def forward(self, x: Tensor) -> Tensor:
        """Logits [n, classes] of inputs [n, C, H, W]."""
        values = {self.network.input: x}
        for node in self.nodes:
            values[node.output] = self._run(node, [values[name] for name in node.inputs])
        return values[self.logits]

    def _weight(self, node: Node, role: str) -> Tensor | None:
        value: Tensor | None = getattr(self, _key(node, role), None)
        return value

    def _run(self, node: Node, xs: list[Tensor]) -> Tensor:
        x, a = xs[0], node.attributes
        match node.op:
            case "conv2d":
                return self._conv2d(node, x)
            case "dense":
                w = self._weight(node, "w")
                assert w is not None
                return F.linear(x, w, self._weight(node, "b"))
            case "batch_norm":
                return F.batch_norm(
                    x,
                    self._weight(node, "mean"),
                    self._weight(node, "variance"),
                    self._weight(node, "gamma"),
                    self._weight(node, "beta"),
                    training=self.training,
                    momentum=self.momentum,
                    eps=a["epsilon"],
                )
            case "activation":
                function = _ACTIVATIONS[a["kind"]]
                if a["kind"] in ("leaky_relu", "elu") and "alpha" in a:
                    return torch.as_tensor(function(x, a["alpha"]))
                return torch.as_tensor(function(x))
            case "max_pool2d" | "avg_pool2d" | "l2_pool2d":
                return _pool2d(node, x)
            case "global_avg_pool":
                return x.mean(dim=(2, 3))
            case "global_max_pool":
                return x.amax(dim=(2, 3))
            case "flatten":
                return x.flatten(1)
            case "add":
                total = x
                for other in xs[1:]:
                    total = total + other
                return total
            case "concat":
                return torch.cat(xs, dim=1)
            case "softmax":
                return F.softmax(x, dim=1)
            case "local_response_norm":
                return F.local_response_norm(x, a["size"], a["alpha"], a["beta"], a["k"])
            case "dropout":
                return F.dropout(x, a["rate"], self.training)
        raise ValueError(f"no torch counterpart of operator {node.op!r}")

    def _conv2d(self, node: Node, x: Tensor) -> Tensor:
        a, w = node.attributes, self._weight(node, "w")
        assert w is not None
        top, bottom, left, right = a.get("padding", (0, 0, 0, 0))
        padding = (top, left)
        if (top, left) != (bottom, right):
            x, padding = F.pad(x, (left, right, top, bottom)), (0, 0)
        return F.conv2d(
            x,
            w,
            self._weight(node, "b"),
            stride=tuple(a.get("stride", (1, 1))),
            padding=padding,
            dilation=tuple(a.get("dilation", (1, 1))),
            groups=a.get("groups", 1),
        )

    def to_network(self) -> Network:
        """The graph with the present weights, float32 and still unfused."""
        weights = dict(self.network.weights)
        for node in self.network.nodes:
            for role, name in node.weights.items():
                value = self._weight(node, role)
                assert value is not None
                weights[name] = np.ascontiguousarray(value.detach().float().cpu().numpy())
        n = self.network
        return Network(
            n.name,
            n.input,
            n.input_shape,
            n.output,
            n.nodes,
            weights,
            dict(n.preprocessing),
            n.classes,
            dict(n.metadata),
        )


def _key(node: Node, role: str) -> str:
    return f"{node.output}__{role}"


def _pool2d(node: Node, x: Tensor) -> Tensor:
    a = node.attributes
    size, stride = tuple(a["size"]), tuple(a["stride"])
    top, bottom, left, right = a.get("padding", (0, 0, 0, 0))
    pads = (left, right, top, bottom)
    if node.op == "max_pool2d":
        if any(pads):
            x = F.pad(x, pads, value=float("-inf"))
        return F.max_pool2d(x, size, stride)
    sums = F.avg_pool2d(F.pad(x if node.op == "avg_pool2d" else x * x, pads), size, stride)
    if node.op == "l2_pool2d":
        return (sums * (size[0] * size[1])).sqrt()
    if any(pads) and not a.get("count_include_pad", False):
        ones = torch.ones_like(x[:1, :1])
        sums = sums / F.avg_pool2d(F.pad(ones, pads), size, stride)
    return sums
