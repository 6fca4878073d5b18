"""List the runs in a results folder: dataset, model, seed, predictions, errors, and the protocols of their scores.

`amodal-bench results table` tells what they scored, `amodal-bench results export RUN_FOLDER` hands out their masks.
Where the window is too narrow for a row, each run has a paragraph.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from amodal_bench.cli.columns import columns
from amodal_bench.cli.columns import room as width_of_window
from amodal_bench.cli.results.told import UNKNOWN, protocols_of, told
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import results_folder
from amodal_bench.core.errors import InputError
from amodal_bench.report.folding import folded

HEAD = ("predicted", "errors", "run", "dataset", "split", "model", "seed", "draws", "ids", "protocols")
NUMBERS = ("predicted", "errors", "seed", "draws")


@verb(__doc__)
@results_folder
def main(results: Path) -> int:
    """Print a row or a paragraph for each run."""
    from amodal_bench.runner.place import run_folders

    rows = [_row(folder / "store.sqlite") for folder in run_folders(results)]
    table = columns([[row[name] for name in HEAD] for row in rows], HEAD, NUMBERS, wide=True)
    if max(map(len, table.splitlines())) <= width_of_window():
        print(table)
    else:
        print("\n\n".join(map(_paragraph, rows)))
    return 0


def _row(file: Path) -> dict[str, str]:
    """A run by the names of `HEAD`; of a damaged one what is wrong, in place of its folder."""
    from amodal_bench.core.ids import label
    from amodal_bench.runner.place import room
    from amodal_bench.runner.store import read_store

    row = dict.fromkeys(HEAD, UNKNOWN) | {"run": str(file.parent)}
    if (run := told(file.parent)) is not None:
        row |= {"dataset": run.dataset, "split": run.split, "model": run.model, "seed": run.seed}
        row |= {"name": run.name, "settings": run.settings}  # of a paragraph
    row["protocols"] = ", ".join(protocols_of(file.parent)) or UNKNOWN
    try:
        with room(file.parent):
            table, draws = read_store(file, lambda store: (store.drawn(), store.draws() or 1))
    except InputError as error:
        return row | {"run": f"{file.parent}: {error.problem}"}
    errors = table["error"].notna()
    counts = {
        "predicted": int((~errors).sum()),
        "errors": int(errors.sum()),
        "draws": draws,
    }
    ids = label(table["id"].astype(str).unique())
    return row | {name: str(count) for name, count in counts.items()} | {"ids": ids}


def _paragraph(row: Mapping[str, str]) -> str:
    """A run in lines; those that tell it from its like come first."""
    split = "" if row["split"] == UNKNOWN else f" {row['split']}"
    draws = "" if row["draws"] in ("1", UNKNOWN) else f", {row['draws']} draws"
    lines = [
        f"{row.get('name', UNKNOWN)}, seed {row['seed']}{draws}, on {row['dataset']}{split}",
        *([f"  {row['settings']}"] if row.get("settings") else []),
        f"  {row['predicted']} predicted, {row['errors']} errors, ids {row['ids']}",
        f"  {row['protocols']}",
        f"  {row['run']}",
    ]
    return "\n".join(part for line in lines for part in folded(line, width_of_window(), "    ", whole=True))
