"""One table of every run in a results folder: `python -m amodal_bench.cli.results.table results`.

It reads the CSV tables that runs have left behind and writes `table.csv` beside them. Runs with random weights are
printed in a table of their own and written to `table_random_weights.csv`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from amodal_bench.report.csv_logger import write_csv
from amodal_bench.report.terminal import MEANINGLESS, is_random, percent

KEYS = ["dataset", "model", "settings", "protocol", "ids", "run"]
TEXT = dict.fromkeys([*KEYS, "fingerprint"], "str")


def collect(results: Path) -> pd.DataFrame:
    """The rows of all `runs/*/summary.csv`, each run, protocol and selection once (the newest).

    The best occluded mIoU comes first.
    """
    files = sorted((results / "runs").glob("*/summary.csv"), key=lambda path: path.stat().st_mtime)
    if not files:
        return pd.DataFrame(columns=KEYS)
    rows = pd.concat([pd.read_csv(file, dtype=TEXT) for file in files], ignore_index=True)
    for key in ("settings", "ids"):  # tables of earlier versions lack some
        rows[key] = rows[key].fillna("") if key in rows else ""
    rows = rows.drop_duplicates(KEYS, keep="last")
    order = ["dataset", "protocol", "occluded_miou", "run"]
    return rows.sort_values(order, ascending=[True, True, False, True], ignore_index=True)


def main() -> None:
    """Parse the command line, do the work and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"))
    results: Path = parser.parse_args().results
    table = collect(results)
    if table.empty:
        sys.exit(f"error: {results}: no run has left a summary.csv in {results / 'runs'}; run something first")
    random = is_random(table)
    for name, rows in (("table.csv", table[~random]), ("table_random_weights.csv", table[random])):
        if rows.empty:
            continue
        if name != "table.csv":
            print(f"{MEANINGLESS}:\n")
        _print(rows)
        write_csv(rows, results / name)
        print(f"\nwrote {results / name}\n")


def _print(table: pd.DataFrame) -> None:
    """Rows in Markdown."""
    print("| dataset | model | protocol | mIoU | occluded mIoU | instances | errors | ids |")
    print("|---|---|---|---|---|---|---|---|")
    for row in table.to_dict("records"):
        name = f"{row['model']} {row['settings']}".strip()
        numbers = f"{percent(row, 'miou')} | {percent(row, 'occluded_miou')}"
        counts = f"{row['instances']} | {row['errors']} | {row['ids']}"
        print(f"| {row['dataset']} | {name} | {row['protocol']} | {numbers} | {counts} |")


if __name__ == "__main__":
    main()
