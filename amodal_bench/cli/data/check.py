"""Verify a dataset: that its class keeps the contract of datasets, and that its files are whole and agree.

A problem is printed as `file: record: what`, at most ten of a kind; where there are more, all are in a file of the
results. Exit status: 0 all is well, 1 there are problems or the dataset cannot be opened, 2 the command line is
wrong. Your own class is checked in the same way: `amodal-bench data check mine --config-dir my_conf`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amodal_bench.cli.data.compose import open_dataset, settings_of
from amodal_bench.cli.data.info import remarks
from amodal_bench.cli.data.problems import Line, all_of_them, printed
from amodal_bench.cli.verbs import verb
from amodal_bench.cli.words import dataset
from amodal_bench.core.shown import one_line
from amodal_bench.datasets.card import Published, card_names, load_card

if TYPE_CHECKING:
    from amodal_bench.datasets.base import Dataset, Problem
    from amodal_bench.testing.datasets import Verdict


@verb(__doc__)
@dataset
@click.option(
    "--limit",
    type=int,
    metavar="N",
    help="Print the first N problems and how many more there are; by default, ten of each kind.",
)
@click.option("--samples", type=int, default=5, metavar="N", help="Instances to test the contract on; 5 by default.")
def main(name: str, overrides: Sequence[str], config_dir: Sequence[Path], limit: int | None, samples: int) -> int:
    """Check a dataset; returns 1 where there are problems."""
    settings = settings_of(name, overrides, config_dir)
    from amodal_bench.testing.datasets import examine, of_settings
    from amodal_bench.testing.printed import Printed

    said = Printed()
    with said.kept():
        opened = open_dataset(settings)
        verdict = examine(opened, samples)
        if not verdict.violations:
            varied = of_settings(settings.dataset)
            verdict = replace(verdict, violations=varied.violations, aside=varied.aside)
    _summary(name, settings.dataset, opened)
    lines = [Line(one_line(f"{name}: contract: {what}"), what) for what in verdict.violations]
    lines += [Line(one_line(_line(problem)), problem.what) for problem in verdict.problems]
    for what in remarks(opened):
        print(f"remark     {one_line(what)}")
    if note := said.summary():
        print(f"note       {note}")
    if verdict.aside:
        print(f"note       settings not varied: {', '.join(verdict.aside)}")
    print(f"contract   {_kept(verdict)}")
    print(f"problems   {len(lines) or 'none'}")
    told = list(printed(lines, limit))
    if told != [line.text for line in lines]:
        print(f"all        {all_of_them(lines, Path(settings.results, 'checks', f'{name}.txt'))}")
    for line in told:
        print(line)
    return 1 if lines else 0


def _kept(verdict: Verdict) -> str:
    if verdict.violations:
        return f"broken in {len(verdict.violations)} way{'s' * (len(verdict.violations) > 1)}"
    return f"kept by {verdict.read} samples" if verdict.read else "not tested: none of the chosen samples can be read"


def _line(problem: Problem) -> str:
    return ": ".join(part for part in (problem.file, problem.record, problem.what) if part)


def _summary(name: str, spec: Mapping[str, Any], dataset: Dataset) -> None:
    """What was found, and beside it what was published of the same split."""
    settings = ", ".join(f"{key} {value}" for key, value in spec.items() if _is_told(key, value))
    print(f"dataset    {name}{f' ({settings})' if settings else ''}")
    try:
        records = dataset.records()
        images, instances = int(records["image_id"].nunique()), len(records)
    except (Exception, SystemExit):  # the contract's violations say why
        return
    print(f"found      {images} images, {instances} instances")
    for published in published_of(name, spec):
        counts = [
            f"{count} {what}"
            for count, what in ((published.images, "images"), (published.instances, "instances"))
            if count is not None
        ]
        same = published.images in (None, images) and published.instances in (None, instances)
        label = f", {published.variant}" if published.variant else ""
        print(
            f"published  {', '.join(counts) or 'no counts'} ({published.source}{label}){'' if same else ': differs'}"
        )


def _is_told(key: str, value: Any) -> bool:
    return not key.startswith("_") and key != "name" and value is not None


def published_of(name: str, spec: Mapping[str, Any]) -> list[Published]:
    """The card's counts for the split, and for the variant where one of the settings names it."""
    if name not in card_names():
        return []
    of_split = [entry for entry in load_card(name).published if entry.split == str(spec.get("split"))]
    values = {str(value) for value in spec.values()}
    of_variant = [entry for entry in of_split if entry.variant is None or entry.variant in values]
    return of_variant or of_split
