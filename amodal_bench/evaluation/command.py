"""A command: all of its runs, then tables, contact sheet and loggers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amodal_bench.config.build import build
from amodal_bench.config.effect import LOCAL
from amodal_bench.config.settings import Settings
from amodal_bench.core.collector import collect_models
from amodal_bench.core.errors import BenchError, NothingToDo
from amodal_bench.core.ids import read_ids
from amodal_bench.datasets.base import Dataset, records_of
from amodal_bench.datasets.reading.doubts import doubts
from amodal_bench.evaluation.entries import Given, checked_name, entries_of
from amodal_bench.evaluation.job import Job, configuration, split_of
from amodal_bench.evaluation.run import Run
from amodal_bench.evaluation.sheet import contact_sheet
from amodal_bench.metrics.protocols import ScoringProtocol, with_draws
from amodal_bench.metrics.selection import select_for_all
from amodal_bench.models.absent import check_weights
from amodal_bench.models.base import may_ride
from amodal_bench.report.listeners import Listeners
from amodal_bench.report.outcome import Outcome
from amodal_bench.report.scored import Scored
from amodal_bench.runner.engines import Runs, engine_of
from amodal_bench.runner.origin import Command, Origin
from amodal_bench.runner.place import check_writable, room
from amodal_bench.runner.riders import Rider
from amodal_bench.runner.shards import Shard
from amodal_bench.runner.store import STORE

log = logging.getLogger(__name__)


def evaluate(
    settings: Settings, given: Given | None = None, bar: bool = True, command: Command | None = None
) -> tuple[Outcome, list[Path]]:
    """Run what is missing of the baselines and the model, then report all of it.

    Args:
        settings: of the command.
        given: objects that take the place of components in the settings.
        bar: whether a progress bar is shown.
        command: how it was given, for `run.json`.

    Returns:
        The outcome, and the files that hold it.

    Raises:
        BenchError: settings or files cannot be used, or too many instances failed.
    """
    collect_models()
    given = given or Given()
    protocols: list[ScoringProtocol] = [build(settings.protocol, "protocol")]
    others: dict[str, dict[str, Any]] = settings.other_protocols or {}
    protocols += [build(spec, f"other_protocols.{name}") for name, spec in others.items()]
    protocols = with_draws({protocol.digest: protocol for protocol in protocols}.values(), settings.samples)
    listeners = Listeners({name: build(spec, f"logger.{name}") for name, spec in (settings.logger or {}).items()})
    entries = entries_of(settings, given)
    check_weights(entry.model for entry in entries)
    ids = settings.ids if given.ids is None else given.ids
    if isinstance(ids, str):
        read_ids(ids)  # an index may take long, and a path is easily mistyped
    check_writable(Path(settings.results))
    dataset: Dataset = build(settings.dataset, "dataset") if given.dataset is None else given.dataset
    checked_name(str(dataset.name), "dataset")
    index = records_of(dataset)
    for line in doubts(dataset, index):
        log.warning("%s: %s", dataset.name, line)
    records, excluded = select_for_all(dataset.name, index, protocols, ids, settings.limit)
    shard = None if settings.engine.shard is None else Shard.parsed(settings.engine.shard)
    if shard is not None:
        whole, records = len(records), shard.of(records)
        log.info("shard %s: %s of %s instances", settings.engine.shard, len(records), whole)
        if records.empty:
            raise NothingToDo(f"engine.shard={settings.engine.shard}: none of the {whole} instances is in it")
    specification = settings.dataset if given.dataset is None else None
    origin = Origin(command, configuration(settings, given), protocols, split_of(dataset, specification))
    job = Job(settings, dataset, specification, index, records, protocols, bar, ids is not None, origin, shard)

    with listeners:
        with engine_of(settings.engine) as engine:  # what it holds is free before the sheet is drawn in this process
            runs = [Run(job, entry) for entry in entries]
            scored = _all(runs, listeners, engine, settings.engine.kind == LOCAL)
        with room(scored[-1].folder):
            sheet = contact_sheet(settings, dataset, entries[-1].model, scored[-1], bar)
            outcome = Outcome(dataset.name, scored, excluded, sheet)
            written = listeners.finish(outcome)
    for hint in listeners.hints:
        log.info("%s", hint)
    written += [outcome.main.folder / STORE, *([sheet] if sheet else [])]
    return outcome, written


def _all(runs: Sequence[Run], listeners: Listeners, engine: Runs, local: bool) -> list[Scored]:
    """Make all runs of a command, the last of which is the one that listeners are told of.

    Baselines that may ride are shown what the other runs read, so that the data are read once for all of them; what
    one lacks afterwards it reads in a turn of its own.

    Args:
        runs: of the command's models.
        listeners: of the command.
        engine: makes the predictions.
        local: whether it does so in this process, where others can be shown what is read.

    Returns:
        The scores of each.
    """
    scored: dict[Run, Scored] = {}
    riders: dict[Run, tuple[Rider, str]] = {}
    for run in runs[:-1]:
        if local and may_ride(run.entry.model):
            found = run.rider()
            if isinstance(found, Scored):
                scored[run] = found
            else:
                riders[run] = found
    for run in [run for run in runs if run not in riders and run not in scored]:
        told = listeners if run is runs[-1] else Listeners({})
        scored[run] = run.go(told, engine, [rider for rider, _ in riders.values()])
    for run in list(riders):
        ridden = riders.pop(run)
        scored[run] = run.go(Listeners({}), engine, [rider for rider, _ in riders.values()], ridden)
    return [scored[run] for run in runs]


def check_errors(outcome: Outcome, allowed: float) -> None:
    """Raise `BenchError` where more than a share of `allowed` of a model's predictions failed."""
    for scored in outcome.scored:
        errors, total = len(scored.errors()), len(scored.predictions)
        what = "instances" if scored.draws == 1 else "predictions"
        if errors > allowed * total:
            raise BenchError(
                f"{scored.name}: {errors} of {total} {what} failed, more than engine.max_error_share={allowed} "
                f"allows; {scored.score_folder / 'errors.csv'} lists them, and the same command tries them again"
            )
