"""Lines below charts and bars: which intervals are too narrow, and which values are not there and why."""

from __future__ import annotations

from collections.abc import Sequence

from amodal_bench.metrics.statistics import FEW_CLUSTERS
from amodal_bench.paper.gather import NOT_RUN, Value

FAILED = "failed"


def few_note(values: Sequence[Value]) -> list[str]:
    """The line on columns with so few images or videos that their intervals are too narrow; none where none has.

    Args:
        values: those that are drawn.
    """
    few = list(dict.fromkeys(value.column for value in values if value.few))
    what = f"Fewer than {FEW_CLUSTERS} images or videos, so that intervals are too narrow or there is none"
    return [f"{what}: {', '.join(few)}."] if few else []


def missing_notes(values: Sequence[Value]) -> list[str]:
    """A line for each reason why values are missing.

    Such as `Failed: SAM; SDXL (KINS, COCO-A).`: of SAM all are missing. Where there is one column, its numbers are
    named instead. A mean that lacks a value is not told of: that value is.

    Args:
        values: of every cell, without rows of random weights.
    """
    told = [value for value in values if not value.missing.startswith("lacks ")]
    one = len({value.column for value in told}) == 1
    rows: dict[tuple[str, str], list[str]] = {}
    for value in told:
        if value.missing:
            where = value.number if one else value.column
            rows.setdefault((_kind(value.missing), value.row), []).append(where)
    found: dict[str, list[str]] = {}
    for (kind, row), columns in rows.items():
        whole = len(columns) == sum(value.row == row for value in told)
        found.setdefault(kind, []).append(row if whole else f"{row} ({', '.join(dict.fromkeys(columns))})")
    return [f"{kind}: {'; '.join(names)}." for kind, names in found.items()]


def _kind(missing: str) -> str:
    if missing.startswith(FAILED):
        return "Failed"
    return "Not run" if missing == NOT_RUN else "Without a value"
