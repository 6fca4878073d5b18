"""SaVos' script for FishBowl (NeurIPS 2022): commit e43135c of its repository, `utils/evaluation.py`.

V replaces P wherever no other instance is visible; the occluded number looks only where one is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from amodal_bench.core.types import Floats
from amodal_bench.metrics.counts import total
from amodal_bench.metrics.numbers.base import Rows, Score, divided, mean, mean_of_groups
from amodal_bench.metrics.numbers.overlap import overlap

LOW, HIGH = 0.1, 0.7
"""Occlusion rates, both exclusive, that the script scores."""


@dataclass(frozen=True)
class SavosIou:
    """IoU of objects in frames of medium occlusion; the first and last frame of an object are not scored.

    Attributes:
        region: `whole`, or `covered` for pixels under the visible mask of another instance.
        by_frame: average over the objects of a frame first (the paper's number), else over all rows alike.
    """

    region: str = "whole"
    by_frame: bool = True
    prediction: ClassVar[str] = "visible_unless_covered"
    regions: ClassVar[tuple[str, ...]] = ()

    def score(self, rows: Rows) -> Score:
        """Sums over rows: weighted IoUs above, weights below."""
        both, either = overlap(rows.counts, self.region, self.prediction)
        iou: Floats = np.where(_scored(rows), divided(both, either, 1.0), np.nan)
        if not self.by_frame:
            return mean(iou)
        return mean_of_groups(iou, rows.records[["video_id", "frame"]])


def _scored(rows: Rows) -> np.typing.NDArray[np.bool_]:
    amodal = total(rows.counts, lambda p, a, v, o: a)
    visible = total(rows.counts, lambda p, a, v, o: v)
    rate = 1 - divided(visible, amodal, np.nan)
    frames = rows.records.groupby(["video_id", "object_id"])["frame"]
    inner = (rows.records["frame"] > frames.transform("min")) & (rows.records["frame"] < frames.transform("max"))
    return (rate > LOW) & (rate < HIGH) & inner.to_numpy(bool)
