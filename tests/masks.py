"""Masks that several tests draw, and how much two of them agree."""

from __future__ import annotations

import numpy as np

from amodal_bench.core.types import Mask


def box(shape: tuple[int, int], top: int, left: int, height: int, width: int) -> Mask:
    """A filled rectangle in an image of `shape`."""
    mask = np.zeros(shape, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union, in [0, 1]."""
    return float((a & b).sum() / (a | b).sum())
