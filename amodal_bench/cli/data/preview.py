"""Draw contact sheets of a dataset: image, V, A and the hidden part in contours, by rising occlusion rate.

    amodal-bench data preview kins                  # NAME-preview.png: an overview
    amodal-bench data preview kins --page 2         # NAME-preview-2.png: the next instances
    amodal-bench data preview kins --page 1-20      # a folder NAME-preview with sheets and index.html
    amodal-bench data preview toy --page all --out sheets

Page 1 has the instances nearest to evenly spaced occlusion rates; where the annotations state no rate, they are
spread over the index. Each further page has others, again of all occlusion rates; no instance is on two pages, and
all pages together show every one that is not hidden. They are the same each time. In a folder, index.html shows the
sheets and index.csv lists which instance is on which; the sheets of an earlier call in it are removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amodal_bench.cli.answers import complain
from amodal_bench.cli.data.compose import open_dataset, settings_of
from amodal_bench.cli.data.pages import Shown, forget_earlier, pages, wanted, write_index
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import dataset, file_option
from amodal_bench.core.errors import BenchError, InputError, UsageError
from amodal_bench.core.progress import follow
from amodal_bench.core.shown import one_line

if TYPE_CHECKING:
    from amodal_bench.datasets.base import Dataset

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


@dataclass
class _Drawn:
    """What was drawn, and how many instances could not be read."""

    shown: list[Shown]
    failed: int = 0


@verb(__doc__)
@dataset
@click.option("--rows", type=int, default=8, metavar="N", help="Instances on a page; 8 by default.")
@click.option("--page", metavar="N|N-M|all", default="1", help="Which pages to draw; the first by default.")
@file_option(
    "out",
    "-o",
    "--output",
    metavar="FILE",
    help="The picture to write, or the folder for several pages; NAME-preview.png or NAME-preview by default.",
)
def main(
    name: str, overrides: Sequence[str], config_dir: Sequence[Path], rows: int, page: str, out: Path | None
) -> int:
    """Draw the sheets; returns 1 where an instance could not be read."""
    if rows < 1:
        raise UsageError(f"--rows: {rows} must be >= 1")
    first, last = wanted(page)
    several = last is None or last > first or "-" in page
    out = out or Path(f"{name}-preview" if several else f"{name}-preview{f'-{first}' * (first > 1)}.png")
    _check(out, several)
    opened = open_dataset(settings_of(name, overrides, config_dir))
    from amodal_bench.datasets.base import records_of
    from amodal_bench.metrics.protocols import flag
    from amodal_bench.report.rows import categories_of

    records = records_of(opened)
    categories = categories_of(records)
    every = pages(records[~flag(records, "hidden")], rows)
    if not every:
        raise BenchError(f"{opened.name}: there is no instance to show ({len(records)} in the index)")
    if first > len(every):
        raise UsageError(f"--page {page}: there are {len(every)} pages of {rows} instances; name one of them")
    numbers = range(first, min(last or len(every), len(every)) + 1)
    drawn = _Drawn([])
    if not several:
        _draw(opened, first, {id: categories[id] for id in every[first - 1]}, out, drawn, tell=True)
        if len(every) > 1:
            print(
                f"page {first} of {len(every)}; --page {first % len(every) + 1} draws another, --page all every one"
            )
    else:
        out.mkdir(exist_ok=True)
        forget_earlier(out)
        for number in follow(numbers, "drawing", "page"):
            rows_of = {id: categories[id] for id in every[number - 1]}
            _draw(opened, number, rows_of, out / f"page-{number:04}.png", drawn, tell=False)
            write_index(out, opened.name, drawn.shown, len(every))  # so that what is done can be looked at meanwhile
    if not drawn.shown:
        raise BenchError(f"{opened.name}: there is no instance to show ({len(records)} in the index)")
    if last is not None and last > len(every):
        print(f"--page {page}: page {len(every)} is the last one")
    told = (
        f": {len(drawn.shown)} instances on {len(numbers)} page{'s' * (len(numbers) > 1)}, see index.html"
        if several
        else ""
    )
    print(f"wrote {out}{told}")
    return 1 if drawn.failed else 0


def _check(out: Path, several: bool) -> None:
    """Raise `UsageError` where nothing can be written to `out`."""
    if several and (out.is_file() or out.suffix.lower() in ENDINGS):
        raise UsageError(f"--out: {out} must be a folder, since several pages are drawn")
    if not several and out.suffix.lower() not in ENDINGS:
        raise UsageError(f"--out: {out} does not end in .png, .jpg or .webp")
    if not out.parent.is_dir():
        raise UsageError(f"--out: there is no folder {out.parent}")


def _draw(dataset: Dataset, page: int, rows: Mapping[str, str], file: Path, drawn: _Drawn, tell: bool) -> None:
    """Draw one page; what cannot be read is told and left out, and a page of which nothing is left is not written.

    Args:
        dataset: whose instances are drawn.
        page: its number.
        rows: ids of the instances, and their categories.
        file: that is written.
        drawn: what was drawn so far; what this page shows is added.
        tell: whether each instance is printed.
    """
    from amodal_bench.report.rows import annotation_row, hidden_share, legend_of_annotations
    from amodal_bench.report.sheet import Sheet, save_sheet

    found, stray = [], False
    for id, category in rows.items():
        try:
            sample = dataset.sample(id)
        except InputError as error:
            drawn.failed += 1
            complain(str(error))
            continue
        stray |= bool((sample.visible & ~sample.amodal).any())
        found.append(annotation_row(sample, category))
        said = f"hidden {100 * hidden_share(sample):.0f} %"
        drawn.shown.append(Shown(page, len(found), id, said, file.name))
        if tell:
            print(f"{len(found):3}  {said:12}  {one_line(id)}")
    if found:
        save_sheet(Sheet(dataset.name, found, legend_of_annotations(stray)), file)
