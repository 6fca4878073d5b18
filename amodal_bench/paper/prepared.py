"""A table made ready: its cells with their samples drawn, and kept so that it can be written again anywhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from amodal_bench.config.build import build
from amodal_bench.core.errors import BenchError, InputError, UsageError, unbroken
from amodal_bench.core.files import read_text, write_whole
from amodal_bench.core.window import ascii_only
from amodal_bench.datasets.base import Dataset, records_of
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.paper.cells import Cell, Plan, adapted, cells, refuse_fixed, told
from amodal_bench.paper.estimate import Priced, affordable, estimates, half_width, in_words
from amodal_bench.paper.inputs import composed_of, digests
from amodal_bench.paper.kept import kept_ids
from amodal_bench.paper.record import FOLDER, all_records
from amodal_bench.paper.sample import Order, lists_in, note, noted, ordered, written
from amodal_bench.paper.table import Line, Table, load_table, of_plain_values


def prepare(
    name: str, plan: Plan, budget: float | None, results: Path, lists: Path | None = None, render: bool = False
) -> tuple[Table, list[Cell]]:
    """A table for a plan, and its cells; samples are drawn, which reads the indexes of the datasets.

    Args:
        name: of the table.
        plan: what is asked for.
        budget: seconds for all that is not stored, which decide the size of the samples; None for no limit.
        results: the folder of results.
        lists: where samples are listed; None for the folder of results.
        render: whether samples are those that were drawn before for the same words, so that no dataset is needed.

    Raises:
        UsageError: there is no such table, or it cannot be made so.
        ConfigError: what is asked for cannot be used.
    """
    return ready(adapted(load_table(name, plan.config_dirs), plan), plan, budget, results, lists, render)


def ready(
    table: Table,
    plan: Plan,
    budget: float | None,
    results: Path,
    lists: Path | None = None,
    render: bool = False,
) -> tuple[Table, list[Cell]]:
    """An adapted table and its cells, as `prepare` makes them. Raises `ConfigError` as it does."""
    refuse_fixed(table, plan)
    if budget is None and plan.sample is None:
        return table, cells(table, plan)
    wanted = f"budget={budget:g} {table.name}" if budget is not None else f"sample={plan.sample}"
    folder = lists or lists_in(results)
    known = {column.name: noted(folder, [wanted, *_about(table, column, plan)]) for column in table.columns}
    ids = {name: file for name, file in known.items() if file is not None} if render else {}
    if render and budget is not None and len(ids) < len(table.columns):
        raise UsageError(f"{table.name}: was never made with this budget in {results}; call it without --render")
    missing = [column for column in table.columns if column.name not in ids]
    orders = _orders(table, missing, plan)
    size = plan.sample
    if budget is not None and not render:
        size = _size(table, plan, budget, results, orders)
    for column in missing:
        if column.name in orders and size is not None:
            name, order = orders[column.name]
            taken = order.beyond(size) if budget is None else order.within(size)
            ids[column.name] = written(folder, name, order.taken(taken))
            if lists is None:
                note(folder, [wanted, *_about(table, column, plan)], ids[column.name])
    return table, cells(table, replace(plan, ids=ids))


def _orders(table: Table, columns: Sequence[Line], plan: Plan) -> dict[str, tuple[str, Order]]:
    """The dataset's name and the order of its samples, by column; a dataset that cannot be read has none."""
    found = {}
    for column in columns:
        try:
            settings = composed_of(tuple(_about(table, column, plan)), tuple(plan.config_dirs))
            dataset: Dataset = build(settings.dataset, "dataset")
            protocol: ScoringProtocol = build(settings.protocol, "protocol")
            found[column.name] = dataset.name, ordered(records_of(dataset), protocol)
        except BenchError as error:  # its cells fail, and the others go on
            print(f"no sample of {column.name}: {unbroken(error)}", file=sys.stderr)
    return found


def _about(table: Table, column: Line, plan: Plan) -> list[str]:
    """What decides a column's sample: its dataset, and the first number's protocol as shipped, not one bin alone."""
    first = [word for word in table.shown[0].protocol if word.startswith("protocol=")]
    return [*first, *(word for word in [*table.run, *column.run, *plan.overrides] if word.startswith("dataset"))]


def _size(
    table: Table, plan: Plan, budget: float, results: Path, orders: Mapping[str, tuple[str, Order]]
) -> int | None:
    """How many instances of each dataset fit into the seconds, which is told; None where nothing can be priced."""
    every = list({cell.key: cell for cell in cells(table, plan)}.values())
    inputs, known = digests(every, plan.config_dirs), all_records(results)
    priced = []
    for each in estimates(every, results, plan.config_dirs, inputs=inputs):
        if each.done or each.lacking or each.cell.column not in orders:
            continue
        _, order = orders[each.cell.column]
        kept = order.number_of(kept_ids(each.cell, known, results, inputs))
        priced.append(Priced(each, order.ends, kept))
    if not priced:
        print(f"budget {in_words(budget)}: there is nothing that can be run", file=sys.stderr)
        return None
    size = affordable(priced, budget)
    counts = {name: len(order.taken(order.within(size))) for name, (_, order) in orders.items()}
    parts = ", ".join(f"{count} of {name}" for name, count in counts.items())
    time = in_words(sum(each.seconds(size) for each in priced))
    about = "+/-" if ascii_only(sys.stderr) else "±"
    width = f"intervals of about {about}{half_width(min(counts.values())):.1f} points, were they independent"
    print(f"budget {in_words(budget)}: instances {parts}, {time} for what is not stored; {width}", file=sys.stderr)
    return size


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
