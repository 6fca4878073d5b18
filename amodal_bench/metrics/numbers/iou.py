"""IoU of P and A, averaged over instances or pooled over pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.types import Floats, Integers
from amodal_bench.metrics.counts import total
from amodal_bench.metrics.numbers.base import Rows, Score, divided, hidden_pixels, mean
from amodal_bench.metrics.numbers.overlap import PREDICTIONS, REGIONS, one_of, overlap


def ious(counts: Integers, region: str = "whole", prediction: str = "given", hidden_only: bool = False) -> Floats:
    r"""The IoU of each prediction, (..., 16) counts to (...) in [0, 1].

    NaN where P and A are both empty in the region and, where `hidden_only` is set, where A \ V is empty.
    """
    iou = divided(*overlap(counts, region, prediction), np.nan)
    return np.where(hidden_pixels(counts) > 0, iou, np.nan) if hidden_only else iou


@dataclass(frozen=True)
class MeanIou:
    r"""The IoU of each instance, averaged over instances.

    Attributes:
        region: where pixels are counted: `whole`, `beyond_visible` (P \ V and A \ V) or `covered`.
        prediction: what is scored: `given`, `united` with V, or `visible_unless_covered`.
        hidden_only: only instances with A \ V not empty count.
        above, up_to: only instances whose occlusion rate lies in (above, up_to] count; above = null takes 0 in.
    """

    region: str = "whole"
    prediction: str = "given"
    hidden_only: bool = False
    above: float | None = None
    up_to: float = 1.0
    regions: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        one_of("region", self.region, REGIONS)
        one_of("prediction", self.prediction, PREDICTIONS)
        if not (-1 if self.above is None else self.above) < self.up_to <= 1:
            raise ConfigError(f"above, up_to: {self.above} and {self.up_to} must be rising and at most 1")

    def values(self, rows: Rows) -> Floats:
        """The IoU of each row, (N,) in [0, 1]; NaN where P and A are both empty, or the row does not count."""
        iou = ious(rows.counts, self.region, self.prediction, self.hidden_only)
        if self.above is None and self.up_to == 1:
            return iou  # a row whose rate is unknown counts, too
        rate = divided(hidden_pixels(rows.counts), total(rows.counts, lambda p, a, v, o: a), np.nan)
        counts = (rate <= self.up_to) & (rate > (-1 if self.above is None else self.above))
        return np.where(counts, iou, np.nan)

    def score(self, rows: Rows) -> Score:
        """Sums over rows: IoUs above, instances below."""
        return mean(self.values(rows))


@dataclass(frozen=True)
class PooledIou:
    """Summed intersections over summed unions: an instance counts by its pixels.

    Attributes:
        region, prediction: as in `MeanIou`.
    """

    region: str = "whole"
    prediction: str = "given"
    regions: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        one_of("region", self.region, REGIONS)
        one_of("prediction", self.prediction, PREDICTIONS)

    def score(self, rows: Rows) -> Score:
        """Sums over rows: intersections above, unions below."""
        both, either = overlap(rows.counts, self.region, self.prediction)
        return Score(both.astype(float), either.astype(float))


@dataclass(frozen=True)
class PooledRecall:
    """Summed intersections over summed pixels of A, which PCNet's script prints as pAcc."""

    regions: ClassVar[tuple[str, ...]] = ()

    def score(self, rows: Rows) -> Score:
        """Sums over rows: intersections above, pixels of A below."""
        both, _ = overlap(rows.counts)
        return Score(both.astype(float), total(rows.counts, lambda p, a, v, o: a).astype(float))
