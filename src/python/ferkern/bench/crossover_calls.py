"""Calls of every kind, on made-up numbers: a device string in, something to be called over and over out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ferkern.bench.crossover_features import FEATURES, Features, network_features, pipeline_features

__all__ = [
    "Call",
    "channels",
    "conv",
    "dense",
    "faces",
    "function_of",
    "moving",
    "network",
    "recognized",
    "separable",
    "signs",
    "small",
    "square",
    "square_dense",
    "takes_device",
    "tall",
    "truncated",
]

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Call:
    """One size of a family, ready to be run.

    Attributes
    ----------
    prepare
        Given a device string, what a call is there; it takes no argument. Plans are made here, arrays are at hand.
    """

    features: Features
    prepare: Callable[[str], Callable[[], object]]


def _numbers(*shape: int) -> Float32:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def function_of(op: str) -> Callable[..., Any]:
    """The public function that an op of the map is."""
    from ferkern import flow, linalg, nn

    homes: dict[str, Callable[..., Any]] = {"svd": linalg.svd, "flow": flow.dense}
    found: Callable[..., Any] = homes[op] if op in homes else getattr(nn, op)
    return found


def takes_device(op: str) -> bool:
    return "device" in inspect.signature(function_of(op)).parameters


def _called(op: str, *arguments: Any, **options: Any) -> Call:
    function = function_of(op)

    def prepare(device: str) -> Callable[[], object]:
        given = options if device == "cpu" else {**options, "device": device}
        return partial(function, *arguments, **given)

    return Call(FEATURES[op](*arguments, **options), prepare)


def conv(channels: int, filters: int, kernel: int, size: int, *, batch: int = 1) -> Call:
    x, w = _numbers(batch, channels, size, size), _numbers(filters, channels, kernel, kernel)
    return _called("conv2d", x, w, _numbers(filters), padding="same", activation="relu")


def channels(size: int, kernel: int, channels: int) -> Call:
    return conv(channels, channels, kernel, size)


def faces(filters: int, kernel: int, batch: int) -> Call:
    return conv(1, filters, kernel, 48, batch=batch)


def separable(channels: int, side: int) -> Call:
    x, dw, pw = _numbers(1, channels, side, side), _numbers(channels, 1, 3, 3), _numbers(2 * channels, channels, 1, 1)
    return _called("depthwise_separable", x, dw, pw, _numbers(2 * channels), padding="same", activation="relu")


def signs(channels: int, side: int, *, packed: bool) -> Call:
    from ferkern import nn

    x, filters = _numbers(1, channels, side, side), nn.binarize(_numbers(channels, channels, 3, 3))
    return _called("binary_conv2d", nn.sign_bits(x) if packed else x, filters, padding=1)


def square_dense(side: int) -> Call:
    """A matrix and a vector."""
    return dense(side, side, 1)


def dense(inputs: int, outputs: int, batch: int) -> Call:
    return _called("dense", _numbers(batch, inputs), _numbers(outputs, inputs), _numbers(outputs))


def tall(columns: int, rows: int) -> Call:
    """A matrix that is decomposed as a whole."""
    return _called("svd", _numbers(rows, columns))


def square(side: int) -> Call:
    """The same with as many rows as columns."""
    return tall(side, side)


def small(side: int, matrices: int) -> Call:
    """Many small matrices."""
    return _called("svd", _numbers(matrices, side, side))


def truncated(columns: int, k: int, rows: int) -> Call:
    """The k largest by the randomized method."""
    return _called("svd", _numbers(rows, columns), k=k, method="randomized")


def moving(preset: str, side: int) -> Call:
    """Two frames of a smooth random texture, the second moved by (2, 1) pixels."""
    rng = np.random.default_rng(1)
    coarse = rng.standard_normal((side // 8 + 2, side // 6 + 2))
    texture = np.kron(coarse, np.ones((8, 8)))
    for _ in range(3):
        texture = (texture + np.roll(texture, 3, 0) + np.roll(texture, 3, 1) + np.roll(texture, -3, 1)) / 4
    h, w = side, side * 4 // 3
    scaled = np.clip(128 + 60 * texture, 0, 255).astype(np.uint8)
    first, second = (np.ascontiguousarray(scaled[dy : dy + h, dx : dx + w]) for dy, dx in ((4, 4), (3, 2)))
    return _called("flow", first, second, preset=preset)


def network(name: str, batch: int) -> Call:
    from ferkern.bench.network import named

    net = named(name)
    x = _numbers(batch, *net.input_shape)

    def prepare(device: str) -> Callable[[], object]:
        # Its threads are those that the choice is asked for.
        return partial(net.plan(device=device, batch=batch).run, x)

    return Call(network_features(net, batch), prepare)


def recognized(faces: int) -> Call:
    """A sheet with as many faces as are asked for, from a portrait that comes with installed packages."""
    from PIL import Image

    from ferkern import Recognizer
    from ferkern.cli.demo import portraits

    found = portraits()
    if not found:
        raise ImportError("no sample portrait is installed: pip install 'ferkern[demo]'")
    with Image.open(found.get("Eileen Collins", next(iter(found.values())))) as image:
        portrait = np.asarray(image.convert("RGB").crop((96, 0, 352, 256)))
    rows = 2 ** (faces.bit_length() // 2)
    sheet = np.tile(portrait, (rows, -(-faces // rows), 1))

    def prepare(device: str) -> Callable[[], object]:
        return partial(Recognizer(device=device), sheet)

    return Call(pipeline_features(sheet.shape[0], sheet.shape[1], faces), prepare)
