"""Means over datasets and differences of them, with intervals from those of the datasets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from amodal_bench.paper.gather import Value


@dataclass(frozen=True)
class Mean:
    """A mean or a difference in points, with its 95 % interval; `low` and `high` are NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan


def mean_of(values: Sequence[Value]) -> Mean | None:
    """The mean over datasets in points; None where one of them has no value, or random weights made it.

    The datasets are independent, so the distances to the ends of their intervals add as squares (the method of
    variance estimates recovery, MOVER).
    """
    if not values or any(value.missing or value.random or value.cost for value in values):
        return None
    count = len(values)
    below = math.sqrt(sum((value.value - value.low) ** 2 for value in values))
    above = math.sqrt(sum((value.high - value.value) ** 2 for value in values))
    mean = 100 * sum(value.value for value in values) / count
    return Mean(mean, mean - 100 * below / count, mean + 100 * above / count)


def difference_of(first: Mean, second: Mean) -> Mean:
    """The first less the second, which are about other datasets; its interval is made as that of a mean."""
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Mean(value, value - below, value + above)
