"""The roofline as a picture: operations a second over operations a byte, roofs from the machine's profile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferkern.bench.machine import LEVELS, MachineProfile
from ferkern.bench.roofline import kind_of
from ferkern.registry import ISAS

if TYPE_CHECKING:
    from ferkern.bench.network import NetworkBench
    from ferkern.ledger import LedgerRow

__all__ = ["Point", "draw_roofline", "points"]

_COLORS = ("#10488a", "#d66018", "#2e7d32", "#7b3fa0", "#b3261e", "#00838f", "#6d6250", "#ad1457")
_INK, _DIM = "#1c2026", "#6e7682"
_LISTED = 24  # layers in the key, those that take most of the time
_LEAST_SHARE = 0.002  # of the time, for a point of its own
_WIDTH, _HEIGHT, _DPI = 15.0, 8.6, 110


@dataclass(frozen=True, slots=True)
class Point:
    """A layer in the picture: its number in the ledger, counted from 1, and where it stands."""

    number: int
    row: LedgerRow
    intensity: float
    rate: float
    work_rate: float


Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in pixels."""


def points(rows: Sequence[LedgerRow]) -> list[Point]:
    """The layers that compute something and take time; those that only move values have no place on a roofline."""
    found = []
    least = _LEAST_SHARE * sum(row.seconds for row in rows)
    for number, row in enumerate(rows, start=1):
        moved = row.bytes_read + row.bytes_written
        if row.flops > 0 and moved > 0 and row.seconds > least:
            found.append(Point(number, row, row.flops / moved, row.flops / row.seconds, row.work / row.seconds))
    return found


