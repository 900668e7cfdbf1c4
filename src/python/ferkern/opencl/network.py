"""A network on a device: weights are uploaded once; a run is one upload, the layers, and one download."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.ledger import Ledger, layer_costs
from ferkern.opencl.arena import place
from ferkern.opencl.device import Device, DeviceInfo, find, guarded
from ferkern.opencl.errors import DeviceError
from ferkern.opencl.memory import allocated, check_sizes, copy, download, empty, upload
from ferkern.opencl.ops.plan import Plan
from ferkern.opencl.streaming import stream
from ferkern.opencl.timeline import Span, flatten

__all__ = ["DeviceNetwork", "Layer"]

Float32 = npt.NDArray[np.float32]

_PIECES = 2
"""Whose input and output the budget has room for."""


@dataclass(slots=True)
class Layer:
    """A step: a planned layer on values by number, or (plan None) an output that is its input's memory."""

    name: str
    value: str
    kernel: str
    plan: Plan | None
    inputs: list[int]
    residual: int
    output: int
    cost: tuple[float, float, float, float]


def _overlaps(info: DeviceInfo) -> bool:
    """Whether copies can go on beside kernels. On a processor both take the same cores, and a thread that waits for an
    event of another queue computes nothing (Intel's runtime with two cores: half the speed)."""
    return info.kind != "cpu"


