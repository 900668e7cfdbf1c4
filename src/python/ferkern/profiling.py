"""Where the time of any call went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import ParamSpec, TypeVar

from ferkern import _core
from ferkern.ledger import LayerCost, Ledger
from ferkern.opencl.device import recording_all
from ferkern.opencl.timeline import Span, flatten

__all__ = ["profile"]

P = ParamSpec("P")
R = TypeVar("R")


def profile(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> tuple[R, Ledger]:
    """What a call gives, and what it cost: ``y, ledger = fk.profile(fk.nn.conv2d, x, w, device="opencl")``.

    Parameters
    ----------
    function
        Anything that can be called; whatever it does on OpenCL devices from this thread is recorded, but for the queues
        of `Session.stream` (which has `profile_stream`) and the loading of weights in `Network.plan`: host here.

    Returns
    -------
    What the function returns, and a Ledger: a row for each kernel that ran (its operations are not known, so it has no
    rates; `ferkern.session.Session.profile` knows those of a network), beside them compiling, copies, waiting in the
    queue, and the host: the time in which the call did none of these, which is Python's checks and preparations and
    what ran on the processor. The first call of a process compiles or reads programs from the cache and takes memory;
    a second one shows the steady state. Of a call that used no device the Ledger has one row, the call.

    Raises
    ------
    RuntimeError
        The function is itself being profiled by this function, in the same thread.
    """
    name = getattr(function, "__name__", type(function).__name__)
    with recording_all() as records:
        begin = perf_counter()
        result = function(*args, **kwargs)
        end = perf_counter()
    if records:
        spans = [Span("host", "", name, begin, end - begin)]
        for _, timeline in records:
            spans += timeline.spans()
        flat = [replace(span, layer=span.layer or name) for span in flatten(spans, begin, end)]
        rows, threads = _kernels(flat), max(device.info.compute_units for device, _ in records)
    else:
        flat, rows = [], {(name, ""): end - begin}
        threads = _core.get_choice()[3] or _core.default_threads()
    ledger = Ledger(
        costs=tuple(LayerCost(layer, kernel, 0.0, 0.0, 0.0, 0.0, 0.0, 1) for layer, kernel in rows),
        seconds=tuple(rows.values()),
        wall_seconds=end - begin,
        images=1,
        batch=1,
        threads=threads,
        value_bytes=0.0,
        device=", ".join(str(device.info) for device, _ in records) or "cpu",
        spans=tuple(flat),
    )
    return result, ledger


def _kernels(spans: Sequence[Span]) -> dict[tuple[str, str], float]:
    """Seconds of each kernel, by the layer or call that it served, in the order in which they first ran."""
    seconds: dict[tuple[str, str], float] = {}
    for span in spans:
        if span.kind == "kernel":
            key = span.layer, span.name
            seconds[key] = seconds.get(key, 0.0) + span.seconds
    return seconds
