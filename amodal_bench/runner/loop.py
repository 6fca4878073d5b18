"""The loop: read, predict, count and keep, batch by batch; one bad sample never stops it.

While one batch is predicted the next one is read and prepared in a thread, and the last one is counted, compressed
and committed in another: a device waits for neither. Three batches are in memory at most, whatever a dataset's size.
Suspects, that is what was in flight when an earlier process ended, go through alone and with nothing beside them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from amodal_bench.core.errors import one_line
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.stages import StageCost, Stages, uncharged_seconds
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import is_read_ahead
from amodal_bench.runner.crew import Hand
from amodal_bench.runner.first_failures import FirstFailures
from amodal_bench.runner.guard import Guard, guarded
from amodal_bench.runner.in_flight import Key, Stage, Suspect
from amodal_bench.runner.limit import Limit
from amodal_bench.runner.predicting import costs_of, failed_row, predict, row_of
from amodal_bench.runner.reading import ReadBatch, Reader
from amodal_bench.runner.store import Row, Store
from amodal_bench.runner.work import Report, Work

COUNT, WRITE, IDLE = "count", "write", "idle"
"""Stages of the loop beside the model's: counts and compression, the store, and what no model works in."""


def run(work: Work, store: Store, report: Report, watch: FirstFailures | None = None) -> None:
    """Make all of the work's predictions, committing each batch to the store and then reporting its rows.

    What is done is on record, so that a sample that takes the process with it is tried alone by the next call, and
    becomes a row with an error in the one after that.

    Args:
        work: what to do.
        store: of the run.
        report: is told what was committed.
        watch: looks for a model that fails from the first prediction on; a new one where it is None.

    Raises:
        AllFailed: the first batch, of eight predictions at least, has failed whole; its rows are in the store.
        ConfigError: the model cannot say what its stages cost.
    """
    watch = watch or FirstFailures(not (work.done or work.tolerant))
    with guarded(store, work.wanted, work.time_limit, work.retry_fatal) as guard:
        line = _Line(work, store, report, guard, watch)
        for suspect in guard.guilty:
            line.give_up(suspect)
        for batch in guard.first():
            line.alone(batch)
        line.together(guard.others(work.batch_size))
        for batch in guard.last():
            line.alone(batch)
        line.close()


@dataclass(frozen=True)
class _Answers:
    """A batch on its way from the model to the store.

    Attributes:
        read: the batch.
        outcomes: by what was predicted, the mask or why there is none.
        predict_s: seconds that predicting took, for each.
        costs: of the model's stages since the batch before.
    """

    read: ReadBatch
    outcomes: dict[Key, Mask | BaseException]
    predict_s: float
    costs: Mapping[str, StageCost]


