"""Where the time of a run went, layer by layer, beside what the machine allows."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from ferkern.bench.machine import MachineProfile, saved_profile
from ferkern.bench.roofline import Bound, Demand, bound
from ferkern.opencl.timeline import Span, totals

__all__ = ["LayerCost", "Ledger", "LedgerRow", "layer_costs"]


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What is known of a layer when it is planned; the numbers are for one image."""

    layer: str
    kernel: str
    """``"op:name:isa"``"""
    flops: float
    work: float
    bytes_read: float
    bytes_written: float
    weight_bytes: float
    images_at_once: int
    """Images that the layer is run for before the next layer follows."""


def layer_costs(steps: Iterable[tuple[str, str, float, float, float, str, float, float, int]]) -> tuple[LayerCost, ...]:
    """What is known of the steps of a plan, as its ``steps()`` gives them."""
    return tuple(
        LayerCost(layer, kernel, flops, work, read, written, weights, at_once)
        for layer, kernel, flops, read, written, _, weights, work, at_once in steps
    )


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What one layer of a run cost.

    Attributes
    ----------
    kernel
        ``"op:name:isa"``.
    seconds
        From one reading of the clock to the next; the mean over the threads where each runs images of its own.
    flops
        Operations of the whole run, a multiply-add counts two: those of the definition, so of a convolution the direct
        sum's.
    work
        Operations that the kernel really does in their place. It differs for Winograd: multiply-adds of the products,
        ``(m + r - 1)^2 / (m r)^2`` of the direct ones for tiles of m x m outputs and windows of r x r, more where tiles
        at the border are only partly needed; the sums of its transforms are not counted.
    bytes_read, bytes_written
        That must move at least once; weights once for each batch.
    weight_bytes
        Of those read.
    bound
        The shortest time that this machine allows `flops` and the bytes; None without a profile.
    work_bound
        The same for `work`.
    """

    layer: str
    kernel: str
    seconds: float
    flops: float
    work: float
    bytes_read: float
    bytes_written: float
    weight_bytes: float
    bound: Bound | None
    work_bound: Bound | None

    @property
    def share(self) -> float | None:
        """Time of the bound over time taken; above 1 where Winograd does less than `flops`."""
        return self.bound.seconds / self.seconds if self.bound is not None and self.seconds > 0 else None

    @property
    def work_share(self) -> float | None:
        """The same with the operations really done."""
        return self.work_bound.seconds / self.seconds if self.work_bound is not None and self.seconds > 0 else None


@dataclass(frozen=True, init=False)
class Ledger:
    """Where the time of one run went: measured spans and, apart from them, what no span covers.

    Attributes
    ----------
    costs, seconds
        Of each step.
    wall_seconds
        Of the call, by a clock outside.
    images
        In the run; it was done in pieces of at most `batch`.
    value_bytes
        Memory that the values between the layers share.
    machine
        The profile to compare with; None: the saved one, if there is one.
    device
        ``"cpu"``, or the device in words; there `seconds` are those of kernels.
    spans
        Of a device: every moment once, as `ferkern.opencl.timeline` says; those of kind ``"kernel"`` stand in
        `seconds`, too.
    """

    costs: tuple[LayerCost, ...]
    seconds: tuple[float, ...]
    wall_seconds: float
    images: int
    batch: int
    threads: int
    value_bytes: float
    machine: MachineProfile | None
    device: str
    spans: tuple[Span, ...]

    def __init__(
        self,
        costs: tuple[LayerCost, ...],
        seconds: tuple[float, ...],
        wall_seconds: float,
        images: int,
        batch: int,
        threads: int,
        value_bytes: float,
        machine: MachineProfile | None = None,
        device: str = "cpu",
        spans: tuple[Span, ...] = (),
    ) -> None:
        # At once: a frozen dataclass sets field by field, 3.5 us, which is 2 % of a small network.
        self.__dict__.update(
            costs=costs,
            seconds=seconds,
            wall_seconds=wall_seconds,
            images=images,
            batch=batch,
            threads=threads,
            value_bytes=value_bytes,
            machine=machine,
            device=device,
            spans=spans,
        )

    @functools.cached_property
    def rows(self) -> tuple[LedgerRow, ...]:
        """One for each step, in the order in which they ran."""
        machine = self.profile
        footprint = self.value_bytes + sum(c.weight_bytes for c in self.costs)
        return tuple(self._row(c, s, footprint, machine) for c, s in zip(self.costs, self.seconds, strict=True))

    @functools.cached_property
    def profile(self) -> MachineProfile | None:
        """The profile that shares refer to."""
        return self.machine if self.machine is not None else saved_profile()

    @property
    def remainder_seconds(self) -> float:
        """Wall time that no span covers: the call itself, its checks, and waking the threads."""
        return self.wall_seconds - (sum(s.seconds for s in self.spans) if self.spans else sum(self.seconds))

    @property
    def kinds(self) -> dict[str, float]:
        """Seconds of each kind of span of a device; empty for the processor."""
        return {kind: seconds for kind, seconds in totals(self.spans).items() if seconds > 0}

    def against(self, machine: MachineProfile | None) -> Ledger:
        """The same run beside another profile; None: the saved one."""
        return replace(self, machine=machine)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "wall_seconds": self.wall_seconds,
            "remainder_seconds": self.remainder_seconds,
            "images": self.images,
            "batch": self.batch,
            "threads": self.threads,
            "device": self.device,
            "kinds": self.kinds,
            "spans": [asdict(span) for span in self.spans],
            "rows": [{**asdict(row), "share": row.share, "work_share": row.work_share} for row in self.rows],
            "machine": None if self.profile is None else dict(self.profile.machine),
        }

    def to_json(self) -> str:
        """`to_dict` as a text."""
        return json.dumps(self.to_dict(), indent=1)

    def __str__(self) -> str:
        cells = [HEADINGS, *(row_cells(row, self.wall_seconds) for row in self.rows)]
        cells += [foot_cells(label, s, self.wall_seconds) for label, s in self.feet()]
        columns = [_padded(column, i) for i, column in enumerate(zip(*cells, strict=True)) if any(column[1:])]
        lines = ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]
        return "\n".join([*lines, *self.notes()])

    def feet(self) -> tuple[tuple[str, float], ...]:
        """What stands below the layers, in seconds."""
        others = [(kind, seconds) for kind, seconds in self.kinds.items() if kind != "kernel"]
        outside = "outside the layers" if not self.spans else "outside all spans"
        return (*others, (outside, self.remainder_seconds), ("total", self.wall_seconds))

    def notes(self) -> list[str]:
        """What a reader of the table must know."""
        notes = []
        if any(row.work != row.flops for row in self.rows):
            notes.append(
                "Gop and share count the operations of the direct sum, of which Winograd does only a part (work); "
                "its share may pass 100 %, of work counts what it does."
            )
        known = any(c.flops > 0 or c.bytes_read > 0 for c in self.costs)
        if known and self.profile is None and self.device == "cpu":
            notes.append("No machine profile, so no shares: ferkern bench machine measures one.")
        return notes

    def to_chrome_trace(self) -> list[dict[str, Any]]:
        """Events as chrome://tracing and Perfetto read them: one row for each kind of span, microseconds.

        Of the processor, whose layers run one after the other: a row of layers.
        """
        if not self.spans:
            starts = [0.0, *itertools.accumulate(self.seconds)]
            spans = [
                ("layer", c.layer, c.kernel, b, s) for c, b, s in zip(self.costs, starts, self.seconds, strict=False)
            ]
        else:
            first = min(span.start for span in self.spans)
            spans = [(span.kind, span.layer, span.name, span.start - first, span.seconds) for span in self.spans]
        return [
            {
                "name": name,
                "cat": kind,
                "ph": "X",
                "ts": 1e6 * start,
                "dur": 1e6 * seconds,
                "pid": self.device,
                "tid": kind,
                "args": {"layer": layer},
            }
            for kind, layer, name, start, seconds in spans
        ]

    def _row(self, c: LayerCost, seconds: float, footprint: float, machine: MachineProfile | None) -> LedgerRow:
        images, calls = self.images, -(-self.images // self.batch)
        at_once = min(c.images_at_once, images)
        read = c.weight_bytes * calls + (c.bytes_read - c.weight_bytes) * images
        written = c.bytes_written * images
        weights = c.weight_bytes * calls

        def least(operations: float) -> Bound | None:
            if machine is None or calls == 0 or self.device != "cpu":
                return None
            demand = Demand(
                kernel=c.kernel,
                operations=operations * images,
                moved_bytes=read + written,
                set_bytes=c.weight_bytes + (c.bytes_read - c.weight_bytes + c.bytes_written) * at_once,
                weight_bytes=weights,
                footprint_bytes=footprint,
                threads=self.threads,
            )
            return bound(machine, demand)

        return LedgerRow(
            layer=c.layer,
            kernel=c.kernel,
            seconds=seconds,
            flops=c.flops * images,
            work=c.work * images,
            bytes_read=read,
            bytes_written=written,
            weight_bytes=weights,
            bound=least(c.flops),
            work_bound=least(c.work),
        )


HEADINGS = ("layer", "kernel", "us", "time", "Gop/s", "Mop", "work", "MB", "share", "of work", "bound by")
LEFT = 2
"""Columns from the left that hold words; the last does, too."""


def row_cells(row: LedgerRow, wall_seconds: float) -> tuple[str, ...]:
    """A row of the table as texts."""
    other = row.work != row.flops
    moved = row.bytes_read + row.bytes_written
    return (
        row.layer,
        row.kernel,
        f"{row.seconds * 1e6:.1f}",
        _percent(row.seconds / wall_seconds if wall_seconds > 0 else None),
        f"{row.flops / row.seconds / 1e9:.1f}" if row.seconds > 0 and row.flops > 0 else "",
        f"{row.flops / 1e6:.2f}" if row.flops > 0 else "",
        _percent(row.work / row.flops) if other else "",
        f"{moved / 1e6:.2f}" if moved > 0 else "",
        _percent(row.share),
        _percent(row.work_share) if other else "",
        "" if row.bound is None else row.bound.by,
    )


def foot_cells(label: str, seconds: float, wall_seconds: float) -> tuple[str, ...]:
    """A line below the layers."""
    share = _percent(seconds / wall_seconds if wall_seconds > 0 else None)
    return (label, "", f"{seconds * 1e6:.1f}", share, *[""] * (len(HEADINGS) - 4))


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %" if value >= 0.0995 else f"{100 * value:.1f} %"


def _padded(column: tuple[str, ...], index: int) -> list[str]:
    width = max(map(len, column))
    words = index < LEFT or index == len(HEADINGS) - 1
    return [cell.ljust(width) if words else cell.rjust(width) for cell in column]
