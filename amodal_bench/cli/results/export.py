"""Write a run's predictions as COCO results, which pycocotools (`COCO.loadRes`) and this harness read.

    amodal-bench results export results/runs/toy-hull-0123456789ab -o hull.json
    amodal-bench model=predictions model.path=hull.json

The entries are the instances that the run's instances.csv lists and has a prediction of: image_id, category_id,
annotation_id, segmentation (compressed RLE), bbox, area and score 1.0. Image ids are the dataset's own, as whole
numbers where all are; categories are numbered from 1 in the order of their names.

With --ground-truth, the amodal masks go to a file of their own, with the same ids; name the run's dataset then:

    amodal-bench results export RUN -o hull.json --ground-truth truth.json dataset=cocoa dataset.root=/data/cocoa

Masks are exported as predicted, not united with V. The boxes are there for tools that need them, such as FiftyOne;
loadRes takes an entry's area from its box, which matters only for scores by area.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from amodal_bench.cli.results.coco import CocoIds, ground_truth, results
from amodal_bench.cli.verbs import add_config_dir
from amodal_bench.core.errors import BenchError, InputError, UsageError
from amodal_bench.core.files import write_whole
from amodal_bench.datasets.base import Dataset
from amodal_bench.datasets.reading.files import read_json
from amodal_bench.runner.store import Store

RUN_AGAIN = "give the run's command again: it writes the tables and predicts nothing"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments and options of this verb to its parser."""
    parser.add_argument("run", metavar="RUN_FOLDER", type=Path, help="such as results/runs/toy-hull-0123456789ab")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="default: RUN_FOLDER/predictions.json")
    parser.add_argument("--ground-truth", metavar="FILE", type=Path, help="also write what they are compared with")
    parser.add_argument(
        "overrides", metavar="OVERRIDE", nargs="*", default=[], help="the run's dataset, such as dataset=cocoa"
    )
    add_config_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says with parsed arguments, and return the exit status."""
    folder: Path = arguments.run
    if not (folder / "store.sqlite").is_file():
        raise UsageError(f"{folder}: is no run's folder (it has no store.sqlite); runs lie in results/runs")
    output: Path = arguments.output or folder / "predictions.json"
    for file in (output, arguments.ground_truth or output):
        if file.is_dir() or not file.parent.is_dir():
            raise UsageError(f"{file}: cannot be a file, since it {'is a' if file.is_dir() else 'lies in no'} folder")
        others = file.suffix != ".json" or file.name == "run.json"
        if others and file.exists() and file.resolve().parent == folder.resolve():
            raise UsageError(f"{file}: is a file of the run and would be overwritten; name another file")
    if arguments.ground_truth and output.resolve() == arguments.ground_truth.resolve():
        raise UsageError(f"{output}: predictions and ground truth cannot be one file; name another with -o")
    if arguments.overrides and not arguments.ground_truth:
        raise UsageError(f"{' '.join(arguments.overrides)}: settings are for --ground-truth FILE only")
    instances = _instances(folder / "instances.csv")
    # First, since a dataset that is another's is found at once.
    dataset = _dataset(folder, arguments.overrides, arguments.config_dir) if arguments.ground_truth else None
    ids, predicted = CocoIds(instances), instances[instances["error"] == ""]
    try:
        with Store(folder / "store.sqlite", read_only=True) as store:
            entries = results(predicted, ids, store.rle)
    except (sqlite3.Error, KeyError) as error:
        raise InputError(folder / "store.sqlite", f"does not fit instances.csv ({error})", RUN_AGAIN) from error
    _write(output, entries)
    failed = len(instances) - len(predicted)
    print(f"wrote {output}: {len(entries)} predictions" + (f"; {failed} failed and are not in it" if failed else ""))
    if dataset is not None:
        truth, unreadable = ground_truth(instances, ids, dataset.sample)
        _write(arguments.ground_truth, truth)
        counts = f"{len(truth['annotations'])} amodal masks in {len(truth['images'])} images"
        print(
            f"wrote {arguments.ground_truth}: {counts}"
            + (f"; {len(unreadable)} cannot be read" if unreadable else "")
        )
        for problem in unreadable:
            print(f"left out: {problem}", file=sys.stderr)
    return 0


def _instances(file: Path) -> pd.DataFrame:
    """The run's table of instances: id, image_id, category and error, as text."""
    try:
        table = pd.read_csv(file, dtype="str", keep_default_na=False)
        return table[["id", "image_id", "category", "error"]]
    except FileNotFoundError as error:
        raise InputError(file, "no such file (logger=csv writes it)", RUN_AGAIN) from error
    except (OSError, ValueError, KeyError) as error:
        raise InputError(file, "is not a table of instances", RUN_AGAIN) from error


def _dataset(folder: Path, overrides: Sequence[str], config_dirs: Sequence[Path]) -> Dataset:
    """The run's dataset. Raises `UsageError` where the settings describe another one."""
    from amodal_bench.cli.data.compose import open_dataset
    from amodal_bench.config.compose import compose

    dataset = open_dataset(compose(overrides, config_dirs))
    try:
        ran = read_json(folder / "run.json")["identity"]["dataset"]
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
        raise BenchError(f"{file}: cannot be written ({error.strerror})") from error
