"""One model's run within a command: begun, predicted where its store lacks something, and scored."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from glob import escape
from pathlib import Path

from amodal_bench.core.errors import BenchError
from amodal_bench.core.files import write_whole
from amodal_bench.evaluation.entries import Entry
from amodal_bench.evaluation.job import Job
from amodal_bench.models.base import Finite, draws_of
from amodal_bench.report.completeness import check_complete
from amodal_bench.report.listeners import Listeners
from amodal_bench.report.progress import Earlier, Progress, compiles, earlier_of
from amodal_bench.report.scored import Scored
from amodal_bench.report.settings import row_text
from amodal_bench.runner.actors.worker import Recipe
from amodal_bench.runner.bulk import Done
from amodal_bench.runner.engines import Runs
from amodal_bench.runner.first_failures import AllFailed
from amodal_bench.runner.identity import identify
from amodal_bench.runner.merging import take_in
from amodal_bench.runner.nearest import because
from amodal_bench.runner.pictures import Pictures
from amodal_bench.runner.place import opened
from amodal_bench.runner.regions import complete
from amodal_bench.runner.riders import Rider
from amodal_bench.runner.run_json import FILE as RUN_JSON
from amodal_bench.runner.run_json import finish, last_day, read_facts, require_own, write_again, write_facts
from amodal_bench.runner.shards import shards_of
from amodal_bench.runner.store import STORE, Store
from amodal_bench.runner.work import Work

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Plan:
    """What a run that was begun lacks.

    Attributes:
        pictures: what its store notes of the dataset's files.
        done: the predictions that it has, and which instances lack one.
        reused: what to say of those that an earlier command has made.
        earlier: what a progress bar starts with; None where nothing is missing.
    """

    pictures: Pictures
    done: Done
    reused: str
    earlier: Earlier | None


class Run:
    """One model of a command, and the folder of its run.

    Args:
        job: the command's.
        entry: the model.
    """

    def __init__(self, job: Job, entry: Entry) -> None:
        self.job, self.entry = job, entry
        self.identity = identify(job.dataset, entry.model, entry.target, job.settings.seed)
        name = f"{job.dataset.name}-{entry.name}-{self.identity.digest}"
        self.whole = Path(job.settings.results) / "runs" / name
        self.folder = self.whole if job.shard is None else job.shard.folder(self.whole)
        self.ids = [str(id) for id in job.records["id"].to_list()]
        self.draws = draws_of(entry.model, job.settings.samples)

    def go(
        self,
        listeners: Listeners,
        engine: Runs,
        beside: Sequence[Rider] = (),
        ridden: tuple[Rider, str] | None = None,
    ) -> Scored:
        """Run the instances that the run's store lacks; another process that works on the same run is waited for.

        Args:
            listeners: are told of it.
            engine: makes the predictions.
            beside: other models, which are shown what is read.
            ridden: this model as it was shown what others have read, and what was there before.
        """
        job, entry = self.job, self.entry
        self._look()
        with opened(self.folder, wait=True) as store:
            if ridden is not None:
                ridden[0].settle(store)
            plan = self._begin(store, beside)
            listeners.begin(job.told(entry.name, self.identity, self.folder))
            if plan.earlier is not None:
                self._predict(store, plan, plan.earlier, listeners, engine, beside)
            if plan.earlier is not None or ridden is not None:
                finish(self.folder, store)
            return self._scored(store, plan.reused if ridden is None else ridden[1])

    def rider(self) -> tuple[Rider, str] | Scored:
        """The model as one asked beside others, and what its store had; its scores where nothing is lacking."""
        self._look()
        with opened(self.folder, wait=True) as store:
            plan = self._begin(store)
            if plan.earlier is None:
                return self._scored(store, plan.reused)
            return Rider(self.entry.model, self.folder, plan.done.lacking, self.job.settings.seed), plan.reused

    @cached_property
    def _said(self) -> str:
        entry, namesakes = self.entry, _namesakes(self.whole.parent, self.entry.name)
        return row_text(entry.name, entry.spec, entry.model, self.job.settings.seed, entry.given, namesakes)

    def _look(self) -> None:
        """Look for what can be said before anything is written."""
        job, entry = self.job, self.entry
        if isinstance(entry.model, Finite):
            check_complete(job.records, entry.model, self.folder / "completeness.csv")
        if not self.whole.exists() and (why := because(self.whole.parent, self.identity, entry.name)):
            log.info("%s: other run because: %s", entry.name, why)

    def _begin(self, store: Store, beside: Sequence[Rider] = ()) -> _Plan:
        job, entry, folder, ids = self.job, self.entry, self.folder, self.ids
        require_own(folder, store, self.identity.digest)
        # All of the index, and at once: a score of another selection knows then what this run has not tried.
        store.write_records(job.index)
        if taken := self._taken(store):
            log.info("%s: %s predictions are taken from other stores of this run", entry.name, taken)
        pictures = Pictures(job.dataset, store.unchecked, store.require_whole, [rider.note for rider in beside])
        if redone := pictures.forget_changed(ids):
            log.warning("%s: %s", entry.name, redone)
            for listed in folder.glob("scores/*/sheet.txt"):
                listed.unlink()  # contact sheets show the old pictures: they are drawn again
        done = Done(store.unchecked, ids, self.draws)
        reused = _reused(folder, done.among)
        earlier = earlier_of(store, ids, self.draws, done) if done.lacking else None
        if done.lacking or not write_again(folder, store):
            alike, scored_with = draws_of(entry.model, 2) == 1, job.settings.protocol
            facts = self.identity, job.specification, scored_with, job.origin, alike, store
            write_facts(folder, entry.name, self._said, *facts)
        return _Plan(pictures, done, reused, earlier)

    def _predict(
        self,
        store: Store,
        plan: _Plan,
        earlier: Earlier,
        listeners: Listeners,
        engine: Runs,
        beside: Sequence[Rider],
    ) -> None:
        job, entry, settings = self.job, self.entry, self.job.settings.engine
        hidden = any(protocol.filter.hidden for protocol in job.protocols)
        if settings.shuffle:
            random.Random(job.settings.seed).shuffle(plan.done.lacking)
        work = Work(
            plan.pictures.dataset,
            entry.model,
            plan.done.lacking,
            job.settings.seed,
            settings.batch_size,
            hidden,
            self.draws,
            plan.done,
            tolerant=settings.max_error_share >= 1,
            time_limit=settings.time_limit,
            retry_fatal=settings.retry_fatal,
            overlap=settings.overlap,
            note=plan.pictures.keep,
            riders=beside,
        )
        recipe = Recipe(
            job.dataset if job.specification is None else job.specification,
            entry.model if entry.given else entry.spec,
            entry.target,
            self.identity,
            job.settings.seed,
            hidden,
            settings.time_limit,
            settings.overlap,
        )
        title = f"{job.dataset.name} {entry.name}"
        steps, compiled = listeners.step, compiles(self.identity.facts["model"])
        with Progress(title, self.ids, earlier, steps, job.bar, self.draws, compiled) as progress:
            try:
                engine(work, store, progress.report, recipe)
            except AllFailed as error:
                raise _stopped(self.folder, entry.name, error) from error
            finally:
                for rider in beside:
                    rider.keep()

    def _scored(self, store: Store, reused: str) -> Scored:
        job, draws = self.job, self.draws
        regions = tuple(dict.fromkeys(region for protocol in job.protocols for region in protocol.regions))
        complete(store, job.dataset, regions, job.records, draws)
        return Scored(
            self.entry.name,
            self.identity.digest,
            self.identity.facts,
            self.folder,
            job.protocols,
            job.records,
            store.table(),
            store.stages(),
            self._said,
            job.listed,
            {name: store.regions(name) for name in regions},
            store.pairs() if regions else None,
            reused,
            job.settings.samples,
            draws,
            store.drawn(draws) if draws > 1 else None,
            store.majorities(draws),
        )

    def _taken(self, store: Store) -> int:
        """Take what other stores of the run have: a shard from the run's own, the run from its shards."""
        if self.job.shard is None:
            return take_in(store, self.identity.digest, shards_of(self.whole).values())
        own = (self.whole / STORE).is_file()
        return take_in(store, self.identity.digest, [self.whole], set(self.ids)) if own else 0


def _namesakes(runs: Path, name: str) -> set[str]:
    """The classes of the runs that bear a name, in a folder of runs; those that cannot be read are in no table."""
    found = set()
    for file in runs.glob(f"*-{escape(name)}-*/{RUN_JSON}"):
        with suppress(BenchError):
            facts = read_facts(file.parent)
            if facts.name == name:
                found.add(str(facts.identity["model"].get("target")))
    return found


def _stopped(folder: Path, name: str, error: AllFailed) -> BenchError:
    """What to say of a model that fails from the first instance on; its traceback lies in the run's folder."""
    file = folder / "traceback.txt"
    write_whole(file, lambda path: path.write_text(error.report, encoding="utf-8", errors="backslashreplace"))
    return BenchError(
        f"{name}: the first {error.count} predictions all failed, so nothing more is tried ({error.first}); "
        f"{file} has the traceback; correct the model and give the same command again, "
        "or run all in any case with engine.max_error_share=1"
    )


def _reused(folder: Path, count: int) -> str:
    """What to say of predictions that an earlier command has made, with the day on which it began."""
    return f"{count} predictions of {day}" if count and (day := last_day(folder)) else ""
