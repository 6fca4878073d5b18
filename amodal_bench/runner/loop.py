"""The loop: read, predict, count and keep, batch by batch; one bad sample never stops it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np

from amodal_bench.core.errors import BenchError, ConfigError, PredictionError, TooLong, one_line, with_class
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.stages import StageCost, uncharged_seconds
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Dataset, Query, Sample
from amodal_bench.metrics.counts import joint_counts
from amodal_bench.models.base import Model, Timed
from amodal_bench.runner.first_failures import FirstFailures
from amodal_bench.runner.guard import Guard, guarded
from amodal_bench.runner.in_flight import Key, Stage, Suspect
from amodal_bench.runner.store import Row, Store, prediction_row


@dataclass(frozen=True)
class Work:
    """One run's work.

    Attributes:
        dataset, model: what is run on what.
        ids: the samples to run, in this order.
        seed: the run's seed.
        batch_size: predictions made together; no result depends on it.
        hidden: whether instances of which nothing is visible are run, too.
        draws: how many predictions each sample gets, each under a seed of its own.
        done: (id, draw) of the predictions that are not made again.
        tolerant: go on even where nothing but failures comes.
        time_limit: seconds for each sample, to be read and to be predicted; None for no limit.
        retry_fatal: try what has taken the process with it again.
    """

    dataset: Dataset
    model: Model
    ids: Sequence[str]
    seed: int
    batch_size: int
    hidden: bool = False
    draws: int = 1
    done: Collection[Key] = frozenset()
    tolerant: bool = False
    time_limit: float | None = None
    retry_fatal: bool = False

    @property
    def wanted(self) -> list[Key]:
        """(id, draw) of the predictions to make; those of a sample stand together, so that it is read once."""
        wanted = ((id, draw) for id in self.ids for draw in range(self.draws))
        return [each for each in wanted if each not in self.done]


@dataclass
class _Reader:
    """Reads the samples of a run, keeping the last one: its draws may lie in two batches.

    Attributes:
        work: whose samples are read.
        guard: of the run.
        last: the id and the sample that was read last, or why it cannot be used.
    """

    work: Work
    guard: Guard
    last: tuple[str, Sample | BaseException] | None = field(default=None)

    def __call__(self, id: str) -> Sample | BaseException:
        if self.last is None or self.last[0] != id:
            self.last = id, self._read(id)
        return self.last[1]

    def _read(self, id: str) -> Sample | BaseException:
        try:
            with self.guard.limit.of(1), _undisturbed():
                sample = self.work.dataset.sample(id)
            if not sample.amodal.any():
                raise ValueError("the amodal mask is empty: there is no object")
            if not (self.work.hidden or sample.visible.any()):  # some indexes cannot know it
                raise ValueError("the visible mask is empty: the object is hidden and cannot be prompted")
            return sample
        except BaseException as error:
            return self.guard.failure(error)


def run(
    work: Work, store: Store, report: Callable[[Sequence[Row]], None], watch: FirstFailures | None = None
) -> None:
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
        reader = _Reader(work, guard)
        for suspect in guard.guilty:
            rows = [_guilty_row(suspect, reader)]
            store.write(rows)
            report(rows)
        for batch in guard.batches(work.batch_size):
            if guilty := guard.tried(batch, partial(_predict_alone, work, *batch[0])):
                rows = [_guilty_row(guilty, reader)]
                store.write(rows)
                report(rows)
                continue
            guard.begin(batch)
            rows = _run_batch(work, reader, batch, watch)
            store.write(rows, _costs(work.model))
            guard.end()
            report(rows)
            watch.check()


def _predict_alone(work: Work, id: str, draw: int) -> None:
    """Read and predict one, as a trial: nothing is noted, and nobody asks for the mask."""
    sample = work.dataset.sample(id)
    work.model.predict([sample.query], [sample_seed(work.seed, id, draw)])


def _guilty_row(suspect: Suspect, reader: _Reader) -> Row:
    """The row of a prediction that is not tried any more; one that failed when it was made counts as empty."""
    id, draw = suspect.key
    if suspect.stage is Stage.PREDICTING:
        with reader.guard.reading_again(suspect):
            sample = reader(id)
        if not isinstance(sample, BaseException):
            return failed_row(sample, suspect.error, draw)
    return Row(id, error=suspect.error, draw=draw)


def _costs(model: Model) -> Mapping[str, StageCost]:
    try:
        return model.costs() if isinstance(model, Timed) else {}
    except BenchError:
        raise
    except (Exception, SystemExit) as error:  # a user's own class may fail in any way
        raise ConfigError(f"model: {type(model).__name__}.costs() raises {with_class(error)}") from error


def _run_batch(work: Work, reader: _Reader, wanted: Sequence[Key], watch: FirstFailures) -> list[Row]:
    rows: list[Row] = []
    samples: list[tuple[Sample, int]] = []
    clock = time.perf_counter()
    for id, draw in wanted:
        found = reader(id)
        if isinstance(found, BaseException):
            rows.append(Row(id, error=one_line(found), draw=draw))
            reader.guard.see((id, draw), found)
        else:
            samples.append((found, draw))
    data_s = (time.perf_counter() - clock) / len(wanted)
    reader.guard.predicting()
    clock, loading = time.perf_counter(), uncharged_seconds()
    seeds = [sample_seed(work.seed, sample.id, draw) for sample, draw in samples]
    queries = {sample.id: sample.query for sample, _ in samples}
    outcomes = _predict(work.model, [queries[sample.id] for sample, _ in samples], seeds, reader.guard)
    predict_s = (time.perf_counter() - clock - (uncharged_seconds() - loading)) / max(len(samples), 1)
    for (sample, draw), outcome in zip(samples, outcomes, strict=True):
        row, failure = _row(sample, outcome, data_s, predict_s, draw)
        watch.see(failure)
        if failure is not None:
            reader.guard.see((sample.id, draw), failure)
        rows.append(row)
    return rows


def _predict(
    model: Model, queries: Sequence[Query], seeds: Sequence[int], guard: Guard
) -> list[Mask | BaseException]:
    """Predict a batch; where it fails, halve it until the samples at fault stand alone (out of memory, too)."""
    if not queries:
        return []
    guard.limit.arm(len(queries))
    try:
        with guard.limit.of(len(queries), learn=True), _undisturbed():
            masks = model.predict(queries, seeds)
        if len(masks) != len(queries):
            raise ValueError(f"the model returned {len(masks)} masks for {len(queries)} queries")
        return list(masks)
    except BaseException as error:
        failure = guard.failure(error)
        if isinstance(failure, BenchError) and not isinstance(failure, PredictionError | TooLong):
            raise  # Weights or settings that cannot be used fail every sample: stop and say so once.
        if len(queries) == 1:
            return [failure]
        # One that takes too long would take as long in each half again: each is tried alone at once.
        cuts = range(1, len(queries)) if isinstance(failure, TooLong) else (len(queries) // 2,)
        del failure  # its traceback holds what the batch has filled the memory with
    found: list[Mask | BaseException] = []
    for start, stop in pairwise((0, *cuts, len(queries))):
        found += _predict(model, queries[start:stop], seeds[start:stop], guard)
    return found


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Undo what foreign code does to what all of a process shares: its folder, and NumPy's way with bad numbers.

    A process that it has forked and that comes back here ends: two would do the run's work, and one has the lock.
    """
    folder, process = os.getcwd(), os.getpid()
    with np.errstate():
        try:
            yield
        finally:
            if os.getpid() != process:
                os.write(2, b"\nwarning: a process that a component has forked came back to the run; it is ended\n")
                os._exit(1)
            os.chdir(folder)


def _row(
    sample: Sample, outcome: Mask | BaseException, data_s: float, predict_s: float, draw: int
) -> tuple[Row, BaseException | None]:
    """The row of an outcome, and why there is no prediction."""
    if isinstance(outcome, BaseException):
        return failed_row(sample, one_line(outcome), draw), outcome
    try:
        masks = outcome, sample.amodal, sample.visible, sample.others
        return prediction_row(sample.id, *masks, data_s, predict_s, draw), None
    except Exception as error:  # it may be anything
        return failed_row(sample, one_line(error), draw), error


def failed_row(sample: Sample, error: str, draw: int = 0) -> Row:
    """The row of a prediction that failed: it counts as an empty one."""
    counts = joint_counts(np.zeros_like(sample.amodal), sample.amodal, sample.visible, sample.others)
    return Row(sample.id, error, (sample.amodal.shape[0], sample.amodal.shape[1]), None, counts, draw=draw)
