"""What a stopped sweep leaves: its cells in other processes are killed amid their batches, by no fault of these."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from amodal_bench.core.errors import BenchError
from amodal_bench.runner import in_flight
from amodal_bench.runner.place import opened
from amodal_bench.runner.shards import FOLDER
from amodal_bench.runner.store import STORE

PATIENCE = 2.0
"""Seconds that the processes have to be gone."""


@contextmanager
def put_down(results: Path) -> Iterator[None]:
    """Launch cells; where that is stopped, what they were at was left in good order.

    Args:
        results: holds `runs`.
    """
    since = time.time()
    try:
        yield
    except KeyboardInterrupt:
        put_down_since(results, since)
        raise


def put_down_since(results: Path, since: float) -> None:
    """Note in the stores that were written to since a time that what is in flight was left in good order.

    One that another process works on is left to it.

    Args:
        results: holds `runs`.
        since: in seconds since the epoch.
    """
    until = time.monotonic() + PATIENCE
    for pattern in (f"runs/*/{STORE}", f"runs/*/{FOLDER}/*/{STORE}"):
        for file in results.glob(pattern):
            while _is_newer(file, since) and not _put_down(file.parent) and time.monotonic() < until:
                time.sleep(0.1)


def _is_newer(store: Path, since: float) -> bool:
    """Whether a store, or its log of what is not in it yet, was written to since a time."""
    with suppress(OSError):
        return any(file.stat().st_mtime >= since for file in store.parent.glob(f"{STORE}*"))
    return False


def _put_down(folder: Path) -> bool:
    try:
        with opened(folder) as store:
            in_flight.put_down(store.db)
    except BenchError:  # it is at work, or cannot be used, of which its next start hears
        return False
    return True
