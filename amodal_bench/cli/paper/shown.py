"""A paper's table on the terminal, as wide as the window; a pipe gets Markdown."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from amodal_bench.cli.columns import columns, room
from amodal_bench.core.window import ascii_only, plain
from amodal_bench.report.folding import folded
from amodal_bench.report.grid import Column, Row, fitted, note
from amodal_bench.report.grid import Grid as Fitting

if TYPE_CHECKING:
    from amodal_bench.paper.grid import Grid


def as_shown(grids: Sequence[Grid], notes: Sequence[str], file: str) -> str:
    """The tables and the notes under them, as standard output takes them.

    Args:
        grids: the table, that of random weights, and the published values.
        notes: what stands under them.
        file: that has all columns, where some have no room.
    """
    from amodal_bench.paper.written import markdown

    text = "\n".join(_lines(grids, notes, file)) if sys.stdout.isatty() else markdown(grids, notes)
    return plain(text) if ascii_only() else text


def _lines(grids: Sequence[Grid], notes: Sequence[str], file: str) -> Iterator[str]:
    from amodal_bench.paper.written import AGAINST

    for grid in grids:
        yield from folded(grid.title, room(), "  ")
        yield ""
        if grid.title == AGAINST:
            yield columns(grid.rows, grid.heads, ("ours", "published", "difference"))
        else:
            found = fitted(_fitting(grid), room())
            yield from found.lines
            yield from folded(note([found], file), room(), "  ", whole=True)
        yield ""
    for line in notes:
        yield from folded(line, room(), "  ", whole=True)


def _fitting(grid: Grid) -> Fitting:
    """The last columns give way first; the best values stand between asterisks, as in Markdown."""
    heads = [Column(head, place) for place, head in enumerate(grid.heads[1:])]
    rows = [
        Row(row[0], "", [_cell(text, (line, place) in grid.bold) for place, text in enumerate(row) if place])
        for line, row in enumerate(grid.rows)
    ]
    return Fitting(heads, rows, grid.heads[0])


def _cell(text: str, best: bool) -> tuple[str, ...]:
    number, _, interval = text.partition(" ")
    return (f"**{number}**" if best else number, interval)
