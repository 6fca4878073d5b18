"""Numbers over several predictions of each instance: the mean draw, the best, the majority, passes, and their spread.

An instance of which any draw has no IoU, as A and that draw are both empty, is left out of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import ClassVar

import numpy as np

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.types import Floats
from amodal_bench.metrics.numbers.base import DRAWS, MAJORITY, Rows, Score, mean
from amodal_bench.metrics.numbers.iou import ious
from amodal_bench.metrics.numbers.overlap import PREDICTIONS, REGIONS, one_of


@dataclass(frozen=True)
class _OfDraws:
    r"""What all numbers over draws share.

    Attributes:
        region: where pixels are counted: `whole`, `beyond_visible` (P \ V and A \ V) or `covered`.
        prediction: what is scored: `given`, `united` with V, or `visible_unless_covered`.
        hidden_only: only instances with A \ V not empty count.
    """

    region: str = "whole"
    prediction: str = "given"
    hidden_only: bool = False
    regions: ClassVar[tuple[str, ...]] = (DRAWS,)

    def __post_init__(self) -> None:
        one_of("region", self.region, REGIONS)
        one_of("prediction", self.prediction, PREDICTIONS)

    def ious(self, rows: Rows) -> Floats:
        """The IoU of each draw, (N, K) in [0, 1]; a row is NaN where it does not count."""
        counts = rows.counts[:, None] if rows.draws is None else rows.draws
        found = ious(counts, self.region, self.prediction, self.hidden_only)
        return np.where(np.isnan(found).any(axis=1, keepdims=True), np.nan, found)


@dataclass(frozen=True)
class MeanOfDraws(_OfDraws):
    """The mean IoU of an instance's draws, averaged over instances: what one draw is expected to score."""

    def score(self, rows: Rows) -> Score:
        """Sums over rows: mean IoUs above, instances below."""
        return mean(self.ious(rows).mean(axis=1))


@dataclass(frozen=True)
class BestOfDraws(_OfDraws):
    """The IoU of an instance's best draw, averaged over instances; A chooses it, so that no method can reach it.

    Attributes:
        of: how many draws the best is taken of: the mean over all choices of so many draws, which estimates it
            without bias. Null is all of them. NaN where there are fewer.
    """

    of: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_count(self.of)

    def score(self, rows: Rows) -> Score:
        """Sums over rows: IoUs of the best above, instances below."""
        values = np.sort(self.ious(rows), axis=1)  # NaN rows stay rows of NaN
        return mean(values @ _weights_of_the_best(values.shape[1], self.of))


@dataclass(frozen=True)
class PassOfDraws(_OfDraws):
    """The share of instances of which a draw has an IoU of at least the threshold (pass at k).

    Attributes:
        of: of how many draws one has to pass: the chance of it over all choices of so many draws, which estimates it
            without bias. Null is all of them. NaN where there are fewer.
        threshold: the least IoU that passes, in (0, 1].
    """

    of: int | None = None
    threshold: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_count(self.of)
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"threshold: {self.threshold} must be > 0 and <= 1")

    def score(self, rows: Rows) -> Score:
        """Sums over rows: chances to pass above, instances below."""
        values = self.ious(rows)
        passed = np.where(np.isnan(values), np.nan, values >= self.threshold)
        return mean(np.sort(passed, axis=1) @ _weights_of_the_best(values.shape[1], self.of))


@dataclass(frozen=True)
class MajorityOfDraws(_OfDraws):
    """The IoU of the mask of all pixels that more than half of the draws have, averaged over instances."""

    regions: ClassVar[tuple[str, ...]] = (DRAWS, MAJORITY)

    def score(self, rows: Rows) -> Score:
        """Sums over rows: IoUs above, instances below."""
        counts = rows.counts if rows.majority is None else rows.majority
        found = ious(counts, self.region, self.prediction, self.hidden_only)
        return mean(np.where(np.isnan(self.ious(rows)).any(axis=1), np.nan, found))


@dataclass(frozen=True)
class SpreadOfDraws(_OfDraws):
    """The standard deviation over draws of the mean IoU over all instances; 0 of draws that are alike.

    It says how far the number would move had the whole run another seed. NaN of one draw.
    """

    perfect: ClassVar[float] = 0.0

    def value(self, rows: Rows) -> float:
        """The standard deviation, with K - 1 below."""
        values = self.ious(rows)
        values = values[~np.isnan(values).any(axis=1)]
        return float(values.mean(axis=0).std(ddof=1)) if len(values) and values.shape[1] > 1 else float("nan")


def _require_count(of: int | None) -> None:
    if of is not None and of < 1:
        raise ConfigError(f"of: {of} must be >= 1, or null for all draws")


def _weights_of_the_best(draws: int, of: int | None) -> Floats:
    """The share of the choices of `of` draws in which each place of an ascending order is the best, (K,)."""
    chosen = draws if of is None else of
    if chosen > draws:
        return np.full(draws, np.nan)
    choices = comb(draws, chosen)
    return np.array([comb(below, chosen - 1) / choices for below in range(draws)])
