"""Means over datasets and differences of them, with intervals from those of the datasets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from amodal_bench.metrics.statistics import mean_interval
from amodal_bench.paper.gather import Value


@dataclass(frozen=True)
class Mean:
    """A mean or a difference in points, with its 95 % interval; `low` and `high` are NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan


def mean_of(values: Sequence[Value]) -> Mean | None:
    """The mean over datasets in points; None where one of them has no value, or random weights made it.

    The datasets are independent of each other: see `mean_interval`.
    """
    if not values or any(value.missing or value.random or value.cost for value in values):
        return None
    low, high = mean_interval([(value.value, value.low, value.high) for value in values])
    return Mean(100 * sum(value.value for value in values) / len(values), 100 * low, 100 * high)


def difference_of(first: Mean, second: Mean) -> Mean:
    """The first less the second, which are about other datasets; its interval is made as that of a mean."""
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Mean(value, value - below, value + above)