class DeviceNetwork:
    """What `ferkern.session.Session` runs where its device is not the processor.

    Parameters
    ----------
    graph
        The stored graph; the passes that serve the processor are applied to it.
    output, input_dims, output_dims
        The value that is asked for, and dimensions without the batch.
    batch
        Images of a run; more are run in pieces.
    device
        A device string.
    budget
        Bytes that weights, values, input and output may take on the device together; the batch becomes as small as
        they demand. None: what the device has.

    Raises
    ------
    DeviceError
        The device is missing, or too small for one image (cause ``"limit"``).
    ModelError
        As for the processor.
    """

    def __init__(
        self,
        graph: _core.Graph,
        output: str,
        input_dims: Sequence[int],
        output_dims: Sequence[int],
        *,
        batch: int,
        device: str,
        budget: int | None = None,
    ) -> None:
        self.device: Device = find(device)
        self.input_dims, self.output_dims = list(input_dims), list(output_dims)
        self._graph, self._output_name = graph, output
        self.lane = self.device.new_stream()
        """The queue of its kernels, in order: the values between them are there once."""
        self.busy = threading.Lock()
        """Held while the layers of one piece are queued."""
        self._last = self.lane
        """Where the last piece went."""
        self._budget = budget
        self.batch = self._plan_within(batch, budget)
        with self.device.using(self.lane):
            self._buffers = [empty(self.device, size) for size in self._slot_bytes]
            self._load()

    def _plan_within(self, batch: int, budget: int | None) -> int:
        """Plans for `batch` images, or for the most with which the budget is kept; the number."""
        tried, fits, most = batch, 0, batch
        while fits < most:
            try:
                self._plan(tried, budget)
                fits = tried
            except DeviceError as error:
                if error.cause != "limit" or budget is None or tried == 1:
                    raise
                most = tried - 1
            last, tried = tried, (fits + most + 1) // 2
        if last != fits:
            self._plan(fits, budget)
        return fits

    def _plan(self, batch: int, budget: int | None) -> None:
        steps, floats, self.input, self.output = self._graph.device_plan(self._output_name, batch, "opencl")
        self.layers = [self._layer(step) for step in steps]
        seen: Counter[str] = Counter()
        for layer in self.layers:  # a sum of three is two steps; sizes and times go by the name
            seen[layer.name] += 1
            if seen[layer.name] > 1:
                layer.name += f" ({seen[layer.name]})"
        value_bytes = [4 * n * batch for n in floats]
        self._weights = [step.get("weights", {}) for step in steps]
        self.slots, self._slot_bytes = place(
            [(layer.inputs, layer.residual, layer.output, layer.plan is None) for layer in self.layers],
            value_bytes,
            {self.input, self.output},
        )
        self.end_bytes = value_bytes[self.input], value_bytes[self.output]
        sizes = {
            "values": self._takes(self._slot_bytes),
            # A stream has the input and the output of two pieces there.
            "input": _PIECES * self._takes(self.end_bytes[:1]),
            "output": _PIECES * self._takes(self.end_bytes[1:]),
        }
        for layer, roles in zip(self.layers, self._weights, strict=True):
            sizes[f"weights of {layer.name}"] = self._takes([w.nbytes for w in roles.values()])
            if layer.plan is not None:
                sizes[f"packed weights and scratch of {layer.name}"] = self._takes(layer.plan.sizes.values())
        check_sizes(self.device, sizes, budget)
        self.bytes = sum(sizes.values())
        self._arena_bytes = sum(self._slot_bytes)

    def _load(self) -> None:
        """Weights to the device, where each layer packs its own; the host's copies are let go."""
        for layer, roles in zip(self.layers, self._weights, strict=True):
            if layer.plan is not None:
                layer.plan.load({role: upload(self.device, np.ascontiguousarray(w)) for role, w in roles.items()})
        self._weights.clear()
        self.device.finish()
        self.device.stream.pool.free_held()  # what the weights were packed from

    def _takes(self, sizes: Iterable[int]) -> int:
        return sum(allocated(self.device, size) for size in sizes)

    def _layer(self, step: Mapping[str, Any]) -> Layer:
        plan: Plan | None = None
        kernel = step.get("kernel", "")
        if step["op"]:
            module = import_module(f"ferkern.opencl.ops.{step['op']}")
            if not step["by_name"] and hasattr(module, "preferred"):
                plan = module.preferred(self.device, step["shape"])
            if plan is not None:
                kernel = _core.last_kernel()
            else:
                plan = module.PLANS[step["function"]](self.device, step["shape"])
        return Layer(
            name=step["node"],
            value=step["value"],
            kernel=kernel,
            plan=plan,
            inputs=list(step["inputs"]),
            residual=step["residual"],
            output=step["output"],
            cost=step.get("cost", (0.0, 0.0, 0.0, 0.0)),
        )

    def steps(self) -> list[tuple[str, str, float, float, float, str, float, float, int]]:
        """Layer, kernel, flops, bytes read, bytes written, value, bytes of weights, work, images at once."""
        return [
            (layer.name, layer.kernel, *layer.cost[:3], layer.value, layer.cost[3], layer.cost[0], self.batch)
            for layer in self.layers
            if layer.plan is not None
        ]

    def arena_bytes(self) -> int:
        """Memory that the values between the layers share."""
        return self._arena_bytes

    def threads(self) -> int:
        """Compute units of the device."""
        return self.device.info.compute_units

    def run(self, x: Float32, out: Float32 | None) -> Float32:
        """As `ferkern.session.Session.run`."""
        device, timeline = self.device, self.device.stream.timeline
        with timeline.span("host", "look at the arrays") if timeline is not None else nullcontext():
            x, y = _core.run_arrays(x, out, self.input_dims, self.output_dims)
        with device.using(self.lane if timeline is None else device.stream):
            with timeline.span("host", "take memory") if timeline is not None else nullcontext():
                x_there, y_there = (empty(device, size) for size in self.end_bytes)
            for first in range(0, len(x), self.batch):
                images = slice(first, min(first + self.batch, len(x)))
                upload(device, x[images], x_there)
                with self.busy, timeline.span("host", "queue the layers") if timeline is not None else nullcontext():
                    self.queue(images.stop - images.start, x_there, y_there)
                download(device, y_there, y[images])
        return y

    def profile(self, x: Float32) -> tuple[Float32, Ledger]:
        """As `ferkern.session.Session.profile`; the spans of its Ledger cover every moment once."""
        with self.device.recording() as timeline:
            begin = perf_counter()
            y = self.run(x, None)
            end = perf_counter()
        return y, self._ledger(timeline.spans(), begin, end, len(y))

    def profile_stream(self, batches: Iterable[Float32], depth: int) -> Iterator[tuple[Float32, Ledger]]:
        """As `ferkern.session.Session.profile_stream`."""
        if not _overlaps(self.device.info):
            yield from (self.profile(x) for x in batches)
            return
        self._check_room(depth)
        timeline = self.device.new_timeline()
        results = stream(self, batches, depth, timeline)
        while True:
            begin = perf_counter()
            y = next(results, None)
            if y is None:
                return
            end = perf_counter()
            ledger = self._ledger(timeline.spans(), begin, end, len(y))
            timeline.forget(end)
            yield y, ledger

    def _ledger(self, spans: Sequence[Span], begin: float, end: float, images: int) -> Ledger:
        flat = flatten(spans, begin, end)
        seconds = dict.fromkeys((layer.name for layer in self.layers if layer.plan is not None), 0.0)
        for span in flat:
            if span.kind == "kernel" and span.layer in seconds:
                seconds[span.layer] += span.seconds
        return Ledger(
            layer_costs(self.steps()),
            tuple(seconds.values()),
            end - begin,
            images,
            self.batch,
            self.threads(),
            self._arena_bytes,
            device=str(self.device.info),
            spans=tuple(flat),
        )

    def stream(self, batches: Iterable[Float32], depth: int) -> Iterator[Float32]:
        """As `ferkern.session.Session.stream`."""
        if not _overlaps(self.device.info):
            return (self.run(x, None) for x in batches)
        self._check_room(depth)
        return stream(self, batches, depth)

    def _check_room(self, depth: int) -> None:
        needed = self.bytes + (depth - _PIECES) * self._takes(self.end_bytes)
        if self._budget is not None and needed > self._budget:
            raise DeviceError(
                "limit",
                f"a stream with depth {depth} takes {needed:,} bytes, the budget is {self._budget:,}",
                f"use depth {_PIECES}, or plan with a larger budget",
            )

    def queue(self, images: int, x: Any, y: Any) -> Any:
        """Queues all layers from the buffer `x` to the buffer `y`; the event of their end. The caller holds `busy`."""
        cl, lane = self.device.cl, self.device.stream
        timeline = lane.timeline
        if self._last is not lane:
            # Another queue's kernels may still use the values: a recorded run has a queue of its own. Its end is marked
            # now: a run that was interrupted has marked none.
            with guarded(self.device, "wait for the run before"):
                cl.enqueue_barrier(lane.queue, wait_for=[cl.enqueue_marker(self._last.queue)])
                self._last.queue.flush()
            self._last = lane
        for layer in self.layers:
            if layer.plan is None:
                continue
            if timeline is not None:
                timeline.layer = layer.name
            inputs = [self._buffer(value, x, y) for value in layer.inputs]
            residual = None if layer.residual < 0 else self._buffer(layer.residual, x, y)
            layer.plan.run(inputs, residual, self._buffer(layer.output, x, y), images)
        if timeline is not None:
            timeline.layer = ""
        if self.slots[self.input] == self.slots[self.output]:  # nothing but views between them
            copy(self.device, x, y, images * 4 * math.prod(self.input_dims))
        with guarded(self.device, "queue a network"):
            computed = cl.enqueue_marker(lane.queue)
            lane.queue.flush()
        return computed

    def _buffer(self, value: int, x: Any, y: Any) -> Any:
        slot = self.slots[value]
        return x if slot == self.slots[self.input] else y if slot == self.slots[self.output] else self._buffers[slot]
