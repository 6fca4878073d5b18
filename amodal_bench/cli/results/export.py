"""Write a run's predictions as COCO results, which pycocotools (`COCO.loadRes`) and this harness read.

    amodal-bench results export results/runs/toy-hull-0123456789ab -o hull.json
    amodal-bench model=predictions model.path=hull.json

The entries are all instances that the run has a prediction of: image_id, category_id,
annotation_id, segmentation (compressed RLE), bbox, area and score 1.0. Image ids are the dataset's own, as whole
numbers where all are; categories are numbered from 1 in the order of their names.

--ids FILE takes the instances that a file lists, one id on each line, and numbers them as the whole run is numbered.

Of a run with samples=K, --draw N writes the predictions of draw N instead of draw 0, and --draw majority the pixels
that more than half of the draws have (a draw that failed has none).

With --ground-truth, the amodal masks go to a file of their own, with the same ids; name the run's dataset then:

    amodal-bench results export RUN -o hull.json --ground-truth truth.json dataset=cocoa dataset.root=/data/cocoa

Masks are exported as predicted. The boxes are there for tools that need them, such as FiftyOne;
loadRes takes an entry's area from its box, which matters only for scores by area.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import config_dir, file_option, overrides, place, runs
from amodal_bench.core.disk import name_another
from amodal_bench.core.errors import InputError, UsageError
from amodal_bench.core.files import write_whole
from amodal_bench.core.shown import one_line

if TYPE_CHECKING:
    import pandas as pd

    from amodal_bench.cli.results.coco import CocoIds
    from amodal_bench.core.rle import Rle
    from amodal_bench.datasets.base import Dataset

MAJORITY, NOT_RUN = "majority", "not run"
RUN_AGAIN = "give the run's command again: it completes the run and predicts nothing twice"


@verb(__doc__)
@word("run", "such as results/runs/toy-hull-0123456789ab", metavar="RUN_FOLDER", type=place, shell_complete=runs)
@file_option("-o", "--output", metavar="FILE", help="RUN_FOLDER/predictions.json by default.")
@click.option("--draw", metavar="N|majority", help="Which prediction of each instance; 0 by default.")
@file_option("--ids", metavar="FILE", help="Only the instances that it lists; all of the run by default.")
@file_option("--ground-truth", metavar="FILE", help="Also write what they are compared with.")
@overrides("the run's dataset, such as dataset=cocoa")
@config_dir
def main(
    run: Path,
    output: Path | None,
    draw: str | None,
    ids: Path | None,
    ground_truth: Path | None,
    overrides: Sequence[str],
    config_dir: Sequence[Path],
) -> int:
    """Write a run's predictions, and the ground truth where a file for it is named."""
    which = _draw(draw)
    suffix = "" if which == 0 else f"-{which}" if which == MAJORITY else f"-draw-{which}"
    output = output or run / f"predictions{suffix}.json"
    _check_files(run, output, ground_truth)
    if overrides and not ground_truth:
        raise UsageError(f"{' '.join(overrides)}: settings are for --ground-truth FILE only")
    from amodal_bench.cli.results.coco import CocoIds

    instances = _instances(run, which)
    # First, since a dataset that is another's is found at once.
    dataset = _dataset(run, overrides, config_dir) if ground_truth else None
    numbers = CocoIds(instances)
    if ids is not None:
        instances = _listed(run, instances, ids)
    _write_predictions(run, instances, numbers, output, which)
    if dataset is not None and ground_truth is not None:
        _write_truth(dataset, instances, numbers, ground_truth)
    return 0


def _draw(given: str | None) -> int | str:
    """Which prediction is meant. Raises `UsageError` where it is neither a number from 0 on nor "majority"."""
    if given is None or given == MAJORITY:
        return given or 0
    if not (given.isascii() and given.isdigit()):
        raise UsageError(f"--draw {given}: must be a whole number >= 0, or {MAJORITY}")
    return int(given)


def _check_files(run: Path, output: Path, ground_truth: Path | None) -> None:
    """Raise `UsageError` where the run has no predictions, or one of the files cannot be written there."""
    if not (run / "store.sqlite").is_file():
        raise UsageError(f"{run}: is not the folder of a run (it has no store.sqlite); runs lie in results/runs")
    for file in (output, ground_truth or output):
        if file.is_dir() or not file.parent.is_dir():
            raise UsageError(f"{file}: cannot be a file, since it {'is a' if file.is_dir() else 'lies in no'} folder")
        others = file.suffix != ".json" or file.name == "run.json"
        if others and file.exists() and file.resolve().parent == run.resolve():
            raise UsageError(f"{file}: is a file of the run and would be overwritten; name another file")
    if ground_truth and output.resolve() == ground_truth.resolve():
        raise UsageError(f"{output}: predictions and ground truth cannot be one file; name another with -o")


