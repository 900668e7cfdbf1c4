"""Writes a graph node by node; every call returns the name of the value that it makes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern.models.network import CLASSES, Network, Node

__all__ = ["GraphBuilder", "same_padding"]


def same_padding(size: int, kernel: int, stride: int, *, at_end: bool = False) -> tuple[int, int]:
    """Padding before and after one axis so that ``out = ceil(size / stride)``.

    `at_end` puts the odd pixel after, as TensorFlow does; otherwise both sides get ``(kernel - 1) // 2``.
    """
    if not at_end:
        return (kernel - 1) // 2, (kernel - 1) // 2
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class GraphBuilder:
    """Builds a `Network` with weights drawn after He et al. (2015, eq. 10) from a seed.

    Parameters
    ----------
    name
        Name of the network.
    input_shape
        (channels, height, width).
    seed
        Seed of the initial weights.
    """

    def __init__(self, name: str, input_shape: tuple[int, int, int], *, seed: int = 0) -> None:
        self.network = Network(name=name, input="input", input_shape=input_shape, output="", nodes=[], weights={})
        self.rng = np.random.default_rng(seed)
        self.shapes: dict[str, tuple[int, ...]] = {"input": input_shape}
        self._counts: dict[str, int] = {}

    def _append(
        self, op: str, inputs: tuple[str, ...], attributes: dict[str, Any], tensors: dict[str, NDArray[Any]]
    ) -> str:
        self._counts[op] = self._counts.get(op, 0) + 1
        output = f"{op}_{self._counts[op]}"
        weights = {role: f"{output}.{role}" for role in tensors}
        for role, tensor in tensors.items():
            self.network.weights[weights[role]] = np.ascontiguousarray(tensor, dtype=np.float32)
        self.network.nodes.append(Node(op, inputs, output, attributes, weights))
        self.network.output = output
        self.shapes = self.network.infer_shapes()
        return output

    def _he(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        fan_in = int(np.prod(shape[1:]))
        return self.rng.normal(0.0, np.sqrt(2.0 / fan_in), shape).astype(np.float32)

    def conv2d(
        self,
        x: str,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: str = "same",
        groups: int = 1,
        bias: bool = True,
    ) -> str:
        """Convolution; `padding` is ``"same"`` (centred), ``"same_end"`` (TensorFlow's) or ``"valid"``."""
        ic, height, width = self.shapes[x]
        pads = [0, 0, 0, 0]
        if padding != "valid":
            at_end = padding == "same_end"
            pads = [
                *same_padding(height, kernel, stride, at_end=at_end),
                *same_padding(width, kernel, stride, at_end=at_end),
            ]
        tensors: dict[str, NDArray[Any]] = {"w": self._he((channels, ic // groups, kernel, kernel))}
        if bias:
            tensors["b"] = np.zeros(channels, np.float32)
        attributes = {"stride": [stride, stride], "padding": pads, "dilation": [1, 1], "groups": groups}
        return self._append("conv2d", (x,), attributes, tensors)

    def batch_norm(self, x: str, *, epsilon: float = 1e-5) -> str:
        """Batch normalisation over channels."""
        c = self.shapes[x][0]
        ones, zeros = np.ones(c, np.float32), np.zeros(c, np.float32)
        tensors = {"gamma": ones, "beta": zeros, "mean": zeros.copy(), "variance": ones.copy()}
        return self._append("batch_norm", (x,), {"epsilon": epsilon}, tensors)

    def activation(self, x: str, kind: str = "relu") -> str:
        """Activation by name."""
        return self._append("activation", (x,), {"kind": kind}, {})

    def conv_bn(self, x: str, channels: int, kernel: int, *, stride: int = 1, activation: str | None = "relu") -> str:
        """Convolution without bias, batch norm, and an activation if one is named."""
        x = self.batch_norm(self.conv2d(x, channels, kernel, stride=stride, bias=False))
        return self.activation(x, activation) if activation else x

    def max_pool2d(self, x: str, size: int, *, stride: int | None = None, padding: str = "valid") -> str:
        """Maximum over windows; `padding` as for `conv2d`, or ``"ceil"``: as many windows as begin inside."""
        _, height, width = self.shapes[x]
        step = stride or size
        pads = [0, 0, 0, 0]
        if padding == "ceil":
            pads = [0, -(height - size) % step, 0, -(width - size) % step]
        elif padding != "valid":
            at_end = padding == "same_end"
            pads = [
                *same_padding(height, size, step, at_end=at_end),
                *same_padding(width, size, step, at_end=at_end),
            ]
        return self._append("max_pool2d", (x,), {"size": [size, size], "stride": [step, step], "padding": pads}, {})

    def local_response_norm(self, x: str, size: int, *, alpha: float, beta: float, k: float) -> str:
        """Normalisation over neighbouring channels (Krizhevsky et al. 2012, section 3.3)."""
        return self._append("local_response_norm", (x,), {"size": size, "alpha": alpha, "beta": beta, "k": k}, {})

    def concat(self, *xs: str) -> str:
        """Channels of several values behind each other."""
        return self._append("concat", xs, {"axis": 1}, {})

    def add(self, *xs: str) -> str:
        """Sum of values of one shape."""
        return self._append("add", xs, {}, {})

    def global_avg_pool(self, x: str) -> str:
        """Mean over each channel's plane."""
        return self._append("global_avg_pool", (x,), {}, {})

    def flatten(self, x: str) -> str:
        """[C, H, W] to [C*H*W]."""
        return self._append("flatten", (x,), {}, {})

    def dropout(self, x: str, rate: float) -> str:
        """Dropout: in training only."""
        return self._append("dropout", (x,), {"rate": rate}, {})

    def dense(self, x: str, features: int) -> str:
        """Dense layer with bias."""
        tensors = {"w": self._he((features, self.shapes[x][0])), "b": np.zeros(features, np.float32)}
        return self._append("dense", (x,), {}, tensors)

    def softmax(self, x: str) -> str:
        """Softmax over classes."""
        return self._append("softmax", (x,), {"axis": 1}, {})

    def finish(self, *, preprocessing: dict[str, Any] | None = None, classes: tuple[str, ...] = CLASSES) -> Network:
        """The network, validated."""
        self.network.preprocessing = dict(preprocessing or {})
        self.network.classes = classes
        self.network.validate()
        return self.network
