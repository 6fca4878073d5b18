"""The table on the terminal."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

import pandas as pd

from amodal_bench.core.shown import one_line, shown
from amodal_bench.core.window import ascii_only, plain, width
from amodal_bench.metrics.statistics import FEW_CLUSTERS
from amodal_bench.report.grid import Column, Fitted, Grid, Row, fits, fitted, folded, note
from amodal_bench.report.marks import spread
from amodal_bench.report.numbers import FEW_NOTE, WITH_INTERVALS, alike, gain, holm_note, names, percent, spread_lines
from amodal_bench.report.numbers import title as title_of
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.scored import RANDOM_WEIGHTS

KEYS = ["model", "run", "ids", "protocol", "draws"]
"""What makes two rows the same result; a run's digest does not tell the names of models apart."""

SPREAD = "mean ± standard deviation over seeds (lowest to highest), %"
WIDEST, ABREAST = 6, 4
"""A protocol with more numbers than the first has a line for each of them, and at most so many rows abreast."""

LOG, SHOWN = 160, 5
"""Columns of a table in a log, and errors of a model that are printed."""

MEANINGLESS = "Random weights: these numbers show that the models run, and mean nothing"


def show(outcome: Outcome, written: list[Path]) -> None:
    """Print a run's report: result, what was left out and why, errors, where it lies, and what to do next."""
    summary = next((str(path) for path in written if path.name == "summary.csv"), "")
    _print_rows(f"{outcome.dataset}, % with 95 % intervals", outcome.table(), summary)
    _say(f"instances {outcome.ids}")
    if reused := ", ".join(f"{scored.name} {scored.reused}" for scored in outcome.scored if scored.reused):
        _say(f"reused: {reused}")
    if costs := _costs(outcome):
        _say(costs)
    excluded = ", ".join(f"{count} for {reason}" for reason, count in outcome.excluded.items())
    print()
    _say(f"left out: {excluded or 'nothing'}")
    print()
    _say_errors(outcome)
    print("\nwrote")
    for folder in dict.fromkeys(path.parent for path in written):
        print(f"  {shown(folder)}{os.sep}")
        _say("  ".join(shown(path.name) for path in written if path.parent == folder), "    ", "")
    print(f"\nnext: {shown(_next(outcome))}")


def _say(text: str, indent: str = "", hanging: str = "  ") -> None:
    """Print a text, broken at blanks where the window is narrow; a pipe gets it on one line."""
    text = plain(shown(text)) if ascii_only() else shown(text)
    for line in folded(text, max(width() - len(indent), 20), hanging, whole=True):
        print(f"{indent}{line}")


def _say_errors(outcome: Outcome) -> None:
    """The first errors of each model, and where all of them are."""
    if not any(len(scored.errors()) for scored in outcome.scored):
        print("errors: none")
    for scored in outcome.scored:
        errors = scored.errors()
        for record in errors.head(SHOWN).itertuples():
            draw = f", draw {record.draw}" if scored.draws > 1 else ""
            _say(one_line(f"error, {scored.name}, {record.id}{draw}: {record.error}"))
        if len(errors) > SHOWN:
            print(shown(f"... and {len(errors) - SHOWN} more in {scored.score_folder / 'errors.csv'}"))


def _next(outcome: Outcome) -> str:
    """What to do after a run, in one line."""
    main, table = outcome.main, outcome.table()
    if any(len(scored.errors()) for scored in outcome.scored):
        return f"see {quote(str(main.score_folder / 'errors.csv'))}; the same command tries again what failed"
    if is_random(table[table["model"] == main.name]).any():
        return "choose a model whose weights are here; amodal-bench models list shows them"
    if (base := outcome.scored[0]) is not main:
        return f"amodal-bench results compare {quote(str(base.folder))} {quote(str(main.folder))}"
    results = main.folder.parent.parent
    return f"amodal-bench results table{'' if str(results) == 'results' else f' {quote(str(results))}'}"


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
        _print_rows(f"{dataset}, all cells", rows[rows["dataset"] == dataset])
    if lines := spread_lines(spread(rows)):
        for line in (SPREAD, *lines):
            _say(line)


def show_rows(title: str, rows: pd.DataFrame, elsewhere: str = "") -> None:
    """Print rows of a summary as a run prints its own; `elsewhere` is a file that has them, too."""
    _print_rows(title, rows, elsewhere)


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


