"""Numbers of a summary's rows, whatever a protocol computes: which there are, their titles and their texts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from amodal_bench.metrics.statistics import FEW_CLUSTERS

TITLES = {"miou": "mIoU", "ap": "AP", "iou": "IoU", "pacc": "pAcc", "post": "after union"}
WITH_INTERVALS = 2
"""So many numbers of a protocol stand in a table with their intervals; the CSV has those of all."""

FEW = "*"
FEW_NOTE = f"{FEW} fewer than {FEW_CLUSTERS} images or videos: the interval is too narrow"


def names(rows: pd.DataFrame) -> list[str]:
    """The numbers that any of the rows has, in the order of their columns."""
    found = [str(c) for c in rows.columns if f"{c}_low" in rows.columns and not str(c).endswith("_gain")]
    return [name for name in found if rows[name].notna().any()]


def title(name: str) -> str:
    """The title of a number: `occluded_miou` is "occluded mIoU"."""
    return " ".join(TITLES.get(word, word) for word in name.split("_"))


def percent(row: Mapping[Any, Any], name: str, interval: bool = True) -> str:
    """A number in percent with its interval, such as `81.2 [79.9, 82.5]`; "-" where there is none."""
    value, low, high = (100 * float(row.get(f"{name}{end}", math.nan)) for end in ("", "_low", "_high"))
    if math.isnan(value):
        return "-"
    if math.isnan(low) or not interval:
        return f"{value:.1f}"
    few = FEW if row.get("clusters", FEW_CLUSTERS) < FEW_CLUSTERS else ""
    return f"{value:.1f} [{low:.1f}, {high:.1f}]{few}"


def gain(row: Mapping[Any, Any], name: str) -> str:
    """A paired gain in points with its interval, such as `+5.5 [4.9, 6.1]`; in words where the interval holds 0."""
    value, low, high = (100 * float(row.get(f"{name}_gain{end}", math.nan)) for end in ("", "_low", "_high"))
    if math.isnan(value):
        return ""
    text = f"{value:+.1f}"
    if math.isnan(low):
        return text
    return f"{text} [{low:.1f}, {high:.1f}]" + (" not decisive" if low <= 0 <= high else "")


def alike(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows in tables: rows of protocols with the same numbers stand together, in their order."""
    tables: dict[tuple[str, ...], list[pd.DataFrame]] = {}
    for protocol in rows["protocol"].unique():
        part = rows[rows["protocol"] == protocol]
        tables.setdefault(tuple(names(part)), []).append(part)
    for parts in tables.values():
        yield pd.concat(parts, ignore_index=True)
