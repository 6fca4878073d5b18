"""Reading ahead: a thread reads and prepares a worker's next batch while the model works on this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pandas as pd

from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.stages import StageCost
from amodal_bench.core.types import Mask
from amodal_bench.datasets.base import Dataset, Problem, Query, Sample, is_read_ahead
from amodal_bench.models.base import Model, Prepares, Timed
from amodal_bench.runner.in_flight import Key


class Ahead:
    """A dataset whose samples may have been read already; at most those of one batch wait.

    Args:
        dataset: is read by one thread ahead, if it says that it may be, and by whoever asks for what that thread has
            not begun.
        model: prepares the queries of what has been read, if it can.
        seed: the run's seed.
    """

    def __init__(self, dataset: Dataset, model: Model | None = None, seed: int = 0) -> None:
        self._dataset, self._seed = dataset, seed
        self._model = model if isinstance(model, Prepares) else None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reading-ahead")
        self._coming: dict[str, Future[Sample]] = {}
        self._prepared: dict[tuple[str, int], Future[Query]] = {}

    @property
    def name(self) -> str:
        return self._dataset.name

    def expect(self, now: Sequence[Key], then: Sequence[Key]) -> None:
        """Read and prepare what is wanted then; what is wanted neither now nor then is dropped."""
        if not is_read_ahead(self._dataset):
            return
        ids = {id for id, _ in (*now, *then)}
        for id in [id for id in self._coming if id not in ids]:
            self._coming.pop(id).cancel()
        seeds = {(id, sample_seed(self._seed, id, draw)) for id, draw in (*now, *then)}
        for key in [key for key in self._prepared if key not in seeds]:
            self._prepared.pop(key).cancel()
        for id, _ in then:
            if id not in self._coming:
                self._coming[id] = self._thread.submit(self._dataset.sample, id)
        if self._model is None:
            return
        for id, draw in then:
            seed = sample_seed(self._seed, id, draw)
            self._prepared[id, seed] = self._thread.submit(self._prepare, self._coming[id], seed)

    def sample(self, id: str) -> Sample:
        """See `Dataset`; it raises what the thread's reading has raised."""
        coming = self._coming.pop(id, None)
        # One that hangs keeps the thread: those behind it are read here.
        if coming is None or coming.cancel():
            return self._dataset.sample(id)
        return coming.result()

    def query(self, query: Query, seed: int) -> Query:
        """A query as it was prepared; as it is where it was not, so that the model does so, or says why it cannot."""
        prepared = self._prepared.pop((query.id, seed), None)
        if prepared is None or prepared.cancel() or prepared.exception() is not None:
            return query
        return prepared.result()

    def _prepare(self, read: Future[Sample], seed: int) -> Query:
        assert self._model is not None
        return self._model.prepared(read.result(timeout=0).query, seed)  # read by this very thread, or not at all

    def records(self) -> pd.DataFrame:
        return self._dataset.records()

    def fingerprint(self) -> str:
        return self._dataset.fingerprint()

    def check(self) -> Sequence[Problem]:
        return self._dataset.check()

    def end(self) -> None:
        """Read nothing more."""
        self._coming.clear()
        self._prepared.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)


class Prepared:
    """A model that is given the queries that were prepared ahead.

    Args:
        model: predicts.
        ahead: has them.
    """

    def __init__(self, model: Model, ahead: Ahead) -> None:
        self._model, self._ahead = model, ahead

    def describe(self) -> Mapping[str, Any]:
        return self._model.describe()

    def predict(self, queries: Sequence[Query], seeds: Sequence[int]) -> list[Mask]:
        found = [self._ahead.query(query, seed) for query, seed in zip(queries, seeds, strict=True)]
        return self._model.predict(found, seeds)

    def costs(self) -> Mapping[str, StageCost]:
        return self._model.costs() if isinstance(self._model, Timed) else {}
