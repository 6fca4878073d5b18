"""Print one table of every run in a results folder, the best first.

It reads the CSV tables that runs have left behind and writes `table.csv` beside them. Runs with random weights are
printed in a table of their own and written to `table_random_weights.csv`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import folders, place
from amodal_bench.core.errors import BenchError

if TYPE_CHECKING:
    import pandas as pd

KEYS = ["dataset", "model", "settings", "protocol", "ids", "run"]
TEXT = dict.fromkeys([*KEYS, "fingerprint"], "str")


@verb(__doc__)
@word("results", "results/ by default", metavar="[FOLDER]", type=place, shell_complete=folders, default="results")
def main(results: Path) -> int:
    """Print and write the tables of all runs."""
    from amodal_bench.report.csv_logger import write_csv
    from amodal_bench.report.terminal import MEANINGLESS, is_random

    table = collect(results)
    if table.empty:
        raise BenchError(f"{results}: no run has left a summary.csv in {results / 'runs'}; run something first")
    random = is_random(table)
    for name, rows in (("table.csv", table[~random]), ("table_random_weights.csv", table[random])):
        if rows.empty:
            continue
        if name != "table.csv":
            print(f"{MEANINGLESS}:\n")
        _print(rows)
        write_csv(rows, results / name)
        print(f"\nwrote {results / name}\n")
    return 0


def collect(results: Path) -> pd.DataFrame:
    """The rows of all `runs/*/summary.csv`, each run, protocol and selection once (the newest).

    The best occluded mIoU comes first.
    """
    import pandas as pd

    files = sorted((results / "runs").glob("*/summary.csv"), key=lambda path: path.stat().st_mtime)
    if not files:
        return pd.DataFrame(columns=KEYS)
    rows = pd.concat([pd.read_csv(file, dtype=TEXT) for file in files], ignore_index=True)
    for key in ("settings", "ids"):  # tables of earlier versions lack some
        rows[key] = rows[key].fillna("") if key in rows else ""
    rows = rows.drop_duplicates(KEYS, keep="last")
    order = ["dataset", "protocol", "occluded_miou", "run"]
    return rows.sort_values(order, ascending=[True, True, False, True], ignore_index=True)


def _print(table: pd.DataFrame) -> None:
    """Rows in Markdown."""
    from amodal_bench.report.terminal import percent

    print("| dataset | model | protocol | mIoU | occluded mIoU | instances | errors | ids |")
    print("|---|---|---|---|---|---|---|---|")
    for row in table.to_dict("records"):
        name = f"{row['model']} {row['settings']}".strip()
        numbers = f"{percent(row, 'miou')} | {percent(row, 'occluded_miou')}"
        counts = f"{row['instances']} | {row['errors']} | {row['ids']}"
        print(f"| {row['dataset']} | {name} | {row['protocol']} | {numbers} | {counts} |")
