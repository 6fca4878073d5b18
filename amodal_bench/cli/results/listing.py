"""List the runs in a results folder: instances with a prediction, errors, and where the run lies.

`python -m amodal_bench.cli.results.table` tells what they scored, `amodal-bench results export RUN_FOLDER` hands out
their masks.
"""

from __future__ import annotations

import argparse
import sqlite3
from pathlib import Path

import pandas as pd

from amodal_bench.core.errors import UsageError
from amodal_bench.runner.store import Store

HEAD = ("predicted", "errors", "run")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments and options of this verb to its parser."""
    parser.add_argument("results", metavar="FOLDER", type=Path, nargs="?", default=Path("results"), help="results/")


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says with parsed arguments, and return the exit status."""
    stores = sorted((arguments.results / "runs").glob("*/store.sqlite"))
    if not stores:
        raise UsageError(f"{arguments.results}: there is no run in {arguments.results / 'runs'}; run something first")
    for row in [HEAD, *map(_row, stores)]:
        print("{:>9}  {:>6}  {}".format(*row))
    return 0


def _row(file: Path) -> tuple[str, str, str]:
    try:
        with Store(file, read_only=True) as store:
            errors = store.table()["error"].notna()
    except (sqlite3.Error, pd.errors.DatabaseError) as error:
        return ("-", "-", f"{file.parent}: the store is damaged ({error.__cause__ or error})")
    return (str(int((~errors).sum())), str(int(errors.sum())), str(file.parent))
