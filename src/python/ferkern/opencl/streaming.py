"""One array after the other through a network on a device: copies in both directions overlap the kernels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import guarded
from ferkern.opencl.memory import empty
from ferkern.opencl.timeline import Timeline

if TYPE_CHECKING:
    from ferkern.opencl.network import DeviceNetwork

__all__ = ["stream"]

Float32 = npt.NDArray[np.float32]


@dataclass(slots=True)
class _Piece:
    """Images on their way."""

    result: Float32
    """Of the whole array that they are a part of."""
    last: bool
    """Of that array."""
    uploaded: Any
    done: Any
    """Events."""


class _Lanes:
    """A queue for each direction and one for the kernels, and `depth` pairs of ends to use in turn."""

    def __init__(self, network: DeviceNetwork, depth: int, timeline: Timeline | None) -> None:
        device = network.device
        self.network, self.device, self.timeline = network, device, timeline
        self.up, self.down = device.new_stream(timeline), device.new_stream(timeline)
        self.kernels = network.lane if timeline is None else device.new_stream(timeline)
        x, y = network.end_bytes
        with device.using(self.kernels):
            self.ends = [(empty(device, x), empty(device, y)) for _ in range(depth)]

    def send(self, slot: int, x: Float32, y: Float32) -> tuple[Any, Any]:
        """Queues the way of the images `x` into `y`; the events of the upload and of the end."""
        cl, device = self.device.cl, self.device
        x_there, y_there = self.ends[slot]
        with guarded(device, f"stream {x.nbytes:,} bytes"):
            uploaded = cl.enqueue_copy(self.up.queue, x_there, x, is_blocking=False)
            self._note("host to device", "upload", uploaded, x.nbytes)
            self.up.queue.flush()
            with device.using(self.kernels), self.network.busy:
                cl.enqueue_barrier(self.kernels.queue, wait_for=[uploaded])
                computed = self.network.queue(len(x), x_there, y_there)
            done = cl.enqueue_copy(self.down.queue, y, y_there, is_blocking=False, wait_for=[computed])
            self._note("device to host", "download", done, y.nbytes)
            self.down.queue.flush()
        return uploaded, done

    def _note(self, kind: Any, name: str, event: Any, size: int) -> None:
        if self.timeline is not None:
            self.timeline.command(kind, name, event, size)

    def wait(self, event: Any) -> None:
        """Until a command has ended."""
        with guarded(self.device, "finish a piece of a stream"):
            event.wait()

    def finish(self) -> None:
        """Until nothing is on its way: buffers of the host are free again."""
        for lane in (self.up, self.kernels, self.down):
            with guarded(self.device, "finish a stream"):
                lane.queue.finish()


def stream(
    network: DeviceNetwork, batches: Iterable[Float32], depth: int, timeline: Timeline | None = None
) -> Iterator[Float32]:
    """The result of each array, in order, with up to `depth` pieces on their way.

    An array has been uploaded when the next one is asked for: a supply may use its memory again.
    """
    lanes = _Lanes(network, depth, timeline)
    flight: deque[_Piece] = deque()

    def landed() -> Iterator[Float32]:
        piece = flight.popleft()
        lanes.wait(piece.done)
        if piece.last:
            yield piece.result

    try:
        count = 0
        for array in batches:
            x, y = _core.run_arrays(array, None, network.input_dims, network.output_dims)
            firsts = range(0, len(x), network.batch)
            if not firsts:
                while flight:
                    yield from landed()
                yield y
            for first in firsts:
                if len(flight) == depth:
                    yield from landed()
                images = slice(first, first + network.batch)
                uploaded, done = lanes.send(count % depth, x[images], y[images])
                flight.append(_Piece(y, first == firsts[-1], uploaded, done))
                count += 1
            if flight:
                lanes.wait(flight[-1].uploaded)
        while flight:
            yield from landed()
    finally:
        lanes.finish()
