"""A comparison in words: sections with tables, for the terminal and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

import pandas as pd

from amodal_bench.core import shown
from amodal_bench.metrics.statistics import FEW_CLUSTERS
from amodal_bench.report.compare import ALL, CATEGORY, OCCLUSION, SIZE, SIZES
from amodal_bench.report.numbers import FEW, FEW_NOTE, HOLM_NOTE, WITH_INTERVALS, title
from amodal_bench.report.scored import RANDOM_WEIGHTS, Scored

GROUPS = {
    OCCLUSION: "by occlusion rate",
    CATEGORY: "by category",
    SIZE: f"by size of A (small below {SIZES[0][1]:g} pixels, medium below {SIZES[1][1]:g})",
}
"""Titles of the kinds of groups."""


@dataclass(frozen=True)
class Section:
    """A titled table.

    Attributes:
        title: what stands above it.
        head: names of the columns.
        rows: of texts.
        numbers: the columns that are set to the right.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[str] = ()


def letters(count: int) -> list[str]:
    """Short names of so many runs: A to Z, then R27, R28 and so on."""
    return [ascii_uppercase[place] if place < len(ascii_uppercase) else f"R{place + 1}" for place in range(count)]


def legend(scored: Sequence[Scored]) -> list[str]:
    """A line for each run: its letter, model and folder."""
    names = [f"{one.name} {one.settings}".strip() for one in scored]
    lines = [f"{letter}  {name}  {one.folder}" for letter, name, one in zip(
        letters(len(scored)), names, scored, strict=True)]  # fmt: skip
    return [f"{lines[0]}  (reference)", *lines[1:]]


def sections(
    scored: Sequence[Scored], differences: pd.DataFrame, changes: pd.DataFrame, wins: pd.DataFrame, most: int
) -> Iterator[Section]:
    """The tables of a comparison: all numbers, the first ones in groups, wins, and the `most` largest changes."""
    by_run = dict(zip([one.digest for one in scored], letters(len(scored)), strict=True))
    yield _overall(differences[differences["group_kind"] == ALL], by_run)
    for kind, heading in GROUPS.items():
        if len(part := differences[differences["group_kind"] == kind]):
            yield _grouped(heading, part, by_run)
    rows = [[by_run[row["run"]], *(str(row[name]) for name in ("better", "equal", "worse"))] for row in _dicts(wins)]
    head = ["run", "better", "equal", "worse"]
    yield Section("instances on which a run's IoU is better, equal or worse than A's", head, rows, head[1:])
    yield from _largest(changes, by_run, most)


def notes(scored: Sequence[Scored], differences: pd.DataFrame) -> list[str]:
    """What a reader has to know of the tables, a line each."""
    found = ["better, worse: the interval leaves out 0; higher is better"]
    if (differences["clusters"] < FEW_CLUSTERS).any():
        found.append(FEW_NOTE)
    if differences["verdict"].str.contains("among many").any():
        found.append(HOLM_NOTE.replace("all gains here", "all differences of that number in the same table"))
    if any(RANDOM_WEIGHTS in one.settings for one in scored):
        found.append("random weights: numbers of such a run mean nothing")
    return found


def markdown(heading: Sequence[str], parts: Sequence[Section], noted: Sequence[str]) -> str:
    """The comparison as a page of Markdown."""
    lines = [*(f"{shown.markdown_line(line)}  " for line in heading)]
    for part in parts:
        lines += ["", f"## {shown.markdown(part.title[0].upper() + part.title[1:])}", "", _line(part.head)]
        lines += ["|" + "|".join("---:" if name in part.numbers else "---" for name in part.head) + "|"]
        lines += [_line(row) for row in part.rows]
    return "\n".join([*lines, "", *(f"- {shown.markdown_line(note)}" for note in noted)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(shown.markdown, cells))} |"


def _overall(part: pd.DataFrame, by_run: Mapping[str, str]) -> Section:
    rows = [
        [title(row["number"]), by_run[row["run"]], str(row["n"]), _percent(row["reference"]), _percent(row["value"]),
         _difference(row), row["verdict"]]
        for row in _dicts(part)
    ]  # fmt: skip
    head = ["number", "run", "n", "A", "run's", "difference", "verdict"]
    return Section("all instances, %", head, rows, head[2:-1])


def _grouped(heading: str, part: pd.DataFrame, by_run: Mapping[str, str]) -> Section:
    numbers = list(dict.fromkeys(part["number"]))[:WITH_INTERVALS]
    rows = []
    for (group, run), own in part.groupby(["group", "run"], sort=False):
        named = {row["number"]: row for row in _dicts(own)}
        cells = []
        for name in numbers:
            row = named.get(name)
            cells += ["-", "-", ""] if row is None else [str(row["n"]), _difference(row), row["verdict"]]
        rows.append([str(group), by_run[str(run)], *cells])
    head = ["group", "run", *(text for name in numbers for text in ("n", title(name), "verdict"))]
    return Section(heading, head, rows, [name for name in head[2:] if name != "verdict"])


def _largest(changes: pd.DataFrame, by_run: Mapping[str, str], most: int) -> Iterator[Section]:
    rows = [
        [by_run[row["run"]], str(row["id"]), str(row["category"]), _percent(row["occlusion_rate"]),
         _percent(row["reference_iou"]), _percent(row["iou"]), f"{100 * row['difference']:+.1f}"]
        for _, part in changes.groupby("run", sort=False) for row in _dicts(part.head(most))
        if row["difference"]
    ]  # fmt: skip
    head = ["run", "id", "category", "hidden", "A", "run's", "difference"]
    if rows:
        yield Section("instances with the largest change of IoU, %", head, rows, head[3:])


def _difference(row: Mapping[Any, Any]) -> str:
    """A difference in points with its interval, such as `+5.5 [4.9, 6.1]`."""
    value, low, high = (100 * float(row[name]) for name in ("difference", "low", "high"))
    if math.isnan(value):
        return "-"
    if math.isnan(low):
        return f"{value:+.1f}"
    return f"{value:+.1f} [{low:.1f}, {high:.1f}]" + (FEW if row["clusters"] < FEW_CLUSTERS else "")


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _dicts(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.to_dict("records")
