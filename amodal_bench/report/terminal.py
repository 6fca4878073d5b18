"""The table on the terminal."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from amodal_bench.core.shown import one_line, shown
from amodal_bench.metrics.statistics import FEW_CLUSTERS
from amodal_bench.report.marks import spread
from amodal_bench.report.numbers import (
    FEW_NOTE,
    WITH_INTERVALS,
    alike,
    gain,
    holm_note,
    names,
    percent,
    spread_lines,
    troubles,
)
from amodal_bench.report.numbers import title as title_of
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.scored import RANDOM_WEIGHTS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

KEYS = ["model", "run", "ids", "protocol", "draws"]
"""What makes two rows the same result; a run's digest does not tell the names of models apart."""

SPREAD = "mean ± standard deviation over seeds (lowest to highest), %"
WIDEST, ABREAST = 6, 4
"""A protocol with more numbers than the first has a line for each of them, and as many rows beside each other."""

MEANINGLESS = "Random weights: these numbers show that the models run, and mean nothing"


def show(outcome: Outcome, written: list[Path]) -> None:
    """Print both numbers of every model under every protocol, what was left out, and where everything lies."""
    console = _console()
    _print_rows(console, f"{outcome.dataset}, % with 95 % intervals", outcome.table())
    if outcome.excluded:
        left_out = ", ".join(f"{count} for {reason}" for reason, count in outcome.excluded.items())
        console.print(shown(f"left out: {left_out}"))
    console.print(f"instances {outcome.ids}")
    if reused := ", ".join(f"{scored.name} {scored.reused}" for scored in outcome.scored if scored.reused):
        console.print(shown(f"reused: {reused}"))
    for scored in outcome.scored:
        errors = scored.errors()
        for record in errors.head(5).itertuples():
            draw = f", draw {record.draw}" if scored.draws > 1 else ""
            console.print(one_line(f"error, {scored.name}, {record.id}{draw}: {record.error}"))
        if len(errors) > 5:
            more = f"... and {len(errors) - 5} more in {scored.score_folder / 'errors.csv'}"
            console.print(shown(more))
    if costs := _costs(outcome):
        console.print(shown(costs))
    console.print("wrote")
    for path in written:
        console.print(shown(f"  {path}"))


@dataclass(frozen=True)
class Cell:
    """What one cell of a sweep has found.

    Attributes:
        overrides: the command line's, as this cell has them.
        rows: of the outcome's table, those under the cell's protocol; the cell's own model is last.
    """

    overrides: Sequence[str]
    rows: pd.DataFrame

    @classmethod
    def of(cls, outcome: Outcome, overrides: Sequence[str]) -> Cell:
        """Keep what the first protocol says of an outcome, with the overrides that made it."""
        table = outcome.table()
        return cls(overrides, table[table["protocol"] == outcome.main.protocols[0].label])


def show_cells(cells: Sequence[Cell]) -> None:
    """Print the models of a sweep's cells beside each other, each run once; those with random weights stand apart."""
    rows = joined(cells)
    for dataset in rows["dataset"].unique():
        _print_rows(_console(), f"{dataset}, all cells", rows[rows["dataset"] == dataset])
    if lines := spread_lines(spread(rows)):
        _console().print(SPREAD, *map(shown, lines), sep="\n")


def show_rows(title: str, rows: pd.DataFrame) -> None:
    """Print rows of a summary as a run prints its own."""
    _print_rows(_console(), title, rows)


def joined(cells: Sequence[Cell]) -> pd.DataFrame:
    """The baselines, each once, then the cells' own models with the overrides that set them apart."""
    shared = set.intersection(*(set(cell.overrides) for cell in cells))
    own = pd.concat([cell.rows.tail(1) for cell in cells], ignore_index=True)
    for index, cell in enumerate(cells):
        said = str(own.loc[index, "settings"]).split()
        if not any(o.startswith("model.name=") for o in cell.overrides):
            said += [o for o in cell.overrides if o.startswith("model=")]  # the row's name says it
        words = [o for o in cell.overrides if o not in shared and o not in said]
        own.loc[index, "settings"] = " ".join([*words, str(own.loc[index, "settings"])]).strip()
    others = pd.concat([cell.rows.iloc[:-1] for cell in cells])
    # A seed is another run of the same numbers.
    others = others.drop_duplicates(others.columns.drop(["run", "settings", "seed"]))
    known = pd.MultiIndex.from_frame(others[KEYS]).isin(pd.MultiIndex.from_frame(own[KEYS]))
    return pd.concat([others[~known], own]).sort_values("protocol", kind="stable", ignore_index=True)


