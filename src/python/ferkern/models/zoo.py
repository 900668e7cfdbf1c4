"""The networks, named as in the literature, with untrained weights from a seed.

Trained ones are loaded with `ferkern.models.load`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ferkern.models.builder import GraphBuilder
from ferkern.models.imagenet import mobilenet, resnet50, squeezenet, vgg_s
from ferkern.models.network import Network

__all__ = ["BUILDERS", "build", "fer_2conv", "fer_4conv", "fer_small", "mini_xception"]

STANDARDISED: dict[str, Any] = {
    "size": [48, 48],
    "channels": 1,
    "normalization": "per_image",
    "epsilon": 1.0,
}
"""Grey 48x48; (x - mean) / max(standard deviation, epsilon) over the face's own pixels, 0..255."""


def fer_2conv(*, seed: int = 0) -> Network:
    """Two 5x5 convolutions of 20 filters, each with 2x2 pooling, then 500, 300 and 7: 5.2 M multiply-adds.

    Parameters
    ----------
    seed
        Seed of the initial weights.
    """
    g = GraphBuilder("fer_2conv", (1, 48, 48), seed=seed)
    x = g.max_pool2d(g.activation(g.conv2d("input", 20, 5, padding="valid")), 2)
    x = g.max_pool2d(g.activation(g.conv2d(x, 20, 5, padding="valid")), 2)
    x = g.dropout(g.flatten(x), 0.2)
    x = g.dropout(g.activation(g.dense(x, 500)), 0.3)
    x = g.activation(g.dense(x, 300))
    g.softmax(g.dense(x, 7))
    return g.finish(preprocessing=STANDARDISED)


def fer_4conv(*, seed: int = 0) -> Network:
    """Four 3x3 convolutions (32, 64, 96, 128), each with batch norm, ReLU and 2x2 pooling; 200; 7.

    Parameters
    ----------
    seed
        Seed of the initial weights.
    """
    g = GraphBuilder("fer_4conv", (1, 48, 48), seed=seed)
    x = "input"
    for channels in (32, 64, 96, 128):
        x = g.max_pool2d(g.conv_bn(x, channels, 3), 2)
    x = g.dropout(g.flatten(x), 0.3)
    x = g.dropout(g.activation(g.dense(x, 200)), 0.3)
    g.softmax(g.dense(x, 7))
    return g.finish(preprocessing=STANDARDISED)


def _residual(g: GraphBuilder, x: str, channels: int, stride: int) -> str:
    """Two 3x3 convolutions beside a shortcut (He et al. 2016, figure 2; projection where shapes differ)."""
    y = g.conv_bn(x, channels, 3, stride=stride)
    y = g.conv_bn(y, channels, 3, activation=None)
    if stride != 1 or g.shapes[x][0] != channels:
        x = g.conv_bn(x, channels, 1, stride=stride, activation=None)
    return g.activation(g.add(y, x))


def fer_small(*, seed: int = 0) -> Network:
    """The default: a residual network for 48x48 faces, 57.0 M multiply-adds and 0.97 M weights.

    All 3x3 and 1x1, channels in multiples of 16, so that a direct convolution on blocked channels fits;
    a stem of 16 channels at full size, then blocks at 24x24x32, 12x12x64 (two) and 6x6x128 (three).

    Parameters
    ----------
    seed
        Seed of the initial weights.
    """
    g = GraphBuilder("fer_small", (1, 48, 48), seed=seed)
    x = g.max_pool2d(g.conv_bn("input", 16, 3), 2)
    for channels, blocks in ((32, 1), (64, 2), (128, 3)):
        for index in range(blocks):
            x = _residual(g, x, channels, 2 if channels > 32 and index == 0 else 1)
    x = g.dropout(g.global_avg_pool(x), 0.2)
    g.softmax(g.dense(x, 7))
    return g.finish(preprocessing=STANDARDISED)


def _separable(g: GraphBuilder, x: str, channels: int) -> str:
    """Depthwise 3x3, pointwise 1x1, batch norm."""
    x = g.conv2d(x, g.shapes[x][0], 3, groups=g.shapes[x][0], bias=False)
    return g.batch_norm(g.conv2d(x, channels, 1, bias=False), epsilon=1e-3)


def mini_xception(*, input_size: int = 64, seed: int = 0) -> Network:
    """mini-Xception (Arriaga et al. 2017, figure 4): residual modules of depthwise-separable convolutions.

    Parameters
    ----------
    input_size
        Side of the square grey input: 64 as published, or 48 (5.5 M multiply-adds).
    seed
        Seed of the initial weights.
    """
    g = GraphBuilder("mini_xception", (1, input_size, input_size), seed=seed)
    x = "input"
    for _ in range(2):
        x = g.conv2d(x, 8, 3, padding="valid", bias=False)
        x = g.activation(g.batch_norm(x, epsilon=1e-3))
    for channels in (16, 32, 64, 128):
        shortcut = g.conv2d(x, channels, 1, stride=2, padding="same_end", bias=False)
        shortcut = g.batch_norm(shortcut, epsilon=1e-3)
        y = g.activation(_separable(g, x, channels))
        y = g.max_pool2d(_separable(g, y, channels), 3, stride=2, padding="same_end")
        x = g.add(y, shortcut)
    x = g.global_avg_pool(g.conv2d(x, 7, 3))
    g.softmax(x)
    return g.finish(
        preprocessing={
            "size": [input_size, input_size],
            "channels": 1,
            "normalization": "fixed",
            "mean": 127.5,
            "std": 127.5,
        }
    )


BUILDERS: dict[str, Callable[..., Network]] = {
    "fer_2conv": fer_2conv,
    "fer_4conv": fer_4conv,
    "fer_small": fer_small,
    "mini_xception": mini_xception,
    "mobilenet": mobilenet,
    "resnet50": resnet50,
    "squeezenet": squeezenet,
    "vgg_s": vgg_s,
}


def build(name: str, *, seed: int = 0) -> Network:
    """An untrained network by its name.

    Raises
    ------
    ValueError
        If there is none of this name; the message lists those there are.
    """
    if name not in BUILDERS:
        raise ValueError(f"name: no network {name!r}; there are {', '.join(BUILDERS)}")
    return BUILDERS[name](seed=seed)
