"""How a face becomes a network's input, as the network's file says it.

``{"size": [48, 48], "channels": 1, "normalization": "per_image", "epsilon": 1.0}``: every face by its own
mean and deviation. ``{..., "normalization": "fixed", "mean": 127.5, "std": 127.5}``: two fixed numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern.errors import ModelError

__all__ = ["check_preprocessing", "preprocess"]

_NUMBERS = {"per_image": ("epsilon",), "fixed": ("mean", "std")}


def check_preprocessing(settings: dict[str, Any], input_shape: tuple[int, int, int]) -> None:
    """Check settings that a file gives.

    Raises
    ------
    ModelError
        Naming the setting that is missing, unknown or does not fit `input_shape`.
    """
    kind = settings.get("normalization")
    if not isinstance(kind, str) or kind not in _NUMBERS:
        raise ModelError(f"preprocessing: normalization must be one of {sorted(_NUMBERS)}, is {kind!r}")
    numbers = _NUMBERS[kind]
    expected = {"size", "channels", "normalization", *numbers}
    if set(settings) != expected:
        raise ModelError(f"preprocessing: has {sorted(settings)}, {kind!r} needs {sorted(expected)}")
    for name in numbers:
        value = settings[name]
        positive = name in ("epsilon", "std")
        if type(value) not in (int, float) or not math.isfinite(value) or (positive and value <= 0):
            kind_of = "a positive" if positive else "a finite"
            raise ModelError(f"preprocessing: {name} must be {kind_of} number, is {value!r}")
    shape = (settings["channels"], *settings["size"]) if isinstance(settings["size"], (list, tuple)) else ()
    if shape != tuple(input_shape):
        raise ModelError(
            f"preprocessing: channels {settings['channels']!r} and size {settings['size']!r} "
            f"do not make the input {list(input_shape)}"
        )


def preprocess(faces: NDArray[np.uint8], settings: dict[str, Any]) -> NDArray[np.float32]:
    """Inputs of a network from grey faces.

    Parameters
    ----------
    faces
        uint8 [n, h, w] of the size that `settings` says.
    settings
        `Network.preprocessing`.

    Returns
    -------
    numpy.ndarray
        float32 [n, 1, h, w].

    Raises
    ------
    TypeError
        If the faces are not uint8.
    ValueError
        If their size is not the one that is needed.
    """
    if faces.dtype != np.uint8:
        raise TypeError(f"faces must be uint8, is {faces.dtype}; cast with faces.astype(numpy.uint8)")
    size = tuple(settings["size"])
    if faces.ndim != 3 or faces.shape[1:] != size:
        raise ValueError(f"faces must have shape [n, {size[0]}, {size[1]}], has {list(faces.shape)}")
    x = faces.astype(np.float32)
    if settings["normalization"] == "fixed":
        x -= np.float32(settings["mean"])
        x /= np.float32(settings["std"])
    else:
        x -= x.mean(axis=(1, 2), keepdims=True)
        x /= np.maximum(x.std(axis=(1, 2), keepdims=True), np.float32(settings["epsilon"]))
    return x[:, None]
