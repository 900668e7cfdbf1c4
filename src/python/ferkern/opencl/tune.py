"""Measuring which kernel and which tile a device runs a convolution with in the least time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.config import config
from ferkern.opencl.device import Device, find
from ferkern.opencl.errors import DeviceError
from ferkern.opencl.memory import check_sizes, download, empty, upload
from ferkern.opencl.ops.conv2d import in_one_launch, plan_of
from ferkern.opencl.ops.conv2d_direct import extents
from ferkern.opencl.ops.conv2d_run import run_tiles, serves
from ferkern.opencl.ops.conv2d_tuning import Tuning, candidates
from ferkern.opencl.ops.plan import Plan, Shape
from ferkern.opencl.ops.tile import local_tiles
from ferkern.opencl.tuned import Choice, lookup, save

if TYPE_CHECKING:
    from ferkern.models.network import Network

__all__ = ["BUILT_IN", "Layer", "Tuned", "layers_of", "tune", "tune_missing"]

log = logging.getLogger(__name__)

Float32 = npt.NDArray[np.float32]
Timer = Callable[[Choice, Callable[[], None]], float]

BUILT_IN = ("fer_2conv", "fer_4conv", "fer_small", "mobilenet", "squeezenet", "resnet50")
"""Networks whose convolutions are tuned where none is named."""

_FINALISTS = 4
_ROUNDS = 7
_TURN = 2e-3  # seconds that a measurement takes at least


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution of a network."""

    name: str
    x: tuple[int, ...]
    """[N, C, H, W]"""
    w: tuple[int, ...]
    """[O, C / groups, KH, KW]"""
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int

    def shape(self) -> Shape:
        x, w = (np.broadcast_to(np.float32(0), dims) for dims in (self.x, self.w))
        return _core.conv2d_shape(x, w, None, self.stride, self.padding, self.dilation, self.groups, None, None)


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found for a layer."""

    layer: Layer
    by_rule: Choice
    best: Choice
    rule_seconds: float
    best_seconds: float
    flops: float
    tried: int


def layers_of(network: Network, batch: int = 1) -> list[Layer]:
    """The convolutions of a network, each shape once; depthwise ones are an op of their own and left out."""
    shapes = network.infer_shapes()
    found: dict[tuple[Any, ...], Layer] = {}
    for node in network.nodes:
        if node.op != "conv2d" or node.attributes.get("groups", 1) == shapes[node.inputs[0]][0] > 1:
            continue
        a, w = node.attributes, network.weights[node.weights["w"]]
        layer = Layer(
            f"{network.name}.{node.output}",
            (batch, *shapes[node.inputs[0]]),
            w.shape,
            _pair(a.get("stride", (1, 1))),
            _four(a.get("padding", (0, 0, 0, 0))),
            _pair(a.get("dilation", (1, 1))),
            int(a.get("groups", 1)),
        )
        found.setdefault((layer.x, layer.w, layer.stride, layer.padding, layer.dilation, layer.groups), layer)
    return list(found.values())


def tune(
    layers: Iterable[Layer],
    device: str = "opencl",
    *,
    timer: Timer | None = None,
    wrap: Callable[[list[Layer]], Iterable[Layer]] = iter,
) -> Iterator[Tuned]:
    """Measures every kernel and tile for each layer and keeps the fastest for later plans on the device.

    Each candidate's result is compared with that of the rule's choice first; one that differs is left out and logged
    as an error. All are timed alone, then the fastest in turns. A layer's choice is saved as soon as it is known.

    Parameters
    ----------
    layers
        What is tuned.
    device
        ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``.
    timer
        Seconds of a call, given what is called; None: the clock.
    wrap
        Goes over the layers, such as a progress bar.

    Raises
    ------
    DeviceError
        The device is missing.
    """
    target = find(device, only=True)
    for layer in wrap(list(layers)):
        try:
            found = _Bench(target, layer, timer or _clocked(target)).best()
        except DeviceError as error:
            if error.cause != "limit":
                raise
            log.warning("%s is left out: %s", layer.name, error)
            continue
        save(target.info, [(layer.shape(), found.best, found.best_seconds)])
        yield found


def tune_missing(network: Network, batch: int, device: str) -> None:
    """Tunes those layers of a network of which nothing is known on the device yet."""
    info = find(device).info
    list(tune([layer for layer in layers_of(network, batch) if lookup(info, layer.shape()) is None], device))


def _pair(values: Sequence[int]) -> tuple[int, int]:
    return values[0], values[1]


def _four(values: Sequence[int]) -> tuple[int, int, int, int]:
    return values[0], values[1], values[2], values[3]


def _clocked(device: Device) -> Timer:
    def seconds(choice: Choice, call: Callable[[], None]) -> float:
        call()
        device.finish()
        calls, took = 1, 0.0
        while True:
            begin = perf_counter()
            for _ in range(calls):
                call()
            device.finish()
            took = perf_counter() - begin
            if took >= _TURN:
                return took / calls
            calls = max(2 * calls, int(calls * _TURN / max(took, 1e-9)))

    return seconds


class _Bench:
    """A layer's arrays on the device, and its candidates."""

    def __init__(self, device: Device, layer: Layer, timer: Timer) -> None:
        self._device, self._layer, self._timer = device, layer, timer
        self._shape = layer.shape()
        self._dims = [int(self._shape[name]) for name in ("n", "oc", "oh", "ow")]
        rng = np.random.default_rng(0)
        x, w = (rng.standard_normal(dims, np.float32) for dims in (layer.x, layer.w))
        check_sizes(device, {"x": x.nbytes, "w": w.nbytes, "the result": 4 * int(np.prod(self._dims))})
        self._x, self._w = upload(device, x), upload(device, w)
        self._y = empty(device, 4 * int(np.prod(self._dims)))
        self._expected: Float32 | None = None

    def best(self) -> Tuned:
        by_rule = _by_rule(self._device, self._shape)
        took = {by_rule: self._alone(by_rule)}
        for choice in _every(self._device, self._shape):
            if choice not in took:
                took[choice] = self._alone(choice)
        leader = min(took, key=took.__getitem__)
        for choice in _grouped(leader):
            took.setdefault(choice, self._alone(choice))
        order = sorted(took, key=took.__getitem__)[:_FINALISTS]
        least = self._in_turns([*order, *([] if by_rule in order else [by_rule])])
        best = min(least, key=least.__getitem__)
        self._device.stream.pool.free_held()
        flops = _core.device_cost("conv2d", self._shape)[0]
        return Tuned(self._layer, by_rule, best, least[by_rule], least[best], flops, len(took))

    def _plan(self, choice: Choice) -> Plan:
        plan = plan_of(self._device, self._shape, choice)
        check_sizes(self._device, plan.sizes)
        plan.load({"w": self._w})
        return plan

    def _alone(self, choice: Choice) -> float:
        """Seconds of a candidate; infinite where the device refuses it or its result is wrong."""
        try:
            plan = self._plan(choice)
            # What an earlier candidate left there must not pass for this one's result.
            upload(self._device, np.full(self._dims, np.nan, np.float32), self._y)
            plan.run([self._x], None, self._y, self._dims[0])
            if not self._right(choice):
                return float("inf")
            return self._timer(choice, lambda: plan.run([self._x], None, self._y, self._dims[0]))
        except DeviceError as error:
            log.debug("%s: %s: %s", self._layer.name, choice, error)
            return float("inf")

    def _right(self, choice: Choice) -> bool:
        y = np.empty(self._dims, np.float32)
        download(self._device, self._y, y)
        if self._expected is None:
            self._expected = y
        # Winograd's errors are some hundred times those of a sum in order.
        right = bool(np.abs(y - self._expected).max() <= 1e-3 * np.abs(self._expected).max())
        if not right:
            log.error("%s: %s gives a wrong result on %s", self._layer.name, choice, self._device.info)
        return right

    def _in_turns(self, choices: list[Choice]) -> dict[Choice, float]:
        plans = {choice: self._plan(choice) for choice in choices}
        least = dict.fromkeys(choices, float("inf"))
        for _ in range(_ROUNDS):
            for choice, plan in plans.items():
                seconds = self._timer(choice, lambda plan=plan: plan.run([self._x], None, self._y, self._dims[0]))  # type: ignore[misc]
                least[choice] = min(least[choice], seconds)
        return least


