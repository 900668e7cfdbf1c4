"""Networks that nobody wants, measured for how well each kernel uses a machine: drawn from a seed, none of a paper.

Layers stand in a network as they do elsewhere, since a layer finds its input where the one before has left it, and its
weights where the whole network has pushed them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ferkern.models.builder import GraphBuilder
from ferkern.models.network import Network

__all__ = ["BATCHES", "probes"]

BATCHES = (1, 8)
_MOST_WORK = 250e6  # multiply-adds of a probe
_STEMS = (8, 16, 20, 24, 32, 48, 64)
_GROWTH = (0.5, 1.0, 1.0, 1.0, 1.5, 2.0, 2.0)
_KINDS = ("plain", "plain", "pointwise", "wide", "residual", "residual", "separable", "separable", "fire", "bottleneck")
_TOWERS = (
    (28, 96), (22, 320), (20, 256), (18, 384), (14, 192), (14, 512), (12, 80), (10, 640), (9, 160), (7, 448), (6, 144),
)  # fmt: skip
_DENSE = ((10240, 2048, 1536, 7), (6400, 3072, 2048, 600), (1920, 416, 96, 12), (768, 224, 160, 40))
_CLASSES = (7, 7, 40, 300, 1500)
_PLAIN = {"plain": 3, "wide": 5, "pointwise": 1}


def probes(count: int = 24) -> Iterator[Network]:
    """So many random networks, and some for layers of many channels and large dense ones; the same every time."""
    seed = made = 0
    while made < count:
        net = _random(seed)
        seed += 1
        if _work(net) <= _MOST_WORK:
            made += 1
            yield net
    yield _normalised()
    yield from (_bottlenecks(side, channels) for side, channels in ((28, 384), (14, 768), (7, 1536)))
    yield from (_towers(side, channels) for side, channels in _TOWERS)
    yield from (_dense(*sizes) for sizes in _DENSE)


def _work(net: Network) -> float:
    shapes = net.infer_shapes()
    return sum(
        net.weights[n.weights["w"]].size * math.prod(shapes[n.output][1:]) for n in net.nodes if "w" in n.weights
    )


def _random(seed: int) -> Network:
    rng = np.random.default_rng(seed)
    side = int(rng.choice([40, 44, 52, 64, 96, 128, 192]))
    g = GraphBuilder(f"probe_{seed}", (int(rng.choice([1, 3])), side, side), seed=seed)
    stride = 2 if side >= 96 else 1
    x = g.conv_bn("input", int(rng.choice(_STEMS)), int(rng.choice([3, 3, 5, 7])), stride=stride)
    if rng.random() < 0.5:
        x = g.max_pool2d(x, int(rng.choice([2, 3])), stride=2)
    for _ in range(int(rng.integers(5, 10))):
        x = _block(g, x, rng)
    x = g.global_avg_pool(x) if rng.random() < 0.6 else _features(g, x, int(rng.choice([128, 320, 512, 1024])))
    return _classified(g, x, int(rng.choice(_CLASSES)))


def _classified(g: GraphBuilder, x: str, classes: int) -> Network:
    g.softmax(g.dense(x, classes))
    return g.finish(classes=tuple(map(str, range(classes))))


def _features(g: GraphBuilder, x: str, count: int) -> str:
    while math.prod(g.shapes[x]) > 8192 and g.shapes[x][1] >= 4:
        x = g.max_pool2d(x, 2)
    return g.activation(g.dense(g.flatten(x), count))


def _block(g: GraphBuilder, x: str, rng: np.random.Generator) -> str:
    channels, side, _ = g.shapes[x]
    if side >= 16 and rng.random() < 0.35:
        x = g.max_pool2d(x, int(rng.choice([2, 3])), stride=2)
    grown = int(np.clip(4 * round(channels * float(rng.choice(_GROWTH)) / 4), 8, 512))
    stride = 2 if side >= 12 and rng.random() < 0.25 else 1
    kind = str(rng.choice(_KINDS))
    if kind in _PLAIN:
        return g.conv_bn(x, grown, _PLAIN[kind], stride=stride if kind == "plain" else 1)
    if kind == "separable":
        y = g.activation(g.batch_norm(g.conv2d(x, channels, 3, groups=channels, stride=stride, bias=False)))
        return g.conv_bn(y, grown, 1)
    if kind == "fire":
        y = g.conv_bn(x, max(8, channels // 4), 1)
        return g.concat(g.conv_bn(y, max(8, grown // 2), 1), g.conv_bn(y, max(8, grown // 2), 3))
    if kind == "bottleneck":
        return _bottleneck(g, x, max(8, channels // 16 * 4))
    y = g.conv_bn(g.conv_bn(x, channels, 3), channels, 3, activation=None)
    return g.activation(g.add(y, x))


def _bottleneck(g: GraphBuilder, x: str, inner: int) -> str:
    y = g.conv_bn(g.conv_bn(x, inner, 1), inner, 3)
    return g.activation(g.add(g.conv_bn(y, g.shapes[x][0], 1, activation=None), x))


def _bottlenecks(side: int, channels: int) -> Network:
    g = GraphBuilder(f"bottlenecks_{channels}", (3, side, side))
    x = g.conv_bn("input", channels, 1)
    for _ in range(2):
        x = _bottleneck(g, x, channels // 4)
    x = g.conv_bn(x, channels // 2, 1, stride=2)
    g.softmax(g.dense(g.global_avg_pool(x), 7))
    return g.finish()


def _towers(side: int, channels: int) -> Network:
    """3 x 3 alone, of many channels."""
    g = GraphBuilder(f"tower_{channels}", (3, side, side))
    x = g.conv_bn(g.conv_bn("input", channels, 3), channels, 3)
    x = g.conv_bn(x, channels // 2, 3)
    g.softmax(g.dense(g.global_avg_pool(g.conv_bn(x, channels // 4, 5)), 7))
    return g.finish()


def _normalised() -> Network:
    g = GraphBuilder("normalised", (3, 120, 120))
    x = g.conv_bn("input", 64, 7, stride=2)
    x = g.max_pool2d(g.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0), 3, stride=3)
    x = g.local_response_norm(g.conv_bn(x, 128, 5), 5, alpha=5e-4, beta=0.75, k=2.0)
    g.softmax(g.dense(_features(g, x, 1024), 7))
    return g.finish()


def _dense(features: int, first: int, second: int, classes: int) -> Network:
    """Weights that no cache keeps, or that one does for a whole batch."""
    g = GraphBuilder(f"dense_{features}", (features // 64, 8, 8))
    x = g.activation(g.dense(g.flatten(g.conv_bn("input", features // 64, 1)), first))
    return _classified(g, g.activation(g.dense(x, second)), classes)
