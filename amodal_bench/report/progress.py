"""The progress bar: rate, running mIoU and errors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from amodal_bench.core.ids import among
from amodal_bench.core.types import Integers
from amodal_bench.metrics.numbers.base import mean
from amodal_bench.metrics.protocols import iou
from amodal_bench.runner.store import COUNTS, Row


class Progress:
    """Follows a run batch by batch; use it as a context manager.

    Args:
        title: shown before the bar.
        ids: all instances of the run.
        earlier: the store's rows of these draws as the run starts; what is done in them counts.
        listener: is told predictions done, all predictions and running mIoU after each batch.
        bar: whether a bar is shown, on a terminal or in a notebook; without one, the listener is told all the same.
        draws: how many predictions each instance gets.
    """

    def __init__(
        self,
        title: str,
        ids: Sequence[str],
        earlier: pd.DataFrame,
        listener: Callable[[int, int, float], None],
        bar: bool = True,
        draws: int = 1,
    ) -> None:
        self._listener = listener
        done = earlier[among(earlier["id"], ids) & earlier["error"].isna()]
        self._above, self._below = _sums(done[COUNTS].to_numpy(np.int64))
        self._errors = 0
        self._done, self._total = len(done), len(ids) * draws
        unit = "inst" if draws == 1 else "pred"
        # None: on a terminal alone, for a log keeps every state of a bar; a notebook shows it as a terminal does.
        hide = not bar or (False if type(sys.stderr).__module__.startswith("ipykernel.") else None)
        self._bar: Any = tqdm(
            total=self._total, initial=self._done, desc=title, unit=unit, dynamic_ncols=True, disable=hide
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def report(self, rows: Sequence[Row]) -> None:
        """Take note of a batch that has been committed."""
        counts = [row.counts for row in rows if row.counts is not None]
        self._errors += sum(row.error is not None for row in rows)
        if counts:
            above, below = _sums(np.stack(counts))
            self._above, self._below = self._above + above, self._below + below
        miou = self._above / self._below if self._below else float("nan")
        self._bar.set_postfix_str(f"mIoU {100 * miou:.1f}" + (f", {self._errors} errors" if self._errors else ""))
        self._bar.update(len(rows))
        self._done += len(rows)
        self._listener(self._done, self._total, miou)


def _sums(counts: Integers) -> tuple[float, float]:
    """The summed IoU of instances, and how many they are, for a running mean that any order of them leaves alone."""
    score = mean(iou(counts))
    return float(score.numerator.sum()), float(score.denominator.sum())
