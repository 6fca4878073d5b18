"""The loop: read, predict, count and keep, batch by batch; one bad sample never stops it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
        batch_size: samples read and predicted together; no result depends on it.
        hidden: whether instances of which nothing is visible are run, too.
        begun: whether the store has predictions of this run already.
    """

    dataset: Dataset
    model: Model
    ids: Sequence[str]
    seed: int
    batch_size: int
    hidden: bool = False
    begun: bool = False


def run(work: Work, store: Store, report: Callable[[Sequence[Row]], None]) -> None:
    """Run all of the work's samples, committing each batch to the store and then reporting its rows.

    Raises:
        AllFailed: the first batch, of eight predictions at least, has failed whole; its rows are in the store.
    """
    watch = FirstFailures(not work.begun)
    for start in range(0, len(work.ids), work.batch_size):
        rows = _run_batch(work, work.ids[start : start + work.batch_size], watch)
        store.write(rows, work.model.costs() if isinstance(work.model, Timed) else {})
        report(rows)
        watch.check()


def _run_batch(work: Work, ids: Sequence[str], watch: FirstFailures) -> list[Row]:
    rows: list[Row] = []
    samples: list[Sample] = []
    clock = time.perf_counter()
    for id in ids:
        try:
            sample = work.dataset.sample(id)
            if not sample.amodal.any():
                raise ValueError("the amodal mask is empty: there is no object")
            if not (work.hidden or sample.visible.any()):  # some indexes cannot know it
                raise ValueError("the visible mask is empty: the object is hidden and cannot be prompted")
            samples.append(sample)
        except Exception as error:
            rows.append(Row(id, error=one_line(error)))
    data_s = (time.perf_counter() - clock) / len(ids)
    clock = time.perf_counter()
    seeds = [sample_seed(work.seed, sample.id) for sample in samples]
    outcomes = _predict(work.model, [sample.query for sample in samples], seeds)
    predict_s = (time.perf_counter() - clock) / max(len(samples), 1)
    for sample, outcome in zip(samples, outcomes, strict=True):
        row, failure = _row(sample, outcome, data_s, predict_s)
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


def _row(sample: Sample, outcome: Mask | Exception, data_s: float, predict_s: float) -> tuple[Row, Exception | None]:
    """The row of an outcome, and why there is no prediction."""
    if isinstance(outcome, Exception):
        return failed_row(sample, one_line(outcome)), outcome
    try:
        row = prediction_row(sample.id, outcome, sample.amodal, sample.visible, sample.others, data_s, predict_s)
    except (ValueError, AttributeError) as error:
        return failed_row(sample, one_line(error)), error
    return row, None


def failed_row(sample: Sample, error: str) -> Row:
    """The row of a prediction that failed: it counts as an empty one."""
    counts = joint_counts(np.zeros_like(sample.amodal), sample.amodal, sample.visible, sample.others)
    return Row(sample.id, error, (sample.amodal.shape[0], sample.amodal.shape[1]), None, counts)
