"""Run what a table lacks, then write it as CSV, Markdown, LaTeX and HTML with the published values beside ours.

    amodal-bench paper table1 data=/data                  # /data/cocoa, /data/bsds, /data/kins, ...
    amodal-bench paper table1 data=/data sample=2000      # whole images or videos, spread over occlusion rates
    amodal-bench paper table1 data=/data budget=8h        # as many instances as fit
    amodal-bench paper table1 toy=1                       # any machine: the toy aquarium
    amodal-bench paper table2 toy=1 hydra/launcher=joblib # cells side by side

Beside these words, each KEY=VALUE is a setting of all runs (model.backbone.device=cuda), or of Hydra's (hydra/...).
weights=random takes every model in small with random weights: it shows that all of it runs. What is done is never run
again; a larger sample keeps what a smaller one has run. The files go to RESULTS/paper.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from amodal_bench.cli.verbs import Verb, verb
from amodal_bench.cli.words import config_dir, overrides
from amodal_bench.config.build import suggest
from amodal_bench.config.overrides import expand_home, readable
from amodal_bench.core.errors import UsageError, unbroken
from amodal_bench.core.stops import KEPT, keeping

if TYPE_CHECKING:
    from amodal_bench.paper.cells import Cell, Plan
    from amodal_bench.paper.table import Table

ALL = "all"
TRUE, FALSE = ("1", "true", "yes"), ("0", "false", "no")


@dataclass(frozen=True)
class Asked:
    """What the words ask for.

    Attributes:
        plan: of the cells; the samples are not drawn yet.
        budget: seconds for all cells that are not done; None where there is no limit.
        hydra: settings of Hydra's own.
        results: the folder of results.
        said: whether any word is about the cells.
        again: whether the command of every cell is given again.
        render: whether nothing is run, so that stores alone are needed.
        lists: where samples are listed; None for the folder of results.
    """

    plan: Plan
    budget: float | None
    hydra: Sequence[str]
    results: Path
    said: bool
    again: bool
    render: bool = False
    lists: Path | None = None


def made(name: str) -> Verb:
    """The verb of one table, or of all."""

    @verb(__doc__)
    @click.option("--render", is_flag=True, help="Run nothing; write what there is, from stores alone.")
    @click.option(
        "--dry-run", is_flag=True, help="Run and write nothing; list the cells, their time and what is missing."
    )
    @overrides("data=FOLDER, sample=N, budget=8h, toy=1, weights=random, results=FOLDER, and settings of all runs")
    @config_dir
    def table(render: bool, dry_run: bool, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
        with keeping(KEPT):
            return _main(name, render, dry_run, overrides, config_dir)

    table.name = name
    return table


def _main(name: str, render: bool, dry_run: bool, words: Sequence[str], config_dirs: Sequence[Path]) -> int:
    """Make one table, or every one; a table that cannot be made leaves the others to be made."""
    if render and dry_run:
        raise UsageError("--render and --dry-run: only one of them can be given")
    asked = asked_for(words, config_dirs, render)
    if not dry_run:
        return _each(name, asked, render, dry_run)
    with checked(asked) as asked:
        return _each(name, asked, render, dry_run)


@contextmanager
def checked(asked: Asked) -> Iterator[Asked]:
    """What is asked for, as it is listed and not run: its samples lie elsewhere, and Hydra's settings are checked.

    Raises:
        UsageError: cells could not be launched with these settings.
    """
    from amodal_bench.paper.launch import check_launcher

    check_launcher(asked.results, asked.hydra, asked.plan.config_dirs)
    with TemporaryDirectory() as folder:
        yield replace(asked, lists=Path(folder) / "ids")


def _each(name: str, asked: Asked, render: bool, dry_run: bool) -> int:
    from amodal_bench.paper.table import names

    config_dirs = asked.plan.config_dirs
    status = 0
    for each in names(config_dirs) if name == ALL else [name]:
        try:
            status |= _one(each, asked, render, dry_run)
        except UsageError as error:
            if name != ALL:
                raise
            print(left_out(each, error), file=sys.stderr)
            status |= 1
    if name == ALL:
        from amodal_bench.cli.paper.figure import every

        status |= every(asked, render, dry_run)
    return status


def left_out(name: str, error: Exception) -> str:
    """The line on a table or figure that is not made among all."""
    said = unbroken(error)
    return f"left out: {said if said.startswith(f'{name}: ') else f'{name}: {said}'}"


def recall(name: str, results: Path, made_as: str) -> tuple[Table, list[Cell]]:
    """The table and the cells that a table or figure was made of. Raises `UsageError` where it never was."""
    from amodal_bench.paper.prepared import recalled

    if (known := recalled(results, made_as)) is None:
        raise UsageError(f"{name}: was never made in {results}; call it without --render, or with its words")
    return known


def _one(name: str, asked: Asked, render: bool, dry_run: bool) -> int:
    """Make one table. Raises `UsageError` where it cannot be made from these words."""
    from amodal_bench.paper.gather import protocols_of
    from amodal_bench.paper.prepared import prepare, remember

    if not dry_run:
        check_results(asked.results, render)
    if render and not asked.said:
        table, every = recall(name, asked.results, name)
    else:
        table, every = prepare(name, asked.plan, asked.budget, asked.results, asked.lists, render)
    protocols_of(table, asked.plan.config_dirs)
    if dry_run:
        return show_estimates(table, every, asked)
    if not render:
        remember(asked.results, table, every)
        run_missing(table.name, every, asked)
    return _write(table, every, asked.results, asked.plan.config_dirs)


def check_results(results: Path, render: bool) -> None:
    """Raise `UsageError` where there is nothing to be written again, `InputError` where nothing can be written."""
    from amodal_bench.paper.record import FOLDER
    from amodal_bench.runner.place import check_writable

    if render and not results.is_dir():
        raise UsageError(f"results={results}: there is no such folder, so there is nothing to write again")
    check_writable(results)
    try:
        (results / FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"results={results}: cannot be made ({error.strerror}); name another folder") from error


def run_missing(name: str, every: Sequence[Cell], asked: Asked) -> None:
    """Run the cells that are not done, or that were made by other code or from other data."""
    from amodal_bench.cli.run import typed
    from amodal_bench.paper.inputs import digests, to_run
    from amodal_bench.paper.launch import launch

    config_dirs = asked.plan.config_dirs
    inputs = digests(every, config_dirs)
    missing = list(every) if asked.again else to_run(every, asked.results, inputs)
    if missing:
        print(f"{name}: {len(missing)} of {len(every)} cells are run", file=sys.stderr, flush=True)
        launch(missing, asked.results, asked.hydra, config_dirs, typed(sys.argv), inputs)


def show_estimates(table: Table, every: Sequence[Cell], asked: Asked) -> int:
    """List the cells with what is known of them before they run, and below them once what is missing."""
    from amodal_bench.cli.columns import print_columns
    from amodal_bench.paper.estimate import estimates, in_words
    from amodal_bench.paper.inputs import digests

    inputs = digests(every, asked.plan.config_dirs)
    found = estimates(every, asked.results, asked.plan.config_dirs, asked.plan.sample, inputs)
    print(f"{table.title}: {len(found)} cells, {sum(each.done for each in found)} done")
    missing: dict[str, int] = {}
    rows = []
    for each in found:
        numbers = [missing.setdefault(part, len(missing) + 1) for part in (*each.lacking, *each.unfit)]
        rows.append(
            (
                each.cell.row,
                each.cell.column,
                "done" if each.done else "changed" if each.changed else "to run",
                "" if each.instances is None else str(each.instances),
                str(each.kept) if each.kept else "",
                "" if each.done else in_words(each.total),
                "" if each.done else each.source,
                " ".join(f"({number})" for number in numbers),
            )
        )
    heads = ("row", "column", "state", "instances", "stored", "time", "time is", "missing")
    print_columns(rows, heads, ("instances", "stored"))
    for lacks, number in missing.items():
        print(f"({number}) {lacks}")
    if any(each.changed for each in found):
        print("changed: run before with other code, annotations or files than those of now, so that it is run again")
    waiting = [each.total for each in found if not each.done]
    if not waiting:
        print("to run: nothing")
        return 0
    known = [total for total in waiting if total is not None]
    unknown = f", and {len(waiting) - len(known)} cells of which nobody knows" if len(known) < len(waiting) else ""
    print(f"to run: {in_words(sum(known)) if known else 'nothing that is known'}{unknown}")
    return 0


def _write(table: Table, every: Sequence[Cell], results: Path, config_dirs: Sequence[Path]) -> int:
    """Write and print the table; returns 1 where a cell failed."""
    from amodal_bench.cli.paper.shown import as_shown
    from amodal_bench.paper.against import against
    from amodal_bench.paper.figures.chart import write_chart
    from amodal_bench.paper.gather import gather, nothing_run
    from amodal_bench.paper.index import pages_of, write_index
    from amodal_bench.paper.record import FOLDER
    from amodal_bench.paper.written import STYLE, grids, notes, write_table

    values = gather(table, every, results, config_dirs)
    if nothing_run(values):
        raise UsageError(f"{table.name}: none of its cells has been run with these words in {results}")
    beside = against(table, values)
    written = write_table(results / FOLDER, table, values, beside, pages_of(results))
    print(as_shown(grids(table, values, beside), notes(table, values), str(written[0])))
    for file in written:
        print(f"wrote {file}")
    try:
        for file in write_chart(results / FOLDER, table, values, beside):
            print(f"wrote {file}")
    except UsageError as error:
        print(f"no chart: {error}", file=sys.stderr)
    print(f"wrote {write_index(results / FOLDER, STYLE)}")
    return int(any(value.missing.startswith("failed") for value in values))


def asked_for(words: Sequence[str], config_dirs: Sequence[Path], render: bool = False) -> Asked:
    """What the words of a table ask for; the folder of datasets need not be there where nothing is run.

    Raises:
        UsageError: one is no `KEY=VALUE`, or its value cannot be used.
        ConfigError: the budget is no time.
    """
    from amodal_bench.paper.cells import TOY_SAMPLE, WEIGHTS, Plan
    from amodal_bench.paper.estimate import duration

    own: dict[str, str] = {}
    settings: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if key in ("data", "sample", "budget", "toy", "weights", "results", "again") and equals:
            own[key] = value
        else:
            settings.append(word)
    settings = readable(settings)
    hydra = [word for word in settings if word.lstrip("+~").startswith("hydra")]
    toy = _flag("toy", own.get("toy", "0")) or "dataset=toy" in settings
    settings = [word for word in settings if word not in hydra and word != "dataset=toy"]
    if (weights := own.get("weights", WEIGHTS[0])) not in WEIGHTS:
        raise UsageError(f"weights={weights}: {suggest(weights, WEIGHTS)}")
    sample, budget = _count("sample", own.get("sample")), duration(own["budget"]) if own.get("budget") else None
    if sample and budget:
        raise UsageError("sample and budget: only one of them can be given")
    data = Path(expand_home(own["data"])).absolute() if own.get("data") else None
    if data is not None and not render and not data.is_dir():
        raise UsageError(f"data={data}: there is no such folder")
    sample = TOY_SAMPLE if toy and sample is None and budget is None else sample
    plan = Plan(toy, weights, data, sample, settings, config_dirs)
    if own.get("results", "results") == "":
        raise UsageError("results=: must be a folder, such as results=results")
    results, again = Path(expand_home(own.pop("results", "results"))), _flag("again", own.pop("again", "0"))
    return Asked(plan, budget, hydra, results, bool(own or settings or toy), again, render)


def _flag(key: str, text: str) -> bool:
    if text.lower() not in (*TRUE, *FALSE):
        raise UsageError(f"{key}={text}: must be 1 or 0")
    return text.lower() in TRUE


def _count(key: str, text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"{key}={text}: must be a whole number >= 1")
    return int(text)
