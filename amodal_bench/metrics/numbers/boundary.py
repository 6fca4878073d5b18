"""Boundary IoU (Cheng et al., CVPR 2021): IoU of the bands along the outlines of P and A."""

from __future__ import annotations

from dataclasses import dataclass, field

from amodal_bench.metrics.numbers.base import Rows, Score, divided, mean
from amodal_bench.metrics.numbers.overlap import overlap


@dataclass(frozen=True)
class BoundaryIou:
    """IoU of the bands of P and A, averaged over instances; empty against empty counts as 0.

    Attributes:
        share: width of the band, as a share of the image's diagonal (0.02 for COCO and LVIS, 0.005 for Cityscapes).
        with_mask: take the smaller of this and the IoU of the masks, as the authors' AP does.
    """

    share: float = 0.02
    with_mask: bool = False
    regions: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "regions", (f"boundary_{self.share:g}",))

    def score(self, rows: Rows) -> Score:
        """Sums over rows: IoUs above, instances below."""
        _, predicted, amodal, both = rows.regions[self.regions[0]].T
        iou = divided(both, predicted + amodal + both, 0.0)
        if self.with_mask:
            iou = iou.clip(max=divided(*overlap(rows.counts), 0.0))
        return mean(iou)
