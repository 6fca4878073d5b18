"""Predicting: a batch of queries, halved where it fails until the samples at fault stand alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from amodal_bench.core.errors import BenchError, PredictionError, TooLong, answer_of, one_line
from amodal_bench.core.stages import StageCost
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Query, Sample
from amodal_bench.metrics.counts import joint_counts
from amodal_bench.models.answers import masks_of
from amodal_bench.models.base import Model, Timed
from amodal_bench.runner.guard import Guard
from amodal_bench.runner.store import Row, prediction_row
from amodal_bench.runner.undisturbed import undisturbed


def predict(
    model: Model, queries: Sequence[Query], seeds: Sequence[int], guard: Guard, folder: str
) -> list[Mask | BaseException]:
    """The masks of a batch, or why there is none; where it fails it is halved (out of memory, too).

    Args:
        model: that predicts.
        queries: the batch.
        seeds: of each of them.
        guard: of the run.
        folder: the run's working folder.

    Raises:
        BenchError: weights or settings cannot be used, which fails every sample.
        KeyboardInterrupt: the user wants to stop.
    """
    if not queries:
        return []
    guard.limit.arm(len(queries))
    try:
        with guard.limit.of(len(queries), learn=True), undisturbed(folder):
            answers = model.predict(queries, seeds)
        return [*masks_of(answers, queries)]
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
        found += predict(model, queries[start:stop], seeds[start:stop], guard, folder)
    return found


def costs_of(model: Model) -> Mapping[str, StageCost]:
    """What a model's stages have cost since the last call. Raises `ConfigError` where it cannot say it."""
    found: Mapping[str, StageCost] = answer_of("model", model, "costs") if isinstance(model, Timed) else {}
    return found


def row_of(
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
