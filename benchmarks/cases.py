"""Named shapes that the benchmarks measure: layers of real networks, one input each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["BINARY", "DECOMPOSITIONS", "LAYERS", "PRODUCTS", "BinaryLayer", "Decomposition", "Layer", "Product"]


@dataclass(frozen=True)
class Layer:
    """One operator of a stored graph (see `ferkern.models.network`) on inputs of a shape."""

    name: str
    op: str
    input: tuple[int, ...]
    """(C, H, W), or (C,) for features."""
    attributes: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, tuple[int, ...]] = field(default_factory=dict)
    inputs: int = 1
    """How often the input is read: 2 for a sum or concatenation with itself."""
    batch: int = 1


@dataclass(frozen=True)
class Product:
    """A matrix product [m, k] [k, n]."""

    name: str
    m: int
    n: int
    k: int


@dataclass(frozen=True)
class BinaryLayer:
    """A convolution of signs with padding size // 2 on an image [channels, side, side]."""

    name: str
    channels: int
    side: int
    filters: int
    size: int = 3
    stride: int = 1


@dataclass(frozen=True)
class Decomposition:
    """A singular value decomposition of Gaussian numbers in float32, or of as many with falling singular values."""

    name: str
    shape: tuple[int, ...]
    k: int | None = None
    """Triples by the randomized method."""

    def matrix(self) -> np.ndarray:
        rng = np.random.default_rng(1)
        a = rng.standard_normal(self.shape)
        if self.k:  # as trajectories: a few strong directions over noise
            strong = rng.standard_normal((self.shape[0], 2 * self.k)) * np.geomspace(100, 1, 2 * self.k)
            a += strong @ rng.standard_normal((2 * self.k, self.shape[1]))
        return a.astype(np.float32)


def conv(
    name: str, c: int, side: int, filters: int, k: int, stride: int = 1, pad: int | None = None, groups: int = 1
) -> Layer:
    before = (k - 1) // 2 if pad is None else pad
    attributes = {"stride": [stride] * 2, "padding": [before] * 4, "dilation": [1, 1], "groups": groups}
    return Layer(name, "conv2d", (c, side, side), attributes, {"w": (filters, c // groups, k, k), "b": (filters,)})


def depthwise(name: str, c: int, side: int, k: int = 3, stride: int = 1) -> Layer:
    return conv(name, c, side, c, k, stride, groups=c)


def pool(name: str, op: str, c: int, side: int, size: int, stride: int, pad: int = 0, **more: Any) -> Layer:
    attributes = {"size": [size] * 2, "stride": [stride] * 2, "padding": [pad] * 4, **more}
    return Layer(name, op, (c, side, side), attributes)


def dense(name: str, inputs: int, outputs: int, batch: int = 1) -> Layer:
    return Layer(name, "dense", (inputs,), {}, {"w": (outputs, inputs), "b": (outputs,)}, batch=batch)


LAYERS: dict[str, list[Layer]] = {
    "conv2d": [
        conv("fer_2conv.1", 1, 48, 20, 5, pad=0),
        conv("fer_2conv.2", 20, 22, 20, 5, pad=0),
        conv("fer_4conv.1", 1, 48, 32, 3),
        conv("fer_4conv.2", 32, 24, 64, 3),
        conv("fer_4conv.3", 64, 12, 96, 3),
        conv("fer_4conv.4", 96, 6, 128, 3),
        conv("resnet.3x3", 64, 56, 64, 3),
        conv("mobilenet.1x1", 128, 40, 128, 1),
        conv("resnet.down", 64, 56, 128, 3, stride=2),
    ],
    "depthwise": [
        depthwise("mini_xception.32", 32, 23),
        depthwise("mobilenet.32", 32, 80),
        depthwise("mobilenet.64.down", 64, 80, stride=2),
        depthwise("mobilenet.128", 128, 40),
        depthwise("mobilenet.256.down", 256, 20, stride=2),
        depthwise("mobilenet.512", 512, 10),
        depthwise("mobilenet_v3.120.5x5", 120, 28, k=5),
    ],
    "pool": [
        pool("fer_2conv.max", "max_pool2d", 20, 44, 2, 2),
        pool("fer_4conv.max", "max_pool2d", 32, 48, 2, 2),
        pool("resnet.max", "max_pool2d", 64, 112, 3, 2, 1),
        pool("average", "avg_pool2d", 64, 56, 3, 1, 1, count_include_pad=False),
        pool("l2", "l2_pool2d", 64, 56, 2, 2),
        Layer("resnet.global_average", "global_avg_pool", (512, 7, 7)),
        Layer("global_max", "global_max_pool", (128, 14, 14)),
    ],
    "dense": [
        dense("fer_2conv.500", 1620, 500),
        dense("fer_2conv.300", 500, 300),
        dense("fer_2conv.7", 300, 7),
        dense("resnet.1000", 2048, 1000),
        dense("fer_2conv.500", 1620, 500, batch=4),
        dense("fer_2conv.500", 1620, 500, batch=32),
    ],
    "pointwise": [
        *(
            Layer(kind, "activation", (64, 56, 56), {"kind": kind})
            for kind in ("relu", "hard_swish", "sigmoid", "tanh", "elu")
        ),
        Layer("resnet.add", "add", (64, 56, 56), inputs=2),
        Layer("classes.7", "softmax", (7,), {"axis": 1}, batch=32),
        Layer("classes.1000", "softmax", (1000,), {"axis": 1}, batch=32),
    ],
    "channels": [
        Layer(
            "fer_4conv.norm",
            "batch_norm",
            (32, 48, 48),
            {"epsilon": 1e-5},
            dict.fromkeys(("gamma", "beta", "mean", "variance"), (32,)),
        ),
        Layer("alexnet.norm", "local_response_norm", (96, 55, 55), {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2.0}),
        Layer("whole_blocks", "concat", (64, 56, 56), {"axis": 1}, inputs=2),
        Layer("parts_of_blocks", "concat", (20, 56, 56), {"axis": 1}, inputs=2),
    ],
}

PRODUCTS = [
    Product("square.256", 256, 256, 256),
    Product("square.512", 512, 512, 512),
    Product("square.1024", 1024, 1024, 1024),
    Product("pointwise", 1600, 128, 128),
    Product("narrow", 1600, 32, 256),
    Product("dense.32", 32, 500, 1620),
    Product("odd", 311, 257, 509),
]

BINARY = [
    BinaryLayer("conv64", 64, 48, 64),
    BinaryLayer("conv128", 128, 24, 128),
    BinaryLayer("conv256", 256, 14, 256),
    BinaryLayer("conv512", 512, 7, 512),
    BinaryLayer("down128", 64, 48, 128, stride=2),
    BinaryLayer("conv1x1", 256, 14, 256, size=1),
    BinaryLayer("conv5x5", 64, 24, 64, size=5),
]

DECOMPOSITIONS = [
    Decomposition("8x8", (8, 8)),
    Decomposition("32x32", (32, 32)),
    Decomposition("136x136", (136, 136)),
    Decomposition("1000x136", (1000, 136)),
    Decomposition("10000x136", (10000, 136)),
    Decomposition("35887x136", (35887, 136)),
    Decomposition("512x512", (512, 512)),
    Decomposition("1024x1024", (1024, 1024)),
    Decomposition("4000x2304", (4000, 2304)),
    Decomposition("batch8", (10000, 8, 8)),
    Decomposition("randomized", (35887, 136), k=16),
]
