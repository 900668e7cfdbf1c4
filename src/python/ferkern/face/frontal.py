"""The file of a detector: a network with the cascade's tables among its tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ferkern.errors import ModelError
from ferkern.face.cascade_xml import CascadeTables
from ferkern.models import store
from ferkern.models.network import Network

__all__ = ["attach", "read"]

CODES = 256
Float32 = npt.NDArray[np.float32]


def attach(
    network: Network,
    *,
    window: int,
    blocks: Float32,
    tables: Float32,
    ends: Float32,
    thresholds: Float32,
    fusion: Float32,
) -> Network:
    """Put a cascade of LBP tables among the tensors of a network.

    Parameters
    ----------
    network
        The verifier; it gets six more tensors.
    window
        Side of the cascade's window, pixels.
    blocks : float32 [n, 4]
        x, y, width, height of the upper left of the 3x3 blocks of each table's feature.
    tables : float32 [n, 256]
        Value of every code.
    ends : float32 [stages]
        Tables before the end of each stage.
    thresholds : float32 [stages]
        Vote that is asked for there.
    fusion : float32 [5]
        Weights of first look, second look, vote, logarithm of windows, and the constant.
    """
    network.weights |= {
        "cascade.window": np.array([window], np.float32),
        "cascade.blocks": blocks.astype(np.float32),
        "cascade.tables": tables.astype(np.float32),
        "cascade.ends": ends.astype(np.float32),
        "cascade.thresholds": thresholds.astype(np.float32),
        "fusion": fusion.astype(np.float32),
    }
    return network


def read(name_or_path: str) -> tuple[CascadeTables, Network, Float32]:
    """Cascade, network and fusion weights of a detector's file, or of a shipped detector by its name.

    Raises
    ------
    ValueError
        If there is neither.
    ModelError
        If the file is damaged or holds no cascade.
    """
    network = store.load(name_or_path)
    try:
        fusion = network.weights.get("fusion")
        if fusion is None:
            raise ModelError("tensor 'fusion' is not there, a detector's is [5]")
        return _tables(network), network, fusion
    except ModelError as error:
        raise ModelError(f"{name_or_path}: {error}") from None


def _tables(network: Network) -> CascadeTables:
    def tensor(role: str, fits: Callable[[tuple[int, ...]], bool], shape: str) -> Float32:
        found = network.weights.get(f"cascade.{role}")
        if found is None or not fits(found.shape):
            have = "is not there" if found is None else f"has shape {found.shape}"
            raise ModelError(f"tensor 'cascade.{role}' {have}, a detector's is {shape}")
        return found

    tables = tensor("tables", lambda s: len(s) == 2 and s[1] == CODES and 1 <= s[0] <= 4096, "[n, 256]")
    count = len(tables)
    blocks = tensor("blocks", lambda s: s == (count, 4), f"[{count}, 4]")
    ends = tensor("ends", lambda s: len(s) == 1 and 1 <= s[0] <= count, "[stages]")
    thresholds = tensor("thresholds", lambda s: s == ends.shape, f"[{len(ends)}]")
    window = tensor("window", lambda s: s == (1,), "[1]")
    steps = np.diff(ends, prepend=0)
    whole = all(np.array_equal(t, np.rint(t)) and float(np.abs(t).max()) < 2**20 for t in (blocks, ends, window))
    if not whole or (steps < 1).any() or ends[-1] != count:
        raise ModelError(f"the cascade's stages end at {ends.tolist()[:8]}..., with {count} tables")
    side = int(window[0])
    numbers = np.arange(count)
    rects = np.zeros((count, 3, 4), np.int32)
    rects[:, 0] = blocks
    return CascadeTables(
        kind="lbp",
        window=(side, side),
        rects=rects,
        weights=np.zeros((count, 3), np.float32),
        tilted=np.zeros(count, np.int32),
        nodes=np.stack([numbers, CODES * numbers, 0 * numbers, 0 * numbers - 1], axis=1).astype(np.int32),
        thresholds=np.zeros(count, np.float32),
        leaves=np.zeros(2, np.float32),
        tables=np.ascontiguousarray(tables).ravel(),
        trees=np.stack([numbers, 0 * numbers + 1, 0 * numbers, 0 * numbers + 2], axis=1).astype(np.int32),
        stages=np.stack([ends - steps, steps], axis=1).astype(np.int32),
        stage_thresholds=np.ascontiguousarray(thresholds),
        cumulative=True,
    )
