"""Listings: a table where the window has room for it, else one with folded cells, else a paragraph for each row.

Nothing is ever left out of a listing: a row's first cell, its name, is never folded, and words are never broken, so
that ids and paths can be copied.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from amodal_bench.core.shown import shown
from amodal_bench.core.window import WIDE, ascii_only, plain, width
from amodal_bench.report.folding import cells_wide, folded

GAP = 2
PART = 3
"""The most lines that a cell is folded into."""


def print_columns(rows: Iterable[Sequence[str]], head: Sequence[str] = (), numbers: Collection[str] = ()) -> None:
    """Print rows of text in columns, as `columns` sets them."""
    print(columns(rows, head, numbers))


def room() -> int:
    """How many columns a line may have: the terminal's, and any number in a pipe, unless COLUMNS is set."""
    return width()


def columns(
    rows: Iterable[Sequence[str]], head: Sequence[str] = (), numbers: Collection[str] = (), wide: bool = False
) -> str:
    """Rows of text in columns, no wider than the terminal.

    Args:
        rows: of equal length; the first cell is the row's name.
        head: names of the columns; there is none where it is empty.
        numbers: names of the columns that are set to the right.
        wide: fold nothing, however narrow the terminal is.
    """
    listed = [[_clean(cell) for cell in row] for row in rows]
    titles = [_clean(name) for name in head]
    window = WIDE if wide else room()
    right = [name in numbers for name in head]
    sizes = _natural([titles, *listed] if titles else listed)
    if sum(sizes) + GAP * (len(sizes) - 1) > window:
        folded_sizes = _shrunk(sizes, right, window, listed)
        if folded_sizes is None:
            # A row without a name belongs to the one above it.
            parts = ("\n" * bool(row[0] and place) + "\n".join(_paragraph(row, titles, window))
                     for place, row in enumerate(listed))  # fmt: skip
            return "\n".join(parts)
        sizes = folded_sizes
    lines = [titles, *listed] if titles else listed
    return "\n".join(line for row in lines for line in _row(row, sizes, right))


def _clean(cell: str) -> str:
    text = " ".join(shown(cell).split("\n"))
    return plain(text) if ascii_only() else text


def _natural(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cells_wide, cells)) for cells in zip(*rows, strict=True)]


def _shrunk(
    sizes: Sequence[int], right: Sequence[bool], window: int, rows: Sequence[Sequence[str]]
) -> list[int] | None:
    """Widths with which the rows fit, the widest columns of text made narrower; None where rows get too high."""
    found, numbers = list(sizes), [*right, *[False] * (len(sizes) - len(right))]
    words = _natural([[max(cell.split(" "), key=cells_wide) for cell in row] for row in rows])
    least = [size if place == 0 or numbers[place] else words[place] for place, size in enumerate(sizes)]
    while sum(found) + GAP * (len(found) - 1) > window:
        place = max(range(len(found)), key=lambda each: (found[each] - least[each] > 0, found[each]))
        if found[place] <= least[place]:
            return None
        found[place] -= 1
    high = max(
        (len(list(folded(cell, size))) for row in rows for cell, size in zip(row, found, strict=True)), default=0
    )
    return found if high <= PART else None


def _row(row: Sequence[str], sizes: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    cells = [list(folded(cell, size)) or [""] for cell, size in zip(row, sizes, strict=True)]
    for number in range(max(map(len, cells))):
        line = []
        for place, (lines, size) in enumerate(zip(cells, sizes, strict=True)):
            text = lines[number] if number < len(lines) else ""
            blank = " " * (size - cells_wide(text))
            line.append(blank + text if place < len(right) and right[place] else text + blank)
        yield (" " * GAP).join(line).rstrip()


def _paragraph(row: Sequence[str], titles: Sequence[str], window: int) -> Iterator[str]:
    """The name on a line of its own, and below it each cell behind its title."""
    if row[0]:
        yield row[0]
    deep = max(map(cells_wide, titles[1:]), default=0)
    for place, cell in enumerate(row[1:], start=1):
        lead = f"  {titles[place]:{deep}}  " if titles else "  "
        if cell:
            yield from folded(f"{lead}{cell}", window, " " * min(len(lead), window // 3), whole=True)