def _by_rule(device: Device, shape: Shape) -> Choice:
    """What a plan takes where nothing was measured."""
    with config(kernel=""):
        name = "direct" if in_one_launch(device, shape) else _core.device_kernel("conv2d", shape, "opencl")[0]
    return Choice(name, plan_of(device, shape, name).tuning)


def _every(device: Device, shape: Shape) -> Iterator[Choice]:
    """Every tile of every kernel that can serve a shape, the plain loops apart."""
    for name, cols in (("direct", max(e.cols for e in extents(shape))), ("winograd4", 0), ("winograd2", 0)):
        if name != "direct":
            try:
                with config(kernel=name):
                    _core.device_kernel("conv2d", shape, "opencl")
            except ValueError:
                continue
            m = int(name[-1])
            cols = int(shape["n"]) * -(-int(shape["oh"]) // m) * -(-int(shape["ow"]) // m)
        for tuning in candidates(device.info, cols):
            yield Choice(name, tuning)
        if device.info.kind != "cpu":
            for tuning in local_tiles(device.info):
                yield Choice(name, tuning)
        if serves(device, shape, None):
            for tuning in run_tiles(device.info):
                yield Choice(name, tuning)


def _grouped(choice: Choice) -> Iterator[Choice]:
    """The same tile with other groups, and with its vectors in the other order."""
    t = choice.tuning
    if t.runs or t.local:
        return
    groups = (
        ((2, 1, 1), (8, 1, 1), (8, 4, 1), (32, 1, 1)) if not t.interleave else ((32, 1, 1), (64, 1, 1), (128, 1, 1))
    )
    for group in groups:
        yield Choice(choice.kernel, Tuning(t.lanes, t.vecs, t.tile, t.interleave, group))
    yield Choice(choice.kernel, Tuning(t.lanes, t.vecs, t.tile, not t.interleave, t.group))
