"""Listings on the terminal: columns that fold where the window is narrow, and plain lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence

from amodal_bench.core.shown import shown

WIDE = 10_000
"""Columns of a pipe, in which no line is folded."""


def print_columns(rows: Iterable[Sequence[str]], head: Sequence[str] = (), numbers: Collection[str] = ()) -> None:
    """Print rows of text in columns, as `columns` sets them."""
    print(columns(rows, head, numbers))


def room() -> int:
    """How many columns a line may have: the terminal's, and any number in a pipe."""
    from rich.console import Console

    return Console().width if sys.stdout.isatty() else WIDE


def columns(
    rows: Iterable[Sequence[str]], head: Sequence[str] = (), numbers: Collection[str] = (), wide: bool = False
) -> str:
    """Rows of text in columns, no wider than the terminal.

    Args:
        rows: of equal length.
        head: names of the columns; there is none where it is empty.
        numbers: names of the columns that are set to the right.
        wide: fold nothing, however narrow the terminal is.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(head), header_style="")
    listed = list(rows)
    for name in head or [""] * len(listed[0] if listed else ()):
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in listed:
        table.add_row(*(Text(shown(cell)) for cell in row))
    console = Console(width=WIDE if wide else room(), highlight=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
