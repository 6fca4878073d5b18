"""The driver: it owns the queue of a run, and is the only one that writes to its store."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from amodal_bench.runner.actors.pool import Done, Lost, Pool, Ready, Task
from amodal_bench.runner.actors.queue import Queue
from amodal_bench.runner.actors.worker import Answer
from amodal_bench.runner.first_failures import LEAST, AllFailed
from amodal_bench.runner.in_flight import InFlight, Stage, Suspect
from amodal_bench.runner.last_words import LastWords
from amodal_bench.runner.pictures import write_notes
from amodal_bench.runner.store import Row, Store
from amodal_bench.runner.work import Report, Work

log = logging.getLogger(__name__)


def run_in(pool: Pool, work: Work, store: Store, report: Report) -> None:
    """Make all of the work's predictions in a pool, as `loop.run` does in this process.

    Each batch is committed as it comes back, and then reported. What a worker is at is on record in the store. Where
    one ends, what it was at is tried alone; what ends a worker there again becomes a row with an error, by the rules
    of `InFlight`; so does what an earlier command, of any engine, has left.

    Args:
        pool: the workers.
        work: what to do.
        store: of the run.
        report: is told what was committed.

    Raises:
        AllFailed: the first predictions, eight at least, have all failed; their rows are in the store.
        BenchError: settings or weights cannot be used, or no worker can do the work.
    """
    words = LastWords(store.path.parent, str)
    flight = InFlight(store.db, words.found(), work.retry_fatal)
    words.path.unlink(missing_ok=True)  # what it said is on record
    suspects = flight.suspects(work.wanted)
    if ended := sum(not suspect.guilty and suspect.ends > 0 for suspect in suspects):
        log.warning("%d predictions were in flight when an earlier process ended: each is tried alone", ended)
    queue = Queue(work.wanted, work.batch_size, suspects)
    watch = None if work.done or work.tolerant else _Watch()
    drive = _Drive(pool, store, queue, flight, report, watch)
    try:
        while not queue.empty:
            drive.hand_out()
            drive.hear()
    finally:
        with suppress(sqlite3.Error):  # what went wrong before is what counts
            flight.put_down()


@dataclass
class _Watch:
    """What workers have told of a model that fails from the first prediction on."""

    failed: dict[int, tuple[int, str, str]] = field(default_factory=dict)
    over: bool = False

    def see(self, worker: int, answer: Answer) -> None:
        """Take note of a batch. Raises `AllFailed` where enough have failed, and nothing else."""
        self.over = self.over or answer.works
        if answer.all_failed is not None:
            self.failed[worker] = answer.all_failed
        count = sum(count for count, _, _ in self.failed.values())
        if not self.over and count >= LEAST:
            _, first, report = next(iter(self.failed.values()))
            raise AllFailed(count, first, report)


@dataclass
class _Drive:
    """One run's driver at work."""

    pool: Pool
    store: Store
    queue: Queue
    flight: InFlight
    report: Report
    watch: _Watch | None
    said: set[str] = field(default_factory=set)

    def hand_out(self) -> None:
        """Give all workers something to do, as far as there is something."""
        while (found := self.queue.hand_out()) is not None:
            worker, task, then = found
            if self.queue.at(worker) is task:
                self.flight.begin(task.keys, Stage.PREDICTING)
            self.pool.give(worker, task, then)

    def hear(self) -> None:
        """Wait for what happens next, and deal with it."""
        event = self.pool.wait()
        if isinstance(event, Ready):
            self.queue.join(event.worker)
        elif isinstance(event, Done):
            self._done(event.worker, event.answer)
        else:
            self._lost(event)

    def _done(self, worker: int, answer: Answer) -> None:
        for text in answer.said:
            if text not in self.said:
                log.warning("%s", text)
        self.said.update(answer.said)
        if answer.stop is not None:
            raise answer.stop
        task = self.queue.done(worker)
        self._keep(task, answer)
        if (next := self.queue.at(worker)) is not None:
            self.flight.begin(next.keys, Stage.PREDICTING)
        if self.watch is not None and task.guilty is None:
            self.watch.see(worker, answer)

    def _keep(self, task: Task, answer: Answer) -> None:
        """Commit what came of a task; what is guilty stays on record."""
        write_notes(self.store.db, answer.pictures)
        self.store.write(answer.rows, answer.costs)
        if task.guilty is None:
            self.flight.finish(task.keys, answer.late)
        self.report(answer.rows)

    def _lost(self, event: Lost) -> None:
        task = self.queue.leave(event.worker)
        if task is None:
            return
        if task.guilty is not None:  # it takes the process with it even when it is read
            id, draw = task.guilty.key
            self._keep(task, Answer([Row(id, error=task.guilty.error, draw=draw)]))
        elif not event.blamed:
            self.flight.finish(task.keys)
            self.queue.put_back(task)
            log.warning("%s: is done again, since its machine is gone", _named(task))
        else:
            suspects = self.flight.ended(task.keys, event.why, event.stage)
            self._suspect(task, suspects, event.why)

    def _suspect(self, task: Task, suspects: Sequence[Suspect], why: str) -> None:
        reason = f" ({why})" if why else ""
        for suspect in suspects:
            if suspect.guilty:
                self.queue.condemn(suspect)
                log.warning("%s: %s", suspect.key[0], suspect.error)
            else:
                self.queue.try_alone(suspect)
        if not all(suspect.guilty for suspect in suspects):
            alone = "it is tried alone" if len(suspects) == 1 else "each is tried alone"
            log.warning("%s: a worker ended meanwhile%s; %s", _named(task), reason, alone)


def _named(task: Task) -> str:
    first, more = task.keys[0][0], len(task.keys) - 1
    return f"{first} and {more} more" if more else first
