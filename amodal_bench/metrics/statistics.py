"""Intervals: how far a number would move had other images been drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amodal_bench.metrics.protocols import Score

RESAMPLES = 2000


def bootstrap_interval(
    score: Score, images: Sequence[str], level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap over images: instances of one image are not independent and move together.

    Args:
        score: the number, over N instances.
        images: the image id of each of the N instances.
        level: coverage of the interval.
        resamples: how often the images are drawn anew.
        seed: seed of the drawing; the same input always gives the same interval.

    Returns:
        (low, high); NaN where fewer than two images count.
    """
    counted = score.denominator > 0
    names, owner = np.unique(np.asarray(images, dtype=str)[counted], return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    above = np.bincount(owner, score.numerator[counted], len(names))
    below = np.bincount(owner, score.denominator[counted], len(names))
    rng = np.random.default_rng(seed)
    # How often each image is drawn, in place of the drawn images: one matrix product per block.
    values: list[float] = []
    for start in range(0, resamples, 100):
        size = min(100, resamples - start)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size)
        values.extend(((drawn @ above) / (drawn @ below)).tolist())
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
