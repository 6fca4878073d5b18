"""The progress of a run: stage, rate, time left, running mIoU with its count, and errors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple

import numpy as np

from amodal_bench.core import progress
from amodal_bench.core.ids import among
from amodal_bench.core.types import Integers
from amodal_bench.metrics.counts import cells
from amodal_bench.metrics.numbers.base import mean
from amodal_bench.metrics.protocols import iou
from amodal_bench.runner.bulk import Done
from amodal_bench.runner.store import COUNTS, Row, Store

FIRST, COMPILING, NEXT = "first batch", "first batch, compiling", "predicting"
"""Stages of a run; what loads weights names itself."""


def _both(predicted: bool, amodal: bool, visible: bool, others: bool) -> bool:  # noqa: ARG001
    return predicted and amodal


def _either(predicted: bool, amodal: bool, visible: bool, others: bool) -> bool:  # noqa: ARG001
    return predicted or amodal


class Earlier(NamedTuple):
    """What a store has of a run as it starts.

    Attributes:
        done: predictions.
        sums: gives the sum of their IoUs, and how many have one; of half a million that takes half a second.
    """

    done: int
    sums: Callable[[], tuple[float, float]]


def earlier_of(store: Store, ids: Collection[str], draws: int, done: Done) -> Earlier:
    """What a store has of the first draws of instances; it is shown and goes into no number, so no row is checked.

    Args:
        store: of the run; what is written to it from now on is left out.
        ids: the run's instances.
        draws: how many of each.
        done: all predictions of these draws that the store has.
    """
    if done.within:  # summed up where they lie: half a million rows take seconds to be read
        last = store.unchecked.execute("SELECT max(rowid) FROM instances").fetchone()[0]
        above, below = (" + ".join(COUNTS[cell] for cell in cells(holds)) for holds in (_both, _either))
        wanted = "FROM instances WHERE error IS NULL AND draw < ? AND rowid <= ?"
        query = f"SELECT total(1.0 * ({above}) / nullif({below}, 0)), count(nullif({below}, 0)) {wanted}"
        return Earlier(done.among, lambda: store.unchecked.execute(query, (draws, last or 0)).fetchone())
    rows = store.drawn(draws)
    rows = rows[among(rows["id"], ids) & rows["error"].isna()]
    sums = _sums(rows[COUNTS].to_numpy(np.int64))
    return Earlier(len(rows), lambda: sums)


class Progress:
    """Follows a run batch by batch; use it as a context manager.

    Args:
        title: shown before the bar.
        ids: all instances of the run.
        earlier: what is done as the run starts; its sums are asked for with the first batch, which need not wait.
        listener: is told predictions done, all predictions and running mIoU after each batch.
        bar: whether it is shown, as a bar or in a log as lines; the listener is told in either case.
        draws: how many predictions each instance gets.
        compiles: whether kernels are compiled as the first batch goes through, which takes minutes.
    """

    def __init__(
        self,
        title: str,
        ids: Sequence[str],
        earlier: Earlier,
        listener: Callable[[int, int, float], None],
        bar: bool = True,
        draws: int = 1,
        compiles: bool = False,
    ) -> None:
        self._listener, self._compiles = listener, compiles
        self._earlier, self._done = earlier, earlier.done
        self._above = self._below = 0.0
        self._reported = False
        self._errors = 0
        self._total = len(ids) * draws
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
        if not self._reported:
            self._above, self._below = self._earlier.sums()
            self._reported = True
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
