"""The table on the terminal."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import pandas as pd

from amodal_bench.core.shown import one_line, shown
from amodal_bench.core.window import ascii_only, plain, width
from amodal_bench.metrics.statistics import FEW_CLUSTERS
from amodal_bench.report.folding import folded
from amodal_bench.report.grid import Fitted, note
from amodal_bench.report.marks import spread
from amodal_bench.report.numbers import FEW_NOTE, alike, holm_note, spread_lines
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.scored import RANDOM_WEIGHTS
from amodal_bench.report.summary_tables import tables

KEYS = ["model", "run", "ids", "protocol", "draws"]
"""What makes two rows the same result; a run's digest does not tell the names of models apart."""

SPREAD = "mean ± standard deviation over seeds (lowest to highest), %"
SHOWN = 5
"""Errors of a model that are printed."""

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
    """The baselines, each once, then the cells' own models with the overrides that set them apart.

    A baseline with several rows has the overrides, too, such as those of other data.
    """
    shared = set.intersection(*(set(cell.overrides) for cell in cells))
    own = pd.concat([cell.rows.tail(1) for cell in cells], ignore_index=True)
    for index, cell in enumerate(cells):
        said = str(own.loc[index, "settings"]).split()
        if not any(o.startswith("model.name=") for o in cell.overrides):
            said += [o for o in cell.overrides if o.startswith("model=")]  # the row's name says it
        words = [o for o in cell.overrides if o not in shared and o not in said]
        _put_before(own, index, words)
    others = pd.concat([cell.rows.iloc[:-1].assign(cell=number) for number, cell in enumerate(cells)])
    # A seed is another run of the same numbers.
    others = others.drop_duplicates(others.columns.drop(["run", "settings", "seed", "cell"]), ignore_index=True)
    for index in others.index[others.duplicated(["dataset", "model", "protocol"], keep=False)]:
        overrides = cells[others.loc[index, "cell"]].overrides
        words = [o for o in overrides if o not in shared and not o.startswith(("model", "seed="))]
        _put_before(others, index, words)
    others = others.drop(columns="cell")
    known = pd.MultiIndex.from_frame(others[KEYS]).isin(pd.MultiIndex.from_frame(own[KEYS]))
    return pd.concat([others[~known], own]).sort_values("protocol", kind="stable", ignore_index=True)


def _put_before(rows: pd.DataFrame, index: int, words: Sequence[str]) -> None:
    """Put words before the settings of a row."""
    rows.loc[index, "settings"] = " ".join([*words, str(rows.loc[index, "settings"])]).strip()


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
            for found in tables(table):
                print("", *found.lines, sep="\n")
                printed.append(found)
        print()
        if said := note(printed, elsewhere):
            _say(said)
    if (rows["clusters"] < FEW_CLUSTERS).any():
        _say(FEW_NOTE)
    if said := holm_note(rows):
        _say(said)


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
