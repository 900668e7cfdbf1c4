"""What decides how long a call takes on either side: operations, bytes that a device is sent and sends back, its kind.

The same counts describe what `ferkern.bench.crossover` measured and what ``device="auto"`` is asked, so that they may
be rough where that spares work: any padding but none counts as "same". Nothing is judged here; what does not fit
together is told by the op itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferkern import _core

if TYPE_CHECKING:
    from ferkern.models.network import Network

__all__ = ["FEATURES", "Features", "network_features", "pipeline_features"]

_SMALL_MATRIX = 32  # sides up to which a batch of matrices is one matrix in each vector lane
_LEVELS = {"ultrafast": 2, "fast": 1, "medium": 0}


@dataclass(frozen=True, slots=True)
class Features:
    """What one call is.

    Attributes
    ----------
    work
        Operations by the definition, a multiply-add counts two; for flow and the pipeline pixels.
    moved
        Bytes of the arguments and the result: what is copied where nothing stays on the device.
    launches
        Kernels that are started, roughly: layers.
    kind
        Calls of one kind have one curve: ``"1x1"``, ``"tall"``, a preset.
    """

    work: float
    moved: float
    launches: float = 1.0
    kind: str = ""

    @property
    def terms(self) -> tuple[float, ...]:
        """What the time is a sum of."""
        return (self.launches, self.work, self.moved)

    @property
    def place(self) -> tuple[float, ...]:
        """Where it stands among other calls."""
        return (math.log(max(self.work, 1.0)), 0.5 * math.log(max(self.work, 1.0) / max(self.moved, 1.0)))


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _outputs(x: Sequence[int], kernel: Sequence[int], stride: Any, padding: Any) -> float:
    (down, right), (h, w) = _pair(stride), (x[2], x[3])
    if padding in ("valid", 0):
        h, w = max(h - kernel[0] + 1, 1), max(w - kernel[1] + 1, 1)
    return float(-(-h // down) * -(-w // right))


def conv2d(x: Any, w: Any, b: Any = None, *, stride: Any = 1, padding: Any = 0, **_: Any) -> Features:
    """Of `ferkern.nn.conv2d`; "depthwise" where a filter reads one channel, "1x1" and "kxk" else."""
    pixels = x.shape[0] * _outputs(x.shape, w.shape[2:], stride, padding)
    kind = "1x1" if w.shape[2:] == (1, 1) else "depthwise" if w.shape[1] == 1 and x.shape[1] > 1 else "kxk"
    return Features(2.0 * pixels * w.size, 4.0 * (x.size + w.size + pixels * w.shape[0]), kind=kind)


def depthwise_separable(
    x: Any, w_dw: Any, w_pw: Any, b: Any = None, *, stride: Any = 1, padding: Any = 0, **_: Any
) -> Features:
    """Of `ferkern.nn.depthwise_separable`."""
    pixels = x.shape[0] * _outputs(x.shape, w_dw.shape[2:], stride, padding)
    work = 2.0 * pixels * (w_dw.size + w_pw.size)
    return Features(work, 4.0 * (x.size + w_dw.size + w_pw.size + pixels * w_pw.shape[0]), launches=2.0)


def binary_conv2d(x: Any, filters: Any, b: Any = None, *, stride: Any = 1, padding: Any = 0, **_: Any) -> Features:
    """Of `ferkern.nn.binary_conv2d`; "bits" where its input is packed already."""
    packed = not hasattr(x, "size")
    pixels = x.shape[0] * _outputs(x.shape, filters.shape[2:], stride, padding)
    weights, values = math.prod(filters.shape), math.prod(x.shape)
    moved = values / 8 if packed else 4.0 * values
    return Features(
        2.0 * pixels * weights, moved + weights / 8 + 4.0 * pixels * filters.shape[0], kind="bits" if packed else ""
    )


def dense(x: Any, w: Any, b: Any = None, **_: Any) -> Features:
    """Of `ferkern.nn.dense`."""
    return Features(2.0 * x.shape[0] * w.size, 4.0 * (x.size + w.size + x.shape[0] * w.shape[0]))


def svd(
    a: Any,
    *,
    k: Any = None,
    full_matrices: bool = False,
    compute_uv: bool = True,
    method: str = "auto",
    oversample: int = 10,
    **_: Any,
) -> Features:
    """Of `ferkern.linalg.svd`; "randomized", "batch" of small matrices, "tall" (or wide), "square".

    Operations as Golub and Van Loan count them for the whole of it, or of the products of the randomized method.
    ValueError where no device serves the call.
    """
    _core.device_kernel("svd", _core.svd_shape(a, k, full_matrices, compute_uv, method, oversample, 0, 0), "opencl")
    *batch, m, n = a.shape
    many, (n, m) = math.prod(batch), sorted((m, n))
    if method == "randomized":
        return Features(4.0 * many * m * n * (k + 10) * 5, a.nbytes * (1 + (k or 1) / n), kind="randomized")
    kind = "batch" if batch and m <= _SMALL_MATRIX else "tall" if m >= 2 * n else "square"
    return Features(many * (6.0 * m * n**2 + 20.0 * n**3), 2.0 * a.nbytes + many * a.itemsize * n**2, kind=kind)


def flow_dense(prev: Any, next: Any, preset: str = "fast", **_: Any) -> Features:
    """Of `ferkern.flow.dense`: pixels of the finest level, one kind for each preset."""
    pixels = prev.shape[0] * prev.shape[1]
    return Features(pixels / 4 ** _LEVELS[preset], 2.0 * prev.nbytes + 8.0 * pixels, kind=preset)


def network_features(network: Network, batch: int, precision: str = "float32") -> Features:
    """Of a run of a planned network: weights are there already, one input and one output are copied."""
    shapes = network.infer_shapes()
    work = layers = 0.0
    for node in network.nodes:
        if "w" in node.weights:
            shape = shapes[node.output]
            work += 2.0 * network.weights[node.weights["w"]].size * math.prod(shape[1:])
        layers += node.op not in ("batch_norm", "relu", "dropout", "flatten")
    moved = 4.0 * (math.prod(network.input_shape) + math.prod(shapes[network.output]))
    return Features(batch * work, batch * moved, launches=layers, kind=precision)


def pipeline_features(height: int, width: int, faces: int) -> Features:
    """Of `ferkern.recognize` on one picture."""
    pixels = float(height * width)
    return Features(pixels, 3.0 * pixels + 4.0 * faces * 48 * 48, launches=1.0 + faces)


FEATURES: dict[str, Callable[..., Features]] = {
    "conv2d": conv2d,
    "depthwise_separable": depthwise_separable,
    "binary_conv2d": binary_conv2d,
    "dense": dense,
    "svd": svd,
    "flow": flow_dense,
}
"""Of functions on arrays: name of the op to the features of a call with these arguments."""
