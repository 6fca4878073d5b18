"""Our values beside the published ones: the difference, and what is to be thought of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from amodal_bench.paper.gather import Value
from amodal_bench.paper.table import COSTS, Line, Table
from amodal_bench.published.ledger import AVERAGE, PRINTED, Published, find
from amodal_bench.report.explained import ROUNDED


@dataclass(frozen=True)
class Against:
    """One published value of a cell, and ours.

    Attributes:
        ours: what our cell holds.
        published: the ledger's record.
        difference: ours less the published one, in points; NaN where ours is missing, or of random weights.
        inside: whether the published value lies in our interval; None without one, or where random weights made ours.
    """

    ours: Value
    published: Published
    difference: float
    inside: bool | None

    @property
    def verdict(self) -> str:
        """Both parts: inside the interval or not; and what is known of the protocol behind the published number."""
        if self.ours.missing:
            what = "failed" if self.ours.missing.startswith("failed") else "no value"
        elif self.ours.random:
            what = "random weights"
        else:
            what = "no interval" if self.inside is None else "inside" if self.inside else "outside"
        return f"{what}; protocol {self.published.protocol_status}"


def against(table: Table, values: Sequence[Value]) -> list[Against]:
    """Every published value of every cell, in the order of the cells; a cell may have several."""
    found = []
    rows = {row.name: row for row in table.rows}
    columns = {column.name: column for column in table.columns}
    for value in values:
        for published in published_of(table, rows[value.row], columns.get(value.column), value.number):
            found.append(_against(value, published))
    return found


def published_of(table: Table, row: Line, column: Line | None, number: str) -> Sequence[Published]:
    """What was published for a cell; `column` is None for the average's."""
    shown = next((each for each in table.shown if each.name == number), None)
    # A category has none, and neither has a dataset of our own.
    if shown is None or (column is not None and not column.published):
        return ()
    place = {"dataset": AVERAGE} if column is None else dict(column.published)
    if shown.number in COSTS:
        place["dataset"] = ""  # a cost was published for no dataset in particular
    key = {**place, **shown.published, **row.published}
    if not row.published or "dataset" not in key or "metric" not in key:
        return ()
    wanted = {name: key[name] for name in ("method", "dataset", "metric")}
    return [each for each in find(**wanted) if each.variant == key.get("variant", "")]


def _against(ours: Value, published: Published) -> Against:
    difference = math.nan if ours.missing or ours.random else ours.scale * ours.value - published.value
    inside = None if ours.missing or ours.random else is_inside(ours, published.value)
    return Against(ours, published, difference, inside)


def value_of(published: Published) -> str:
    """A published value as it is printed, with the split and the number of draws where they are stated."""
    split = f" (split {published.split})" if published.split else ""
    best = f" (best of {published.samples})" if (published.samples or 1) > 1 else ""
    return f"{published.value:g}{split}{best}"


def source_of(published: Published) -> str:
    """Where a published value stands, and how it came there where its source does not print it itself."""
    certainty = "" if published.certainty == PRINTED else published.certainty
    source = ", ".join(part for part in (published.source, published.place) if part) or "source not recorded"
    return f"{source}, {certainty}" if certainty else source


def is_inside(ours: Value, published: float) -> bool | None:
    """Whether a published value lies in our interval; None where ours has none."""
    if math.isnan(ours.low):
        return None
    # A published value is rounded: half of its last digit more is inside, too.
    return ours.scale * ours.low - ROUNDED <= published <= ours.scale * ours.high + ROUNDED
