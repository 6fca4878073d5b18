"""A model that fails from the first instance on: the run stops, with the traceback that its author needs."""

from __future__ import annotations

import traceback

from amodal_bench.core.errors import NotFinite, PredictionError, one_line

LEAST = 8
"""Fewer failures than this do not stop a run, however small its batches are: they may be of bad samples."""


class AllFailed(Exception):
    """The first predictions of a run have all failed.

    Attributes:
        count: how many there were.
        first: the first of the errors on one line.
        report: its traceback, with those of the errors that led to it.
    """

    def __init__(self, count: int, first: str, report: str) -> None:
        self.count, self.first, self.report = count, first, report
        super().__init__(f"the first {count} predictions failed: {first}")


class FirstFailures:
    """Looks at what is predicted until one prediction is there, or enough have failed.

    An answer that the model declines to give (`PredictionError`) is no fault of its code and ends the watch; numbers
    that are not finite are a fault.

    Args:
        active: whether to look at all; not where earlier predictions of the same code are in the store.
    """

    def __init__(self, active: bool) -> None:
        self._active, self._seen = active, 0
        self._first: BaseException | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing to look for any more."""
        return not self._active

    def see(self, failure: BaseException | None) -> None:
        """Take one instance into account: why it has no prediction, or None where it has one."""
        if failure is None or (isinstance(failure, PredictionError) and not isinstance(failure, NotFinite)):
            self._active = False
        self._first = self._first or failure
        self._seen += 1

    def check(self) -> None:
        """Raise `AllFailed` where enough predictions were seen and all have failed; to call after each batch."""
        if (failed := self.all_failed()) is not None and failed.count >= LEAST:
            raise failed

    def all_failed(self) -> AllFailed | None:
        """What to say of the predictions seen so far, however few; None where not all of them have failed."""
        if not self._active or self._first is None:
            return None
        report = "".join(traceback.format_exception(self._first))
        return AllFailed(self._seen, one_line(self._first), report)
