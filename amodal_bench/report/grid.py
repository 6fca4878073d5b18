"""Tables as text for a window of any width: what gives way, in which order, and what never does.

A row has a name, settings and cells. The name never gives way. Where a row is too wide for the window, these steps
are taken, each one only where the one before is not enough:

1. the settings go on a line of their own, below the row;
2. words behind a number, such as "not decisive", go below it;
3. intervals go below their numbers;
4. long names are folded;
5. columns are left out, those that the caller calls least needed first. A line says which, and how to see them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from amodal_bench.core.shown import one_line, shown
from amodal_bench.core.window import ascii_only, plain
from amodal_bench.report.folding import cells_wide, folded

Cell = Sequence[str]
"""A number, its interval, and words, as far as it has them."""

GAP, NAME, LEAST, TITLE = 2, 16, 8, 24
"""Columns between two columns; those of a name that is folded, at first and at last; those of a word of a title."""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: what stands above it.
        drop: the column with the highest number is left out first; one with 0 never is.
    """

    title: str
    drop: int = 0


@dataclass(frozen=True)
class Row:
    """A row.

    Attributes:
        name: of the model.
        settings: what is said of it beside its name; may be empty.
        cells: one for each column.
        last: whether a part of the table ends with it.
    """

    name: str
    settings: str
    cells: Sequence[Cell]
    last: bool = False


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        columns: but for the first, which has the names.
        rows: at least one.
        head: the first column's title.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    head: str = "model"


@dataclass(frozen=True)
class Fitted:
    """A table as it is printed.

    Attributes:
        lines: of the table, none wider than the window where that can be.
        left_out: titles of the columns that had no room.
        needed: columns of a window that has room for all of them.
    """

    lines: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    needed: int = 0


def note(tables: Sequence[Fitted], elsewhere: str = "", lacking: Sequence[str] = ()) -> str:
    """The line on what was left out of tables; "" where nothing was.

    Args:
        tables: as they were printed.
        elsewhere: a file that has all of it.
        lacking: titles of columns that the file has not.
    """
    short = [table for table in tables if table.left_out]
    if not short:
        return ""
    titles = list(dict.fromkeys(title for table in short for title in table.left_out))
    only = [title for title in titles if title in lacking]
    also = f", and {elsewhere} has it, too" if elsewhere and len(only) < len(titles) else ""
    also += f", but for {', '.join(only)}" if only and also else ""
    needed = max(table.needed for table in short)
    return f"left out for want of room: {', '.join(titles)}; a window of {needed} columns shows it{also}"


def fits(grid: Grid, window: int, broken: bool = False) -> bool:
    """Whether a table fits with no more than its settings below its rows or, where it is `broken`, words below."""
    return any(_wide(_sized(grid, way)) <= window for way in ((_BROKEN,) if broken else _WAYS[:2]))


def fitted(grid: Grid, window: int, broken: bool = False) -> Fitted:
    """A table for a window, as the module's first lines say.

    Args:
        grid: the table.
        window: its columns.
        broken: titles of columns are broken at blanks even where they have room.
    """
    chosen, left_out = grid, list[str]()
    while True:
        for way in _WAYS[2:] if broken else _WAYS:
            if _wide(sized := _sized(chosen, way)) <= window:
                return Fitted(list(_lines(chosen, sized, window)), left_out, _needed(grid))
        place = max(range(len(chosen.columns)), key=lambda each: chosen.columns[each].drop, default=0)
        if not chosen.columns or not chosen.columns[place].drop:
            return Fitted(list(_lines(chosen, _sized(chosen, _WAYS[-1]), window)), left_out, _needed(grid))
        left_out.append(chosen.columns[place].title)
        chosen = _without(chosen, place)


def rule(columns: int) -> str:
    """A line across."""
    return ("-" if ascii_only() else "─") * columns


@dataclass(frozen=True)
class _Way:
    """How rows are set: settings beside the name or below, parts of a cell on so many lines, and a name's room."""

    below: bool
    parts: int
    name: int | None = None


