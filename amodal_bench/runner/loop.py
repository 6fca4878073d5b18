"""The loop: read, predict, count and keep, batch by batch; one bad sample never stops it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from amodal_bench.core.errors import BenchError, PredictionError, one_line
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Dataset, Query, Sample
from amodal_bench.metrics.counts import joint_counts
from amodal_bench.models.base import Model, Timed
from amodal_bench.runner.first_failures import FirstFailures
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
    """

    dataset: Dataset
    model: Model
    ids: Sequence[str]
    seed: int
    batch_size: int
    hidden: bool = False
    draws: int = 1
    done: Collection[tuple[str, int]] = frozenset()
    tolerant: bool = False

    @property
    def wanted(self) -> list[tuple[str, int]]:
        """(id, draw) of the predictions to make; those of a sample stand together, so that it is read once."""
        wanted = ((id, draw) for id in self.ids for draw in range(self.draws))
        return [each for each in wanted if each not in self.done]


@dataclass
class _Reader:
    """Reads the samples of a run, keeping the last one: its draws may lie in two batches.

    Attributes:
        work: whose samples are read.
        last: the id and the sample that was read last, or why it cannot be used.
    """

    work: Work
    last: tuple[str, Sample | Exception] | None = field(default=None)

    def __call__(self, id: str) -> Sample | Exception:
        if self.last is None or self.last[0] != id:
            self.last = id, self._read(id)
        return self.last[1]

    def _read(self, id: str) -> Sample | Exception:
        try:
            sample = self.work.dataset.sample(id)
            if not sample.amodal.any():
                raise ValueError("the amodal mask is empty: there is no object")
            if not (self.work.hidden or sample.visible.any()):  # some indexes cannot know it
                raise ValueError("the visible mask is empty: the object is hidden and cannot be prompted")
            return sample
        except Exception as error:
            return error


def run(work: Work, store: Store, report: Callable[[Sequence[Row]], None]) -> None:
    """Make all of the work's predictions, committing each batch to the store and then reporting its rows.

    Raises:
        AllFailed: the first batch, of eight predictions at least, has failed whole; its rows are in the store.
    """
    wanted, reader = work.wanted, _Reader(work)
    watch = FirstFailures(not (work.done or work.tolerant))
    for start in range(0, len(wanted), work.batch_size):
        rows = _run_batch(work, reader, wanted[start : start + work.batch_size], watch)
        store.write(rows, work.model.costs() if isinstance(work.model, Timed) else {})
        report(rows)
        watch.check()


def _run_batch(work: Work, reader: _Reader, wanted: Sequence[tuple[str, int]], watch: FirstFailures) -> list[Row]:
    rows: list[Row] = []
    samples: list[tuple[Sample, int]] = []
    clock = time.perf_counter()
    for id, draw in wanted:
        found = reader(id)
        if isinstance(found, Exception):
            rows.append(Row(id, error=one_line(found), draw=draw))
        else:
            samples.append((found, draw))
    data_s = (time.perf_counter() - clock) / len(wanted)
    clock = time.perf_counter()
    seeds = [sample_seed(work.seed, sample.id, draw) for sample, draw in samples]
    queries = {sample.id: sample.query for sample, _ in samples}
    outcomes = _predict(work.model, [queries[sample.id] for sample, _ in samples], seeds)
    predict_s = (time.perf_counter() - clock) / max(len(samples), 1)
    for (sample, draw), outcome in zip(samples, outcomes, strict=True):
        row, failure = _row(sample, outcome, data_s, predict_s, draw)
        watch.see(failure)
        rows.append(row)
    return rows


def _predict(model: Model, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask | Exception]:
    """Predict a batch; where it fails, halve it until the samples at fault stand alone (out of memory, too)."""
    if not queries:
        return []
    try:
        masks = model.predict(queries, seeds)
        if len(masks) != len(queries):
            raise ValueError(f"the model returned {len(masks)} masks for {len(queries)} queries")
        return list(masks)
    except Exception as error:
        if isinstance(error, BenchError) and not isinstance(error, PredictionError):
            raise  # Weights or settings that cannot be used fail every sample: stop and say so once.
        if len(queries) == 1:
            return [error]
    half = len(queries) // 2
    return [*_predict(model, queries[:half], seeds[:half]), *_predict(model, queries[half:], seeds[half:])]


def _row(
    sample: Sample, outcome: Mask | Exception, data_s: float, predict_s: float, draw: int
) -> tuple[Row, Exception | None]:
    """The row of an outcome, and why there is no prediction."""
    if isinstance(outcome, Exception):
        return failed_row(sample, one_line(outcome), draw), outcome
    try:
        masks = outcome, sample.amodal, sample.visible, sample.others
        return prediction_row(sample.id, *masks, data_s, predict_s, draw), None
    except (ValueError, AttributeError) as error:
        return failed_row(sample, one_line(error), draw), error


def failed_row(sample: Sample, error: str, draw: int = 0) -> Row:
    """The row of a prediction that failed: it counts as an empty one."""
    counts = joint_counts(np.zeros_like(sample.amodal), sample.amodal, sample.visible, sample.others)
    return Row(sample.id, error, (sample.amodal.shape[0], sample.amodal.shape[1]), None, counts, draw=draw)
