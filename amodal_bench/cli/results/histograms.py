"""How the IoUs of runs are spread, in one line each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from amodal_bench.core.errors import BenchError
from amodal_bench.core.progress import follow

BINS = 10


def histograms(runs: Path, digests: Iterable[str]) -> dict[str, str]:
    """The IoUs of draw 0 of every instance of a run, from 0 to 100 % in ten bins, by the run's digest.

    A failed prediction has an IoU of 0. A run whose store is lacking or cannot be read has none.

    Args:
        runs: the folder of runs.
        digests: of the runs.
    """
    found = {}
    for digest in follow(list(dict.fromkeys(digests)), "reading runs", "run"):
        for store in sorted(runs.glob(f"*-{digest}/store.sqlite"))[:1]:
            with suppress(BenchError, sqlite3.Error, OSError):
                found[digest] = _of(store)
    return found


def _of(store: Path) -> str:
    import numpy as np

    from amodal_bench.metrics.protocols import iou
    from amodal_bench.report.spark import spark
    from amodal_bench.runner.store import COUNTS, read_store

    rows = read_store(store, lambda opened: opened.table())
    counts = rows.loc[rows[COUNTS[0]].notna(), COUNTS].to_numpy(np.int64)
    if not len(counts):
        return ""
    return spark(np.histogram(iou(counts), BINS, (0.0, 1.0))[0].tolist())
