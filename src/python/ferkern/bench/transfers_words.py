"""Sizes, times and rates as words, for the table and the picture."""

from __future__ import annotations

import re

from ferkern.bench.transfers_fit import Interval

__all__ = ["microseconds", "parse_size", "rate_words", "size_words", "three_digits"]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size_words(size: int) -> str:
    """``"64 MiB"``."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.4g} {_UNITS[unit]}"


def parse_size(text: str) -> int:
    """Bytes of ``"64M"``, ``"64 MiB"``, ``"1g"`` or ``"4096"``; units are powers of 1,024.

    Raises
    ------
    ValueError
        Not a size from 1 byte.
    """
    match = re.fullmatch(r"\s*(\d{1,15})\s*([kmgt]?)(i?b)?\s*", text, re.IGNORECASE)
    size = int(match[1]) << 10 * " kmgt".index(match[2].lower() or " ") if match else 0
    if size < 1:
        raise ValueError(f'"{text}" is not a size such as 4096, 64K, 16M or 1G')
    return size


def rate_words(rate: Interval | None) -> str:
    """In GB/s; a dash where time does not grow with size."""
    return "–" if rate is None else three_digits(rate.value / 1e9)


def microseconds(seconds: float) -> str:
    """Three digits; all before the point."""
    return three_digits(seconds * 1e6)


def three_digits(value: float) -> str:
    """``"1.23"``, ``"123"``, ``"12,346"``: never with an exponent where the value is large."""
    return f"{value:,.0f}" if value >= 999.5 else f"{value:.3g}"
