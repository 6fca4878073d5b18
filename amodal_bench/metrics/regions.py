"""Regions that joint counts cannot tell: they need the masks, and are counted once per prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from amodal_bench.core.types import Integers, Mask

Region = Callable[[Mask, Mask, Mask], tuple[Mask, Mask]]
"""(predicted, amodal, visible) to the parts of P and A that are compared, all (H, W) bool."""


def hidden_eroded_5(predicted: Mask, amodal: Mask, visible: Mask) -> tuple[Mask, Mask]:
    r"""P \ V and A \ V, each eroded once by a square of 5x5 pixels (Diffusion-VAS)."""
    return _eroded(predicted & ~visible), _eroded(amodal & ~visible)


def _eroded(mask: Mask) -> Mask:
    # OpenCV's default border does not erode: the frame's edge is no edge of the object.
    return np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool))


def boundary(share: float) -> Region:
    """The bands along the outlines of P and A, `share` of the image's diagonal wide (boundary IoU)."""

    def bands(predicted: Mask, amodal: Mask, _: Mask) -> tuple[Mask, Mask]:
        return band(predicted, share), band(amodal, share)

    return bands


def band(mask: Mask, share: float) -> Mask:
    """What a mask loses by as many 3x3 erosions as the band has pixels; the frame's edge is an outline.

    Source: `mask_to_boundary` of bowenc0221/boundary-iou-api at 37d2558.
    """
    height, width = mask.shape
    wide = max(1, round(share * float(np.sqrt(height**2 + width**2))))
    padded = np.pad(mask.astype(np.uint8), 1)
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=wide)[1:-1, 1:-1]
    return np.asarray(mask & (inner == 0))


REGIONS: Mapping[str, Region] = {
    "hidden_eroded_5": hidden_eroded_5,
    "boundary_0.02": boundary(0.02),
    "boundary_0.005": boundary(0.005),
}
"""By name, as stores keep their counts."""


def pair_counts(predicted: Mask, amodal: Mask) -> Integers:
    """Pixels in neither, in P alone, in A alone and in both: (4,) int64."""
    both = int((predicted & amodal).sum())
    alone, missed = int(predicted.sum()) - both, int(amodal.sum()) - both
    return np.array([predicted.size - both - alone - missed, alone, missed, both], np.int64)
