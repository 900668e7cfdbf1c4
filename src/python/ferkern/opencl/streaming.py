"""One array after the other through a network on a device: copies in both directions overlap the kernels.

Arrays pass through pinned memory of the host, or nothing would overlap (`ferkern.opencl.memory.Pinned`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.opencl.device import guarded
from ferkern.opencl.memory import Pinned, empty
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
    place: Float32
    """In the result."""
    pinned: Float32
    """Where theirs arrives."""
    uploaded: Any
    """The event of the upload: pyopencl waits for it, with Python's lock, where it is let go before."""
    done: Any
    """The event of the end."""


@dataclass(slots=True)
class _Slot:
    """The ends of a piece on the device, and beside them on the host."""

    x: Any
    y: Any
    x_pinned: Pinned
    y_pinned: Pinned


class _Lanes:
    """A queue for each direction and one for the kernels, and `depth` slots to use in turn."""

    def __init__(self, network: DeviceNetwork, depth: int, timeline: Timeline | None) -> None:
        device = network.device
        self.network, self.device, self.timeline = network, device, timeline
        self.up, self.down = device.new_stream(timeline), device.new_stream(timeline)
        self.kernels = network.lane if timeline is None else device.new_stream(timeline)
        x, y = network.end_bytes
        with device.using(self.kernels), self._span("take and pin memory"):
            self._slots = [
                _Slot(empty(device, x), empty(device, y), Pinned(device, x), Pinned(device, y)) for _ in range(depth)
            ]

    def send(self, number: int, x: Float32, y: Float32) -> tuple[Float32, Any, Any]:
        """Queues the way of the images `x` through a slot; where a result like `y` arrives, the upload's event, the
        end's."""
        cl, device, slot = self.device.cl, self.device, self._slots[number]
        x_pinned, y_pinned = slot.x_pinned.like(x), slot.y_pinned.like(y)
        with self._span("copy to pinned memory"):
            np.copyto(x_pinned, x)
        with guarded(device, f"stream {x.nbytes:,} bytes"):
            uploaded = cl.enqueue_copy(self.up.queue, slot.x, x_pinned, is_blocking=False)
            self._note("host to device", "upload", uploaded, x.nbytes)
            self.up.queue.flush()
            with device.using(self.kernels), self.network.busy:
                cl.enqueue_barrier(self.kernels.queue, wait_for=[uploaded])
                computed = self.network.queue(len(x), slot.x, slot.y)
            done = cl.enqueue_copy(self.down.queue, y_pinned, slot.y, is_blocking=False, wait_for=[computed])
            self._note("device to host", "download", done, y.nbytes)
            self.down.queue.flush()
        return y_pinned, uploaded, done

    def land(self, piece: _Piece) -> None:
        """Waits for a piece and puts it into the result."""
        with guarded(self.device, "finish a piece of a stream"):
            piece.done.wait()
        with self._span("copy from pinned memory"):
            np.copyto(piece.place, piece.pinned)

    def _span(self, name: str) -> AbstractContextManager[None]:
        return nullcontext() if self.timeline is None else self.timeline.span("host", name)

    def _note(self, kind: Any, name: str, event: Any, size: int) -> None:
        if self.timeline is not None:
            self.timeline.command(kind, name, event, size)

    def finish(self) -> None:
        """Until nothing is on its way; frees the host's memory."""
        for lane in (self.up, self.kernels, self.down):
            with guarded(self.device, "finish a stream"):
                lane.queue.finish()
        with self.device.using(self.kernels):
            for slot in self._slots:
                slot.x_pinned.release()
                slot.y_pinned.release()


def stream(
    network: DeviceNetwork, batches: Iterable[Float32], depth: int, timeline: Timeline | None = None
) -> Iterator[Float32]:
    """The result of each array, in order, with up to `depth` pieces on their way.

    An array has been copied when the next one is asked for: a supply may use its memory again.
    """
    arrays = (_core.run_arrays(array, None, network.input_dims, network.output_dims) for array in batches)
    lanes = _Lanes(network, depth, timeline)
    flight: deque[_Piece] = deque()

    def landed() -> Iterator[Float32]:
        piece = flight.popleft()
        lanes.land(piece)
        if piece.last:
            yield piece.result

    try:
        count = 0
        while True:
            try:
                x, y = next(arrays)
            except Exception as end:  # of the supply, or an error: the results before it come first
                while flight:
                    yield from landed()
                if isinstance(end, StopIteration):
                    return
                raise
            firsts = range(0, len(x), network.batch)
            if not firsts:
                while flight:
                    yield from landed()
                yield y
            for first in firsts:
                if len(flight) == depth:
                    yield from landed()
                images = slice(first, first + network.batch)
                sent = lanes.send(count % depth, x[images], y[images])
                flight.append(_Piece(y, first == firsts[-1], y[images], *sent))
                count += 1
    finally:
        lanes.finish()
