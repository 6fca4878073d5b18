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

ALPHA = 0.05
NOT_DECISIVE = " not decisive"
AMONG_MANY = " not decisive among many"
HOLM_NOTE = f"{AMONG_MANY.strip()}: alone it would be, at 5 %, but not after Holm's correction for all gains here"

FEW = "*"
FEW_NOTE = f"{FEW} fewer than {FEW_CLUSTERS} images or videos: the interval is too narrow"


def names(rows: pd.DataFrame) -> list[str]:
    """The numbers that any of the rows has, in the order of their columns."""
    found = [str(c) for c in rows.columns if f"{c}_low" in rows.columns and not str(c).endswith("_gain")]
    return [name for name in found if rows[name].notna().any()]


def deciding(rows: pd.DataFrame) -> str | None:
    """The number that the rows of one protocol are ordered by: the last of its first two; None where it has none."""
    return numbers[-1] if (numbers := names(rows)[:2]) else None


def order_note(rows: pd.DataFrame) -> str:
    """The line on what the rows of each protocol are ordered by, such as `the best first: instance@2 by mIoU`."""
    keys: dict[str, list[str]] = {}
    for protocol, part in rows.groupby("protocol", sort=False):
        if len(part) > 1 and (name := deciding(part)):
            keys.setdefault(title(name), []).append(str(protocol))
    told = [f"by {key}" if len(keys) == 1 else f"{', '.join(of)} by {key}" for key, of in keys.items()]
    return f"the best first: {'; '.join(told)}" if told else ""


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
    return f"{value:.1f} [{low:.1f}, {high:.1f}]{_few(row)}"


def gain(row: Mapping[Any, Any], name: str, interval: bool = True) -> str:
    """A paired gain in points with its interval, such as `+5.5 [4.9, 6.1]`, and in words where it is not decisive.

    It is not where the interval holds 0, nor where Holm's correction for the other gains of the table says so.
    """
    value, low, high = (100 * float(row.get(f"{name}_gain{end}", math.nan)) for end in ("", "_low", "_high"))
    if math.isnan(value):
        return ""
    text = f"{value:+.1f}"
    if math.isnan(low):
        return text
    text += f" [{low:.1f}, {high:.1f}]{_few(row)}" if interval else ""
    if low <= 0 <= high:
        return text + NOT_DECISIVE
    return text + (AMONG_MANY if float(row.get(f"{name}_gain_holm", 0.0)) >= ALPHA else "")


def _few(row: Mapping[Any, Any]) -> str:
    """The mark behind an interval of so few images or videos that it is too narrow."""
    return FEW if row.get("clusters", FEW_CLUSTERS) < FEW_CLUSTERS else ""


def troubles(row: Mapping[Any, Any]) -> str:
    """The errors of a row, such as `3`; beside them what was never read and is in no number: `3 (12 not read)`."""
    unread = row.get("unreadable", 0)
    return f"{row['errors']}" + (f" ({int(unread)} not read)" if unread > 0 else "")


def holm_note(rows: pd.DataFrame) -> str:
    """What is meant by "not decisive among many", where a row says so; else ""."""
    said = any(gain(row, name).endswith(AMONG_MANY) for name in names(rows) for row in rows.to_dict("records"))
    return HOLM_NOTE if said else ""


def spread_lines(spread: pd.DataFrame) -> list[str]:
    """What to print of `marks.spread`: a line for each model, such as `tiny: mIoU 85.1 ± 0.3 (84.8 to 85.4)`."""
    lines = []
    for row in spread.to_dict("records"):
        shown = [str(column).removesuffix("_sd") for column in row if str(column).endswith("_sd")]
        texts = [
            f"{title(name)} {100 * row[name]:.1f} ± {100 * row[f'{name}_sd']:.1f} "
            f"({100 * row[f'{name}_min']:.1f} to {100 * row[f'{name}_max']:.1f})"
            for name in [name for name in shown if not math.isnan(row[name])][:WITH_INTERVALS]
        ]
        who = f"{row.get('dataset', '')} {row['model']} {row['settings']}".strip()
        lines.append(f"{who}, {row['protocol']}, {row['seeds']} seeds: {', '.join(texts)}")
    return lines


def alike(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows in tables: rows of protocols with the same numbers stand together, in their order."""
    tables: dict[tuple[str, ...], list[pd.DataFrame]] = {}
    for protocol in rows["protocol"].unique():
        part = rows[rows["protocol"] == protocol]
        tables.setdefault(tuple(names(part)), []).append(part)
    for parts in tables.values():
        yield pd.concat(parts, ignore_index=True)
