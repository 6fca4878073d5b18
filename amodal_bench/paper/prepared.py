"""A table made ready: its cells with their samples drawn, and kept so that it can be written again anywhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from amodal_bench.config.build import build
from amodal_bench.config.compose import compose
from amodal_bench.core.errors import BenchError, InputError, unbroken
from amodal_bench.core.files import read_text, write_whole
from amodal_bench.core.window import ascii_only
from amodal_bench.datasets.base import Dataset
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.paper.cells import Cell, Plan, adapted, cells, refuse_fixed, told
from amodal_bench.paper.estimate import affordable, estimates, half_width, in_words
from amodal_bench.paper.record import FOLDER
from amodal_bench.paper.sample import sampled, written
from amodal_bench.paper.table import Line, Table, load_table, of_plain_values


def prepare(name: str, plan: Plan, budget: float | None, results: Path) -> tuple[Table, list[Cell]]:
    """A table for a plan, and its cells; samples are drawn, which reads the indexes of the datasets.

    Args:
        name: of the table.
        plan: what is asked for.
        budget: seconds for all cells that are not done, which decide the size of the samples; None for no limit.
        results: the folder of results.

    Raises:
        UsageError: there is no such table, or it cannot be made so.
        ConfigError: what is asked for cannot be used.
    """
    return ready(adapted(load_table(name, plan.config_dirs), plan), plan, budget, results)


def ready(table: Table, plan: Plan, budget: float | None, results: Path) -> tuple[Table, list[Cell]]:
    """An adapted table and its cells, as `prepare` makes them. Raises `ConfigError` as it does."""
    refuse_fixed(table, plan)
    size = plan.sample
    if budget is not None:
        size = affordable(estimates(cells(table, plan), results, plan.config_dirs), budget)
        about = "+/-" if ascii_only(sys.stderr) else "±"
        width = f"intervals of about {about}{half_width(size):.1f} points, were the instances independent"
        print(f"budget {in_words(budget)}: {size} instances of each dataset; {width}", file=sys.stderr)
    if size is not None:
        plan = replace(plan, ids=_samples(table, plan, size, results))
    return table, cells(table, plan)


def _samples(table: Table, plan: Plan, size: int, results: Path) -> dict[str, Path]:
    """The file that lists the sample, by column; a dataset that cannot be read has none, and its cells fail."""
    found = {}
    for column in table.columns:
        try:
            dataset, protocol = _opened(table, column, plan)
            found[column.name] = written(results, dataset.name, sampled(dataset.records(), protocol, size))
        except BenchError as error:
            print(f"no sample of {column.name}: {unbroken(error)}", file=sys.stderr)
    return found


def _opened(table: Table, column: Line, plan: Plan) -> tuple[Dataset, ScoringProtocol]:
    """A column's dataset, and the first number's protocol as it is shipped: a sample is not of one bin alone."""
    first = [word for word in table.shown[0].protocol if word.startswith("protocol=")]
    about = [word for word in [*table.run, *column.run, *plan.overrides] if word.startswith("dataset")]
    settings = compose([*first, *about], plan.config_dirs)
    dataset: Dataset = build(settings.dataset, "dataset")
    protocol: ScoringProtocol = build(settings.protocol, "protocol")
    return dataset, protocol


def remember(results: Path, table: Table, every: Sequence[Cell]) -> None:
    """Keep what a table was made of, so that it can be written again without its datasets."""
    said = [
        {
            "row": cell.row,
            "column": cell.column,
            "words": list(cell.words),
            "sampled": cell.sampled.relative_to(results).as_posix() if cell.sampled else None,
        }
        for cell in every
    ]
    file = results / FOLDER / f"{table.name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"table": told(table), "cells": said}, indent=2) + "\n"
    write_whole(file, lambda partial: partial.write_text(text, encoding="utf-8"))


def recalled(results: Path, name: str) -> tuple[Table, list[Cell]] | None:
    """A table and its cells as they were made last in a folder of results; None where they never were.

    Raises:
        InputError: the file that says so is damaged.
    """
    file = results / FOLDER / f"{name}.json"
    if not file.is_file():
        return None
    try:
        said = json.loads(read_text(file))
        table = of_plain_values(said["table"], file)
        found = [
            Cell(each["row"], each["column"], each["words"], results / each["sampled"] if each["sampled"] else None)
            for each in said["cells"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(file, f"does not describe a table ({error})", "make the table again") from error
    return table, found
