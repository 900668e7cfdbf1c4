"""Transfers as a picture: bytes a second over size for every way, with the limits as lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferkern.bench.transfers_words import microseconds, rate_words, size_words

if TYPE_CHECKING:
    from ferkern.bench.transfers import Transfers
    from ferkern.bench.transfers_measure import Way

__all__ = ["draw_transfers"]

_COLORS = ("#10488a", "#d66018", "#2e7d32", "#7b3fa0", "#b3261e", "#00838f", "#6d6250", "#ad1457", "#4a6fa5")
_INK, _DIM = "#1c2026", "#6e7682"
_PANELS = (
    ("host to device", ("host to device",)),
    ("device to host", ("device to host",)),
    ("both at once, and within the device", ("both at once", "device to device", "device memory")),
    ("from a file", ("file to host", "file to device")),
)
_WIDTH, _HEIGHT, _DPI = 16.0, 10.5, 110


def draw_transfers(done: Transfers, path: Path) -> None:
    """Draw the readings at the start of a page: medians, with a band between the quartiles.

    Ways on which nothing is moved have no bandwidth, and are left out; hollow marks are readings with a flag.

    Parameters
    ----------
    path
        .png, .svg or .pdf.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    for place, (title, directions) in enumerate(_PANELS):
        axes = figure.add_axes((0.055 + 0.49 * (place % 2), 0.53 - 0.475 * (place // 2), 0.44, 0.37))
        ways = [way for way in done.ways if way.direction in directions and not _only_map(done, way)]
        _draw_ways(axes, done, ways, prefix=len(directions) > 1)
        _draw_limits(axes, done, ways, prefix=len(directions) > 1)
        _dress(axes, title)
    link = "" if done.limits.link is None else f"; {done.limits.link}"
    figure.text(0.055, 0.965, f"Transfers of {done.device}", fontsize=15, color=_INK, va="center")
    words = f"host {done.machine['brand']}; driver {done.device.driver}{link}"
    figure.text(0.055, 0.94, words, fontsize=10, color=_DIM, va="center")
    hollow = "hollow: flagged (faster than memory or link, or in cache)"
    figure.text(0.985, 0.94, hollow, fontsize=9, color=_DIM, va="center", ha="right")
    figure.savefig(path, dpi=_DPI)


def _only_map(done: Transfers, way: Way) -> bool:
    return way.carrier == "map" and not any("the map copies" in r.flags for r in done.of(way))


def _draw_ways(axes: Any, done: Transfers, ways: list[Way], *, prefix: bool) -> None:
    for index, way in enumerate(ways):
        rows = [r for r in done.of(way) if r.bytes_per_second is not None]
        if not rows:
            continue
        color = _COLORS[index % len(_COLORS)]
        sizes = [r.size_bytes for r in rows]
        rates = [(r.bytes_per_second or 0.0) / 1e9 for r in rows]
        low = [(r.rate(r.quartile_seconds[1]) or 0.0) / 1e9 for r in rows]
        high = [(r.rate(r.quartile_seconds[0]) or 0.0) / 1e9 for r in rows]
        name = f"{way.direction}: {way.memory}" if prefix else way.memory
        found = done.fits.get(way)
        if found is not None:
            rate = found.bytes_per_second or found.cached_bytes_per_second
            where = "" if found.bytes_per_second or not rate else " in cache"
            name += f"  ({microseconds(found.latency_seconds.value)} µs, {rate_words(rate)} GB/s{where})"
        axes.fill_between(sizes, low, high, color=color, alpha=0.13, linewidth=0)
        axes.plot(sizes, rates, color=color, linewidth=1.6, label=name)
        for r, gigabytes in zip(rows, rates, strict=True):
            face = "white" if r.flags else color
            axes.plot([r.size_bytes], [gigabytes], "o", markersize=4.5, markerfacecolor=face, markeredgecolor=color)


def _draw_limits(axes: Any, done: Transfers, ways: list[Way], *, prefix: bool) -> None:
    """A line for each limit of the panel's ways; one that several share once."""
    lines: dict[float, str] = {}
    for way in ways:
        rows = done.of(way)
        if not rows:
            continue
        memory, link = done.limits.memory_rate(rows[-1]), done.limits.link_rate(rows[-1])
        for limit, name in ((memory, "host memory"), (link, "rated link")):
            # As good as equal ones share a line.
            if limit is not None and not any(abs(limit / line - 1) < 0.1 for line in lines):
                lines[limit] = f"{name}, {way.direction}" if prefix else name
    for index, (rate, name) in enumerate(sorted(lines.items())):
        axes.axhline(rate / 1e9, color=_INK, linewidth=1.0, linestyle=(0, (5, 3)))
        # Raised by points: a part of the rate is less than the letters' height where the axis spans decades. Beside
        # each other, since lines may lie so close that words above one another would touch.
        axes.annotate(
            f"{name} {rate / 1e9:,.1f} GB/s",
            (0.02 + 0.33 * index, rate / 1e9),
            xycoords=axes.get_yaxis_transform(),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=8,
            color=_INK,
            va="bottom",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
        )


def _dress(axes: Any, title: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_title(title, fontsize=11, color=_INK, loc="left")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=2, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: size_words(round(value)) if value >= 1 else ""))
    rates = FuncFormatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(rates)
    if axes.get_ylim()[1] < 100 * axes.get_ylim()[0]:  # decades alone would be one or two ticks
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.yaxis.set_minor_formatter(rates)
    else:
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("GB/s", color=_INK)
    axes.tick_params(labelsize=8.5)
    axes.grid(which="major", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False, loc="lower right")
    else:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=_DIM)
