"""A table's chart: a dot and an interval for each of our values, and the published ones beside it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.paper.against import Against
from amodal_bench.paper.figures.drawing import (
    COLUMN,
    LINE,
    TITLE,
    add_legend,
    axes_at,
    discard,
    draw_interval,
    label_height,
    legend_height,
    new_figure,
    require,
    save,
    styled,
    width_of,
    wrapped,
    write_at,
)
from amodal_bench.paper.figures.notes import few_note, missing_notes
from amodal_bench.paper.gather import Value
from amodal_bench.paper.table import COSTS, Table
from amodal_bench.report.colours import BLUE, FAINT, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, SAMPLED = "ours", "ours, of a sample"
PRINTED, OTHERWISE = "published", "published, not first hand"
ROW, MARGIN, LABEL, GAP = 0.165, 0.06, 1.25, 0.2
BELOW = 0.06
"""Inches from a mark to the next one below it in the same row."""
ENDINGS = ("svg", "png")
ACROSS = 2
"""Panels side by side in one column of print."""

Place = tuple[str, str]
"""The names of a column and of a number."""


def write_chart(folder: Path, table: Table, values: Sequence[Value], beside: Sequence[Against]) -> list[Path]:
    """Write a table's chart as SVG and PNG; returns the files, none where no value of ours can be drawn.

    The chart of an earlier table is removed first, so that none stands beside numbers that are not its own.

    Raises:
        UsageError: matplotlib is not installed.
    """
    discard(folder, table.name, ENDINGS)
    random = {value.row for value in values if value.random}
    if not any(_is_drawn(value) and value.row not in random for value in values):
        return []
    require("a chart")
    with styled():
        return save(draw_chart(table, values, beside), folder, table.name, ENDINGS)


def draw_chart(table: Table, values: Sequence[Value], beside: Sequence[Against]) -> Figure:
    """The chart: a panel for each column and number, with a line for each row.

    Rows with random weights are left out, and the note below says so. In each panel our values are the lines that are
    labelled `OURS` or `SAMPLED`, the published ones those that are labelled `PRINTED` or `OTHERWISE`.
    """
    random = list(dict.fromkeys(value.row for value in values if value.random))
    shown = {value.row for value in values if _is_drawn(value)} | {each.ours.row for each in beside}
    rows = [row for row in dict.fromkeys(value.row for value in values) if row in shown and row not in random]
    places = [
        place
        for place in dict.fromkeys((value.column, value.number) for value in values)
        if any((value.column, value.number) == place and _is_drawn(value) for value in values)
    ]
    handles = _handles(values, beside, rows)
    room = COLUMN - 2 * MARGIN
    title, notes = wrapped(table.title, room, TITLE), _notes(values, random, room)
    label = min(LABEL, max(width_of(row) for row in rows) + 0.08)
    labels = ["\n".join(wrapped(row, label - 0.06)[:2]) for row in rows]
    lines = _lines(rows, labels, places, beside)
    height, abreast = sum(line.height for line in lines), 2 if len(handles) > 2 else 1
    levels = math.ceil(len(places) / ACROSS)
    head, foot = LINE * max(len(_heading(p, places, 9.0)) for p in places) + 0.06, 0.24
    start = MARGIN + 1.2 * LINE * len(title) + 0.04
    whole = (
        start
        + legend_height(len(handles), abreast)
        + levels * (head + height + foot)
        + LINE * len(notes)
        + 2 * MARGIN
    )
    figure = new_figure(COLUMN, whole)
    write_at(figure, MARGIN, MARGIN, title, TITLE)
    top = start + add_legend(figure, handles, MARGIN, start, abreast)
    across = min(ACROSS, len(places))
    width = (COLUMN - 2 * MARGIN - label - GAP * (across - 1) - 0.1) / across
    limits = _limits(table, values, beside, places, rows)
    for k, place in enumerate(places):
        level, side = divmod(k, across)
        axes = axes_at(
            figure, MARGIN + label + side * (width + GAP), top + level * (head + height + foot) + head, width, height
        )
        axes.set_title("\n".join(_heading(place, places, width)), pad=3)
        _draw_panel(axes, place, dict(zip(rows, lines, strict=True)), values, beside)
        axes.set_xlim(*limits[place])
        axes.set_yticks([line.middle for line in lines], labels if side == 0 else [""] * len(rows))
    write_at(figure, MARGIN, whole - MARGIN - LINE * len(notes), notes)
    return figure


@dataclass(frozen=True)
class _Line:
    """Where a row lies in every panel, in inches from its upper end: top, height, and the place of our value."""

    top: float
    height: float
    ours: float

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


def _lines(
    rows: Sequence[str], labels: Sequence[str], places: Sequence[Place], beside: Sequence[Against]
) -> list[_Line]:
    """Rows as high as their labels and the published values of their fullest panel need."""
    counts = Counter(
        (each.ours.row, place) for each in beside if (place := (each.ours.column, each.ours.number)) in places
    )
    found, top = [], 0.0
    for row, label in zip(rows, labels, strict=True):
        marks = BELOW * max(counts[row, place] for place in places)
        height = max(ROW, label_height(label), marks + 0.1)
        found.append(_Line(top, height, top + (height - marks) / 2))
        top += height
    return found


def _draw_panel(
    axes: Axes, place: Place, lines: Mapping[str, _Line], values: Sequence[Value], beside: Sequence[Against]
) -> None:
    for value in values:
        if (value.column, value.number) == place and value.row in lines and _is_drawn(value):
            face, label = ("white", SAMPLED) if value.sampled else (BLUE, OURS)
            at = lines[value.row].ours
            draw_interval(axes, value.scale * value.low, value.scale * value.high, at, BLUE)
            axes.plot([value.scale * value.value], [at], "o", ms=3.4, color=BLUE, mfc=face, label=label)
    published: Counter[str] = Counter()
    for each in beside:
        if (each.ours.column, each.ours.number) == place and each.ours.row in lines:
            published[each.ours.row] += 1  # several of one cell stand below each other, or one would hide another
            printed = each.published.certainty == "printed"
            below = lines[each.ours.row].ours + BELOW * published[each.ours.row]
            face, label = (VERMILION, PRINTED) if printed else ("white", OTHERWISE)
            axes.plot([each.published.value], [below], "D", ms=3.4, mew=0.8, color=VERMILION, mfc=face, label=label)
    *between, last = lines.values()
    axes.set_ylim(last.top + last.height, 0)
    axes.grid(axis="x", color=FAINT, lw=0.4)
    axes.set_axisbelow(True)
    for line in between:
        axes.axhline(line.top + line.height, color=FAINT, lw=0.3, zorder=0, label="_between")
    axes.spines[["top", "right"]].set_visible(False)
    axes.locator_params(axis="x", nbins=4, steps=[1, 2, 5, 10])
    axes.tick_params(axis="x", pad=2)


def _is_drawn(value: Value) -> bool:
    return not value.missing and not value.random


def _heading(place: Place, places: Sequence[Place], width: float) -> list[str]:
    columns, numbers = {column for column, _ in places}, {number for _, number in places}
    column, number = place
    text = number if len(columns) == 1 else column if len(numbers) == 1 else f"{column}, {number}"
    return wrapped(text, width)


def _limits(
    table: Table, values: Sequence[Value], beside: Sequence[Against], places: Sequence[Place], rows: Sequence[str]
) -> dict[Place, tuple[float, float]]:
    """The ends of each panel's axis: panels of one number share them, so that they can be compared."""
    numbers = {shown.name: shown.number for shown in table.shown}
    found: dict[str, list[float]] = {}
    kinds = {place: numbers.get(place[1], table.shown[0].number) for place in places}
    for value in values:
        if (place := (value.column, value.number)) in kinds and value.row in rows and _is_drawn(value):
            ends = [value.scale * end for end in (value.value, value.low, value.high) if not math.isnan(end)]
            found.setdefault(kinds[place], []).extend(ends)
    for each in beside:
        if (place := (each.ours.column, each.ours.number)) in kinds and each.ours.row in rows:
            found.setdefault(kinds[place], []).append(each.published.value)
    spans = {}
    for kind, ends in found.items():
        ends += [0.0] if kind in COSTS else []
        pad = 0.06 * (max(ends) - min(ends)) or 0.06 * abs(max(ends)) or 1.0
        spans[kind] = min(ends) - pad, max(ends) + pad
    return {place: spans[kind] for place, kind in kinds.items()}


