"""The pictures of a comparison: the instances that change most, with every run's prediction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.core.errors import BenchError

if TYPE_CHECKING:
    from amodal_bench.api.compare import Comparison
    from amodal_bench.api.runs import Run
    from amodal_bench.core.types import Mask
    from amodal_bench.datasets.base import Dataset, Sample


def draw(found: Comparison, file: Path, most: int, config_dirs: list[Path]) -> Path | None:
    """Draw the `most` largest changes; returns the file, or None where there is nothing to draw, which is said."""
    from amodal_bench.report.compare_text import letters
    from amodal_bench.report.rows import Shown, categories_of, legend_of_predictions, runs_row
    from amodal_bench.report.scored import has_random_weights
    from amodal_bench.report.sheet import Sheet, save_sheet

    changed = found.changes[found.changes["difference"] != 0]
    largest = changed.assign(size=changed["difference"].abs()).sort_values(["size", "id"], ascending=[False, True])
    ids = list(dict.fromkeys(largest["id"].astype(str)))[:most]
    if not ids:
        print("no sheet: no instance changes" if most else "no sheet: none is asked for (--show 0)")
        return None
    ious = [dict(zip(part["id"], part["iou"], strict=True)) for _, part in found.changes.groupby("run", sort=False)]
    first = found.changes.drop_duplicates("id")
    every = [dict(zip(first["id"], first["reference_iou"], strict=True)), *ious]
    names = letters(len(found.runs))
    try:
        dataset = _dataset(found.runs[0], config_dirs)
        rows, categories = [], categories_of(first)
        notes = [f"run {name}: {one.name} {one.settings}" for name, one in zip(names, found.scored, strict=True)]
        for id in ids:
            sample = dataset.sample(id)
            shown = {
                f"run {name}": Shown(_predicted(run, sample), float(iou[id]), has_random_weights(run.facts))
                for name, run, iou in zip(names, found.runs, every, strict=True)
            }
            rows.append(runs_row(sample, shown, categories[id]))
        save_sheet(Sheet("largest changes of IoU", rows, legend_of_predictions(), notes), file)
    except (BenchError, OSError) as error:
        print(f"no sheet: the pictures cannot be shown ({error})")
        return None
    return file


def _dataset(run: Run, config_dirs: list[Path]) -> Dataset:
    """The dataset of a run, as its `run.json` says. Raises `BenchError` where it is not there, or another one."""
    from amodal_bench.api.reopen import dataset_of

    dataset = dataset_of(run, config_dirs)
    if dataset.fingerprint() != run.facts["dataset"]["fingerprint"]:
        raise BenchError(f"{run.folder}: its dataset has changed since")
    return dataset


def _predicted(run: Run, sample: Sample) -> Mask | None:
    """A run's prediction of draw 0; None where it failed."""
    from amodal_bench.core.errors import UsageError

    try:
        return run.prediction(sample.id)
    except UsageError:
        return None
