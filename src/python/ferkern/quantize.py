"""What the bytes of an 8-bit network mean: scales and zero points, found by running the network on sample images.

Between layers a value ``x`` is kept as a byte ``q`` with ``x = scale * (q - zero_point)``; zero itself is always
exact, so that padding is. Weights need no samples: they are symmetric int8 with a scale for each filter, made when a
network is planned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkern.models.network import Network, Node, Quantization

__all__ = ["calibrate", "range_of_entropy", "to_quantization"]

METHODS = ("min_max", "percentile", "entropy")
BINS = 2048
_BATCH = 16

Float32 = NDArray[np.float32]
Counts = NDArray[np.int64]


def calibrate(
    network: Network, images: Float32, *, method: str = "min_max", percentile: float = 99.99, bins: int = BINS
) -> Network:
    """A copy of a network that knows the range of each of its values, for ``plan(precision="int8")``.

    Parameters
    ----------
    network
        The network; it is not changed. Weights are shared, not copied.
    images : float32 [N, C, H, W]
        Inputs as the network is given them (after `ferkern.models.preprocess`), such as a few hundred of those that it
        was trained on.
    method
        ``"min_max"``: the range is that of the samples. ``"percentile"``: the least that holds `percentile` % of the
        magnitudes above zero and of those below. ``"entropy"``: the one whose bytes lose the least information about
        the samples' histogram (Migacz 2017, "8-bit inference with TensorRT", by Kullback-Leibler divergence), searched
        on magnitudes.
    percentile
        Share of the magnitudes within the range, in (0, 100]; for ``"percentile"`` alone.
    bins
        Bins of the histograms of ``"percentile"`` and ``"entropy"``: 256 to 65536.

    Returns
    -------
    Network with `quantization` filled in. A value that is zero on all samples gets scale 1.

    Raises
    ------
    TypeError
        `images` is not a float32 array.
    ValueError
        `images` is empty, of another shape than the network's input, or not finite, or makes a value that is not; an
        option is out of range.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, is {method!r}")
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must be in (0, 100], is {percentile}")
    if not 256 <= bins <= 65536:
        raise ValueError(f"bins must be from 256 to 65536, is {bins}")
    _check_images(network, images)
    ranges = _ranges(network, images)
    if method != "min_max":
        histograms = _histograms(network, images, ranges, bins)
        for name, (low, high) in ranges.items():
            counts = histograms[name]
            if method == "percentile":
                ranges[name] = _range_of_percentile(counts, low, high, percentile)
            else:
                ranges[name] = range_of_entropy(counts, low, high)
    return replace(network, quantization={name: to_quantization(*span) for name, span in ranges.items()})