def draw_roofline(done: NetworkBench, path: Path) -> None:
    """Draw the layers of a network below the roofs of the machine.

    Parameters
    ----------
    done
        With a profile; every layer that computes and takes 0.2 % of the time is a disc, as large as its share. A hollow
        ring shows the operations that Winograd really does.
    path
        .png, .svg or .pdf.

    Raises
    ------
    ValueError
        The ledger has no profile.
    OSError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    machine = done.ledger.profile
    if machine is None:
        raise ValueError("done: its ledger has no machine profile, and there are no roofs without one")
    shown = points(done.ledger.rows)
    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    axes = figure.add_axes((0.06, 0.085, 0.60, 0.80))
    axes.set_xscale("log")
    axes.set_yscale("log")
    _limits(axes, machine, shown, done.ledger.threads)
    colors = _draw_points(axes, shown, done.ledger.wall_seconds)
    figure.canvas.draw()
    taken = _discs(axes, shown, done.ledger.wall_seconds)
    taken += _draw_levels(axes, machine, shown, done.ledger.threads, taken)
    taken += _draw_peaks(axes, machine, shown, done.ledger.threads, taken)
    _number_points(axes, shown, done.ledger.wall_seconds, taken)
    _key(figure, shown, done.ledger.wall_seconds, colors)
    _words(figure, axes, done, machine)
    figure.savefig(path, dpi=_DPI)


def _kinds(machine: MachineProfile, shown: Sequence[Point]) -> list[tuple[str, str, float]]:
    """(kind, instruction set, one core's peak) of every roof: those of the kinds in use, of each set."""
    used = {kind_of(p.row.kernel) for p in shown} or {"fp32"}
    return [(kind, isa, m.value) for kind, rows in machine.peaks.items() if kind in used for isa, m in rows.items()]


def _limits(axes: Any, machine: MachineProfile, shown: Sequence[Point], threads: int) -> None:
    top = max([p.rate for p in shown] + [peak * threads for _, _, peak in _kinds(machine, shown)], default=1e11)
    low = min([min(p.rate, p.work_rate) for p in shown], default=top / 1e3)
    left = min([p.intensity for p in shown], default=0.1)
    right = max([p.intensity for p in shown], default=100.0)
    axes.set_xlim(min(left / 1.6, 0.25), max(right * 1.6, 60.0))
    axes.set_ylim(min(low / 1.5, top / 30), top * 1.7)


def _draw_points(axes: Any, shown: Sequence[Point], wall: float) -> dict[str, str]:
    ops = list(dict.fromkeys(p.row.kernel.partition(":")[0] for p in sorted(shown, key=lambda p: -p.row.seconds)))
    colors = {op: _COLORS[i % len(_COLORS)] for i, op in enumerate(ops)}
    for p in sorted(shown, key=lambda p: -p.row.seconds):
        color = colors[p.row.kernel.partition(":")[0]]
        size = _area(p, wall)
        axes.scatter(
            [p.intensity], [p.rate], s=size, color=color, alpha=0.75, linewidths=0.8, edgecolors="white", zorder=4
        )
        if p.row.work != p.row.flops:
            axes.plot([p.intensity] * 2, [p.work_rate, p.rate], color=color, linewidth=0.8, alpha=0.5, zorder=3)
            axes.scatter(
                [p.intensity], [p.work_rate], s=size, facecolors="none", edgecolors=color, linewidths=1.2, zorder=3
            )
    return colors


def _area(point: Point, wall: float) -> float:
    return 26 + 700 * point.row.seconds / wall if wall > 0 else 26.0


def _draw_levels(
    axes: Any, machine: MachineProfile, shown: Sequence[Point], threads: int, taken: Sequence[Box]
) -> list[Box]:
    """The slopes; gives back where their labels stand."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    highest = max((peak * threads for _, _, peak in _kinds(machine, shown)), default=high)
    boxes: list[Box] = []
    for level in LEVELS:
        bandwidth = machine.bandwidth(level, threads)
        if bandwidth is None:
            continue
        end = min(highest / bandwidth, right)
        axes.plot([left, end], [left * bandwidth, end * bandwidth], color=_DIM, linewidth=1.2, zorder=2)
        at = max(left, low / bandwidth) * 1.08  # where the line enters the picture, or further up where that is taken
        for _ in range(12):
            text = axes.text(at, at * bandwidth, f" {level} {bandwidth / 1e9:,.0f} GB/s", color=_DIM, fontsize=9,
                             rotation=_angle(axes), rotation_mode="anchor", ha="left", va="center", zorder=2,
                             bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
            box = _box_of(text)
            if not any(_meet(box, other) for other in (*taken, *boxes)):
                break
            text.remove()
            at *= 1.15
        else:
            continue
        boxes.append(box)
    return boxes


def _draw_peaks(
    axes: Any, machine: MachineProfile, shown: Sequence[Point], threads: int, taken: Sequence[Box]
) -> list[Box]:
    """The flat roofs, those that are as good as equal as one; gives back where their labels stand."""
    left, right = axes.get_xlim()
    nearest = max((machine.bandwidth(level, threads) or 0.0 for level in LEVELS), default=0.0)
    merged: dict[tuple[str, float], list[str]] = {}
    for kind, isa, peak in sorted(_kinds(machine, shown), key=lambda roof: -roof[2]):
        near = next((key for key in merged if key[0] == kind and key[1] / peak < 1.06), (kind, peak))
        merged.setdefault(near, []).append(isa)
    boxes: list[Box] = []
    for (kind, peak), isas in merged.items():
        rate = peak * threads
        start = max(left, rate / nearest) if nearest > 0 else left
        axes.plot([start, right], [rate, rate], color=_INK, linewidth=1.4, zorder=2)
        named = f"{kind} {', '.join(sorted(isas, key=ISAS.index))}: {rate / 1e9:,.0f} Gop/s"
        for place in (0.995, 0.85, 0.7, 0.55, 0.4, 0.995):  # from the right, the last whatever stands there
            at = left * (right / left) ** place
            text = axes.text(at, rate * 1.02, named, color=_INK,
                             fontsize=9, ha="right", va="bottom", zorder=2)  # fmt: skip
            box = _box_of(text)
            if not any(_meet(box, other) for other in (*taken, *boxes)):
                break
            text.remove()
        else:
            axes.add_artist(text)
        boxes.append(box)
    return boxes


def _box_of(text: Any) -> Box:
    extent = text.get_window_extent()
    return extent.x0, extent.y0, extent.x1, extent.y1


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _angle(axes: Any) -> float:
    """Of a line of slope one on the paper, in degrees."""
    box = axes.get_window_extent()
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    per_decade = box.width / math.log10(right / left), box.height / math.log10(high / low)
    return math.degrees(math.atan2(per_decade[1], per_decade[0]))


def _discs(axes: Any, shown: Sequence[Point], wall: float) -> list[Box]:
    """Where the discs stand."""
    boxes = []
    for p in shown:
        x, y = axes.transData.transform((p.intensity, p.rate))
        radius = _radius(axes, p, wall)
        boxes.append((x - radius, y - radius, x + radius, y + radius))
    return boxes


def _radius(axes: Any, point: Point, wall: float) -> float:
    return float(math.sqrt(_area(point, wall) / math.pi) * axes.figure.dpi / 72)


def _number_points(axes: Any, shown: Sequence[Point], wall: float, taken: Sequence[Box]) -> None:
    """Write the numbers of the layers in the key beside their points, where nothing else stands."""
    scale = axes.figure.dpi / 72
    extent = axes.get_window_extent()
    frame = (extent.x0, extent.y0, extent.x1, extent.y1)
    boxes = list(taken)
    for p in _slowest(shown):
        centre = axes.transData.transform((p.intensity, p.rate))
        size = (6.0 * len(str(p.number)) * scale, 9.5 * scale)
        radius = _radius(axes, p, wall)
        place = _free_place(centre, radius, size, boxes, frame, scale)
        if place is None:
            continue
        boxes.append((place[0] - size[0] / 2, place[1] - size[1] / 2, place[0] + size[0] / 2, place[1] + size[1] / 2))
        at = axes.transData.inverted().transform(place)
        if math.dist(place, centre) > radius + 12 * scale:
            axes.plot([p.intensity, at[0]], [p.rate, at[1]], color=_DIM, linewidth=0.6, zorder=5)
        axes.text(at[0], at[1], str(p.number), fontsize=8.5, color=_INK, ha="center", va="center", zorder=6,
                  bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6})  # fmt: skip


def _slowest(shown: Sequence[Point]) -> list[Point]:
    """The layers of the key."""
    return sorted(shown, key=lambda p: -p.row.seconds)[:_LISTED]


def _free_place(
    centre: tuple[float, float],
    radius: float,
    size: tuple[float, float],
    taken: Sequence[Box],
    frame: Box,
    step: float,
) -> tuple[float, float] | None:
    """The nearest place round a point where a label of that size covers nothing; None within reach."""
    width, height = size
    for ring in range(12):
        distance = radius + (6 + 7 * ring) * step
        for turn in range(16):
            angle = math.pi / 2 - turn * math.pi / 8
            x, y = centre[0] + distance * math.cos(angle), centre[1] + distance * math.sin(angle)
            box = (x - width / 2 - 1, y - height / 2 - 1, x + width / 2 + 1, y + height / 2 + 1)
            inside = box[0] > frame[0] and box[1] > frame[1] and box[2] < frame[2] and box[3] < frame[3]
            if inside and not any(_meet(box, other) for other in taken):
                return x, y
    return None


def _key(figure: Any, shown: Sequence[Point], wall: float, colors: dict[str, str]) -> None:
    """The slowest layers by number, with time, share and what bounds them."""
    slowest = _slowest(shown)
    columns = ((0.676, "left"), (0.697, "left"), (0.808, "right"), (0.850, "right"), (0.900, "right"), (0.912, "left"))
    of_work = "of work" if any(p.row.work != p.row.flops for p in slowest) else ""
    heads = ("", "layer", "time", "share", of_work, "bound by")
    top, line = 0.885, 0.0315
    for (x, align), head in zip(columns, heads, strict=True):
        figure.text(x, top, head, fontsize=9, fontweight="bold", color=_INK, ha=align, va="center")
    for place, p in enumerate(slowest, start=1):
        row = p.row
        op = row.kernel.partition(":")[0]
        name = row.layer.partition("-> ")[2].strip("'") or row.layer
        name = name if len(name) <= 17 else name[:16] + "…"
        cells = (
            str(p.number),
            name,
            f"{row.seconds / wall:.1%}" if wall > 0 else "",
            "" if row.share is None else f"{row.share:.0%}",
            "" if row.work_share is None or row.work == row.flops else f"{row.work_share:.0%}",
            "" if row.bound is None else row.bound.by,
        )
        y = top - place * line
        for (x, align), cell in zip(columns, cells, strict=True):
            color = colors[op] if align == "left" and x < 0.8 else _INK
            figure.text(x, y, cell, fontsize=8.5, color=color, ha=align, va="center")
    rest = len(shown) - len(slowest)
    if rest > 0:
        spent = sum(p.row.seconds for p in shown) - sum(p.row.seconds for p in slowest)
        y = top - (len(slowest) + 1) * line
        figure.text(0.697, y, f"and {rest} more, {spent / wall:.1%} of the time", fontsize=8.5, color=_DIM, va="center")


def _words(figure: Any, axes: Any, done: NetworkBench, machine: MachineProfile) -> None:
    ledger = done.ledger
    axes.set_xlabel("operations a byte that must move at least once", color=_INK)
    axes.set_ylabel("operations a second", color=_INK)
    axes.grid(which="major", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    speeds = FuncFormatter(lambda value, _: f"{value / 1e9:,g} G")
    axes.yaxis.set_major_formatter(speeds)
    if axes.get_ylim()[1] < 100 * axes.get_ylim()[0]:  # decades alone would be one or two ticks
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.yaxis.set_minor_formatter(speeds)
    else:
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    figure.text(
        0.06, 0.955, f"{done.name}: {done.seconds.value * 1e3:.3f} ms a call", fontsize=15, color=_INK, va="center"
    )
    threads = f"{ledger.threads} thread{'s' if ledger.threads > 1 else ''}"
    figure.text(
        0.06,
        0.917,
        f"{done.precision}, batch {ledger.batch}, {threads}, up to {done.isa}; "
        f"roofs measured on {machine.machine['brand']}",
        fontsize=10,
        color=_DIM,
        va="center",
    )
    if any(row.work != row.flops for row in ledger.rows):
        figure.text(0.985, 0.02, "rings: operations that Winograd really does; discs: those of the direct sum",
                    fontsize=8.5, color=_DIM, ha="right", va="center")  # fmt: skip