_WAYS = (
    _Way(False, 1),
    _Way(True, 1),
    _Way(True, 2),
    _Way(True, 3),
    _Way(True, 3, NAME),
    _Way(True, 3, LEAST),
)


_BROKEN = _WAYS[2]


@dataclass(frozen=True)
class _Sized:
    """Rows as they are set: of each its lines of names, and of each cell its lines; and the columns' widths."""

    names: list[list[str]]
    cells: list[list[list[str]]]
    heads: list[list[str]]
    widths: list[int]
    way: _Way


def _sized(grid: Grid, way: _Way) -> _Sized:
    names = [_name(row, way) for row in grid.rows]
    cells = [[_set(cell, way.parts) for cell in row.cells] for row in grid.rows]
    heads, widths = [[grid.head]], [max(map(cells_wide, [grid.head, *(line for lines in names for line in lines)]))]
    for place, column in enumerate(grid.columns):
        most = max((cells_wide(line) for row in cells for line in row[place]), default=0)
        title = plain(column.title) if ascii_only() else column.title
        if way.parts > 1:
            most = max(most, min(TITLE, max(map(cells_wide, title.split()), default=0)))
            heads.append(list(folded(title, most)))
        else:
            heads.append([title])
        widths.append(max(most, *map(cells_wide, heads[-1])))
    return _Sized(names, cells, heads, widths, way)


def _name(row: Row, way: _Way) -> list[str]:
    name = one_line(row.name)
    if not way.below:
        return [f"{name} {one_line(row.settings)}".strip()]
    return [name] if way.name is None else list(folded(name, way.name)) or [""]


def _set(cell: Cell, lines: int) -> list[str]:
    """The parts of a cell on so many lines: words stand below first, then the interval."""
    parts = [shown(part.replace("\n", " ")) for part in cell if part]  # blanks of a histogram stay
    parts = [plain(part) for part in parts] if ascii_only() else parts
    if lines == 1 or len(parts) == 1:
        return [" ".join(parts)]
    return [" ".join(parts[:2]), *parts[2:]] if lines == 2 else parts


def _wide(sized: _Sized) -> int:
    return sum(sized.widths) + GAP * len(sized.widths)


def _needed(grid: Grid) -> int:
    """The columns of the narrowest window that has room for all."""
    return min(_wide(_sized(grid, way)) for way in _WAYS[:4])


def _without(grid: Grid, place: int) -> Grid:
    def rest(items: Sequence[object]) -> list[object]:
        return [item for number, item in enumerate(items) if number != place]

    rows = [Row(row.name, row.settings, rest(row.cells), row.last) for row in grid.rows]  # type: ignore[arg-type]
    return Grid(rest(grid.columns), rows, grid.head)  # type: ignore[arg-type]


def _lines(grid: Grid, sized: _Sized, window: int) -> Iterator[str]:
    yield from _beside(sized.heads[0], sized.heads[1:], sized.widths, bottom=True)
    yield " " * GAP + rule(_wide(sized) - GAP)
    for row, name, cells in zip(grid.rows, sized.names, sized.cells, strict=True):
        yield from _beside(name, cells, sized.widths)
        if sized.way.below and row.settings:
            for line in folded(one_line(row.settings), max(window - 2 * GAP, LEAST)):
                yield " " * 2 * GAP + line
        if row.last:
            yield ""


def _beside(first: list[str], others: list[list[str]], widths: Sequence[int], bottom: bool = False) -> Iterator[str]:
    """Cells of several lines beside each other, the first to the left and the others to the right."""
    high = max(map(len, [first, *others]))
    for number in range(high):
        line = ""
        for place, (lines, wide) in enumerate(zip([first, *others], widths, strict=True)):
            at = number - (high - len(lines) if bottom else 0)
            text = lines[at] if 0 <= at < len(lines) else ""
            blank = " " * (wide - cells_wide(text))
            line += " " * GAP + (text + blank if place == 0 else blank + text)
        yield line.rstrip()
