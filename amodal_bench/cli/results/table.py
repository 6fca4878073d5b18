"""Print one table of every run in a results folder, the best first.

The best of a protocol has the highest occluded mIoU, or the highest of its one number; a line says by which. It reads
the CSV tables that runs have left behind and writes `table.csv` beside them. Runs with random weights are printed in
a table of their own and written to `table_random_weights.csv`. On a terminal each row shows how the IoUs of its run
are spread; columns for which the window has no room are left out, and a line says which. A pipe gets Markdown.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amodal_bench.cli.columns import room
from amodal_bench.cli.results.grouped import grouped
from amodal_bench.cli.results.histograms import histograms
from amodal_bench.cli.results.told import UNKNOWN, by_digest
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import results_folder
from amodal_bench.core.errors import UsageError, first_line
from amodal_bench.core.files import require_regular
from amodal_bench.core.shown import one_line
from amodal_bench.core.window import ascii_only, plain
from amodal_bench.report.folding import folded

if TYPE_CHECKING:
    import pandas as pd

KEYS = ["dataset", "model", "settings", "protocol", "protocol_digest", "draws", "ids", "run"]
TEXT = dict.fromkeys([*(key for key in KEYS if key != "draws"), "fingerprint"], "str")


@verb(__doc__)
@results_folder
def main(results: Path) -> int:
    """Print and write the tables of all runs."""
    from amodal_bench.report.csv_logger import write_csv
    from amodal_bench.report.marks import spread
    from amodal_bench.report.numbers import holm_note, order_note, spread_lines
    from amodal_bench.report.terminal import MEANINGLESS, SPREAD, is_random

    table = collect(results)
    if table.empty:
        raise UsageError(
            f"{results}: no run has left a summary.csv in {results / 'runs'}; run something first, or give the "
            "command of a run again that was stopped or merged"
        )
    random = is_random(table)
    for name, rows in (("table.csv", table[~random]), ("table_random_weights.csv", table[random])):
        if rows.empty:
            continue
        if name != "table.csv":
            print(f"{MEANINGLESS}:\n")
        if sys.stdout.isatty():
            print(grouped(rows, histograms(results / "runs", rows["run"]), str(results / name)))
        else:
            _print(rows)
        notes = [note for note in (order_note(rows), holm_note(rows)) if note]
        if lines := spread_lines(spread(rows)):
            notes += ["", SPREAD, *lines]
        for line in notes:
            print(*folded(plain(line) if ascii_only() else line, room(), "  ", whole=True), sep="\n")
        try:
            write_csv(rows, results / name)
            print(f"\nwrote {results / name}\n")
        except OSError as error:  # results of somebody else's can be looked at all the same
            print(f"\nnot written: {results / name} ({error.strerror})\n")
    return 0


def collect(results: Path) -> pd.DataFrame:
    """The rows of all summaries, each run, protocol, number of draws and selection once (the newest).

    Within a dataset and protocol the best comes first: by the last of the protocol's first two numbers.
    """
    import pandas as pd

    from amodal_bench.report.marks import with_corrected

    runs = results / "runs"
    # Runs of versions before 0.2.0 have one summary, in their own folder.
    found = [*runs.glob("*/summary.csv"), *runs.glob("*/scores/*/summary.csv")]
    files = sorted(found, key=lambda path: path.stat().st_mtime)
    if not files:
        return pd.DataFrame(columns=KEYS)
    read = [table for table in map(_read, files) if table is not None]
    if not read:
        return pd.DataFrame(columns=KEYS)
    rows = pd.concat(read, ignore_index=True)
    # Tables of earlier versions lack some.
    lacked: dict[str, Any] = {"settings": "", "ids": "", "protocol_digest": "", "draws": 1}
    rows = rows.assign(**{key: rows[key].fillna(value) if key in rows else value for key, value in lacked.items()})
    rows = rows.astype({"draws": int}).copy()
    rows = rows.drop_duplicates(KEYS, keep="last")
    known = by_digest(runs)
    for key in ("split", "seed"):
        rows[key] = [getattr(known.get(run), key, UNKNOWN) for run in rows["run"]]
    best = pd.concat([_rank(part) for _, part in rows.groupby("protocol", sort=False)])
    rows = rows.assign(_best=best)
    rows = rows.sort_values(["dataset", "protocol", "_best", "run"], ascending=[True, True, False, True])
    return with_corrected(rows.drop(columns="_best"))


def _read(file: Path) -> pd.DataFrame | None:
    """A summary, or None where it is damaged, of which the user is told."""
    import pandas as pd

    try:
        require_regular(file)
        table = pd.read_csv(file, dtype=TEXT)
        if lacking := {"dataset", "model", "protocol", "run", "instances", "errors"} - set(table):
            raise ValueError(f"it lacks the column {min(lacking)}")
        return table
    except (OSError, ValueError) as error:
        print(one_line(f"left out: {file}: is not a run's summary ({first_line(error)})"), file=sys.stderr)
        return None


def _rank(part: pd.DataFrame) -> pd.Series[float]:
    """What the rows of one protocol are ordered by."""
    from amodal_bench.report.numbers import deciding

    return part["instances"] * 0.0 if (name := deciding(part)) is None else part[name]


def _print(table: pd.DataFrame) -> None:
    """Rows in Markdown, a table for each group of protocols with the same numbers."""
    from amodal_bench.core.shown import markdown
    from amodal_bench.metrics.statistics import FEW_CLUSTERS
    from amodal_bench.report.numbers import FEW_NOTE, alike, gain, names, percent, title

    for number, part in enumerate(alike(table)):
        shown = names(part)
        gains = f"{shown[0]}_gain" in part and part[f"{shown[0]}_gain"].notna().any() if shown else False
        heads = ["dataset", "model", "protocol", "digest", "split", "seed"]
        heads += [*map(title, shown), *(["gain over V"] if gains else [])]
        drawn = ["draws"] if (part["draws"] > 1).any() else []
        heads += [*drawn, "instances", "errors", "ids", "run"]
        print("\n" * (number > 0) + f"| {' | '.join(heads)} |")
        print("|---" * len(heads) + "|")
        for row in part.to_dict("records"):
            cells = [row["dataset"], f"{row['model']} {row['settings']}".strip()]
            cells += [row[name] for name in ("protocol", "protocol_digest", "split", "seed")]
            cells += [percent(row, name) for name in shown] + ([gain(row, shown[0])] if gains else [])
            cells += [row[name] for name in (*drawn, "instances", "errors", "ids", "run")]
            print(f"| {' | '.join(map(markdown, cells))} |")
    if "clusters" in table and (table["clusters"] < FEW_CLUSTERS).any():
        print(f"\n{FEW_NOTE}")
