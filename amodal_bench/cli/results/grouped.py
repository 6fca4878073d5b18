"""Tables of results for a window: what rows share stands above them, and what tells them apart in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from amodal_bench.cli.columns import room
from amodal_bench.cli.results.told import UNKNOWN
from amodal_bench.core.plain import without_seed

if TYPE_CHECKING:
    import pandas as pd

    from amodal_bench.report.grid import Grid

SPREAD = "IoU, 0 to 100 %"
SHARED = ["dataset", "split", "protocol", "protocol_digest", "ids"]
DROPPED_FIRST = {SPREAD: 90, "errors": 80, "run": 70}
"""Columns that are left out of a narrow window before any number is, the highest first."""


def grouped(table: pd.DataFrame, spreads: Mapping[str, str], elsewhere: str = "") -> str:
    """The rows of `results table`, those of one dataset, protocol and list of instances together.

    Args:
        table: the rows.
        spreads: of each run, by its digest, how its IoUs are spread.
        elsewhere: a file that has all columns.
    """
    from amodal_bench.metrics.statistics import FEW_CLUSTERS
    from amodal_bench.report.folding import folded
    from amodal_bench.report.grid import Fitted, fitted, note
    from amodal_bench.report.numbers import FEW_NOTE

    lines, tables = list[str](), list[Fitted]()
    for _, part in table.groupby(SHARED, sort=False):
        tables.append(fitted(_rows(part, spreads), room()))
        lines += [*folded(_title(part), room(), "  "), *tables[-1].lines]
        if "errors" in tables[-1].left_out and (failed := _errors(part)):
            lines += folded(failed, room(), "  ", whole=True)
        lines.append("")
    few = "clusters" in table and bool((table["clusters"] < FEW_CLUSTERS).any())
    for line in ([FEW_NOTE] if few else []) + [note(tables, elsewhere, [SPREAD])]:
        lines += folded(line, room(), "  ", whole=True)
    return "\n".join(lines).rstrip("\n")


def _title(part: pd.DataFrame) -> str:
    row = part.iloc[0]
    split = "" if row["split"] == UNKNOWN else f" {row['split']}"
    return f"{row['dataset']}{split}, {row['protocol']} ({row['protocol_digest']}), instances {row['ids']}"


def _errors(part: pd.DataFrame) -> str:
    """The line on runs with errors where their column has no room; "" where none has any."""
    from amodal_bench.report.numbers import troubles

    rows = part.to_dict("records")
    told = [f"{row['model']} seed {row['seed']} {troubles(row)}" for row in rows if troubles(row) != "0"]
    return f"errors: {', '.join(told)}" if told else ""


def _rows(part: pd.DataFrame, spreads: Mapping[str, str]) -> Grid:
    from amodal_bench.report.grid import Column, Grid, Row
    from amodal_bench.report.numbers import gain, names, percent, title, troubles
    from amodal_bench.report.summary_tables import cell_of

    shown = names(part)
    gains = bool(shown) and f"{shown[0]}_gain" in part and bool(part[f"{shown[0]}_gain"].notna().any())
    drawn = "draws" in part and bool((part["draws"] > 1).any())
    heads = ["errors", *([SPREAD] if spreads else []), "run"]
    columns = [Column("seed"), *([Column("draws", 60)] if drawn else [])]
    columns += [Column(title(name), place + 10 * (place >= 2)) for place, name in enumerate(shown)]
    columns += [Column("gain over V", 5)] if gains else []
    columns += [Column(head, DROPPED_FIRST[head]) for head in heads]

    def cells(row: Mapping[Any, Any]) -> Iterator[tuple[str, ...]]:
        yield (str(row["seed"]),)
        if drawn:
            yield (str(row["draws"]),)
        yield from (cell_of(percent(row, name)) for name in shown)
        if gains:
            yield cell_of(gain(row, shown[0]))
        yield (troubles(row),)
        if spreads:
            yield (spreads.get(str(row["run"]), ""),)
        yield (str(row["run"]),)

    rows = [
        Row(str(row["model"]), without_seed(str(row["settings"])), list(cells(row)))
        for row in part.to_dict("records")
    ]
    return Grid(columns, rows)
