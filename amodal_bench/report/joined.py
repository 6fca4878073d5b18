"""A table that is written where one stands already: what the earlier one says of other rows is kept."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pandas as pd

from amodal_bench.core.files import require_regular
from amodal_bench.report.cells import as_csv

KEYS = ["dataset", "model", "settings", "protocol_digest", "ids", "run", "draws", "occlusion_rate"]
"""Rows that agree in these, as far as a table has them, are the same result."""

NEAR = 1e-9
"""Sums over rows in another order differ in their last digits."""


def with_earlier(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A table with the rows that the file at `path` has and it lacks, all cells as text.

    Of a row that both have, the one with more cells counts where they agree in all numbers that both have: a score of
    one run alone has no gains, but the table of the run's own command has. A file that cannot be read is replaced.
    """
    fresh = pd.read_csv(io.StringIO(as_csv(table)), dtype=str)
    try:
        require_regular(path)
        earlier = pd.read_csv(path, dtype=str)
    except (OSError, ValueError):
        return fresh
    keys = [key for key in KEYS if key in fresh]
    if not set(keys) <= set(earlier):
        return fresh
    known, rows = {_key(row, keys): row for row in _rows(earlier)}, {}
    for row in _rows(fresh):
        before = known.get(_key(row, keys))
        keep = before is not None and len(before) > len(row) and _agree(row, before)
        rows[_key(row, keys)] = before if before is not None and keep else row
    # Where nothing is new the order stays, so that the same table is the same file.
    old = rows.keys() <= known.keys()
    ordered = {**known, **rows} if old else {**rows, **{key: row for key, row in known.items() if key not in rows}}
    first, then = (earlier, fresh) if old else (fresh, earlier)
    columns = [*first.columns, *(name for name in then.columns if name not in first)]
    return pd.DataFrame(list(ordered.values()), columns=columns)


def _rows(table: pd.DataFrame) -> list[dict[str, str]]:
    """The filled cells of each row."""
    filled = table.notna()
    return [
        {name: str(row[name]) for name in table.columns if full[name]}
        for row, full in zip(table.to_dict("records"), filled.to_dict("records"), strict=True)
    ]


def _key(row: dict[str, str], keys: list[str]) -> tuple[str, ...]:
    return tuple(row.get(key, "") for key in keys)


def _agree(one: dict[str, str], other: dict[str, str]) -> bool:
    return all(_same(one[name], other[name]) for name in one.keys() & other.keys())


def _same(one: str, other: str) -> bool:
    try:
        return one == other or math.isclose(float(one), float(other), rel_tol=NEAR, abs_tol=NEAR)
    except ValueError:
        return False
