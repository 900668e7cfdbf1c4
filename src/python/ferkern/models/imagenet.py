"""Networks of the literature for pictures of 224 pixels and their kin, with untrained weights from a seed.

Layers, strides and paddings are those of the papers; where a paper leaves a padding open, those of the authors' own
release. Sizes after pooling that were rounded up there are rounded up here, by padding at the end.
"""

from __future__ import annotations

from typing import Any

from ferkern.models.builder import GraphBuilder
from ferkern.models.network import Network

__all__ = ["mobilenet", "resnet50", "squeezenet", "vgg_s"]


def _classes(count: int) -> tuple[str, ...]:
    if count < 1:
        raise ValueError(f"classes must be at least 1, is {count}")
    return tuple(f"class_{i}" for i in range(count))


def _preprocessing(side: int) -> dict[str, Any]:
    return {"size": [side, side], "channels": 3, "normalization": "fixed", "mean": 127.5, "std": 127.5}


def mobilenet(*, alpha: float = 1.0, resolution: int = 224, classes: int = 1000, seed: int = 0) -> Network:
    """MobileNet v1 (Howard et al. 2017, table 1): 13 depthwise-separable blocks behind one convolution.

    Parameters
    ----------
    alpha
        Width multiplier: every number of channels is scaled by it (the paper has 1, 0.75, 0.5 and 0.25).
    resolution
        Side of the square RGB input: a multiple of 32 (the paper has 224, 192, 160 and 128).
    classes
        Outputs. With 1 the last activation is a sigmoid, else a softmax.
    seed
        Seed of the initial weights.

    Raises
    ------
    ValueError
        `alpha` is not in 1/32..4, `resolution` is no multiple of 32, or `classes` is below 1.
    """
    if not 1 / 32 <= alpha <= 4:
        raise ValueError(f"alpha must be in 1/32..4, is {alpha}")
    if resolution < 32 or resolution % 32:
        raise ValueError(f"resolution must be a multiple of 32, is {resolution}")
    names = _classes(classes)
    g = GraphBuilder("mobilenet", (3, resolution, resolution), seed=seed)

    def normalised(x: str) -> str:
        return g.activation(g.batch_norm(x, epsilon=1e-3), "relu6")

    x = normalised(g.conv2d("input", int(32 * alpha), 3, stride=2, padding="same_end", bias=False))
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for channels, stride in blocks:
        depth = g.shapes[x][0]
        x = normalised(g.conv2d(x, depth, 3, stride=stride, padding="same_end", groups=depth, bias=False))
        x = normalised(g.conv2d(x, int(channels * alpha), 1, bias=False))
    x = g.dense(g.dropout(g.global_avg_pool(x), 1e-3), classes)
    x = g.activation(x, "sigmoid") if classes == 1 else g.softmax(x)
    return g.finish(preprocessing=_preprocessing(resolution), classes=names)


def squeezenet(*, resolution: int = 227, classes: int = 1000, seed: int = 0) -> Network:
    """SqueezeNet 1.1 (Iandola et al. 2016, table 1, in the authors' later, cheaper version).

    Parameters
    ----------
    resolution
        Side of the square RGB input.
    classes
        Outputs.
    seed
        Seed of the initial weights.
    """
    g = GraphBuilder("squeezenet", (3, resolution, resolution), seed=seed)

    def fire(x: str, squeeze: int, expand: int) -> str:
        x = g.activation(g.conv2d(x, squeeze, 1))
        return g.concat(g.activation(g.conv2d(x, expand, 1)), g.activation(g.conv2d(x, expand, 3)))

    x = g.activation(g.conv2d("input", 64, 3, stride=2, padding="valid"))
    for index, (squeeze, expand) in enumerate(
        [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]
    ):
        if index in (0, 2, 4):
            x = g.max_pool2d(x, 3, stride=2, padding="ceil")
        x = fire(x, squeeze, expand)
    x = g.activation(g.conv2d(g.dropout(x, 0.5), classes, 1))
    g.softmax(g.global_avg_pool(x))
    return g.finish(preprocessing=_preprocessing(resolution), classes=_classes(classes))


def resnet50(*, resolution: int = 224, classes: int = 1000, seed: int = 0) -> Network:
    """ResNet-50 (He et al. 2016, table 1), the stride of a stage in its first 3x3 convolution, as it is trained today.

    Parameters
    ----------
    resolution
        Side of the square RGB input.
    classes
        Outputs.
    seed
        Seed of the initial weights.
    """
    g = GraphBuilder("resnet50", (3, resolution, resolution), seed=seed)

    def bottleneck(x: str, channels: int, stride: int) -> str:
        y = g.conv_bn(g.conv_bn(x, channels, 1), channels, 3, stride=stride)
        y = g.conv_bn(y, 4 * channels, 1, activation=None)
        if stride != 1 or g.shapes[x][0] != 4 * channels:
            x = g.conv_bn(x, 4 * channels, 1, stride=stride, activation=None)
        return g.activation(g.add(y, x))

    x = g.max_pool2d(g.conv_bn("input", 64, 7, stride=2), 3, stride=2, padding="same")
    for channels, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for index in range(blocks):
            x = bottleneck(x, channels, 2 if index == 0 and channels > 64 else 1)
    g.softmax(g.dense(g.global_avg_pool(x), classes))
    return g.finish(preprocessing=_preprocessing(resolution), classes=_classes(classes))


def vgg_s(*, resolution: int = 224, classes: int = 1000, seed: int = 0) -> Network:
    """VGG-S (CNN-S of Chatfield et al. 2014, table 1): five convolutions and three dense layers, 103 M weights.

    Parameters
    ----------
    resolution
        Side of the square RGB input.
    classes
        Outputs.
    seed
        Seed of the initial weights.
    """
    g = GraphBuilder("vgg_s", (3, resolution, resolution), seed=seed)
    x = g.activation(g.conv2d("input", 96, 7, stride=2, padding="valid"))
    x = g.max_pool2d(g.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0), 3, padding="ceil")
    x = g.max_pool2d(g.activation(g.conv2d(x, 256, 5, padding="valid")), 2, padding="ceil")
    for _ in range(3):
        x = g.activation(g.conv2d(x, 512, 3))
    x = g.flatten(g.max_pool2d(x, 3, padding="ceil"))
    for _ in range(2):
        x = g.dropout(g.activation(g.dense(x, 4096)), 0.5)
    g.softmax(g.dense(x, classes))
    return g.finish(preprocessing=_preprocessing(resolution), classes=_classes(classes))
