"""What a page is made of: sections of charts and tables. Words and numbers are settled here, a browser draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["COLORS", "Axis", "Chart", "Control", "Section", "Table", "Trace", "filter_of", "scale_of"]

COLORS = 8
"""Colours that a chart may use; `page.css` has them, for light and for dark."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts below their heads; `words` columns from the left are words, the others numbers."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1

    def __post_init__(self) -> None:
        wrong = next((row for row in self.rows if len(row) != len(self.heads)), None)
        if wrong is not None:
            raise ValueError(f"a row has {len(wrong)} cells below {len(self.heads)} heads: {wrong}")


@dataclass(frozen=True, slots=True)
class Axis:
    """How a direction of a chart is divided.

    Attributes
    ----------
    unit
        After the number and its prefix, ``"B/s"``; empty: as `ticks` say, or plain numbers.
    ticks
        (value, text) where they must stand.
    """

    title: str
    type: Literal["log", "linear", "category"] = "linear"
    unit: str = ""
    ticks: tuple[tuple[float, str], ...] = ()
    range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """What a reader may choose: which traces are shown, or how an axis is divided.

    Attributes
    ----------
    key
        Of the traces' `keys`; ``"x"`` or ``"y"`` of a scale.
    options
        (value, label); the first is chosen at first.
    axes
        Option to axis (``"x"``, ``"y"``) to what differs there: ``title``, ``unit``.
    """

    kind: Literal["filter", "scale"]
    key: str
    label: str
    options: tuple[tuple[str, str], ...]
    axes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trace:
    """Marks of one name and colour.

    Attributes
    ----------
    kind
        ``"line"`` (with its points), ``"dots"``, ``"bars"`` (lying, stacked), ``"rule"`` (a limit), ``"band"``.
    color
        1 to `COLORS`, or ``"ink"``, ``"dim"``; a trace of ``shades`` has a colour for every point, -1 to 1.
    hover
        Of every point, what is told of it.
    keys
        What it is of each filter; without a filter's key it is always shown.
    low, high
        Ends of each point's interval along the axis of the values.
    """

    kind: Literal["line", "dots", "bars", "rule", "band"]
    name: str
    x: Sequence[Any]
    y: Sequence[Any]
    color: int | str = 1
    hover: Sequence[str] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    sizes: Sequence[float] = ()
    shades: Sequence[float] = ()
    labels: Sequence[str] = ()
    dashed: bool = False
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing, what it shows in a sentence, and its numbers.

    Attributes
    ----------
    ends
        Lines are named at their ends where there is room, instead of in a key.
    """

    id: str
    title: str
    words: str
    x: Axis
    y: Axis
    traces: tuple[Trace, ...]
    table: Table
    controls: tuple[Control, ...] = ()
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of result.

    Attributes
    ----------
    findings
        Sentences for the first screen, the weightiest first.
    """

    id: str
    title: str
    words: str
    charts: tuple[Chart, ...] = ()
    tables: tuple[tuple[str, Table], ...] = ()
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def filter_of(key: str, label: str, values: Sequence[str], **labels: str) -> tuple[Control, ...]:
    """A filter over values; none where there is nothing to choose."""
    found = tuple(dict.fromkeys(values))
    return (Control("filter", key, label, tuple((v, labels.get(v, v)) for v in found)),) if len(found) > 1 else ()


def scale_of(axis: Literal["x", "y"], label: str, first: str = "log") -> Control:
    """Logarithmic or linear."""
    options = (("log", "logarithmic"), ("linear", "linear"))
    return Control("scale", axis, label, options if first == "log" else options[::-1])
