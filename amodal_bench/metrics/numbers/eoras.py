"""EoRaS' script (ICCV 2023): commit cb56baf of its repository, `model/loss.py` and `test_movi.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from amodal_bench.metrics.numbers.base import Rows, Score, divided, hidden_pixels, mean
from amodal_bench.metrics.numbers.overlap import overlap


@dataclass(frozen=True)
class EorasIou:
    """IoU of each object in each frame, averaged over all of them; empty against empty counts as 0.

    Attributes:
        region: `whole`, or `beyond_visible`, where the script also drops what is exactly 1 (it takes it for
            unoccluded, yet there an empty pair is 0 and a perfect prediction is dropped).
        corrected: leave out what has no hidden part instead, and count perfect predictions.
    """

    region: str = "whole"
    corrected: bool = False
    regions: ClassVar[tuple[str, ...]] = ()

    def score(self, rows: Rows) -> Score:
        """Sums over rows: IoUs above, rows below."""
        both, either = overlap(rows.counts, self.region)
        iou = divided(both, either, 0.0)
        if self.region == "whole":
            return mean(iou)
        if self.corrected:
            return mean(np.where(hidden_pixels(rows.counts) > 0, iou, np.nan))
        # The script divides by U + 1e-6 in float32: where that is U itself, a perfect prediction is exactly 1.
        seen = both.astype(np.float32) / (either.astype(np.float32) + np.float32(1e-6))
        return mean(np.where(seen == 1, np.nan, iou))
