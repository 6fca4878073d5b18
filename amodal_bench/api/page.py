"""The page to look into stored runs, made of their stores and, where it is there, of their dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from amodal_bench.api.compare import Comparison, compare_runs
from amodal_bench.api.runs import Run
from amodal_bench.api.score import scored_run, summary_beside
from amodal_bench.core.disk import name_another
from amodal_bench.datasets.base import Dataset
from amodal_bench.metrics.protocols import ScoringProtocol
from amodal_bench.report.compare_text import Section, letters, sections
from amodal_bench.report.compare_text import notes as compared_notes
from amodal_bench.report.marks import with_corrected
from amodal_bench.report.page import tables as page_tables
from amodal_bench.report.page.annotated import Made, Told, write_annotated
from amodal_bench.report.page.folder import Heading, check_folder, index_of, write_fixed, write_index
from amodal_bench.report.page.masks import PREDICTED, forget_others, pieces, write_piece
from amodal_bench.report.page.rows import Rows, rows_of
from amodal_bench.report.scored import Scored
from amodal_bench.report.summary import REFERENCE
from amodal_bench.runner.place import room
from amodal_bench.runner.schema import INSTANCES
from amodal_bench.runner.store import STORE, read_store

PREDICTIONS = "predictions"


@dataclass(frozen=True)
class Page:
    """What was written.

    Attributes:
        file: the page to open.
        instances: how many it shows.
        pictures: how many pictures it has.
        reused: of how many instances the picture and the masks were there already.
        unreadable: of how many the dataset has none.
        left_out: instances that not all runs have; 0 unless `common` was asked for.
        missing: instances that the protocol selects and the first run has not tried.
    """

    file: Path
    instances: int
    pictures: int
    reused: int
    unreadable: int
    left_out: int
    missing: int


def make_page(
    runs: Sequence[Run],
    protocol: ScoringProtocol,
    folder: Path,
    dataset: Dataset | None = None,
    why: str = "",
    ids: str | Path | Sequence[str] | None = None,
    samples: int | None = None,
    common: bool = False,
    told: Told = lambda what, done, total: None,
) -> Page:
    """Write a page about runs under one protocol.

    Args:
        runs: the first is the one that others are compared with.
        protocol: what they are scored by, and which instances are shown.
        folder: a new one, or that of an earlier page, whose pictures are used again.
        dataset: the first run's; None for a page without pictures, V and A.
        why: what the page says where there is none.
        ids: the instances to show: a file with one id on each line, or a list; None for those of the protocol.
        samples: how many draws of each instance count, where the protocol is about draws.
        common: show what all runs have, where they are about other instances.
        told: is told of what is being made.

    Raises:
        UsageError: the runs cannot be compared, or the folder is somebody else's.
        BenchError: the folder cannot be written.
    """
    check_folder(folder)
    found: Comparison | None = None
    if len(runs) > 1:
        found = compare_runs(runs, protocol, ids, samples, common)
        scored, left_out, missing = list(found.scored), found.left_out, found.missing
    else:
        one, missing = scored_run(runs[0], protocol, ids, samples)
        scored, left_out = [one], 0
    rows = rows_of(scored)
    try:
        write_fixed(folder, _heading(scored, why).title)
        made = Made() if dataset is None else write_annotated(folder, dataset, rows, told)
        forget_others(folder, len(rows.ids))
        _write_predicted(folder, runs, rows, told)
        tables, notes = _tables(runs, scored, found)
        file = write_index(folder, index_of(_heading(scored, why, missing), rows, made.names, tables, notes))
    except OSError as error:
        raise name_another(folder, error, "folder") from error
    pictures = len({name for name in made.names.values() if name})
    return Page(file, len(rows.ids), pictures, made.reused, made.unreadable, left_out, missing)


def _heading(scored: Sequence[Scored], why: str, missing: int = 0) -> Heading:
    first, protocol = scored[0], scored[0].protocols[0]
    name = str(first.facts["dataset"]["name"])
    title = f"{', '.join(one.name for one in scored)} on {name}"
    return Heading(
        title, name, f"{protocol.label} ({protocol.digest})", first.ids, first.draws, why, _lacking(first, missing)
    )


def _lacking(scored: Scored, missing: int) -> str:
    """What the page says of instances that were not run; "" where there is none."""
    if not missing:
        return ""
    protocol, run = scored.protocols[0], scored.folder.resolve().name
    return (
        f"{missing} of the instances that {protocol.label} selects are not on this page, since {run} has not run "
        f"them; its command with protocol={protocol.name} and no limit adds them"
    )


def _tables(
    runs: Sequence[Run], scored: Sequence[Scored], found: Comparison | None
) -> tuple[list[Section], list[str]]:
    """The page's tables in their order, and the notes under them."""
    by_run = dict(zip([one.digest for one in scored], letters(len(scored)), strict=True))
    summaries = [summary_beside(run, one) for run, one in zip(runs, scored, strict=True)]
    summary = pd.concat(summaries, ignore_index=True)
    own = [one.protocols[0].digest for one in scored]
    summary = with_corrected(summary[summary["protocol_digest"].isin(own)])
    # V first, which stands beside each run and is one of them at times; then the runs in their order.
    places = {digest: place for place, digest in enumerate(by_run)}
    summary = summary.drop_duplicates(["run", "protocol_digest"])
    # V has one row: its numbers are the same beside each run, and where it is one of them.
    other = ~summary["run"].isin(places)
    again = other & summary.assign(other=other).duplicated(["other", "protocol_digest"])
    summary = summary[~(other if any(one.target == REFERENCE for one in scored) else again)]
    summary = summary.sort_values("run", key=lambda own: own.map(places).fillna(-1), kind="stable")
    parts = list(page_tables.numbers("The instances of this page, % with 95 % intervals", summary, by_run))
    noted = page_tables.notes(summary)
    if found is not None:
        compared = sections(found.scored, found.differences, found.changes, found.wins, 0)
        parts += [_named(each) for each in compared]
        noted += compared_notes(found.scored, found.differences)
    parts.append(page_tables.by_occlusion(scored))
    beside = page_tables.scores_beside(scored)
    parts += page_tables.numbers("Every score in the runs' folders, % with 95 % intervals", beside, by_run)
    parts.append(page_tables.timing(scored))
    return parts, list(dict.fromkeys([*noted, *page_tables.notes(beside)]))


def _named(section: Section) -> Section:
    return Section(f"Differences to A: {section.title}", section.head, section.rows, section.numbers)


def _write_predicted(folder: Path, runs: Sequence[Run], rows: Rows, told: Told) -> None:
    """Write the predictions of draw 0 of all runs, piece by piece."""
    key = " ".join(run.digest for run in runs)
    for number, piece in pieces(len(rows.ids)):
        ids = rows.ids[piece]
        by_run = [_rles(run, ids) for run in runs]
        write_piece(folder, PREDICTED, number, key, [list(each) for each in zip(*by_run, strict=True)])
        told(PREDICTIONS, piece.stop, len(rows.ids))


def _rles(run: Run, ids: Sequence[str]) -> list[str | None]:
    """A run's predictions of some instances in COCO's text form; None where it has none. The page checks them."""
    which = f"WHERE draw = 0 AND id IN ({', '.join('?' * len(ids))})"
    columns = list(INSTANCES)
    id, text = columns.index("id"), columns.index("rle")
    with room(run.folder):
        rows = read_store(run.folder / STORE, lambda store: list(store.rows("instances", which, ids)))
    found = {row[id]: None if row[text] is None else row[text].decode("ascii", "replace") for row in rows}
    return [found.get(each) for each in ids]
