"""Tables on terminals that may be too narrow for them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from ferkern.cli.output import messages

__all__ = ["show"]

_FOLDED = 24  # columns that a cell whose words may be broken over lines gets at least


def show(console: Console, table: Table, spare: Sequence[str]) -> None:
    """Print a table; where the terminal is too narrow, whole columns are left out and named on stderr.

    Cutting every cell, as rich does, leaves digits of numbers, which mislead, and of some columns nothing. Columns in
    which nothing stands are left out anyway.

    Parameters
    ----------
    console
        Where it is printed; its width counts.
    table
        Its columns have headers, its cells are texts with markup.
    spare
        How the headers of columns begin that may be left out, the first one first.
    """
    kept, left_out = [column for column in table.columns if not table.rows or any(column.cells)], []
    for beginning in spare:
        if _width(kept, table) <= console.width:
            break
        for column in [c for c in kept if str(c.header).startswith(beginning)]:
            kept.remove(column)
            left_out.append(str(column.header))
    console.print(_of(kept, table))
    if left_out:
        words = ", ".join(f'"{name}"' for name in left_out)
        messages().print(f"[dim]left out in {console.width} columns: {words}[/]")


def _of(columns: Sequence[Column], table: Table) -> Table:
    """The table with these of its columns alone."""
    left = Table(
        *columns, box=table.box, header_style=table.header_style, pad_edge=table.pad_edge, padding=table.padding
    )
    left.rows.extend(table.rows)
    return left


def _width(columns: Sequence[Column], table: Table) -> int:
    """Columns of a terminal that these take if nothing in them is cut."""
    _, right, _, left = table.padding
    return sum(_widest(column) + left + right for column in columns) - left - right


def _widest(column: Column) -> int:
    cells = (Text.from_markup(str(text)).cell_len for text in (column.header, *column.cells))
    widest = max(cells)
    return widest if column.no_wrap else min(widest, _FOLDED)
