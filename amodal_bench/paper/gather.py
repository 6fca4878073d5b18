"""What a table's cells hold, from the stores of their runs alone: no model, no dataset, no GPU."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from amodal_bench.api.runs import Run, open_run
from amodal_bench.api.score import scored_run
from amodal_bench.config.build import build, suggest
from amodal_bench.config.compose import compose
from amodal_bench.core.errors import BenchError, UsageError, unbroken
from amodal_bench.core.ids import among
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.metrics.statistics import FEW_CLUSTERS, mean_interval
from amodal_bench.paper.best import best_of
from amodal_bench.paper.cells import Cell
from amodal_bench.paper.record import Record, read
from amodal_bench.paper.sample import listed_in
from amodal_bench.paper.table import COSTS, RATIOS, Line, Shown, Table
from amodal_bench.report.scored import RANDOM_WEIGHTS, Scored, has_random_weights
from amodal_bench.report.summary import summarise
from amodal_bench.report.timing import seconds_of
from amodal_bench.runner.store import COUNTS

NOT_RUN = "not run"
"""Why a cell that nobody has tried holds nothing."""

MOST = 10
"""Categories that have a column."""


@dataclass(frozen=True)
class Value:
    """What stands in a cell.

    Attributes:
        row, column, number: where it stands; `number` is the heading of what is shown.
        value, low, high: a share in [0, 1] with its 95 % interval, or a cost; NaN where there is none.
        instances, clusters: how many it is about, and in how many images or videos; of an average in the fewest.
        errors: of how many of them the prediction failed.
        missing: why there is no value; "" where there is one.
        sampled: whether it is of a sample of the instances.
        random: whether random weights made it.
        best: whether no row of its column is better, as far as paired tests tell.
        cost: whether it is seconds, gigabytes or a ratio of them.
        protocol, digest: its label and the digest of its content; "" of a cost.
        ids: number and digest of the instances.
        run: digest of the run.
        counts: digest of the ids and what was counted of each; rows that have one in common score alike throughout.
    """

    row: str
    column: str
    number: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    instances: int = 0
    clusters: int = 0
    errors: int = 0
    missing: str = ""
    sampled: bool = False
    random: bool = False
    best: bool = False
    cost: bool = False
    protocol: str = ""
    digest: str = ""
    ids: str = ""
    run: str = ""
    counts: str = ""

    @property
    def scale(self) -> int:
        """What its numbers are multiplied by to be as they are printed: shares become points."""
        return 1 if self.cost else 100

    @property
    def few(self) -> bool:
        """Whether so few images or videos are behind it that its interval is too narrow, or there is none."""
        return not (self.cost or self.missing) and self.clusters < FEW_CLUSTERS


def gather(table: Table, cells: Sequence[Cell], results: Path, config_dirs: Sequence[Path] = ()) -> list[Value]:
    """The values of all cells, row by row, those of the average last in each row.

    Raises:
        UsageError: a protocol of the table cannot be composed.
    """
    if table.by:
        table = replace(table, shown=_by_category(table, cells, results))
    protocols = protocols_of(table, config_dirs)
    values: dict[tuple[str, str, str], Value] = {}
    for column in table.columns:
        own = [cell for cell in cells if cell.column == column.name]
        runs = {cell.row: _opened(cell, results) for cell in own}
        listed: set[str] | None = None
        for file in {cell.sampled for cell in own if cell.sampled is not None}:  # one for the whole column
            try:
                listed = set(listed_in(file))
            except BenchError as error:
                runs = dict.fromkeys(runs, f"not here: {unbroken(error)}")
        for shown in table.shown:
            if shown.number in RATIOS:
                found = [_ratio(row.name, column, shown, runs) for row in table.rows]
            elif shown.number in COSTS:
                found = [_cost(row.name, column, shown, runs[row.name]) for row in table.rows]
            else:
                found = _numbers(table.rows, column, shown, runs, protocols[shown.name], listed)
            values |= {(value.row, value.column, value.number): value for value in found}
    every = []
    for row in table.rows:
        here = [values[row.name, column.name, shown.name] for column in table.columns for shown in table.shown]
        every += here + ([_average(table, row, shown, here) for shown in table.shown] if table.average else [])
    return every


def nothing_run(values: Sequence[Value]) -> bool:
    """Whether no cell has been run with these words, so that nothing is written and nothing is replaced."""
    return all(value.missing == NOT_RUN or value.missing.startswith("lacks ") for value in values)


def _by_category(table: Table, cells: Sequence[Cell], results: Path) -> list[Shown]:
    """The table's first number for each of the largest categories that its runs have."""
    runs = [run for run in (_opened(cell, results) for cell in cells) if isinstance(run, Run)]
    counts = pd.concat([run.records()["category"] for run in runs]).value_counts() if runs else pd.Series(dtype=int)
    largest = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:MOST]
    return [replace(table.shown[0], name=str(name), category=str(name)) for name, _ in largest] or [*table.shown]


def protocols_of(table: Table, config_dirs: Sequence[Path]) -> dict[str, ScoringProtocol]:
    """The protocol of each number of a table that is no cost, by its heading. Raises as `protocol_of` does."""
    return {each.name: protocol_of(each, config_dirs) for each in table.shown if each.number not in COSTS}


def protocol_of(shown: Shown, config_dirs: Sequence[Path]) -> ScoringProtocol:
    """The protocol of a number. Raises `UsageError` where it cannot be composed, or has no such number."""
    protocol = _protocol(tuple(shown.protocol), tuple(config_dirs))
    if shown.number not in protocol.numbers:
        hint = suggest(shown.number, [*protocol.numbers, *COSTS])
        raise UsageError(f"{shown.name}: {protocol.label} has no number {shown.number}; {hint}")
    return protocol


