"""Which gains of a table are decisive, given how many are looked at, and how far seeds lie apart."""

from __future__ import annotations

import pandas as pd

from amodal_bench.core.plain import without_seed
from amodal_bench.metrics.statistics import holm
from amodal_bench.report.numbers import names

TABLE = ["dataset", "protocol", "protocol_digest", "ids", "fingerprint"]
"""Rows that agree in these, where they have them, stand in one table and are compared with each other."""


def with_corrected(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with Holm's correction of the p-values of their gains, table by table, in columns `NAME_gain_holm`.

    Args:
        rows: of summaries; the columns `NAME_gain_p` are p-values of single gains.

    Returns:
        A copy; a row without a gain has NaN there. The same rows in any order get the same values.
    """
    rows = rows.reset_index(drop=True)
    columns = [str(column) for column in rows.columns if str(column).endswith("_gain_p")]
    keys = [key for key in TABLE if key in rows]
    groups = [part for _, part in rows.groupby(keys, sort=False, dropna=False)] if keys else [rows]
    for column in columns:
        adjusted = {
            place: value
            for part in groups
            for place, value in holm({str(place): float(p) for place, p in part[column].items()}).items()
        }
        target = column.removesuffix("p") + "holm"
        rows[target] = pd.Series({int(place): value for place, value in adjusted.items()}, dtype=float)
    return rows


def spread(rows: pd.DataFrame) -> pd.DataFrame:
    """How far the seeds of one model lie apart: a row for each model that was run under two seeds or more.

    A model that draws nothing, so that its seeds agree in all numbers, has none.

    Args:
        rows: of summaries, with a column `seed`.

    Returns:
        dataset, model, settings (without the seed), protocol, `seeds` (how many), and for each number NAME its mean
        over seeds, `NAME_sd` (the sample's standard deviation), `NAME_min` and `NAME_max`, all in [0, 1].
    """
    if "seed" not in rows:
        return pd.DataFrame()
    keys = [key for key in ["dataset", "model", "settings", "but_for_seed", "draws", *TABLE[1:]] if key in rows]
    rows = rows.assign(settings=[without_seed(str(text)) for text in rows["settings"]])
    found = []
    for values, part in rows.groupby(keys, sort=False, dropna=False):
        if part["seed"].nunique() < 2:
            continue
        part = part.drop_duplicates("seed")
        if len(part[names(part)].drop_duplicates()) == 1:
            continue
        row = dict(zip(keys, values, strict=True)) | {"seeds": len(part)}
        for name in names(part):
            numbers = part[name]
            row |= {name: numbers.mean(), f"{name}_sd": numbers.std(ddof=1)}
            row |= {f"{name}_min": numbers.min(), f"{name}_max": numbers.max()}
        found.append(row)
    return pd.DataFrame(found)
