"""Figures 4 and 5: bars of means over datasets, ours beside the published ones, and the gap between two groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amodal_bench.paper.against import published_of
from amodal_bench.paper.figures.declared import Declared
from amodal_bench.paper.figures.drawing import (
    COLUMN,
    LINE,
    TITLE,
    add_legend,
    axes_at,
    draw_interval,
    label_height,
    legend_height,
    new_figure,
    width_of,
    wrapped,
    write_at,
)
from amodal_bench.paper.figures.means import Mean, difference_of, mean_of
from amodal_bench.paper.figures.notes import few_note, missing_notes
from amodal_bench.paper.gather import Value
from amodal_bench.paper.table import Line, Table
from amodal_bench.report.colours import BLUE, FAINT, INK, ORANGE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, PUBLISHED = "ours", "published"
ALL = "mean over all datasets"
MARGIN, LABEL, GAP, THICK = 0.06, 1.2, 0.2, 0.085


@dataclass(frozen=True)
class Bar:
    """What a row has in one group of datasets.

    Attributes:
        row, group: where it stands.
        ours: the mean over the group; None where it cannot be formed.
        published: the mean over the group of what was published, in percent; NaN where one value is lacking.
        datasets: how many are in the group.
    """

    row: str
    group: str
    ours: Mean | None
    published: float
    datasets: int = 1


def bars_of(figure: Declared, table: Table, values: Sequence[Value]) -> list[Bar]:
    """The bars of a figure, row by row; rows with random weights, and those without any bar, are left out.

    Args:
        figure: what is declared of it.
        table: whose cells have been gathered, as adapted to the data.
        values: of these cells.
    """
    number = table.shown[0].name
    columns = {column.name: column for column in table.columns}
    own = {(value.row, value.column): value for value in values if value.number == number}
    random = random_rows(values)
    found = []
    for row in table.rows:
        if row.name in random:
            continue
        for group, names in groups_of(figure, table).items():
            ours = mean_of([own[row.name, name] for name in names])
            # The mean of all is printed, those of groups are not.
            places = [None] if group == ALL else [columns[name] for name in names]
            found.append(Bar(row.name, group, ours, _published(figure, table, row, places), len(names)))
    drawn = {bar.row for bar in found if bar.ours or not math.isnan(bar.published)}
    return [bar for bar in found if bar.row in drawn]


def _published(figure: Declared, table: Table, row: Line, places: Sequence[Line | None]) -> float:
    """The mean of what was published of a row in some columns; NaN where one of them has no such value."""
    values = []
    for place in places:
        known = [
            each.value
            for each in published_of(table, row, place, table.shown[0].name)
            if all(getattr(each, key) == wanted for key, wanted in figure.published.items())
        ]
        values.append(known[0] if known else math.nan)
    return sum(values) / len(values)


def groups_of(figure: Declared, table: Table) -> Mapping[str, Sequence[str]]:
    """The columns of each group; all of them in one where the table has not those of the groups."""
    names = [column.name for column in table.columns]
    if figure.groups and all(name in names for group in figure.groups.values() for name in group):
        return figure.groups
    return {ALL if len(names) > 1 else names[0]: names}


def random_rows(values: Sequence[Value]) -> list[str]:
    """The rows that random weights made."""
    return list(dict.fromkeys(value.row for value in values if value.random))


def gaps(bars: Sequence[Bar]) -> dict[str, tuple[Mean | None, float]]:
    """The first group less the second of each row, ours and the published one; empty where there is one group."""
    groups = list(dict.fromkeys(bar.group for bar in bars))
    if len(groups) < 2:
        return {}
    placed = {(bar.row, bar.group): bar for bar in bars}
    found = {}
    for row in dict.fromkeys(bar.row for bar in bars):
        first, second = (placed[row, group] for group in groups[:2])
        ours = difference_of(first.ours, second.ours) if first.ours and second.ours else None
        found[row] = ours, first.published - second.published
    return found


def draw_bars(figure: Declared, bars: Sequence[Bar], random: Sequence[str], values: Sequence[Value] = ()) -> Figure:
    """Draw the bars, and beside them the gaps where there are two groups.

    Our bars are filled and have their intervals, published ones are hatched; in the axes they are labelled
    `OURS: GROUP` and `PUBLISHED: GROUP`. The notes say of the values, those of all cells, what a table says of them.
    """
    rows, groups = (list(dict.fromkeys(getattr(bar, key) for bar in bars)) for key in ("row", "group"))
    apart = gaps(bars)
    room = COLUMN - 2 * MARGIN
    title = wrapped(figure.title, room, TITLE)
    handles = _handles(bars, groups, apart)
    notes = [line for note in _notes(figure, bars, random, values) for line in wrapped(note, room)]
    label = min(LABEL, max(width_of(row) for row in rows) + 0.08)
    each = 1 + any(not math.isnan(bar.published) for bar in bars)
    labels = ["\n".join(wrapped(row, label - 0.06)[:2]) for row in rows]
    band = max(each * len(groups) * THICK + 0.08, max(map(label_height, labels)))
    start = MARGIN + 1.2 * LINE * len(title) + 0.04
    whole = start + legend_height(len(handles), 1) + 0.22 + band * len(rows) + 0.28 + LINE * len(notes) + MARGIN
    drawn = new_figure(COLUMN, whole)
    write_at(drawn, MARGIN, MARGIN, title, TITLE)
    top = start + add_legend(drawn, handles, MARGIN, start, 1) + 0.22
    width = room - label - 0.1
    first = (0.6 if apart else 1.0) * width
    axes = axes_at(drawn, MARGIN + label, top, first, band * len(rows))
    _draw_means(axes, rows, groups, bars, THICK / band, each)
    _finish(axes, rows, "mIoU (%)", labels)
    axes.set_xlim(0, 100)
    if apart:
        beside = axes_at(drawn, MARGIN + label + first + GAP, top, width - first - GAP, band * len(rows))
        _draw_gaps(beside, rows, apart)
        _finish(beside, rows, "gap (points)", [""] * len(rows))
    write_at(drawn, MARGIN, whole - MARGIN - LINE * len(notes), notes)
    return drawn


def _draw_means(
    axes: Axes, rows: Sequence[str], groups: Sequence[str], bars: Sequence[Bar], thick: float, each: int
) -> None:
    for bar in bars:
        place = rows.index(bar.row) + (each * (groups.index(bar.group) - len(groups) / 2) + 0.5) * thick
        colour = _colour(groups.index(bar.group))
        if bar.ours:
            axes.barh([place], [bar.ours.value], thick, color=colour, label=f"{OURS}: {bar.group}")
            draw_interval(axes, bar.ours.low, bar.ours.high, place, INK)
        if not math.isnan(bar.published):
            axes.barh(
                [place + thick], [bar.published], thick, color="white", edgecolor=colour, hatch="/////", lw=0.6,
                label=f"{PUBLISHED}: {bar.group}",
            )  # fmt: skip


def _draw_gaps(axes: Axes, rows: Sequence[str], apart: Mapping[str, tuple[Mean | None, float]]) -> None:
    axes.axvline(0, color=INK, lw=0.6, label="_zero")
    for row, (ours, published) in apart.items():
        place = rows.index(row)
        if ours:
            draw_interval(axes, ours.low, ours.high, place - 0.12, BLUE)
            axes.plot([ours.value], [place - 0.12], "o", ms=3.4, color=BLUE, label=OURS)
        if not math.isnan(published):
            axes.plot([published], [place + 0.15], "D", ms=3.4, color=VERMILION, label=PUBLISHED)


def _finish(axes: Axes, rows: Sequence[str], title: str, labels: Sequence[str]) -> None:
    axes.set_title(title, pad=3)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), labels)
    axes.grid(axis="x", color=FAINT, lw=0.4)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.locator_params(axis="x", nbins=4, steps=[1, 2, 2.5, 5, 10])
    axes.tick_params(axis="x", pad=2)


def _colour(group: int) -> str:
    return (BLUE, ORANGE)[group % 2]


def _handles(bars: Sequence[Bar], groups: Sequence[str], apart: Mapping[str, tuple[Mean | None, float]]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    found: list[Any] = []
    for k, group in enumerate(groups):
        own = [bar for bar in bars if bar.group == group]
        if any(bar.ours for bar in own):
            found.append(Patch(facecolor=_colour(k), label=f"ours, {group}"))
        if any(not math.isnan(bar.published) for bar in own):
            found.append(Patch(facecolor="white", edgecolor=_colour(k), hatch="/////", label=f"published, {group}"))
    marks = (
        ("our gap", any(ours for ours, _ in apart.values()), BLUE, "o", 1),
        ("published gap", any(not math.isnan(gap) for _, gap in apart.values()), VERMILION, "D", 0),
    )
    found += [
        Line2D([], [], color=colour, marker=mark, ms=3.6, lw=line, label=name)
        for name, there, colour, mark, line in marks
        if there
    ]
    return found


def _notes(figure: Declared, bars: Sequence[Bar], random: Sequence[str], values: Sequence[Value]) -> list[str]:
    own = [value for value in values if not value.cost and value.row not in random]
    with_bars = {bar.row for bar in bars if bar.ours}
    notes = [figure.note] if figure.note else []
    if figure.groups and len({bar.group for bar in bars}) < 2:
        notes.append("Not all of the datasets are here, so that there are no groups and no gap.")
    several = any(bar.datasets > 1 for bar in bars)
    made = "; those of means are made from the intervals of the datasets, which are independent" if several else ""
    notes.append(f"Lines are 95 % intervals{made}.")
    notes += few_note([value for value in own if not value.missing and value.row in with_bars])
    sampled = any(value.sampled and value.row in with_bars for value in own)
    notes += ["Of a sample of the instances."] if sampled else []
    notes += missing_notes(own)
    notes += [f"Left out, since their weights are random: {'; '.join(random)}."] if random else []
    return notes
