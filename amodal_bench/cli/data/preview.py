"""Draw a contact sheet of a dataset: image, V, A and the hidden part in contours, by rising occlusion rate.

The instances are those nearest to evenly spaced occlusion rates, and the same ones each time; where the annotations
state no rate, they are spread over the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amodal_bench.cli.answers import complain
from amodal_bench.cli.data.compose import open_dataset, settings_of
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import dataset, file_option
from amodal_bench.core.errors import BenchError, InputError, UsageError

if TYPE_CHECKING:
    import pandas as pd


@verb(__doc__)
@dataset
@click.option("--rows", type=int, default=8, metavar="N", help="Instances to show; 8 by default.")
@file_option(
    "--out",
    metavar="FILE",
    help="The picture to write; NAME-preview.png by default.",
)
def main(name: str, overrides: Sequence[str], config_dir: Sequence[Path], rows: int, out: Path | None) -> int:
    """Draw the sheet; returns 1 where an instance could not be read."""
    out = out or Path(f"{name}-preview.png")
    if rows < 1:
        raise UsageError(f"--rows: {rows} must be >= 1")
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise UsageError(f"--out: {out} does not end in .png, .jpg or .webp")
    if not out.parent.is_dir():
        raise UsageError(f"--out: there is no folder {out.parent}")
    opened = open_dataset(settings_of(name, overrides, config_dir))
    from amodal_bench.metrics.protocols import flag
    from amodal_bench.report.rows import annotation_row, categories_of, hidden_share, legend_of_annotations
    from amodal_bench.report.sheet import Sheet, save_sheet

    records = opened.records()
    categories = categories_of(records)
    drawn, failed, stray = [], 0, False
    for id in spread(records[~flag(records, "hidden")], rows):
        try:
            sample = opened.sample(id)
        except InputError as error:
            failed += 1
            complain(str(error))
            continue
        stray |= bool((sample.visible & ~sample.amodal).any())
        drawn.append(annotation_row(sample, categories[id]))
        print(f"{len(drawn):3}  hidden {100 * hidden_share(sample):.0f} %".ljust(17), f" {id}")
    if not drawn:
        raise BenchError(f"{opened.name}: there is no instance to show ({len(records)} in the index)")
    save_sheet(Sheet(opened.name, drawn, legend_of_annotations(stray)), out)
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
