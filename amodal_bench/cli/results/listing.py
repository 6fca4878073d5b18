"""List the runs in a results folder: instances with a prediction, errors, and where the run lies.

`amodal-bench results table` tells what they scored, `amodal-bench results export RUN_FOLDER` hands out their masks.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from amodal_bench.cli.columns import print_columns
from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import folders, place
from amodal_bench.core.errors import UsageError

HEAD = ("predicted", "errors", "run")


@verb(__doc__)
@word("results", "results/ by default", metavar="[FOLDER]", type=place, shell_complete=folders, default="results")
def main(results: Path) -> int:
    """Print a row for each run."""
    stores = sorted((results / "runs").glob("*/store.sqlite"))
    if not stores:
        raise UsageError(f"{results}: there is no run in {results / 'runs'}; run something first")
    print_columns(map(_row, stores), HEAD, numbers=("predicted", "errors"))
    return 0


def _row(file: Path) -> tuple[str, str, str]:
    import pandas as pd

    from amodal_bench.runner.store import Store

    try:
        with Store(file, read_only=True) as store:
            errors = store.table()["error"].notna()
    except (sqlite3.Error, pd.errors.DatabaseError) as error:
        return ("-", "-", f"{file.parent}: the store is damaged ({error.__cause__ or error})")
    return (str(int((~errors).sum())), str(int(errors.sum())), str(file.parent))