class _Line:
    """Batches on their way through a run; the thread that makes it drives the model."""

    def __init__(self, work: Work, store: Store, report: Report, guard: Guard, watch: FirstFailures) -> None:
        self.work, self.store, self.report, self.guard, self.watch = work, store, report, guard, watch
        self.folder = os.getcwd()
        self.reader = Reader(work, guard.limit, guard.failure, self.folder)
        self.stages = Stages()
        self._store = threading.Lock()  # one transaction at a time: threads share the store's connection
        self._since = time.perf_counter()

    def give_up(self, suspect: Suspect) -> None:
        """Keep the row of what is not tried any more; what has failed when it was predicted counts as empty."""
        id, draw = suspect.key
        row = Row(id, error=suspect.error, draw=draw)
        if suspect.stage is Stage.PREDICTING:
            with self.guard.reading_again(suspect):
                sample = self.reader(id)
            if not isinstance(sample, BaseException):
                row = failed_row(sample, suspect.error, draw)
        self.store.write([row])
        self.report([row])

    def alone(self, batch: Sequence[Key]) -> None:
        """Take a batch through with nothing beside it, after a trial where it has ended processes before."""
        if guilty := self.guard.tried(batch, partial(_predict_alone, self.work, *batch[0])):
            self.give_up(guilty)
            return
        self.guard.begin(batch)
        rows = self._keep(self._predict(self.reader.batch(batch)), self.guard.limit)
        self.report(rows)
        self.watch.check()

    def together(self, batches: Iterator[list[Key]]) -> None:
        """Take batches through, each beside its neighbours where the dataset may be read in a thread of its own."""
        if not (self.work.overlap and is_read_ahead(self.work.dataset)):
            for batch in batches:
                self.alone(batch)
            return
        with ExitStack() as stack:
            keeping, limit = self.guard.second_limit(), self.guard.second_limit()
            keeper = stack.enter_context(Hand("keeping", keeping.watching(), patient=True))
            reader = replace(self.reader, limit=limit)
            hand = stack.enter_context(Hand("reading", limit.watching()))
            stack.callback(reader.closed.set)  # before the hands are let go
            read_ahead = partial(self._read_ahead, hand, reader)
            kept: Future[list[Row]] | None = None
            coming = read_ahead(next(batches, []))
            while coming is not None:
                read = coming.result()
                coming = read_ahead(next(batches, []))
                answers = self._predict(read)
                self._see(kept)
                kept = keeper.do(partial(self._keep, answers, keeping))
                if not self.watch.over:  # nothing has been predicted yet: it may be that nothing will be
                    self._see(kept)
                    kept = None
            self._see(kept)
        self.reader.last = reader.last

    def close(self) -> None:
        """Keep what the last batch's own commit could not know: what that has cost."""
        self._idle(0)
        self.store.write([], self.stages.take())

    def _read_ahead(self, hand: Hand, reader: Reader, batch: Sequence[Key]) -> Future[ReadBatch] | None:
        if not batch:
            return None
        with self._store:
            self.guard.begin(batch)
        return hand.do(partial(reader.batch, batch, ahead=True))

    def _see(self, kept: Future[list[Row]] | None) -> None:
        """Report a batch as soon as it is kept."""
        if kept is not None:
            self.report(kept.result())
            self.watch.check()

    def _predict(self, read: ReadBatch) -> _Answers:
        with self._store:
            self.guard.predicting(read.wanted)
        keys = list(read.queries)
        self._idle(len(keys))
        clock, loading = time.perf_counter(), uncharged_seconds()
        seeds = [sample_seed(self.work.seed, id, draw) for id, draw in keys]
        masks = predict(self.work.model, list(read.queries.values()), seeds, self.guard, self.folder)
        self._since = time.perf_counter()
        predict_s = (self._since - clock - (uncharged_seconds() - loading)) / max(len(keys), 1)
        outcomes = dict(zip(keys, masks, strict=True))
        return _Answers(read, outcomes, predict_s, costs_of(self.work.model))

    def _idle(self, instances: int) -> None:
        """Charge the time since the model last worked."""
        self.stages.charge(IDLE, StageCost(time.perf_counter() - self._since, instances))
        self._since = time.perf_counter()

    def _keep(self, answers: _Answers, limit: Limit) -> list[Row]:
        """Count, compress and commit a batch, under the limit of this thread; returns its rows."""
        read, rows = answers.read, list[Row]()
        with self.stages.clock(COUNT, len(answers.outcomes)):
            for (id, draw), found in zip(read.wanted, read.found, strict=True):
                if isinstance(found, BaseException):
                    rows.append(Row(id, error=one_line(found), draw=draw))
                    self.guard.see((id, draw), found)
                    continue
                row, failure = row_of(found, answers.outcomes[id, draw], read.data_s, answers.predict_s, draw)
                self.watch.see(failure)
                if failure is not None:
                    self.guard.see((id, draw), failure)
                rows.append(row)
        with self._store, self.stages.clock(WRITE, len(rows)):
            self.work.note()
            self.store.write(rows, {**answers.costs, **self.stages.take()})
            self.guard.end(read.wanted)
        for rider in self.work.riders:
            rider.see(read, limit)
        return rows


def _predict_alone(work: Work, id: str, draw: int) -> None:
    """Read and predict one, as a trial: nothing is noted, and nobody asks for the mask."""
    sample = work.dataset.sample(id)
    work.model.predict([sample.query], [sample_seed(work.seed, id, draw)])
