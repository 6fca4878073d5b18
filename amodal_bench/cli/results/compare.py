"""Compare finished runs on the same instances: paired differences, and where each one wins.

    amodal-bench results compare results/runs/toy-hull-0123456789ab results/runs/toy-tiny-0123456789ab
    amodal-bench results compare RUN_A RUN_B RUN_C protocol=pooled --to RUN_C
    amodal-bench results compare RUN_A RUN_B --common -o comparison

The first run is the reference, or the one that --to names. Every number of the protocol has its difference with a
95 % interval (whole videos or images are drawn again, the same for all runs) and a verdict; so have bins of the
occlusion rate, categories and sizes of A. Then come the instances on which each run wins by IoU, and those that
change most.

Runs on another dataset or on other instances are refused; --common compares the instances that all runs have. The
protocol is instance unless protocol=NAME is given. Nothing is predicted, and no run is changed.

-o FOLDER writes comparison.csv (every number in every group), instances.csv, comparison.md and sheet.png with the
pictures of the largest changes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amodal_bench.cli.results.words import known_words, parted
from amodal_bench.cli.verbs import verb, word
from amodal_bench.cli.words import config_dir, folder_option
from amodal_bench.core.disk import name_another
from amodal_bench.core.errors import UsageError

if TYPE_CHECKING:
    from amodal_bench.api.compare import Comparison

SHOWN = 8


@verb(__doc__)
@word(
    "words",
    "two or more, then protocol=NAME and its settings, ids=FILE and samples=K",
    metavar="RUN_FOLDER... [OVERRIDE]...",
    nargs=-1,
    shell_complete=known_words,
)
@folder_option("--to", metavar="RUN_FOLDER", help="The run that the others are compared with; the first by default.")
@click.option("--common", is_flag=True, help="Compare the instances that all runs have.")
@click.option(
    "--at-least",
    type=click.IntRange(min=1),
    metavar="N",
    help="Pool categories with fewer instances; 20 by default.",
)
@click.option(
    "--show", type=click.IntRange(min=0), default=SHOWN, metavar="N", help="Instances with the largest change; 8."
)
@folder_option("-o", "--output", metavar="FOLDER", help="Write the tables and a sheet of pictures there.")
@config_dir
def main(
    words: Sequence[str],
    to: Path | None,
    common: bool,
    at_least: int | None,
    show: int,
    output: Path | None,
    config_dir: Sequence[Path],
) -> int:
    """Print the comparison, and write it where a folder is named."""
    runs, overrides = parted(words)
    if output is not None and output.exists() and not output.is_dir():
        raise UsageError(f"{output}: cannot be a folder, since it is a file; name another one with -o")
    from amodal_bench.api.compare import compare_runs
    from amodal_bench.api.runs import open_run
    from amodal_bench.config.build import build
    from amodal_bench.config.compose import compose
    from amodal_bench.report.compare import AT_LEAST
    from amodal_bench.report.compare_text import legend, notes, sections
    from amodal_bench.report.page.folder import INDEX

    if output is not None and (output / INDEX).exists():
        raise UsageError(f"{output}: holds a page of `results page`; name another folder with -o")
    refuse_other_protocols("a comparison", overrides)
    settings = compose(overrides, config_dir)
    samples = settings.samples if any(each.partition("=")[0].lstrip("+") == "samples" for each in overrides) else None
    opened = [open_run(folder) for folder in _first(runs, to)]
    protocol = build(settings.protocol, "protocol")
    found = compare_runs(opened, protocol, settings.ids, samples, common, at_least or AT_LEAST)
    heading = [*legend(found.scored), _about(found)]
    if common:
        heading.append(f"left out: {found.left_out} instances that not all runs have or annotate alike")
    if found.missing:
        heading.append(f"not run: {found.missing} instances that the protocol selects")
    parts = list(sections(found.scored, found.differences, found.changes, found.wins, show))
    noted = notes(found.scored, found.differences)
    _print(heading, parts, noted)
    if output is not None:
        _write(output, found, heading, parts, noted, show, list(config_dir))
    return 0


def _first(runs: Sequence[Path], to: Path | None) -> list[Path]:
    """The runs with the reference in front."""
    if to is None:
        return list(runs)
    return [to, *(run for run in runs if run.resolve() != to.resolve())]


def refuse_other_protocols(what: str, overrides: Sequence[str]) -> None:
    """Raise `UsageError` for a setting that names several protocols, where one is meant."""
    for each in overrides:
        key = each.partition("=")[0].lstrip("+")
        if key == "experiment" or "other_protocols" in key:
            raise UsageError(f"{each}: {what} is about one protocol; give protocol=NAME, once for each of them")


def _about(found: Comparison) -> str:
    """Dataset, protocol and instances in one line."""
    first = found.scored[0]
    protocol, count = found.protocol, found.differences["clusters"].max()
    draws = f", {first.draws} draws" if protocol.of_draws else ""
    return (
        f"{first.facts['dataset']['name']}, {protocol.label} ({protocol.digest}), instances {first.ids}{draws}; "
        f"differences to A in points, 95 % intervals over {count} images or videos"
    )


def _print(heading: Sequence[str], parts: Sequence[object], noted: Sequence[str]) -> None:
    from amodal_bench.cli.columns import columns, room
    from amodal_bench.core.shown import shown
    from amodal_bench.report.compare_text import Section, markdown
    from amodal_bench.report.folding import folded

    own = [part for part in parts if isinstance(part, Section)]
    if not sys.stdout.isatty():
        print(markdown(heading, own, noted), end="")
        return
    for line in heading:
        print(*folded(shown(line), room(), "  ", whole=True), sep="\n")
    for part in own:
        print("", *folded(part.title, room(), "  "), sep="\n")
        print(columns(part.rows, part.head, part.numbers))
    print()
    for line in noted:
        print(*folded(line, room(), "  ", whole=True), sep="\n")


def _write(
    folder: Path,
    found: Comparison,
    heading: Sequence[str],
    parts: Sequence[object],
    noted: Sequence[str],
    show: int,
    config_dirs: list[Path],
) -> None:
    from amodal_bench.cli.results.compare_sheet import draw
    from amodal_bench.core.files import write_whole
    from amodal_bench.report.compare_text import Section, markdown
    from amodal_bench.report.csv_logger import write_csv

    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(found.differences, folder / "comparison.csv")
        write_csv(found.changes, folder / "instances.csv")
        text = markdown(heading, [part for part in parts if isinstance(part, Section)], noted)
        write_whole(folder / "comparison.md", lambda partial: partial.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise name_another(folder, error, "folder") from error
    written = [folder / name for name in ("comparison.csv", "instances.csv", "comparison.md")]
    if (sheet := draw(found, folder / "sheet.png", show, config_dirs)) is not None:
        written.append(sheet)
    print("\nwrote " + ", ".join(map(str, written)))
