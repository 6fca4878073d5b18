"""Check a run's files: every row by its checksum, and every count by the masks and the dataset.

    amodal-bench results check results/runs/toy-hull-0123456789ab
    amodal-bench results check RUN --repair
    amodal-bench results check RUN dataset=cocoa dataset.root=/data/cocoa

Without settings the dataset is opened as the run's was; where that cannot be, the checksums alone are looked at. It
ends with status 1 where something is wrong. Nothing is written without --repair.

--repair makes again what follows from something else: counts and sizes from the masks and the dataset, what the store
keeps of the dataset's index, the counts of regions, pairs and majorities, and run.json. A prediction that is damaged
itself is left out, and the run's command makes it again. The damaged store stays beside the new one, as
store-damaged-1.sqlite.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amodal_bench.cli.answers import DONE, FAILED
from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import config_dir, overrides, place, runs
from amodal_bench.core.errors import BenchError, UsageError
from amodal_bench.core.shown import one_line

if TYPE_CHECKING:
    from amodal_bench.datasets.base import Dataset

SHOWN = 20


@verb(__doc__)
@word("run", "such as results/runs/toy-hull-0123456789ab", metavar="RUN_FOLDER", type=place, shell_complete=runs)
@click.option("--repair", is_flag=True, help="Make again what can be, in a new store.")
@overrides("the run's dataset, such as dataset=cocoa")
@config_dir
def main(run: Path, repair: bool, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
    """Print what is wrong, and repair it where that is asked for."""
    from amodal_bench.api.checking import check_run

    dataset, why = _dataset(run, overrides, config_dir)
    found = check_run(run, dataset, repair)
    for line in found.faults[:SHOWN]:
        print(f"  {one_line(line)}")
    if len(found.faults) > SHOWN:
        print(f"  ... and {len(found.faults) - SHOWN} more")
    for note in [*([f"not counted again: {why}"] if why else []), *found.notes]:
        print(f"note: {one_line(note)}")
    counted = f"{found.rows} predictions read" + (f", {found.recounted} counted again" if dataset is not None else "")
    if not found.faults:
        print(f"sound: {counted}")
        return DONE
    lost = f"{found.lost} of them are lost" if found.lost else "nothing of them is lost"
    if found.uncounted:
        lost = "how many there were, and are lost, is not known"
    print(f"{len(found.faults)} fault{'s' * (len(found.faults) > 1)}: {counted}; {lost}")
    if found.kept is None:
        print("give --repair to make again what can be; nothing has been written")
        return FAILED
    print(f"repaired: the damaged store is {found.kept}, which can be deleted")
    print("the run's own command predicts what is lacking")
    return DONE


def _dataset(run: Path, overrides: Sequence[str], config_dirs: Sequence[Path]) -> tuple[Dataset | None, str]:
    """The run's dataset, or why it cannot be had. Raises `UsageError` where the settings describe another one."""
    from amodal_bench.api.reopen import dataset_of
    from amodal_bench.api.runs import Run
    from amodal_bench.cli.data.compose import open_dataset
    from amodal_bench.config.compose import compose
    from amodal_bench.runner.run_json import read_facts

    given = open_dataset(compose(overrides, config_dirs)) if overrides else None
    try:
        facts = read_facts(run)
        dataset = dataset_of(Run(run, facts), list(config_dirs)) if given is None else given
        ran, own = facts.identity["dataset"], dataset.fingerprint()
    except BenchError as error:
        if given is not None:
            raise
        return None, str(error)
    if own != ran["fingerprint"]:
        told = f"{run}: was run on {ran['name']} {ran['fingerprint'][:12]}, and this is {dataset.name} {own[:12]}"
        if given is not None:
            raise UsageError(f"{told}; give the dataset settings of the run, such as dataset={ran['name']}")
        return None, told
    return dataset, ""