def _print_rows(title: str, rows: pd.DataFrame, elsewhere: str = "") -> None:
    """Print a summary's rows, those with random weights in a table of their own."""
    random, title = is_random(rows), one_line(title)
    if random.all():
        print(title)  # which dataset it is
    for heading, part in ((title, rows[~random]), (MEANINGLESS, rows[random])):
        if part.empty:
            continue
        _say(heading)
        printed: list[Fitted] = []
        for table in alike(part):
            for found in _tall(table) if len(names(table)) > WIDEST else _wide(table):
                print("", *found.lines, sep="\n")
                printed.append(found)
        print()
        if said := note(printed, elsewhere):
            _say(said)
    if (rows["clusters"] < FEW_CLUSTERS).any():
        _say(FEW_NOTE)
    if said := holm_note(rows):
        _say(said)


def _tall(summary: pd.DataFrame) -> Iterator[Fitted]:
    """Tables with a line for each number and a column for each row of the summary, as many as have room."""
    for count in range(ABREAST, 0, -1):
        tables = [_of_numbers(summary.iloc[start : start + count]) for start in range(0, len(summary), count)]
        if count == 1 or all(fits(table, _window(), broken=True) for table in tables):
            yield from (fitted(table, _window(), broken=True) for table in tables)
            return


def _of_numbers(summary: pd.DataFrame) -> Grid:
    numbers, rows = names(summary), summary.to_dict("records")
    lines = [Row(title_of(name), "", [(percent(row, name),) for row in rows]) for name in numbers]
    if any(gains := [gain(row, numbers[0]) for row in rows]):
        lines.append(Row("gain over V", "", [(text,) for text in gains]))
    lines[-1] = replace(lines[-1], last=True)
    for name in ("draws", "instances", "errors", "protocol"):
        lines.append(Row(name, "", [(one_line(row[name]),) for row in rows]))
    return Grid([Column(one_line(f"{row['model']} {row['settings']}")) for row in rows], lines, "")


def _window() -> int:
    return width(pipe=LOG)


def _wide(summary: pd.DataFrame) -> Iterator[Fitted]:
    """The rows of protocols with the same numbers; in a narrow window each protocol has a table of its own."""
    table = _of_rows(summary, every=True)
    if fits(table, _window()):
        yield fitted(table, _window())
        return
    for protocol, part in summary.groupby("protocol", sort=False):
        found = fitted(_of_rows(part, every=False), _window())
        about = "".join(f", {text}" for text in (_instances(part), _errors(part)) if text)
        yield replace(found, lines=[*folded(one_line(f"{protocol}{about}"), max(_window(), 20)), *found.lines])


def _instances(part: pd.DataFrame) -> str:
    """How many instances all rows are about; "" where they differ."""
    said = {f"{row['instances']} instances ({row['occluded_instances']} occluded)" for row in part.to_dict("records")}
    return said.pop() if len(said) == 1 else ""


def _errors(part: pd.DataFrame) -> str:
    return "" if part["errors"].any() else "no errors"


def _of_rows(summary: pd.DataFrame, every: bool) -> Grid:
    """A line for each row of a summary.

    Args:
        summary: of protocols with the same numbers.
        every: with all columns; else without what the rows share, which stands above them.
    """
    numbers = names(summary)
    gains = bool(numbers) and f"{numbers[0]}_gain" in summary and summary[f"{numbers[0]}_gain"].notna().any()
    drawn = bool((summary["draws"] > 1).any())
    own = (every or not _instances(summary), every or not _errors(summary), drawn, every)
    columns = [
        Column(title_of(name), place + (10 if place >= WITH_INTERVALS else 0)) for place, name in enumerate(numbers)
    ]
    columns += [Column("gain over V", 5)] if gains else []
    told = (Column("instances", 90), Column("errors", 80), Column("draws", 99), Column("protocol"))
    columns += [column for column, wanted in zip(told, own, strict=True) if wanted]
    rows = summary.to_dict("records")
    lines = []
    for index, row in enumerate(rows):
        cells = [cell_of(percent(row, name, place < WITH_INTERVALS)) for place, name in enumerate(numbers)]
        cells += [cell_of(gain(row, numbers[0]))] if gains else []
        facts = (
            f"{row['instances']} ({row['occluded_instances']} occluded)",
            row["errors"],
            row["draws"],
            row["protocol"],
        )
        cells += [(one_line(fact),) for fact, wanted in zip(facts, own, strict=True) if wanted]
        last = index + 1 < len(rows) and rows[index + 1]["protocol"] != row["protocol"]
        lines.append(Row(str(row["model"]), str(row["settings"]), cells, last))
    return Grid(columns, lines)


def cell_of(text: str) -> tuple[str, ...]:
    """A number, its interval and words, such as `+1.7`, `[-4.7, 4.0]` and `not decisive`."""
    number, _, rest = text.partition(" [")
    interval, _, words = rest.partition("]")
    if not rest:
        return tuple(text.split(" ", 1)) if text else ("",)
    mark, _, words = words.partition(" ")
    return (number, f"[{interval}]{mark}", words)


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
