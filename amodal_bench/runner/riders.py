"""Riders: models so cheap that they are asked of the samples that another model's run reads, and cost no reading."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from amodal_bench.core.errors import BenchError
from amodal_bench.core.seeds import sample_seed
from amodal_bench.core.stages import StageCost
from amodal_bench.datasets.base import Sample
from amodal_bench.models.answers import masks_of
from amodal_bench.models.base import Model
from amodal_bench.runner.limit import Late, Limit
from amodal_bench.runner.loop import COUNT
from amodal_bench.runner.pictures import Noted, write_notes
from amodal_bench.runner.place import opened
from amodal_bench.runner.predicting import row_of
from amodal_bench.runner.reading import ReadBatch
from amodal_bench.runner.store import Row, Store

EVERY, SECONDS = 1000, 20.0
"""After how many rows, or how much time, they are committed."""

HELD = 20_000
"""Rows that are held at most while another process has the store."""


class Rider:
    """One such model and the store of its own run, which is locked only while rows are committed.

    What it cannot do is left for its own turn, which says why: samples that cannot be read or predicted, and
    everything where the store cannot be written.

    Args:
        model: that is asked; never twice of a sample.
        folder: of its run, which has been begun.
        wanted: ids of the instances that the run lacks.
        seed: of the run.
    """

    def __init__(self, model: Model, folder: Path, wanted: Collection[str], seed: int) -> None:
        self.model, self.folder, self.seed = model, folder, seed
        self._wanted = set(wanted)
        self._rows: list[tuple[Row, float]] = []  # with the seconds that counting took
        self._notes: dict[str, Noted] = {}
        self._kept = time.monotonic()

    def note(self, noted: Noted) -> None:
        """Take note of a sample's files, before the sample is seen; any thread may call it."""
        if noted[0] in self._wanted:
            self._notes[noted[0]] = noted

    def see(self, read: ReadBatch, limit: Limit) -> None:
        """Predict what is wanted of a batch that has been read; `limit` is that of the thread that does so."""
        for found in read.found:
            if not isinstance(found, Sample) or found.id not in self._wanted or len(self._rows) >= HELD:
                continue
            self._wanted.discard(found.id)  # its other draws have the same sample
            if (made := self._row(found, read.data_s, limit)) is not None:
                self._rows.append(made)
        if len(self._rows) >= EVERY or (self._rows and time.monotonic() - self._kept > SECONDS):
            self.keep()

    def keep(self) -> None:
        """Commit what has been predicted, if no other process is at the store."""
        self._kept = time.monotonic()
        if not self._rows:
            return
        try:
            with opened(self.folder) as store:
                self.settle(store)
        except BenchError:
            return  # the same will be met, and said, when its own turn comes

    def settle(self, store: Store) -> None:
        """Commit to the open store what has been predicted and is not in it."""
        new = [(row, seconds) for row, seconds in self._rows if not store.has(row.id)]
        count = StageCost(sum(seconds for _, seconds in new), len(new))
        write_notes(store.db, [self._notes[row.id] for row, _ in new if row.id in self._notes])
        store.write([row for row, _ in new], {COUNT: count} if new else {})
        for row, _ in self._rows:
            self._notes.pop(row.id, None)
        self._rows = []

    def _row(self, sample: Sample, data_s: float, limit: Limit) -> tuple[Row, float] | None:
        began = time.perf_counter()
        try:
            with limit.of(1):
                answers = self.model.predict([sample.query], [sample_seed(self.seed, sample.id)])
            (mask,) = masks_of(answers, [sample.query])
            predicted = time.perf_counter()
            row, failure = row_of(sample, mask, data_s, predicted - began, draw=0)
        except (Exception, Late):
            return None
        return None if failure is not None else (row, time.perf_counter() - predicted)
