"""A planned network: kernels chosen, weights packed, memory booked; every call is one native run without the GIL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ferkern import _core
from ferkern.auto import AUTO, CPU, for_network
from ferkern.ledger import LayerCost, Ledger, LedgerRow, layer_costs

if TYPE_CHECKING:
    from ferkern.bench.machine import MachineProfile
    from ferkern.models.network import Network
    from ferkern.opencl.network import DeviceNetwork

__all__ = ["PRECISIONS", "Ledger", "LedgerRow", "Session"]

Float32 = npt.NDArray[np.float32]

PRECISIONS = ("float32", "bfloat16", "int8")
"""Of a plan; `Session` says what each is."""

_MOST_IMAGES = 2**31 - 1  # counted in 32 bits
# Weights of a dense layer that do not stay in a second-level cache beside everything else.
_BOUND_BY_MEMORY = 256 * 1024


class Session:
    """A network planned for one device, precision, batch size and number of threads.

    Parameters
    ----------
    network
        The stored graph; it is not changed. Batch normalisation is folded, activations and sums are fused.
    device
        ``"cpu"``, ``"opencl"``, ``"opencl:0"`` or ``"opencl:name"``: there the whole network runs on the device, with
        one upload and one download a call; ``"auto"``: where this machine's crossover map (`ferkern.bench.crossover`)
        expects this batch to be faster. The attribute `device` says what was taken.
    precision
        ``"float32"``; ``"bfloat16"``: the same, but weights of dense layers that are bound by memory (256 KiB and more)
        are rounded to bfloat16, half the bytes, while sums stay float32; ``"int8"``: layers on bytes between which
        values stay bytes, with the scales that
        `ferkern.quantize.calibrate` found. What has no such layer (softmax, local response normalisation, L2 pooling,
        batch normalisation by itself) runs in float32 between two changes of form, which `kernels` shows.
    batch
        Inputs that memory is booked for; a larger call is cut into pieces of this size.
    threads
        Threads of one run; None: as many as the process may use.
    budget
        Of a device: bytes that weights and values may take there together; `batch` becomes as small as they demand.
        None: the device's memory.
    kernels
        Which kernel (by name, see `ferkern.registry`) serves the node that makes a value, instead of the planner's
        choice; `choices` of another session of this network gives the same plan, and so the same bits.

    Raises
    ------
    ModelError
        A named kernel does not serve its node, or the graph is not consistent; the message names the node.
    ValueError
        An argument is out of range or names something that there is not.
    MemoryError
        Values between the layers of so large a batch do not fit into memory.
    """

    def __init__(
        self,
        network: Network,
        *,
        device: str = "cpu",
        precision: str = "float32",
        batch: int = 1,
        threads: int | None = None,
        budget: int | None = None,
        kernels: Mapping[str, str] | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be 'float32', 'bfloat16' or 'int8', is {precision!r}")
        if precision == "int8" and not network.quantization:
            raise ValueError(
                f"precision 'int8': network {network.name!r} is not calibrated; "
                "ferkern.quantize.calibrate(network, images) gives one that is"
            )
        for name, number in (("batch", batch), ("threads", threads), ("budget", budget)):
            if number is not None and not isinstance(number, (int, np.integer)):
                raise TypeError(f"{name} must be a whole number, is {number!r}")
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be from 1 to 1024, is {threads}")
        if budget is not None and (device == CPU or budget < 1):
            raise ValueError(f"budget is for devices, in bytes, is {budget} with device {device!r}")
        if not 1 <= batch <= _MOST_IMAGES:
            raise ValueError(f"batch must be from 1 to {_MOST_IMAGES:,}, is {batch:,}")
        if device == AUTO:
            device = for_network(network, batch=batch, precision=precision, threads=threads)
        shapes = network.infer_shapes()
        graph = _core.Graph(network.name, network.input, list(network.input_shape))
        for node in network.nodes:
            weights = {role: network.weights[name] for role, name in node.weights.items()}
            attributes = dict(node.attributes)
            if precision == "bfloat16" and node.op == "dense" and weights["w"].nbytes >= _BOUND_BY_MEMORY:
                attributes["bfloat16"] = 1
            graph.add(node.op, list(node.inputs), node.output, attributes, weights)
        for output, kernel in (kernels or {}).items():
            graph.choose(output, kernel)
        if precision == "int8":
            for value in network.quantization.keys() & shapes.keys():
                q = network.quantization[value]
                graph.quantize(value, q.scale, q.zero_point)
        self.name = network.name
        self.batch = batch
        self.device = device
        self.input_shape: tuple[int, ...] = tuple(network.input_shape)
        self.output_shape: tuple[int, ...] = tuple(shapes[network.output])
        self._native: _core.Session | DeviceNetwork
        if device == CPU:
            try:
                self._native = _core.Session(graph, network.output, list(self.output_shape), batch, threads or 0)
            except MemoryError:
                raise MemoryError(f"a plan of {network.name!r} with batch={batch:,} does not fit into memory") from None
        else:
            from ferkern.opencl.network import DeviceNetwork

            self._native = DeviceNetwork(
                graph, network.output, self.input_shape, self.output_shape, batch=batch, device=device, budget=budget
            )
            self.batch = self._native.batch
        self.threads = self._native.threads()
        self._value_bytes = self._native.arena_bytes()
        self._costs = layer_costs(self._native.steps())

    @property
    def kernels(self) -> list[tuple[str, str]]:
        """(layer, ``"op:name:isa"``) of every step, in the order in which they run."""
        return [(row[0], row[1]) for row in self._native.steps()]

    @property
    def layers(self) -> list[str]:
        """The value that each step makes (of a step that only reorders: an empty name)."""
        return [row[5] for row in self._native.steps()]

    @property
    def choices(self) -> dict[str, str]:
        """Value to the name of the kernel that makes it, for the argument `kernels` of another plan."""
        rows = [(row[5], *row[1].split(":")) for row in self._native.steps()]
        return {value: name for value, op, name, _ in rows if value and op == "conv2d"}

    @property
    def costs(self) -> tuple[LayerCost, ...]:
        """What each step does to one image, in the order in which they run."""
        return self._costs

    @property
    def arena_bytes(self) -> int:
        """Memory that all values between the layers share."""
        return self._value_bytes

    def run(self, x: Float32, *, out: Float32 | None = None) -> Float32:
        """Run the network.

        Parameters
        ----------
        x : float32 [N, C, H, W], C-contiguous
            Any N, 0 too.
        out : float32 [N, ...], optional
            C-contiguous array to write into; must not share memory with `x`.

        Returns
        -------
        float32 [N, ...], the output's shape behind the batch.

        Raises
        ------
        TypeError, ValueError
            For an array of another dtype, rank, shape or order; the message shows the numbers.
        """
        return self._native.run(x, out)

    def profile(self, x: Float32, *, machine: MachineProfile | None = None) -> tuple[Float32, Ledger]:
        """Run the network and tell what every layer cost.

        Parameters
        ----------
        x
            As in `run`.
        machine
            Profile whose bounds the layers are compared with; None: the saved one (`ferkern.bench.load_profile`), if
            there is one.

        Returns
        -------
        float32 [N, ...] as from `run`, and the Ledger.
        """
        if not isinstance(self._native, _core.Session):
            return self._native.profile(x)
        begin = perf_counter()
        y, seconds = self._native.profile(x)
        wall = perf_counter() - begin
        return y, Ledger(
            self._costs, tuple(seconds), wall, len(y), self.batch, self.threads, self._value_bytes, machine
        )

    def stream(self, batches: Iterable[Float32], *, depth: int = 2) -> Iterator[Float32]:
        """Run the network on one array after the other; on a device copies and kernels overlap.

        Parameters
        ----------
        batches
            Arrays as for `run`, of any number of images: larger ones than the planned batch are sliced.
        depth
            Pieces that are on their way at the same time on a device: 2 hide the copies behind the kernels, 3 also an
            uneven supply. Each takes memory for one more input and output; a budget has room for 2.

        Yields
        ------
        float32 [N, ...], the result for each array, in order.

        Raises
        ------
        TypeError, ValueError, DeviceError
            As `run`; results before the array at fault have been yielded. DeviceError at once (cause ``"limit"``) where
            `depth` pieces do not fit into the budget.
        """
        _check_depth(depth)
        if isinstance(self._native, _core.Session):
            native = self._native
            return (native.run(x, None) for x in batches)
        return self._native.stream(batches, depth)

    def profile_stream(self, batches: Iterable[Float32], *, depth: int = 2) -> Iterator[tuple[Float32, Ledger]]:
        """`stream`, and of each array a Ledger of the time from the result before it until its own.

        The first array's is the first pass: memory is touched for the first time, nothing overlaps yet. Those after it
        are the steady state.

        Parameters
        ----------
        batches, depth
            As in `stream`.

        Yields
        ------
        float32 [N, ...] and the Ledger. On the processor, one after the other, as `profile`.
        """
        _check_depth(depth)
        if isinstance(self._native, _core.Session):
            return (self.profile(x) for x in batches)
        return self._native.profile_stream(batches, depth)


def _check_depth(depth: int) -> None:
    if not isinstance(depth, (int, np.integer)):
        raise TypeError(f"depth must be a whole number, is {depth!r}")
    if depth < 1:
        raise ValueError(f"depth must be at least 1, is {depth}")
