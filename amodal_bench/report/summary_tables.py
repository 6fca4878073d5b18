"""A summary's rows as tables for a window: numbers beside each other, or below each other where there are many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from amodal_bench.core.shown import one_line
from amodal_bench.core.window import width
from amodal_bench.report.folding import folded
from amodal_bench.report.grid import Column, Fitted, Grid, Row, fits, fitted
from amodal_bench.report.numbers import WITH_INTERVALS, gain, names, percent, troubles
from amodal_bench.report.numbers import title as title_of

WIDEST, ABREAST = 6, 4
"""A protocol with more numbers than the first has a line for each of them, and at most so many rows abreast."""

LOG = 160
"""Columns of a table in a log."""


def tables(summary: pd.DataFrame) -> Iterator[Fitted]:
    """The tables of rows whose protocols have the same numbers."""
    yield from _tall(summary) if len(names(summary)) > WIDEST else _wide(summary)


def _tall(summary: pd.DataFrame) -> Iterator[Fitted]:
    """Tables with a line for each number and a column for each row of the summary, as many as have room."""
    for count in range(ABREAST, 0, -1):
        tables = [_of_numbers(summary.iloc[start : start + count]) for start in range(0, len(summary), count)]
        if count == 1 or all(fits(table, _window(), broken=True) for table in tables):
            yield from (fitted(table, _window(), broken=True) for table in tables)
            return


def _of_numbers(summary: pd.DataFrame) -> Grid:
    numbers, rows = names(summary), summary.to_dict("records")
    lines = [Row(title_of(name), "", [(percent(row, name),) for row in rows]) for name in numbers]
    if any(gains := [gain(row, numbers[0]) for row in rows]):
        lines.append(Row("gain over V", "", [(text,) for text in gains]))
    lines[-1] = replace(lines[-1], last=True)
    for name in ("draws", "instances", "errors", "protocol"):
        said = [troubles(row) if name == "errors" else row[name] for row in rows]
        lines.append(Row(name, "", [(one_line(each),) for each in said]))
    return Grid([Column(one_line(f"{row['model']} {row['settings']}")) for row in rows], lines, "")


def _window() -> int:
    return width(pipe=LOG)


def _wide(summary: pd.DataFrame) -> Iterator[Fitted]:
    """The rows of protocols with the same numbers; in a narrow window each protocol has a table of its own."""
    table = _of_rows(summary, every=True)
    if fits(table, _window()):
        yield fitted(table, _window())
        return
    for protocol, part in summary.groupby("protocol", sort=False):
        found = fitted(_of_rows(part, every=False), _window())
        about = "".join(f", {text}" for text in (_instances(part), _errors(part)) if text)
        yield replace(found, lines=[*folded(one_line(f"{protocol}{about}"), max(_window(), 20)), *found.lines])


def _instances(part: pd.DataFrame) -> str:
    """How many instances all rows are about; "" where they differ."""
    said = {f"{row['instances']} instances ({row['occluded_instances']} occluded)" for row in part.to_dict("records")}
    return said.pop() if len(said) == 1 else ""


def _errors(part: pd.DataFrame) -> str:
    return "no errors" if {troubles(row) for row in part.to_dict("records")} == {"0"} else ""


def _of_rows(summary: pd.DataFrame, every: bool) -> Grid:
    """A line for each row of a summary.

    Args:
        summary: of protocols with the same numbers.
        every: with all columns; else without what the rows share, which stands above them.
    """
    numbers = names(summary)
    gains = bool(numbers) and f"{numbers[0]}_gain" in summary and summary[f"{numbers[0]}_gain"].notna().any()
    drawn = bool((summary["draws"] > 1).any())
    own = (every or not _instances(summary), every or not _errors(summary), drawn, every)
    columns = [
        Column(title_of(name), place + (10 if place >= WITH_INTERVALS else 0)) for place, name in enumerate(numbers)
    ]
    columns += [Column("gain over V", 5)] if gains else []
    told = (Column("instances", 90), Column("errors", 80), Column("draws", 99), Column("protocol"))
    columns += [column for column, wanted in zip(told, own, strict=True) if wanted]
    rows = summary.to_dict("records")
    lines = []
    for index, row in enumerate(rows):
        cells = [cell_of(percent(row, name, place < WITH_INTERVALS)) for place, name in enumerate(numbers)]
        cells += [cell_of(gain(row, numbers[0]))] if gains else []
        facts = (
            f"{row['instances']} ({row['occluded_instances']} occluded)",
            troubles(row),
            row["draws"],
            row["protocol"],
        )
        cells += [(one_line(fact),) for fact, wanted in zip(facts, own, strict=True) if wanted]
        last = index + 1 < len(rows) and rows[index + 1]["protocol"] != row["protocol"]
        lines.append(Row(str(row["model"]), str(row["settings"]), cells, last))
    return Grid(columns, lines)


def cell_of(text: str) -> tuple[str, ...]:
    """A number, its interval and words, such as `+1.7`, `[-4.7, 4.0]` and `not decisive`."""
    number, _, rest = text.partition(" [")
    interval, _, words = rest.partition("]")
    if not rest:
        return tuple(text.split(" ", 1)) if text else ("",)
    mark, _, words = words.partition(" ")
    return (number, f"[{interval}]{mark}", words)
