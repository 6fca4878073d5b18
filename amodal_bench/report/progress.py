"""The progress of a run: stage, rate, time left, running mIoU with its count, and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import numpy as np
import pandas as pd

from amodal_bench.core import progress
from amodal_bench.core.ids import among
from amodal_bench.core.types import Integers
from amodal_bench.metrics.numbers.base import mean
from amodal_bench.metrics.protocols import iou
from amodal_bench.runner.store import COUNTS, Row

FIRST, COMPILING, NEXT = "first batch", "first batch, compiling", "predicting"
"""Stages of a run; what loads weights names itself."""


class Progress:
    """Follows a run batch by batch; use it as a context manager.

    Args:
        title: shown before the bar.
        ids: all instances of the run.
        earlier: the store's rows of these draws as the run starts; what is done in them counts.
        listener: is told predictions done, all predictions and running mIoU after each batch.
        bar: whether it is shown, as a bar or in a log as lines; the listener is told in either case.
        draws: how many predictions each instance gets.
        compiles: whether kernels are compiled as the first batch goes through, which takes minutes.
    """

    def __init__(
        self,
        title: str,
        ids: Sequence[str],
        earlier: pd.DataFrame,
        listener: Callable[[int, int, float], None],
        bar: bool = True,
        draws: int = 1,
        compiles: bool = False,
    ) -> None:
        self._listener, self._compiles = listener, compiles
        done = earlier[among(earlier["id"], ids) & earlier["error"].isna()]
        self._above, self._below = _sums(done[COUNTS].to_numpy(np.int64))
        self._errors = 0
        self._done, self._total = len(done), len(ids) * draws
        unit = "inst" if draws == 1 else "pred"
        self._shown = progress.Progress(title, self._total, unit, self._done, keep=True, show=bar)

    def __enter__(self) -> Progress:
        self._shown.__enter__()
        self._shown.stage(COMPILING if self._compiles else FIRST)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.__exit__(kind, error, trace)

    def report(self, rows: Sequence[Row]) -> None:
        """Take note of a batch that has been committed."""
        counts = [row.counts for row in rows if row.counts is not None]
        self._errors += sum(row.error is not None for row in rows)
        if counts:
            above, below = _sums(np.stack(counts))
            self._above, self._below = self._above + above, self._below + below
        miou = self._above / self._below if self._below else float("nan")
        errors = f", {self._errors} error{'s' * (self._errors > 1)}" if self._errors else ""
        self._shown.say((f"mIoU {100 * miou:.1f} of {self._below:.0f}" if self._below else "no mIoU yet") + errors)
        self._shown.advance(len(rows))
        self._shown.stage(NEXT)
        self._done += len(rows)
        self._listener(self._done, self._total, miou)


def compiles(facts: object) -> bool:
    """Whether a description says of the model, or of any part of it, that kernels are compiled."""
    if not isinstance(facts, Mapping):
        return False
    return facts.get("compile") is True or any(map(compiles, facts.values()))


def _sums(counts: Integers) -> tuple[float, float]:
    """The summed IoU of instances, and how many they are, for a running mean that any order of them leaves alone."""
    score = mean(iou(counts))
    return float(score.numerator.sum()), float(score.denominator.sum())
