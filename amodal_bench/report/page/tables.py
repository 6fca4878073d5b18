"""The tables of a page: what runs scored, by occlusion, under every protocol they were scored by, and their costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from amodal_bench.core.files import require_regular
from amodal_bench.core.shown import one_line
from amodal_bench.report.compare_text import Section, letters
from amodal_bench.report.numbers import FEW_NOTE, alike, gain, holm_note, names, percent, title
from amodal_bench.report.scored import Scored

TEXT = {"run": str, "ids": str, "protocol_digest": str, "settings": str, "fingerprint": str}
"""Columns of a summary that are texts, also where they look like numbers."""


def numbers(heading: str, rows: pd.DataFrame, by_run: dict[str, str]) -> Iterator[Section]:
    """What runs scored, a table for each group of protocols with the same numbers.

    Args:
        heading: above the tables.
        rows: of summaries.
        by_run: the letter of each run by its digest; runs without one are named by their model.
    """
    for part in alike(rows):
        shown = names(part)
        gains = bool(shown) and f"{shown[0]}_gain" in part and part[f"{shown[0]}_gain"].notna().any()
        head = ["run", "model", "protocol", *map(title, shown), *(["gain over V"] if gains else [])]
        head += ["instances", "errors", "ids"]
        texts = []
        for row in part.to_dict("records"):
            model = f"{row['model']} {_text(row.get('settings'))}".strip()
            protocol = f"{row['protocol']} ({_text(row.get('protocol_digest'))})"
            cells = [by_run.get(str(row["run"]), ""), model, protocol, *(percent(row, name) for name in shown)]
            cells += [gain(row, shown[0])] if gains else []
            texts.append([*cells, *(_text(row.get(name)) for name in ("instances", "errors", "ids"))])
        yield Section(heading, head, texts, [*map(title, shown), "gain over V", "instances", "errors"])


def by_occlusion(scored: Sequence[Scored]) -> Section:
    """The runs' numbers in bins of the occlusion rate, side by side."""
    tables = [one.by_occlusion() for one in scored]
    shown = list(dict.fromkeys(name for table in tables for name in names(table)))
    rows = [
        [letter, _text(row["occlusion_rate"]), _text(row["instances"]), *(percent(row, name) for name in shown)]
        for letter, table in zip(letters(len(scored)), tables, strict=True)
        for row in table.to_dict("records")
    ]
    head = ["run", "occlusion rate", "instances", *map(title, shown)]
    return Section("By occlusion rate, %", head, rows, head[2:])


def scores_beside(scored: Sequence[Scored]) -> pd.DataFrame:
    """The rows of all summaries that lie in the runs' folders, of these runs alone; each score once.

    A summary that cannot be read is left out: `results table` says so.
    """
    found = []
    for one in scored:
        for file in sorted(one.folder.glob("scores/*/summary.csv")):
            table = _summary(file)
            if table is not None:
                found.append(table[table["run"] == one.digest])
    if not found:
        return pd.DataFrame(columns=["run", "model", "protocol", "ids"])
    rows = pd.concat(found, ignore_index=True)
    keys = [key for key in ("run", "protocol", "protocol_digest", "ids", "draws") if key in rows]
    return rows.drop_duplicates(keys).sort_values(keys, kind="stable", ignore_index=True)


def timing(scored: Sequence[Scored]) -> Section:
    """Seconds per prediction and the memory of each stage."""
    rows = []
    for letter, one in zip(letters(len(scored)), scored, strict=True):
        for row in one.timing().to_dict("records"):
            costs = [_number(row[name]) for name in ("seconds_per_instance", "batch", "peak_gb")]
            rows.append([letter, str(row["stage"]), str(row["instances"]), *costs])
    head = ["run", "stage", "instances", "seconds per instance", "batch", "peak GB"]
    return Section("Time", head, rows, head[2:])


def notes(*tables: pd.DataFrame) -> list[str]:
    """What a reader has to know of tables of summaries."""
    found: list[str] = []
    for table in tables:
        if "clusters" in table and (table["clusters"] < 20).any():
            found.append(FEW_NOTE)
        if "protocol" in table and len(table) and (said := holm_note(table)):
            found.append(said)
    return list(dict.fromkeys(found))


def plain(section: Section) -> dict[str, Any]:
    """A table as the page's script reads it."""
    right = set(section.numbers)
    return {
        "title": one_line(f"{section.title[:1].upper()}{section.title[1:]}"),
        "head": list(map(one_line, section.head)),
        "right": [name in right for name in section.head],
        "rows": [list(map(one_line, row)) for row in section.rows],
    }


def _summary(file: Path) -> pd.DataFrame | None:
    try:
        require_regular(file)
        table = pd.read_csv(file, dtype=TEXT)
    except (OSError, ValueError):
        return None
    return table if {"model", "protocol", "run", "instances", "errors"} <= set(table) else None


def _text(value: Any) -> str:
    return "-" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def _number(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:.3g}"
