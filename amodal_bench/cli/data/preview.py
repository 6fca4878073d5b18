"""Draw a contact sheet of a dataset: image, V (green), A and the hidden part (blue), by rising occlusion rate.

The instances are those nearest to evenly spaced occlusion rates, and the same ones each time; where the annotations
state no rate, they are spread over the index.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from amodal_bench.cli.data.compose import add_dataset, open_dataset, settings_of
from amodal_bench.core.errors import BenchError, InputError, UsageError

if TYPE_CHECKING:
    import pandas as pd


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments and options of this verb to its parser."""
    add_dataset(parser)
    parser.add_argument("--rows", type=int, default=8, metavar="N", help="instances to show")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the picture to write; NAME-preview.png by default")


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says with parsed arguments, and return the exit status."""
    out: Path = arguments.out or Path(f"{arguments.name}-preview.png")
    if arguments.rows < 1:
        raise UsageError(f"--rows: {arguments.rows} is not a positive number")
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise UsageError(f"--out: {out} does not end in .png, .jpg or .webp")
    if not out.parent.is_dir():
        raise UsageError(f"--out: there is no folder {out.parent}")
    dataset = open_dataset(settings_of(arguments))
    from amodal_bench.metrics.protocols import flag
    from amodal_bench.report.sheet import draw_annotation, save_sheet

    records = dataset.records()
    rows, failed = [], 0
    for id in spread(records[~flag(records, "hidden")], arguments.rows):
        try:
            row = draw_annotation(dataset.sample(id))
        except InputError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        rows.append(row)
        print(f"{len(rows):3}  {list(row)[-1]:12}  {id}")
    if not rows:
        raise BenchError(f"{dataset.name}: there is no instance to show ({len(records)} in the index)")
    save_sheet(rows, out)
    print(f"wrote {out}")
    return 1 if failed else 0


def spread(records: pd.DataFrame, count: int) -> list[str]:
    """Ids of `count` instances, nearest to evenly spaced rates, each once; of unknown rate only where needed."""
    import numpy as np

    known = records[records["occlusion_rate"].notna()].sort_values(["occlusion_rate", "id"])
    rates, chosen = known["occlusion_rate"].to_numpy(float), set[int]()
    for wish in np.linspace(rates[0], rates[-1], min(count, len(rates))) if len(rates) else ():
        distance = np.abs(rates - wish)
        distance[list(chosen)] = np.inf
        chosen.add(int(distance.argmin()))
    ids = [str(known["id"].iloc[place]) for place in sorted(chosen)]
    unknown = records.loc[records["occlusion_rate"].isna(), "id"]
    places = np.unique(np.linspace(0, len(unknown) - 1, min(count - len(ids), len(unknown))).round().astype(int))
    return ids + [str(unknown.iloc[place]) for place in places]
