"""The segmenter's prompt: points drawn uniformly from V."""

from __future__ import annotations

import numpy as np

from amodal_bench.core.errors import PredictionError
from amodal_bench.core.seeds import stream
from amodal_bench.core.types import Integers, Mask


def draw_points(visible: Mask, count: int, seed: int) -> Integers:
    """`count` pixels (x, y) of V, (count, 2) int64; drawn with replacement only where V has fewer.

    Raises:
        PredictionError: V is empty.
    """
    ys, xs = np.nonzero(visible)
    if not len(ys):
        raise PredictionError("the visible mask is empty: no point can be drawn from it")
    chosen = stream(seed, "points").choice(len(ys), size=count, replace=len(ys) < count)
    return np.stack([xs[chosen], ys[chosen]], axis=1).astype(np.int64)
