"""Numbers as words: three digits and a unit."""

from __future__ import annotations

import math

__all__ = ["binary_ticks", "count", "rate", "seconds", "share", "times"]

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")


def seconds(value: float | None) -> str:
    """``"1.23 ms"``."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    factor, unit = next(
        ((f, u) for f, u in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")) if abs(value) * f >= 0.9995), (1e9, "ns")
    )
    return f"{_digits(value * factor)} {unit}"


def rate(value: float | None, unit: str) -> str:
    """``"12.3 GB/s"``."""
    if value is None or not math.isfinite(value):
        return "–"
    factor, prefix = next(((f, p) for f, p in _PREFIXES if abs(value) >= 0.9995 * f), (1.0, ""))
    return f"{_digits(value / factor)} {prefix}{unit}"


def times(value: float) -> str:
    """``"1.42"``: so many times."""
    return _digits(value)


def share(value: float | None) -> str:
    """``"42 %"``."""
    return "–" if value is None else f"{100 * value:.0f} %" if abs(value) >= 0.0995 else f"{100 * value:.1f} %"


def count(number: int, noun: str) -> str:
    """``"1 file"``, ``"2 files"``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def binary_ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """Sizes 32 times apart, as an axis names them."""
    return tuple(
        (float(1 << k), f"{1 << k % 10} {_BINARY[k // 10]}") for k in range(0, 45, 5) if low / 2 <= 1 << k <= high * 2
    )


def _digits(value: float) -> str:
    size = abs(value)
    return f"{value:,.0f}" if size >= 99.95 else f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"
