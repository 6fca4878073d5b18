"""C2F-Seg's scripts (ICCV 2023), quirks included: commit 817d656 of amazon-science/c2f-seg.

Images: `utils/evaluation.py` (evaluation_image, get_IoU, iou). Videos: `src/video_model.py` (loss_and_evaluation) and
`utils/evaluation.py` (video_iou).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from amodal_bench.core.types import Floats
from amodal_bench.metrics.counts import total
from amodal_bench.metrics.numbers.base import Rows, Score, divided, hidden_pixels, mean, mean_of_groups
from amodal_bench.metrics.numbers.overlap import PREDICTIONS, one_of, overlap

FRAMES = 32
"""The script scores the first 32 frames of an object, without the last of them."""


@dataclass(frozen=True)
class C2FSegFull:
    """IoU of each instance, averaged; an empty prediction of an empty mask counts as 1."""

    prediction: str = "given"
    regions: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        one_of("prediction", self.prediction, PREDICTIONS)

    def score(self, rows: Rows) -> Score:
        """Sums over rows: IoUs above, instances below."""
        return mean(divided(*overlap(rows.counts, "whole", self.prediction), 1.0))


@dataclass(frozen=True)
class C2FSegInvisible:
    r"""Summed IoUs of P \ V and A \ V over a number of occluded instances that the script counts its own way.

    An instance is counted unless |A| - |V| is 0 as a difference of two numbers: where V reaches beyond A, an
    instance without a hidden part may count (as 0), and one with a hidden part may add its IoU without being counted.

    Attributes:
        drop_hidden: instances whose V is empty are not counted either, although their IoU is added (the variant for
            files of ground-truth V).
        corrected: count what has a hidden part, which is what the paper says.
    """

    drop_hidden: bool = False
    corrected: bool = False
    regions: ClassVar[tuple[str, ...]] = ()

    def score(self, rows: Rows) -> Score:
        """Sums over rows: IoUs above, counted instances below."""
        both, either = overlap(rows.counts, "beyond_visible")
        hidden = hidden_pixels(rows.counts)
        iou = np.where(hidden > 0, divided(both, either, 0.0), 0.0)
        if self.corrected:
            return Score(iou, (hidden > 0).astype(float))
        amodal = total(rows.counts, lambda p, a, v, o: a)
        visible = total(rows.counts, lambda p, a, v, o: v)
        counted = amodal != visible
        if self.drop_hidden:
            counted &= visible > 0
        return Score(iou, counted.astype(float))


@dataclass(frozen=True)
class C2FSegVideo:
    r"""IoU of each object in each frame, averaged over its frames, then over objects; two empty masks count as 0.

    Attributes:
        region: `whole`, or `beyond_visible` for P \ V and A \ V: frames without occlusion then score 0 and count.
        prediction: `given`, or `visible_unless_covered` for the numbers that the script calls "post".
    """

    region: str = "whole"
    prediction: str = "given"
    regions: ClassVar[tuple[str, ...]] = ()

    def score(self, rows: Rows) -> Score:
        """Sums over rows: weighted IoUs above, weights below; an object weighs 1."""
        both, either = overlap(rows.counts, self.region, self.prediction)
        iou: Floats = np.where(_scored(rows), divided(both, either, 0.0), np.nan)
        return mean_of_groups(iou, rows.records[["video_id", "object_id"]])


def _scored(rows: Rows) -> np.typing.NDArray[np.bool_]:
    """Which rows are among the first frames of their object, (N,) bool."""
    rank = rows.records.groupby(["video_id", "object_id"])["frame"].rank(method="first")
    size = rows.records.groupby(["video_id", "object_id"])["frame"].transform("size")
    last = size.clip(upper=FRAMES)
    return (rank < last).to_numpy(bool)