def _console() -> Console:
    from rich.console import Console

    # Rich takes 80 columns where there is no terminal, and would cut the numbers in a log file.
    return Console(
        highlight=False, markup=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160
    )


def _print_rows(console: Console, title: str, rows: pd.DataFrame) -> None:
    """Print a summary's rows, those with random weights in a table of their own."""
    random, title = is_random(rows), one_line(title)
    if random.all():
        console.print(title)  # which dataset it is
    for heading, part in ((title, rows[~random]), (MEANINGLESS, rows[random])):
        for table in alike(part) if len(part) else ():
            for grid in _tall(heading, table) if len(names(table)) > WIDEST else [_grid(heading, table)]:
                console.print(grid)
                heading = ""
    if (rows["clusters"] < FEW_CLUSTERS).any():
        console.print(FEW_NOTE)
    if note := holm_note(rows):
        console.print(note)


def _tall(title: str, summary: pd.DataFrame) -> Iterator[Table]:
    """Tables with a line for each number and a column for each row of the summary, `ABREAST` in each."""
    from rich import box
    from rich.table import Table

    numbers = names(summary)
    for start in range(0, len(summary), ABREAST):
        rows = summary.iloc[start : start + ABREAST].to_dict("records")
        table = Table(box=box.SIMPLE_HEAD, title=title if start == 0 and title else None, title_justify="left")
        table.add_column("", no_wrap=True)
        for row in rows:
            table.add_column(_model(row), justify="right", overflow="fold", min_width=18, max_width=32)
        for name in numbers:
            table.add_row(title_of(name), *(percent(row, name) for row in rows))
        if any(gains := [gain(row, numbers[0]) for row in rows]):
            table.add_row("gain over V", *gains)
        table.add_section()
        for name in ("draws", "instances", "errors", "protocol"):
            table.add_row(name, *(one_line(troubles(row) if name == "errors" else row[name]) for row in rows))
        yield table


def _model(row: Mapping[Any, Any]) -> str:
    return one_line(f"{row['model']} {row['settings']}")


def _grid(title: str, summary: pd.DataFrame) -> Table:
    """The table of rows whose protocols have the same numbers, a line between protocols."""
    from rich import box
    from rich.table import Table

    numbers = names(summary)
    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left")
    table.add_column("model", overflow="fold", min_width=18)
    gains = bool(numbers) and f"{numbers[0]}_gain" in summary and summary[f"{numbers[0]}_gain"].notna().any()
    headings = [*map(title_of, numbers), *(["gain over V"] if gains else []), "instances", "errors"]
    if drawn := bool((summary["draws"] > 1).any()):
        headings.append("draws")
    for column in headings:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("protocol", justify="right", overflow="fold")
    rows = summary.to_dict("records")
    for index, row in enumerate(rows):
        last = index + 1 < len(rows) and rows[index + 1]["protocol"] != row["protocol"]
        table.add_row(
            _model(row),
            *(percent(row, name, place < WITH_INTERVALS) for place, name in enumerate(numbers)),
            *([gain(row, numbers[0])] if gains else []),
            f"{row['instances']} ({row['occluded_instances']} occluded)",
            troubles(row),
            *([str(row["draws"])] if drawn else []),
            one_line(row["protocol"]),
            end_section=last,
        )
    return table


def _costs(outcome: Outcome) -> str:
    """Seconds per prediction of the command's model by stage; empty where nothing was run."""
    timing = outcome.main.timing().dropna(subset="seconds_per_instance")
    parts = [f"{row.stage} {row.seconds_per_instance:.2g}" for row in timing.itertuples()]
    peak = timing["peak_gb"].max()
    memory = "" if math.isnan(peak) else f"; {peak:.1f} GB of GPU memory at most"
    what = "instance" if outcome.main.draws == 1 else "prediction"
    return f"seconds per {what}: {', '.join(parts)}{memory}" if parts else ""


def is_random(rows: pd.DataFrame) -> pd.Series[bool]:
    """Which rows of a summary were made with random weights."""
    return rows["settings"].fillna("").astype(str).str.contains(RANDOM_WEIGHTS, regex=False)