def _write_predictions(run: Path, instances: pd.DataFrame, ids: CocoIds, output: Path, which: int | str) -> None:
    from amodal_bench.cli.results.coco import results
    from amodal_bench.core.rle import encode
    from amodal_bench.runner.place import room
    from amodal_bench.runner.store import STORE, Store, read_store

    predicted = instances[instances["error"] == ""]

    def read(store: Store) -> Any:
        draws = store.draws()

        def rle(id: str) -> Rle:
            return encode(store.majority(id, draws)) if isinstance(which, str) else store.rle(id, which)

        return results(predicted, ids, rle)

    try:
        with room(run):
            entries = read_store(run / STORE, read)
    except KeyError as error:
        raise InputError(run / STORE, f"cannot be read ({error})", RUN_AGAIN) from error
    _write(output, entries)
    unrun = int((instances["error"] == NOT_RUN).sum())
    failed = len(instances) - len(predicted) - unrun
    left_out = [f"; {failed} failed and are not in it"] * bool(failed)
    left_out += [f"; {unrun} have not been run for it"] * bool(unrun)
    print(f"wrote {output}: {len(entries)} predictions{''.join(left_out)}")


def _write_truth(dataset: Dataset, instances: pd.DataFrame, ids: CocoIds, file: Path) -> None:
    from amodal_bench.cli.results.coco import ground_truth

    truth, unreadable = ground_truth(instances, ids, dataset.sample)
    _write(file, truth)
    counts = f"{len(truth['annotations'])} amodal masks in {len(truth['images'])} images"
    print(f"wrote {file}: {counts}" + (f"; {len(unreadable)} cannot be read" if unreadable else ""))
    for problem in unreadable:
        print(f"left out: {one_line(problem)}", file=sys.stderr)


def _instances(run: Path, which: int | str) -> pd.DataFrame:
    """The run's instances by ascending id: id, image_id, category and error ("" where there is none), as text.

    Instances that have not been run for the draw have the error `NOT_RUN`. Raises `UsageError` where none has.
    """
    from amodal_bench.api.runs import open_run

    opened = open_run(run)
    records, rows = opened.records(), opened.draws()
    if records.empty:
        raise InputError(run, "does not say what its instances are", RUN_AGAIN)
    if isinstance(which, str):
        rows = _voters(rows)
    elif which not in set(rows["draw"]):
        raise UsageError(f"--draw {which}: {run} has draws 0 to {rows['draw'].max()}")
    else:
        rows = rows[rows["draw"] == which]
    rows = rows[["id", "error"]].fillna({"error": ""})
    joined = records[["id", "image_id", "category"]].astype(str).merge(rows, on="id", how="left")
    return joined.fillna({"error": NOT_RUN}).sort_values("id", ignore_index=True)


def _listed(run: Path, instances: pd.DataFrame, ids: Path) -> pd.DataFrame:
    """The instances that a file lists. Raises `InputError` where the run has not all of them."""
    from amodal_bench.core.ids import among, read_ids

    wanted = read_ids(ids)
    if unknown := sorted(set(wanted) - set(instances["id"])):
        raise InputError(
            ids, f"{len(unknown)} of its {len(wanted)} ids are not in {run}", "list what was run", unknown[0]
        )
    return instances[among(instances["id"], wanted)].reset_index(drop=True)


def _voters(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each instance that has all draws, with an error where every draw failed."""
    draws = rows["draw"].max() + 1
    complete = rows.groupby("id")["draw"].transform("size") == draws
    # With an error last, the first row of an instance has none where any draw has none.
    voters: pd.DataFrame = rows[complete].sort_values("error", na_position="first", kind="stable")
    return voters.drop_duplicates("id")


def _dataset(folder: Path, overrides: Sequence[str], config_dirs: Sequence[Path]) -> Dataset:
    """The run's dataset. Raises `UsageError` where the settings describe another one."""
    from amodal_bench.cli.data.compose import open_dataset
    from amodal_bench.config.compose import compose
    from amodal_bench.runner.run_json import read_said

    dataset = open_dataset(compose(overrides, config_dirs))
    try:
        ran = read_said(folder)["identity"]["dataset"]
        name, fingerprint = ran["name"], ran["fingerprint"]
    except (TypeError, KeyError) as error:
        raise InputError(folder / "run.json", "does not name the run's dataset", RUN_AGAIN) from error
    if fingerprint != dataset.fingerprint():
        raise UsageError(
            f"{folder}: was run on {name} {fingerprint[:12]}, but these settings describe {dataset.name} "
            f"{dataset.fingerprint()[:12]}; give the dataset settings of the run, such as dataset={name}"
        )
    return dataset


def _write(file: Path, content: Any) -> None:
    """Write JSON as a whole or not at all."""
    try:
        write_whole(file, lambda partial: partial.write_text(json.dumps(content), encoding="utf-8"))
    except OSError as error:
        raise name_another(file, error, "file") from error
