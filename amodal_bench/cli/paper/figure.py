"""Draw a figure: run what it lacks, then write it from stores, the datasets' pictures and the published values.

    amodal-bench paper figure5 data=/data                 # bars of table 1's averages, from its cells
    amodal-bench paper figure6 data=/data                 # examples, chosen by a seed, spread over occlusion rates
    amodal-bench paper figure8 data=/data ids=ID,ID       # these instances; or ids=FILE
    amodal-bench paper figure1 toy=1                      # any machine: the toy aquarium

All other words are those of a table; `amodal-bench paper table1 --help` shows them. Figures 4 and 5 need every cell
of table 1 and are SVG and PNG. Figures 6 to 8 take predictions from table 1's runs, and make those that are lacking;
figures 1 and 3 show the model at work. These are PNG, and need the pictures of the datasets. The files go to
RESULTS/paper.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amodal_bench.cli.verbs import Verb, verb
from amodal_bench.cli.words import config_dir, overrides
from amodal_bench.core.errors import BenchError, UsageError
from amodal_bench.core.stops import KEPT, keeping

if TYPE_CHECKING:
    from amodal_bench.cli.paper.table import Asked
    from amodal_bench.paper.cells import Cell
    from amodal_bench.paper.figures.declared import Declared
    from amodal_bench.paper.table import Table


def made(name: str) -> Verb:
    """The verb of one figure."""

    @verb(__doc__)
    @click.option("--render", is_flag=True, help="Run nothing; draw what there is.")
    @click.option("--dry-run", is_flag=True, help="Run and draw nothing; list the cells and what is missing.")
    @overrides("ids=ID,ID or ids=FILE, and the words of a table")
    @config_dir
    def figure(render: bool, dry_run: bool, overrides: Sequence[str], config_dir: Sequence[Path]) -> int:
        from amodal_bench.cli.paper.table import asked_for, checked

        if render and dry_run:
            raise UsageError("--render and --dry-run: only one of them can be given")
        ids = [word.partition("=")[2] for word in overrides if word.startswith("ids=")]
        words = [word for word in overrides if not word.startswith("ids=")]
        with keeping(KEPT):
            asked, given = asked_for(words, config_dir, render), ids[-1] if ids else ""
            if not dry_run:
                return draw(name, asked, render, dry_run, given)
            with checked(asked) as asked:
                return draw(name, asked, render, dry_run, given)

    figure.name = name
    return figure


def every(asked: Asked, render: bool, dry_run: bool) -> int:
    """Draw every figure; one that cannot be drawn leaves the others to be drawn."""
    from amodal_bench.cli.paper.table import left_out
    from amodal_bench.paper.figures.declared import figure_names

    status = 0
    for name in figure_names(asked.plan.config_dirs):
        try:
            status |= draw(name, asked, render, dry_run, "")
        except BenchError as error:
            print(left_out(name, error), file=sys.stderr)
            status |= 1
    return status


def draw(name: str, asked: Asked, render: bool, dry_run: bool, ids: str) -> int:
    """Draw one figure; returns the exit status.

    Raises:
        BenchError: it cannot be drawn.
    """
    from amodal_bench.cli.paper.table import show_estimates
    from amodal_bench.paper.figures.chosen import asked_ids
    from amodal_bench.paper.figures.declared import BARS, OF_A_MODEL, load_figure
    from amodal_bench.paper.figures.drawing import require

    figure = load_figure(name, asked.plan.config_dirs)
    require(name)
    wanted = asked_ids(ids) if ids else []
    if wanted and figure.kind in BARS:
        raise UsageError(f"ids: {name} shows numbers and no instances")
    if render and asked.said and figure.kind in OF_A_MODEL:  # what is kept of it is all that it needs
        return _of_a_model(figure, None, [], asked, wanted, render)
    table, cells = _cells(figure, asked, wanted, render)
    if dry_run:
        return show_estimates(table, cells, asked)
    if figure.kind in OF_A_MODEL:
        return _of_a_model(figure, table, cells, asked, wanted, render)
    if not render:
        _run(figure.name, table, cells, asked)
    return (_bars if figure.kind in BARS else _of_runs)(figure, table, cells, asked, wanted)


def _cells(figure: Declared, asked: Asked, ids: Sequence[str], render: bool) -> tuple[Table, list[Cell]]:
    """The figure's part of its table, and the cells of it."""
    from amodal_bench.cli.paper.table import recall
    from amodal_bench.paper.cells import adapted
    from amodal_bench.paper.figures.declared import BARS, OF_A_MODEL
    from amodal_bench.paper.figures.shown import lists_of
    from amodal_bench.paper.prepared import ready
    from amodal_bench.paper.sample import lists_in
    from amodal_bench.paper.table import load_table

    name = figure.table if figure.kind in BARS else figure.name
    if render and not asked.said and not ids:
        return recall(figure.name, asked.results, name)
    plan = asked.plan
    table = adapted(load_table(figure.table, plan.config_dirs), plan)
    if figure.kind not in BARS:
        rows = [row for row in table.rows if row.name in figure.rows] or [*table.rows]
        columns = [each for each in table.columns if each.name in figure.columns] or [*table.columns]
        rows = rows[:1] if figure.kind in OF_A_MODEL else rows
        table = replace(table, name=name, title=figure.title, rows=rows, columns=columns, average="")
        if ids:
            plan = replace(plan, sample=None, ids=lists_of(table, plan, ids, asked.lists or lists_in(asked.results)))
            table = replace(table, columns=[column for column in columns if column.name in plan.ids])
        elif plan.sample is None and asked.budget is None:
            plan = replace(plan, sample=figure.sample)
    return ready(table, plan, None if ids else asked.budget, asked.results, asked.lists, render)


