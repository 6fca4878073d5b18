"""Reading ahead: a thread reads the samples of a worker's next batch while the model works on this one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pandas as pd

from amodal_bench.datasets.base import Dataset, Problem, Sample, is_read_ahead


class Ahead:
    """A dataset whose samples may have been read already; at most those of one batch wait.

    Args:
        dataset: is read by one thread ahead, if it says that it may be, and by whoever asks for what that thread has
            not begun.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reading-ahead")
        self._coming: dict[str, Future[Sample]] = {}

    @property
    def name(self) -> str:
        return self._dataset.name

    def expect(self, now: Sequence[str], then: Sequence[str]) -> None:
        """Read what is wanted then; what is wanted neither now nor then is dropped."""
        wanted = {*now, *then}
        for id in [id for id in self._coming if id not in wanted]:
            self._coming.pop(id).cancel()
        for id in then if is_read_ahead(self._dataset) else ():
            if id not in self._coming:
                self._coming[id] = self._thread.submit(self._dataset.sample, id)

    def sample(self, id: str) -> Sample:
        """See `Dataset`; it raises what the thread's reading has raised."""
        coming = self._coming.pop(id, None)
        # One that hangs keeps the thread: those behind it are read here.
        if coming is None or coming.cancel():
            return self._dataset.sample(id)
        return coming.result()

    def records(self) -> pd.DataFrame:
        return self._dataset.records()

    def fingerprint(self) -> str:
        return self._dataset.fingerprint()

    def check(self) -> Sequence[Problem]:
        return self._dataset.check()

    def end(self) -> None:
        """Read nothing more."""
        self._coming.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)
