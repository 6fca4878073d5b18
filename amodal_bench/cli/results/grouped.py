"""Tables of results for a window: what rows share stands above them, and what tells them apart in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amodal_bench.cli.columns import columns, room
from amodal_bench.cli.results.told import UNKNOWN
from amodal_bench.core.plain import without_seed

if TYPE_CHECKING:
    import pandas as pd

SHARED = ["dataset", "split", "protocol", "protocol_digest", "ids"]
FOR_INTERVALS = 110
"""Columns of a window from which on numbers have their intervals."""


def grouped(table: pd.DataFrame) -> str:
    """The rows of `results table`, those of one dataset, protocol and list of instances together."""
    from amodal_bench.metrics.statistics import FEW_CLUSTERS
    from amodal_bench.report.numbers import FEW_NOTE

    parts = [part for _, part in table.groupby(SHARED, sort=False)]
    shown = [f"{_title(part.iloc[0])}\n{_rows(part)}" for part in parts]
    few = "clusters" in table and bool((table["clusters"] < FEW_CLUSTERS).any())
    return "\n\n".join([*shown, *([FEW_NOTE] if few and room() >= FOR_INTERVALS else [])])


def _title(row: Any) -> str:
    split = "" if row["split"] == UNKNOWN else f" {row['split']}"
    return f"{row['dataset']}{split}, {row['protocol']} ({row['protocol_digest']}), instances {row['ids']}"


def _rows(part: pd.DataFrame) -> str:
    from amodal_bench.report.numbers import gain, names, percent, title, troubles

    shown, wide = names(part), room() >= FOR_INTERVALS
    gains = bool(shown) and f"{shown[0]}_gain" in part and bool(part[f"{shown[0]}_gain"].notna().any())
    drawn = ["draws"] if "draws" in part and (part["draws"] > 1).any() else []
    heads = ["model", "seed", *drawn, *map(title, shown), *(["gain over V"] if gains else []), "errors", "run"]
    rows = []
    for row in part.to_dict("records"):
        said = f"{row['model']} {without_seed(str(row['settings']))}".strip()
        gained = gain(row, shown[0], wide) if gains else ""
        numbers = [percent(row, name, interval=wide) for name in shown] + ([gained] if gains else [])
        rows.append([said, row["seed"], *(row[name] for name in drawn), *numbers, troubles(row), row["run"]])
    return columns([list(map(str, row)) for row in rows], heads, heads[1:-1])