def _handles(values: Sequence[Value], beside: Sequence[Against], rows: Sequence[str]) -> list[Any]:
    """What the legend explains: the marks that are drawn, and no others."""
    from matplotlib.lines import Line2D

    drawn = [value for value in values if _is_drawn(value)]
    published = {each.published.certainty == "printed" for each in beside if each.ours.row in rows}
    return [
        Line2D([], [], color=colour, marker=mark, ms=size, mfc=face, mew=0.9, lw=line, label=name)
        for name, there, colour, mark, size, face, line in (
            (OURS, any(not value.sampled for value in drawn), BLUE, "o", 3.4, BLUE, 1),
            (SAMPLED, any(value.sampled for value in drawn), BLUE, "o", 3.4, "white", 1),
            (PRINTED, True in published, VERMILION, "D", 3.4, VERMILION, 0),
            (OTHERWISE, False in published, VERMILION, "D", 3.4, "white", 0),
        )
        if there
    ]


def _notes(values: Sequence[Value], random: Sequence[str], width: float) -> list[str]:
    # The headings of panels say what of a protocol is not as it is shipped.
    drawn = [value for value in values if _is_drawn(value)]
    protocols = list(dict.fromkeys(value.protocol.partition(" with ")[0] for value in drawn if value.protocol))
    notes = [f"Protocol: {', '.join(protocols)}."] if protocols else []
    notes += ["Lines are 95 % intervals."] if any(not math.isnan(value.low) for value in drawn) else []
    notes += few_note(drawn) + missing_notes([value for value in values if value.row not in random])
    notes += [f"Left out, since their weights are random: {'; '.join(random)}."] if random else []
    return [line for note in notes for line in wrapped(note, width)]