def to_quantization(low: float, high: float) -> Quantization:
    """Scale and zero point of bytes for values in [low, high], zero made one of them exactly.

    Raises
    ------
    ValueError
        If the range is not finite or upside down.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"low, high must be finite and in order, are {low}, {high}")
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255))
    # Ranges below float32's normal numbers are zero for every purpose.
    if scale < 1e-30:
        return Quantization(1.0, 0)
    if scale > 1e30:
        raise ValueError(f"the range {low}..{high} is too wide for bytes")
    return Quantization(scale, min(max(round(-low / scale), 0), 255))


def _check_images(network: Network, images: Any) -> None:
    if not isinstance(images, np.ndarray) or images.dtype != np.float32:
        kind = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise TypeError(f"images must be a float32 array, is {kind}")
    if images.ndim != 4 or images.shape[1:] != tuple(network.input_shape):
        raise ValueError(
            f"images has shape {list(images.shape)}, network {network.name!r} takes [N, "
            f"{', '.join(map(str, network.input_shape))}]"
        )
    if len(images) == 0:
        raise ValueError("images must hold at least one sample to calibrate with, has none")
    if not np.isfinite(images).all():
        raise ValueError("images has values that are not finite")


def _values(network: Network, images: Float32) -> Iterator[tuple[str, Float32]]:
    """Every value of the network, batch by batch: node by node as the graph is stored, in float32."""
    shapes = network.infer_shapes()
    last_use = {name: index for index, node in enumerate(network.nodes) for name in node.inputs}
    sessions = [_node_session(network, node, shapes) for node in network.nodes]
    for first in range(0, len(images), _BATCH):
        known: dict[str, Float32] = {network.input: np.ascontiguousarray(images[first : first + _BATCH])}
        yield network.input, known[network.input]
        for index, (node, session) in enumerate(zip(network.nodes, sessions, strict=True)):
            y = _run_node(node, session, [known[name] for name in node.inputs])
            if not np.isfinite(y).all():
                raise ValueError(f"images: value {node.output!r} of network {network.name!r} is not finite")
            yield node.output, y
            known[node.output] = y
            for name in node.inputs:
                if last_use[name] == index:
                    known.pop(name, None)


def _node_session(network: Network, node: Node, shapes: dict[str, tuple[int, ...]]) -> Any:
    """One node with one input, planned by itself; None for what is done in NumPy."""
    if node.op in ("flatten", "dropout", "add", "concat"):
        return None
    shape = shapes[node.inputs[0]]
    nodes, entrance = [node], node.inputs[0]
    if len(shape) == 1:
        entrance = f"{node.inputs[0]}.image"
        nodes = [Node("flatten", (entrance,), node.inputs[0]), node]
    c, h, w = (*shape, 1, 1)[:3]
    weights = {name: network.weights[name] for name in node.weights.values()}
    part = Network(f"{network.name}.{node.output}", entrance, (c, h, w), node.output, nodes, weights, classes=())
    return part.plan(batch=_BATCH)


def _run_node(node: Node, session: Any, inputs: list[Float32]) -> Float32:
    if node.op == "flatten":
        return inputs[0].reshape(len(inputs[0]), -1)
    if node.op == "dropout":
        return inputs[0]
    if node.op == "add":
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total
    if node.op == "concat":
        return np.concatenate(inputs, axis=1)
    x = inputs[0] if inputs[0].ndim == 4 else inputs[0][:, :, None, None]
    y: Float32 = session.run(np.ascontiguousarray(x))
    return y


def _ranges(network: Network, images: Float32) -> dict[str, tuple[float, float]]:
    ranges: dict[str, tuple[float, float]] = {}
    for name, values in _values(network, images):
        low, high = ranges.get(name, (math.inf, -math.inf))
        ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))
    return ranges


def _histograms(
    network: Network, images: Float32, ranges: dict[str, tuple[float, float]], bins: int
) -> dict[str, tuple[Counts, Counts]]:
    """Counts of the magnitudes below and above zero, each in `bins` equal bins up to the largest magnitude of both."""
    found = {name: (np.zeros(bins, np.int64), np.zeros(bins, np.int64)) for name in ranges}
    for name, values in _values(network, images):
        most = max(map(abs, ranges[name]))
        if most > 0:
            below, above = found[name]
            below += np.histogram(-values[values < 0], bins=bins, range=(0.0, most))[0]
            above += np.histogram(values[values > 0], bins=bins, range=(0.0, most))[0]
    return found


def _range_of_percentile(
    counts: tuple[Counts, Counts], low: float, high: float, percentile: float
) -> tuple[float, float]:
    """Ends beyond which the rest of the magnitudes lies, on each side."""
    most = max(abs(low), abs(high))
    ends = []
    for side in counts:
        total = int(side.sum())
        inside = int(np.searchsorted(np.cumsum(side), total * percentile / 100)) + 1 if total else 0
        ends.append(most * min(inside, len(side)) / len(side))
    return max(-ends[0], min(low, 0.0)), min(ends[1], max(high, 0.0))


def range_of_entropy(counts: tuple[Counts, Counts], low: float, high: float) -> tuple[float, float]:
    """The range whose bytes tell most about a histogram (Migacz 2017).

    For each number of bins that could be kept, P is the histogram cut there, with all that lies beyond added to its
    last bin, and Q what is left of the cut histogram when its bins are merged into as many levels as bytes have on that
    side and spread out again over the bins that were not empty. The cut with the least Kullback-Leibler divergence of Q
    from P wins.

    Parameters
    ----------
    counts
        Histograms of the magnitudes below and above zero, over equal bins up to the largest magnitude.
    low, high
        Range of the samples.

    Returns
    -------
    (low, high) : both ends cut at the same magnitude, and never beyond the samples' own.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    most = max(-low, high)
    bins = len(counts[0])
    histogram = (counts[0] + counts[1]).astype(np.float64)
    if most == 0 or histogram.sum() == 0:
        return low, high
    # Bytes on the side that is searched: half of them where there are values on both sides.
    levels = 128 if low < 0 < high else 256
    best, kept = math.inf, bins
    for cut in range(levels, bins + 1, max(1, bins // 256)):
        divergence = _divergence(histogram, cut, levels)
        if divergence < best:
            best, kept = divergence, cut
    end = most * kept / bins
    return max(low, -end), min(high, end)


def _divergence(histogram: NDArray[np.float64], cut: int, levels: int) -> float:
    """Kullback-Leibler divergence of the histogram cut at a bin from its form in `levels` levels."""
    inside = histogram[:cut]
    p = inside.copy()
    p[-1] += histogram[cut:].sum()
    level = np.arange(cut) * levels // cut
    full = inside > 0
    held = np.bincount(level, weights=inside, minlength=levels)
    shared = np.bincount(level, weights=full, minlength=levels)
    q = np.where(full, held[level] / np.maximum(shared[level], 1), 0.0)
    p /= p.sum()
    if q.sum() == 0:
        return math.inf
    q /= q.sum()
    # Where Q has nothing for what P has, a little instead of an infinite divergence (as the original smooths).
    some = p > 0
    return float(np.sum(p[some] * np.log(p[some] / np.maximum(q[some], 1e-9))))
