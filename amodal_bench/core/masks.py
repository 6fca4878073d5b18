"""Facts about masks that several rooms need."""

from __future__ import annotations

import numpy as np

from amodal_bench.core.types import Mask


def extent(mask: Mask) -> tuple[int, int, int, int] | None:
    """The mask's bounding box as (top, bottom, left, right), ends exclusive; None where the mask is empty."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1


def touches_border(mask: Mask) -> bool:
    """Whether the mask has a pixel in the first or last row or column of its image."""
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())