def _run(name: str, table: Table, cells: Sequence[Cell], asked: Asked) -> None:
    """Run the cells that are missing, as a table does."""
    from amodal_bench.cli.paper.table import run_missing
    from amodal_bench.paper.prepared import remember

    remember(asked.results, table, cells)
    run_missing(name, cells, asked)


def _bars(figure: Declared, table: Table, cells: Sequence[Cell], asked: Asked, _: Sequence[str]) -> int:
    """Draw means over datasets; returns 1 where a cell failed."""
    from amodal_bench.paper.figures.bars import bars_of, draw_bars, random_rows
    from amodal_bench.paper.figures.drawing import discard, save, styled
    from amodal_bench.paper.gather import gather, nothing_run
    from amodal_bench.paper.record import FOLDER

    values = gather(table, cells, asked.results, asked.plan.config_dirs)
    bars = bars_of(figure, table, values)
    if not any(bar.ours for bar in bars):
        if not nothing_run(values):
            discard(asked.results / FOLDER, figure.name, ("svg", "png"))  # it shows other numbers than the cells have
        raise UsageError(f"{figure.name}: no row has all of its values; make {figure.table} first")
    with styled():
        drawn = draw_bars(figure, bars, random_rows(values), values)
        _tell(save(drawn, asked.results / FOLDER, figure.name, ("svg", "png")))
    return int(any(value.missing.startswith("failed") for value in values))


def _of_runs(figure: Declared, table: Table, cells: Sequence[Cell], asked: Asked, ids: Sequence[str]) -> int:
    """Draw instances with predictions of runs; returns 1 where pictures are lacking."""
    from amodal_bench.paper.figures.drawing import discard, save, styled
    from amodal_bench.paper.figures.examples import draw_examples, draw_gains
    from amodal_bench.paper.figures.shown import examples_of, of_columns
    from amodal_bench.paper.record import FOLDER

    columns, lines = of_columns(figure, table, cells, ids, asked.plan.config_dirs)
    examples, more = examples_of(columns, cells, asked.results)
    for line in [*lines, *more]:
        print(line, file=sys.stderr)
    if not any(found.mask is not None for each in examples for found in each.predicted):
        if not examples:
            raise UsageError(f"{figure.name}: there is no picture to draw")
        if any(found.why == "failed" for each in examples for found in each.predicted):
            discard(asked.results / FOLDER, figure.name, ("png",))  # it shows other predictions than the cells have
        raise UsageError(f"{figure.name}: there is no prediction of these instances; call it without --render")
    with styled():
        drawn = (draw_examples if figure.kind == "examples" else draw_gains)(figure, examples)
        _tell(save(drawn, asked.results / FOLDER, figure.name, ("png",)))
    return int(bool(lines or more))


def _of_a_model(
    figure: Declared, table: Table | None, cells: Sequence[Cell], asked: Asked, ids: Sequence[str], render: bool
) -> int:
    """Draw a model at work on the first instance that is chosen, or what is kept of it where nothing may be run."""
    from amodal_bench.paper.figures.at_work import at_work, draw_denoising, draw_scene, read
    from amodal_bench.paper.figures.drawing import save, styled
    from amodal_bench.paper.figures.shown import of_columns
    from amodal_bench.paper.prepared import remember
    from amodal_bench.paper.record import FOLDER

    file = asked.results / FOLDER / f"{figure.name}.npz"
    if render or table is None:
        if not file.is_file():
            raise UsageError(f"{figure.name}: the model has not been shown at work; call it without --render")
        shown = read(file)
    else:
        columns, lines = of_columns(figure, table, cells, ids, asked.plan.config_dirs)
        if not columns:
            raise UsageError("; ".join(lines))
        remember(asked.results, table, cells)
        _, dataset, found = columns[0]
        shown = at_work(figure, cells[0], dataset, found[0], file, asked.plan.config_dirs)
    with styled():
        drawn = (draw_scene if figure.kind == "scene" else draw_denoising)(figure, shown)
        _tell(save(drawn, asked.results / FOLDER, figure.name, ("png",)))
    return 0


def _tell(files: Sequence[Path]) -> None:
    for file in files:
        print(f"wrote {file}")
