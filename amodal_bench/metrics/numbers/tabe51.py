"""TABE-51's script: commit 110ebd7 of finlay-hudson/TABE, `src/eval_tabe51.py` and `utils/metric_utils.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from amodal_bench.core.types import Floats, Integers
from amodal_bench.metrics.counts import total
from amodal_bench.metrics.numbers.base import Rows, Score, divided, hidden_pixels, mean_of_groups
from amodal_bench.metrics.numbers.overlap import one_of, overlap

FRAMES: Mapping[str, Callable[[Integers], NDArray[np.bool_]]] = {
    "all": lambda counts: np.ones(len(counts), bool),
    "fully_occluded": lambda counts: total(counts, lambda p, a, v, o: v) == 0,
    "occluded": lambda counts: hidden_pixels(counts) > 0,
    # The signed sum of A - V: pixels of V outside A count against those hidden.
    "occluded_by_sum": lambda counts: total(counts, lambda p, a, v, o: a) - total(counts, lambda p, a, v, o: v) > 0,
}
"""Which frames are scored."""


@dataclass(frozen=True)
class Tabe51Iou:
    r"""IoU in each frame, averaged over a video's frames, then over videos; empty against empty counts as 0.

    Attributes:
        frames: `all`, `fully_occluded` (V empty), `occluded`, or `occluded_by_sum`.
        hidden: compare P - V and A - V as signed pictures, in which -1 counts as true: visible pixels that P misses
            enter the union, and V outside of A and P enters both.
        corrected: compare P \ V and A \ V as sets instead.
    """

    frames: str = "all"
    hidden: bool = False
    corrected: bool = False
    regions: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        one_of("frames", self.frames, FRAMES)

    def score(self, rows: Rows) -> Score:
        """Sums over rows: weighted IoUs above, weights below; a video weighs 1."""
        if self.hidden and self.corrected:
            both, either = overlap(rows.counts, "beyond_visible")
        elif self.hidden:
            both = total(rows.counts, lambda p, a, v, o: p != v and a != v)
            either = total(rows.counts, lambda p, a, v, o: p != v or a != v)
        else:
            both, either = overlap(rows.counts)
        iou: Floats = np.where(FRAMES[self.frames](rows.counts), divided(both, either, 0.0), np.nan)
        return mean_of_groups(iou, rows.records[["video_id", "object_id"]])
