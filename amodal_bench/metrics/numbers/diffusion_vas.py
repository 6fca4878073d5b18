"""Diffusion-VAS' script (CVPR 2025): commit bbea113 of its repository, `eval/metric_diffusion_vas_sailvos.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from amodal_bench.metrics.numbers.base import Rows, Score, divided, mean
from amodal_bench.metrics.numbers.overlap import overlap


@dataclass(frozen=True)
class DiffusionVasIou:
    """IoU of P united with V and A of each object in each frame, averaged; empty against empty counts as 0."""

    regions: ClassVar[tuple[str, ...]] = ()

    def score(self, rows: Rows) -> Score:
        """Sums over rows: IoUs above, rows below."""
        return mean(divided(*overlap(rows.counts, "whole", "united"), 0.0))


@dataclass(frozen=True)
class DiffusionVasOccludedIou:
    r"""IoU of P \ V and A \ V, each eroded by 5x5 pixels first; an IoU of 0 is left out.

    Attributes:
        corrected: leave out only what has no hidden part after erosion: a miss then counts as 0.
    """

    corrected: bool = False
    regions: ClassVar[tuple[str, ...]] = ("hidden_eroded_5",)

    def score(self, rows: Rows) -> Score:
        """Sums over rows: IoUs above, rows below."""
        _, predicted, amodal, both = rows.regions["hidden_eroded_5"].T
        iou = divided(both, predicted + amodal + both, 0.0)
        if self.corrected:
            return mean(np.where(amodal + both > 0, iou, np.nan))
        return mean(np.where(iou < 1e-6, np.nan, iou))