@cache
def _protocol(words: tuple[str, ...], config_dirs: tuple[Path, ...]) -> ScoringProtocol:
    """Kept, since Hydra takes longer to compose one than a table's numbers take."""
    protocol: ScoringProtocol = build(compose(words, config_dirs).protocol, "protocol")
    return protocol


def _opened(cell: Cell, results: Path) -> Run | str:
    """A cell's run, or why there is none."""
    record: Record | None = read(results, cell.key)
    if record is None:
        return NOT_RUN
    if record.failed:
        return f"failed: {record.failed}"
    try:
        return open_run(results / record.run)
    except BenchError as error:
        return f"not here: {unbroken(error)}"


def _numbers(
    rows: Sequence[Line],
    column: Line,
    shown: Shown,
    runs: Mapping[str, Run | str],
    protocol: ScoringProtocol,
    wanted: set[str] | None,
) -> list[Value]:
    """One number of one column, all rows on the same resamples."""
    scored: dict[str, Scored] = {}
    part: set[str] = set()
    missing: dict[str, str] = {}
    for row in rows:
        run = runs[row.name]
        if isinstance(run, str):
            missing[row.name] = run
            continue
        try:
            found, lacking = scored_run(run, protocol, within=wanted)  # a run may have more: another table's sample
            if shown.category:
                found = replace(found, records=found.records[found.records["category"] == shown.category])
            scored[row.name] = found
            part |= {row.name} if lacking or wanted is not None else set()
        except BenchError as error:
            missing[row.name] = f"not scored: {unbroken(error).removeprefix(f'{run.folder}: ')}"
    summary = summarise(list(scored.values())) if scored else pd.DataFrame()
    told = dict(zip(scored, summary.to_dict("records"), strict=True))
    best = best_of({name: one for name, one in scored.items() if not _random(one)}, protocol, shown.number)
    return [
        _value(row.name, column.name, shown, told[row.name], scored[row.name], row.name in best, row.name in part)
        if row.name in scored
        else Value(row.name, column.name, shown.name, missing=missing[row.name])
        for row in rows
    ]


def _value(
    row: str, column: str, shown: Shown, told: Mapping[Any, Any], scored: Scored, best: bool, sampled: bool
) -> Value:
    value, low, high = (float(told.get(f"{shown.number}{end}", math.nan)) for end in ("", "_low", "_high"))
    missing = "" if not math.isnan(value) else f"{told['protocol']} has no {shown.number} here"
    return Value(
        row,
        column,
        shown.name,
        value,
        low,
        high,
        int(told["instances"]),
        int(told["clusters"]),
        int(told["errors"]),
        missing,
        sampled,
        random=_random(scored),
        best=best,
        protocol=str(told["protocol"]),
        digest=str(told["protocol_digest"]),
        ids=str(told["ids"]),
        run=scored.digest,
        counts=_counts(scored),
    )


def _counts(scored: Scored) -> str:
    """A digest of what was counted of the first draws; rows of instances that failed count as such."""
    rows = scored.rows[among(scored.rows["id"], set(scored.records["id"]))].sort_values("id")
    return hashlib.sha256(rows[["id", *COUNTS]].to_csv(index=False).encode()).hexdigest()[:12]


def _random(scored: Scored) -> bool:
    return has_random_weights(scored.facts) or RANDOM_WEIGHTS in scored.settings


def _cost(row: str, column: Line, shown: Shown, run: Run | str) -> Value:
    """Seconds of an instance, reading included, or gigabytes of GPU memory at the most."""
    if isinstance(run, str):
        return Value(row, column.name, shown.name, missing=run, cost=True)
    timing = run.timing()
    value = seconds_of(timing) if shown.number == "seconds" else float(timing[COSTS[shown.number]].max())
    missing = "" if not math.isnan(value) and value else "not measured"
    random = has_random_weights(run.facts)
    return Value(row, column.name, shown.name, value, missing=missing, random=random, cost=True, run=run.digest)


def _ratio(row: str, column: Line, shown: Shown, runs: Mapping[str, Run | str]) -> Value:
    """How many times a cost of the row that is compared with is this one's."""
    cost = replace(shown, number=RATIOS[shown.number])
    own, theirs = (_cost(name, column, cost, runs[name]) for name in (row, shown.to))
    if own.missing or theirs.missing:
        return replace(own, value=math.nan, missing=own.missing or f"lacks {shown.to}")
    if theirs.random and not own.random:
        return replace(own, value=math.nan, missing=f"{shown.to} has random weights here")
    return replace(own, value=theirs.value / own.value)


def _average(table: Table, row: Line, shown: Shown, values: Sequence[Value]) -> Value:
    """The mean over all columns, as the paper forms it; only where every column has its value.

    Its interval takes the datasets as independent of each other.
    """
    own = [value for value in values if value.number == shown.name]
    lacking = [value.column for value in own if value.missing]
    if lacking:
        return Value(row.name, table.average, shown.name, missing=f"lacks {', '.join(lacking)}")
    mean = sum(value.value for value in own) / len(own)
    low, high = mean_interval([(value.value, value.low, value.high) for value in own])
    sampled, random = any(value.sampled for value in own), any(value.random for value in own)
    instances, errors = sum(value.instances for value in own), sum(value.errors for value in own)
    clusters = min(value.clusters for value in own)
    return Value(
        row.name,
        table.average,
        shown.name,
        mean,
        low,
        high,
        instances,
        clusters,
        errors,
        sampled=sampled,
        random=random,
    )
