"""What a number is: a ratio of sums over rows, so that resampling rows resamples the number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from amodal_bench.core.types import Floats, Integers
from amodal_bench.metrics.counts import total

PAIRS, DRAWS, MAJORITY = "pairs", "draws", "majority"
"""What a number may need beside regions by name: see `Rows`."""


@dataclass(frozen=True)
class Rows:
    """The instances that a number is about.

    Attributes:
        counts: (N, 16) int64 joint pixel counts; of a failed prediction those of an empty one.
        records: (N) rows with `image_id`, `video_id`, `object_id`, `frame` and `category`, in the same order.
        regions: by name, (N, 4) int64 joint counts over (predicted, amodal) in a region that needs the masks.
        pairs: IoU of each prediction with each A of its image: rows `predicted` and `amodal` (positions) and `iou`;
            for a crowd's A, the share of the prediction that lies in it.
        draws: (N, K, 16) int64 joint counts of K predictions of each instance, the first being those of `counts`;
            None where there is one prediction of each.
        majority: (N, 16) int64 joint counts of the pixels that more than half of the K predictions have; None where
            that is the one prediction.
    """

    counts: Integers
    records: pd.DataFrame
    regions: Mapping[str, Integers]
    pairs: pd.DataFrame | None = None
    draws: Integers | None = None
    majority: Integers | None = None

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True)
class Score:
    """A number as a ratio of sums over rows.

    Attributes:
        numerator, denominator: (N,) float64; both are 0 for a row that the number leaves out.
    """

    numerator: Floats
    denominator: Floats

    @property
    def value(self) -> float:
        """The number; NaN where no row counts."""
        below = float(self.denominator.sum())
        return float(self.numerator.sum()) / below if below else float("nan")

    @property
    def instances(self) -> int:
        """How many rows count."""
        return int(((self.denominator > 0) | (self.numerator != 0)).sum())


class Number(Protocol):
    """The interface of every number; a new one is one class in one file.

    Attributes:
        regions: names of the regions whose counts it needs beside the joint counts (see `metrics.regions`); "pairs",
            "draws" and "majority" stand for what `Rows` has under these names.
    """

    @property
    def regions(self) -> tuple[str, ...]: ...

    def score(self, rows: Rows) -> Score:
        """The number over rows, as sums."""
        ...


@runtime_checkable
class WholeNumber(Protocol):
    """A number that is no ratio of sums, so that it has no interval."""

    @property
    def regions(self) -> tuple[str, ...]: ...

    def value(self, rows: Rows) -> float:
        """The number over rows."""
        ...


def mean(values: Floats, weights: Floats | None = None) -> Score:
    """The weighted mean of (N,) values; a NaN is left out."""
    defined = ~np.isnan(values)
    weight = np.where(defined, 1.0 if weights is None else weights, 0.0)
    return Score(np.where(defined, values, 0.0) * weight, weight)


def mean_of_groups(values: Floats, groups: pd.DataFrame) -> Score:
    """The mean over groups of the means in them; a NaN is left out, and so is a group of nothing else.

    Args:
        values: (N,).
        groups: (N) rows; equal ones are a group.
    """
    if not len(values):
        return mean(values)
    group = groups.groupby(list(groups.columns), sort=False, dropna=False).ngroup().to_numpy()
    sizes = np.bincount(group, ~np.isnan(values))[group]
    return mean(values, np.divide(1.0, sizes, out=np.zeros_like(sizes), where=sizes > 0))


def divided(above: Integers | Floats, below: Integers | Floats, empty: float) -> Floats:
    """(N,) ratios; `empty` where the denominator is 0."""
    return np.asarray(np.divide(above, below, out=np.full(np.shape(above), empty), where=np.asarray(below) > 0))


def hidden_pixels(counts: Integers) -> Integers:
    r"""Pixels of A \ V of each row, (N, 16) counts to (N,) int64."""
    return total(counts, lambda p, a, v, o: a and not v)
