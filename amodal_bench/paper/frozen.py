"""A plan that is frozen before its runs: what will be run, on what, and what will count as the published value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amodal_bench.config.build import TARGET, build
from amodal_bench.config.compose import compose
from amodal_bench.core.errors import BenchError, InputError, UsageError, first_line, unbroken, unreadable
from amodal_bench.core.files import read_text, write_whole
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.paper.against import published_of
from amodal_bench.paper.cells import Cell, told
from amodal_bench.paper.gather import protocols_of
from amodal_bench.paper.record import FOLDER
from amodal_bench.paper.table import Line, Shown, Table
from amodal_bench.runner.identity import identify

TOLERANCE = 1.0
"""Points by which a value may lie from the published one and still hold, beside lying within the interval."""

SEAL = "seal"
KEYS = ("table", "tolerance", "made", "protocols", "cells", SEAL)
"""What every plan has."""

REMEDY = "make a new plan before the runs"


def frozen(table: Table, cells: Sequence[Cell], tolerance: float, config_dirs: Sequence[Path]) -> dict[str, Any]:
    """A plan as plain values, sealed with the SHA-256 of its content.

    Weights and datasets are looked at: each cell has the identity of its run, in which their digests are. A cell
    whose weights or dataset are missing says so, and its verdict will be that it was not planned.

    Args:
        table: adapted.
        cells: of the table, with their samples.
        tolerance: in points.
        config_dirs: folders of the user's.
    """
    content = {
        "table": told(table),
        "tolerance": tolerance,
        "made": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S+00:00}",
        "protocols": {name: _told(protocol) for name, protocol in protocols_of(table, config_dirs).items()},
        "cells": [_cell(table, cell, config_dirs) for cell in cells],
        "averages": [_average(table, row, shown) for row in table.rows for shown in table.shown if table.average],
    }
    return {**content, SEAL: sealed(content)}


def sealed(content: Mapping[str, Any]) -> str:
    """Hex SHA-256 over a plan's content."""
    known = {key: value for key, value in content.items() if key != SEAL}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _told(protocol: ScoringProtocol) -> dict[str, str]:
    return {"label": protocol.label, "digest": protocol.digest}


def _average(table: Table, row: Line, shown: Shown) -> dict[str, Any]:
    published = [asdict(each) for each in published_of(table, row, None, shown.name)]
    return {"row": row.name, "number": shown.name, "published": published}


def _cell(table: Table, cell: Cell, config_dirs: Sequence[Path]) -> dict[str, Any]:
    (row,) = [line for line in table.rows if line.name == cell.row]
    (column,) = [line for line in table.columns if line.name == cell.column]
    found: dict[str, Any] = {
        "row": cell.row,
        "column": cell.column,
        "key": cell.key,
        "words": list(cell.words),
        "published": {
            shown.name: [asdict(each) for each in published_of(table, row, column, shown.name)]
            for shown in table.shown
        },
    }
    if cell.sampled is not None:
        found["sample"] = cell.sampled.stem
    try:
        settings = compose([*cell.words], config_dirs)
        dataset, model = build(settings.dataset, "dataset"), build(settings.model, "model")
        identity = identify(dataset, model, str(settings.model[TARGET]), settings.seed)
    except BenchError as error:
        return {**found, "missing": unbroken(error)}
    return {**found, "identity": identity.digest, "facts": identity.facts}


def register(results: Path, plan: Mapping[str, Any]) -> Path:
    """Note a plan in a folder of results, so that every run from now on says that it was made after it."""
    file = _noted(results, plan)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, lambda partial: partial.write_text(json.dumps(plan) + "\n", encoding="utf-8"))
    return file


def _noted(results: Path, plan: Mapping[str, Any]) -> Path:
    return results / FOLDER / "plans" / f"{plan[SEAL][:16]}.json"


def require_registered(results: Path, plan: Mapping[str, Any]) -> None:
    """Raise `UsageError` where a plan is not noted in a folder of results: no run there can have been made by it."""
    if not _noted(results, plan).is_file():
        raise UsageError(
            f"results={results}: this plan is not noted there; give the folder of results that `paper plan` was "
            "called with, as results=FOLDER"
        )


def registered(results: Path) -> list[str]:
    """The plans that are noted in a folder of results, by the first digits of their seals."""
    return sorted(file.stem for file in (results / FOLDER / "plans").glob("*.json"))


def read_plan(file: Path) -> dict[str, Any]:
    """A plan out of its YAML file.

    Raises:
        InputError: it cannot be read, is no plan, or was changed after it was made.
    """
    import yaml  # type: ignore[import-untyped]

    remedy = "make one with `paper plan TABLE`"
    try:
        plan = yaml.safe_load(read_text(file))
    except OSError as error:
        raise unreadable(file, error) from error
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(file, f"is not a plan: it is not valid YAML ({first_line(error)})", remedy) from error
    if not isinstance(plan, dict):
        raise InputError(file, "is not a plan: it has no table, cells and seal", remedy)
    if lacking := [key for key in KEYS if key not in plan]:
        raise InputError(file, f"is not a plan: it has no {lacking[0]}", remedy)
    try:
        fits = sealed(plan) == plan[SEAL]
    except (TypeError, ValueError, RecursionError):  # of values that no plan has, such as a date
        fits = False
    if not fits:
        raise InputError(file, "was changed after it was made: its seal does not fit", REMEDY)
    return plan
