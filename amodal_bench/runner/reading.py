"""Reading: the samples of a batch, with what the model can prepare of them on the CPU."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from amodal_bench.core.cores import cores
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.threads import in_threads
from amodal_bench.datasets.base import Query, Sample
from amodal_bench.models.base import Prepares
from amodal_bench.runner.in_flight import Key
from amodal_bench.runner.limit import Late, Limit
from amodal_bench.runner.undisturbed import undisturbed
from amodal_bench.runner.work import Work

MOST = 4
"""Threads that prepare at the same time, at most: more take turns with the one that drives the device."""


@dataclass(frozen=True)
class ReadBatch:
    """A batch that has been read.

    Attributes:
        wanted: what it is of.
        found: the sample of each, or why it cannot be used.
        queries: by what is wanted, the query of each that can be.
        data_s: seconds that reading took, for each.
    """

    wanted: Sequence[Key]
    found: Sequence[Sample | BaseException]
    queries: dict[Key, Query]
    data_s: float


@dataclass
class Reader:
    """Reads the samples of a run, keeping the last one: its draws may lie in two batches.

    Attributes:
        work: whose samples are read.
        limit: of the time that a sample may take.
        failure: says what became of a sample that raised an error.
        folder: the run's working folder.
        closed: whether nothing is wanted any more.
        last: the id and the sample that was read last, or why it cannot be used.
    """

    work: Work
    limit: Limit
    failure: Callable[[BaseException, Limit], BaseException]
    folder: str = field(default_factory=os.getcwd)
    closed: threading.Event = field(default_factory=threading.Event, init=False)
    last: tuple[str, Sample | BaseException] | None = None

    def __call__(self, id: str) -> Sample | BaseException:
        """The sample with an id, or why it cannot be used. Raises `KeyboardInterrupt`: the user wants to stop."""
        if self.last is None or self.last[0] != id:
            self.last = id, self._read(id)
        return self.last[1]

    def batch(self, wanted: Sequence[Key], ahead: bool = False) -> ReadBatch:
        """Read a batch; `ahead` of its prediction the model prepares its queries, if it can."""
        began = time.perf_counter()
        found: list[Sample | BaseException] = []
        for id, _ in wanted:
            if self.closed.is_set():
                break
            found.append(self(id))
        data_s = (time.perf_counter() - began) / len(wanted)
        shown: dict[str, Query] = {}  # the draws of a sample have one query
        queries: dict[Key, Query] = {}
        for key, sample in zip(wanted, found, strict=False):
            if not isinstance(sample, BaseException):
                queries[key] = shown.setdefault(sample.id, sample.query)
        model = self.work.model
        if ahead and isinstance(model, Prepares) and not self.closed.is_set():
            workers = max(1, min(MOST, cores() - 1))
            with suppress(Late), self.limit.of(max(1, len(queries))):
                prepared = in_threads(lambda each: self._prepared(model, *each), list(queries.items()), workers)
                queries = dict(zip(queries, prepared, strict=True))
        return ReadBatch(wanted, found, queries, data_s)

    def _read(self, id: str) -> Sample | BaseException:
        try:
            with self.limit.of(1), undisturbed(self.folder):
                sample = self.work.dataset.sample(id)
            if not sample.amodal.any():
                raise ValueError("the amodal mask is empty: there is no object")
            if not (self.work.hidden or sample.visible.any()):  # some indexes cannot know it
                raise ValueError("the visible mask is empty: the object is hidden and cannot be prompted")
            return sample
        except BaseException as error:
            return self.failure(error, self.limit)

    def _prepared(self, model: Prepares, key: Key, query: Query) -> Query:
        """A query that is prepared; the plain one where that fails, so that `predict` says why."""
        id, draw = key
        try:
            with undisturbed(self.folder):
                return model.prepared(query, sample_seed(self.work.seed, id, draw))
        except Exception:
            return query
