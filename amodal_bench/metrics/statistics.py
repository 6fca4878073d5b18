"""Intervals: how far numbers, and differences of numbers, would move had other images or videos been drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amodal_bench.core.types import Floats
from amodal_bench.metrics.numbers.base import Score

RESAMPLES = 2000
FEW_CLUSTERS = 20
"""With fewer clusters than these an interval is marked: percentile intervals of so few are too narrow."""

_BLOCK = 100
"""Resamples drawn at a time, so that memory stays small with many clusters."""


class Bootstrap:
    """One set of resamples of clusters, shared by all numbers of a table, so that their differences are paired.

    Args:
        clusters: all clusters of the table, in any order; each once or more often.
        resamples: how often clusters are drawn anew.
        seed: seed of the drawing; the same clusters always give the same resamples.
    """

    def __init__(self, clusters: Sequence[str], resamples: int = RESAMPLES, seed: int = 0) -> None:
        self.names = np.unique(np.asarray(clusters, dtype=str))
        self.resamples, self.seed = resamples, seed
        self._owners: dict[int, tuple[Sequence[str], NDArray[np.intp]]] = {}

    def _owner(self, clusters: Sequence[str]) -> NDArray[np.intp]:
        """The place of each row's cluster in `names`; found once for one list, which many numbers share."""
        if id(clusters) not in self._owners:
            places = np.searchsorted(self.names, np.asarray(clusters, dtype=str))
            self._owners[id(clusters)] = clusters, places  # with the list itself: its id stays its own
        return self._owners[id(clusters)][1]

    def counted(self, score: Score, clusters: Sequence[str]) -> int:
        """How many clusters have a row that counts."""
        counts = (score.denominator > 0) | (score.numerator != 0)
        return int(np.count_nonzero(np.bincount(self._owner(clusters), counts, len(self.names))))

    def _weights(self) -> Iterator[Floats]:
        """How often each cluster is drawn, block by block: (B, C) float64."""
        count = len(self.names)
        rng = np.random.default_rng(self.seed)
        for start in range(0, self.resamples, _BLOCK):
            size = min(_BLOCK, self.resamples - start)
            weights = np.empty((size, count))
            # Row by row: the counts of one resample stay in the processor's cache.
            for row, drawn in zip(weights, rng.integers(0, count, (size, count), dtype=np.int32), strict=True):
                row[:] = np.bincount(drawn, minlength=count)
            yield weights

    def values(self, scores: Sequence[tuple[Score, Sequence[str]]]) -> Floats:
        """Each number in each resample.

        Args:
            scores: numbers, each with the cluster of each of its rows.

        Returns:
            (K, R) float64; NaN where no row of a resample counts.
        """
        count = len(self.names)
        if not count or not scores:
            return np.full((len(scores), self.resamples), np.nan)
        sums = np.empty((count, 2 * len(scores)))
        for k, (score, clusters) in enumerate(scores):
            owner = self._owner(clusters)
            sums[:, 2 * k] = np.bincount(owner, score.numerator, count)
            sums[:, 2 * k + 1] = np.bincount(owner, score.denominator, count)
        drawn = np.concatenate([weights @ sums for weights in self._weights()])
        above, below = drawn[:, 0::2], drawn[:, 1::2]
        return np.asarray(np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0).T)


@dataclass(frozen=True)
class Interval:
    """A percentile interval.

    Attributes:
        low, high: its ends; NaN where fewer than two clusters count.
        clusters: how many clusters count.
    """

    low: float
    high: float
    clusters: int

    @property
    def few(self) -> bool:
        """Whether the clusters are so few that the interval is too narrow."""
        return self.clusters < FEW_CLUSTERS


def interval(values: Floats, clusters: int, level: float = 0.95) -> Interval:
    """The percentile interval of a number's (R,) values in resamples of so many clusters."""
    defined = values[~np.isnan(values)]
    if clusters < 2 or not len(defined):
        return Interval(float("nan"), float("nan"), clusters)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), clusters)


def mean_interval(parts: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """The ends of the 95 % interval of the mean of independent numbers, each given as value, low and high.

    The distances to the ends of their intervals add as squares: the method of variance estimates recovery (MOVER; Zou
    and Donner, 2008). NaN where one of them has no interval.
    """
    values, lows, highs = np.array(parts, np.float64).T
    mean, count = values.mean(), len(values)
    below, above = np.sqrt(((values - lows) ** 2).sum()), np.sqrt(((highs - values) ** 2).sum())
    return float(mean - below / count), float(mean + above / count)


def p_value(differences: Floats) -> float:
    """The two-sided bootstrap p-value of (R,) differences against 0; at least 1 / (R + 1)."""
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return float("nan")
    tail = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (len(defined) + 1))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's correction for several comparisons: adjusted p-values under the same names (Holm, 1979)."""
    defined = sorted((p, name) for name, p in p_values.items() if not np.isnan(p))
    adjusted = dict.fromkeys(p_values, float("nan"))
    highest = 0.0
    for rank, (p, name) in enumerate(defined):
        highest = max(highest, min(1.0, (len(defined) - rank) * p))
        adjusted[name] = highest
    return adjusted
