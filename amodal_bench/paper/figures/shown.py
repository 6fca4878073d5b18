"""The instances of a figure with the predictions of its cells, from stores and the datasets' pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from amodal_bench.api.runs import Run, open_run
from amodal_bench.config.build import build
from amodal_bench.config.compose import compose
from amodal_bench.core.errors import BenchError, UsageError, unbroken
from amodal_bench.core.ids import among, read_ids
from amodal_bench.datasets.base import Dataset, records_of
from amodal_bench.paper.cells import Cell, Plan, cells
from amodal_bench.paper.figures.chosen import Example, Predicted, choose, known_ids
from amodal_bench.paper.figures.declared import Declared
from amodal_bench.paper.record import read
from amodal_bench.paper.sample import written
from amodal_bench.paper.table import Table
from amodal_bench.report.scored import has_random_weights


def dataset_of(cell: Cell, config_dirs: Sequence[Path]) -> Dataset:
    """The dataset of a cell. Raises `BenchError` where it cannot be opened."""
    about = [word for word in cell.words if word.startswith("dataset")]
    dataset: Dataset = build(compose(about, config_dirs).dataset, "dataset")
    return dataset


def of_columns(
    figure: Declared, table: Table, every: Sequence[Cell], asked: Sequence[str], config_dirs: Sequence[Path]
) -> tuple[list[tuple[str, Dataset, list[str]]], list[str]]:
    """Name, dataset and ids to show of each column that can be opened, and a line for each that cannot."""
    found: list[tuple[str, Dataset, list[str]]] = []
    lines = []
    count = math.ceil(figure.count / len(table.columns))
    for column in table.columns:
        own = [cell for cell in every if cell.column == column.name]
        try:
            dataset = dataset_of(own[0], config_dirs)
            records = records_of(dataset)
            ids = known_ids(records, asked) if asked else choose(_listed(records, own[0]), count, figure.occlusion)
        except BenchError as error:
            lines.append(f"{figure.name}: no pictures of {column.name}: {unbroken(error)}")
            continue
        if ids:
            found.append((column.name, dataset, ids))
        elif not asked:
            rates = " to ".join(f"{100 * rate:.0f}" for rate in figure.occlusion)
            lines.append(f"{figure.name}: {column.name} has no instance with an occlusion rate of {rates} % here")
    return found, lines


def _listed(records: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    """The records of a cell's sample, or all."""
    if cell.sampled is None:
        return records
    return records[among(records["id"], read_ids(cell.sampled))]


def examples_of(
    columns: Sequence[tuple[str, Dataset, list[str]]], every: Sequence[Cell], results: Path
) -> tuple[list[Example], list[str]]:
    """The instances with every row's prediction, by occlusion rate in each column; a line for each without pixels."""
    found, lines = [], []
    for name, dataset, ids in columns:
        runs = {cell.row: _opened(cell, results) for cell in every if cell.column == name}
        own = []
        for id in ids:
            try:
                sample = dataset.sample(id)
            except BenchError as error:
                lines.append(f"no picture of {name} {id}: {unbroken(error)}")
                continue
            own.append(Example(name, sample, [_predicted(row, run, id) for row, run in runs.items()]))
        found += sorted(own, key=lambda each: each.rate)
    return found, lines


def _opened(cell: Cell, results: Path) -> Run | str:
    record = read(results, cell.key)
    if record is None or record.failed:
        return "not run" if record is None else "failed"
    try:
        return open_run(results / record.run)
    except BenchError:
        return "not here"


def _predicted(row: str, run: Run | str, id: str) -> Predicted:
    if isinstance(run, str):
        return Predicted(row, None, run)
    random = has_random_weights(run.facts)
    try:
        return Predicted(row, run.prediction(id), random=random)
    except UsageError:
        failed: Mapping[str, str] = dict(run.errors().itertuples(index=False, name=None))
        return Predicted(row, None, "failed" if id in failed else "not run", random)


def lists_of(table: Table, plan: Plan, ids: Sequence[str], folder: Path) -> dict[str, Path]:
    """The file in a folder with the ids that a column's dataset has, by column; none where there are none to be had.

    Raises:
        UsageError: an id is in no dataset that can be opened, or none can be.
    """
    found: dict[str, Path] = {}
    unknown, opened, errors = set(ids), [], []
    every = cells(table, plan)
    for column in table.columns:
        own = next(each for each in every if each.column == column.name)
        try:
            dataset = dataset_of(own, plan.config_dirs)
            known = known_ids(records_of(dataset), ids)
        except BenchError as error:
            errors.append(f"{column.name}: {unbroken(error)}")
            continue
        opened.append(column.name)
        unknown -= set(known)
        if known:
            found[column.name] = written(folder, dataset.name, known)
    if not opened:
        raise UsageError(f"ids: no dataset can be opened; {errors[0]}")
    if unknown:
        raise UsageError(f"ids: {min(unknown)}: is in none of {', '.join(opened)}")
    return found
