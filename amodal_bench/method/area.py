"""The inpainting area M (Eq. 10): where the method lets the backbone paint."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np

from amodal_bench.core.errors import ConfigError
from amodal_bench.core.masks import extent
from amodal_bench.core.types import Mask


def convex_hull(visible: Mask) -> Mask:
    """Eq. 10: convex hull of the union of V's contours, (H, W) bool; it contains V, and is empty where V is."""
    if (found := extent(visible)) is None:
        return np.zeros_like(visible)
    top, bottom, left, right = found
    box = visible[top:bottom, left:right]
    # Of a row only its first and last pixel can be corners.
    rows = np.flatnonzero(box.any(axis=1))
    first, last = box[rows].argmax(axis=1), box.shape[1] - 1 - box[rows, ::-1].argmax(axis=1)
    ends = np.stack([np.concatenate([first, last]) + left, np.concatenate([rows, rows]) + top], axis=1)
    hull = cv2.convexHull(ends.astype(np.int32))
    filled = np.zeros(visible.shape, np.uint8)
    cv2.fillConvexPoly(filled, hull, 1)
    return filled.astype(bool) | visible


def bounding_box(visible: Mask) -> Mask:
    """V's bounding box, (H, W) bool."""
    box = np.zeros_like(visible)
    if (found := extent(visible)) is not None:
        top, bottom, left, right = found
        box[top:bottom, left:right] = True
    return box


def dilate(mask: Mask, radius: float) -> Mask:
    """All pixels within `radius` pixels of the mask, (H, W) bool."""
    if radius <= 0 or (found := extent(mask)) is None:
        return mask
    top, bottom, left, right = found
    reach = math.ceil(min(radius, max(mask.shape)))
    near = np.s_[max(top - reach, 0) : bottom + reach, max(left - reach, 0) : right + reach]
    distance = cv2.distanceTransform((~mask[near]).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    grown = np.zeros_like(mask)
    grown[near] = distance <= radius
    return grown


Shape: TypeAlias = Literal["hull", "dilated_hull", "bbox", "full", "background"]
_SHAPES: dict[str, Callable[[Mask], Mask]] = {
    "hull": convex_hull,
    "dilated_hull": convex_hull,
    "bbox": bounding_box,
    "full": np.ones_like,
    "background": np.logical_not,
}
_GROWN = ("dilated_hull", "bbox")
"""The shapes that `grow` is for."""


@dataclass(frozen=True)
class Area:
    """How M follows from V.

    Attributes:
        shape: `hull` (the paper's), `dilated_hull`, `bbox`, `full`, or `background`, which is all but V: the one
            shape that does not contain it.
        grow: of `dilated_hull` and `bbox`: how far M reaches beyond it, as a share of the longer side of V's
            box; the paper mentions no margin.
    """

    shape: Shape = "hull"
    grow: float = 0.0

    def __post_init__(self) -> None:
        if self.shape not in _SHAPES:
            raise ConfigError(f"area.shape: {self.shape!r} is not one of {', '.join(map(repr, _SHAPES))}")
        if not 0 <= self.grow < math.inf:
            raise ConfigError(f"area.grow: {self.grow} must be >= 0 and finite")

    @staticmethod
    def idle_settings(settings: Mapping[str, Any]) -> dict[str, str]:
        """See `config.effect.Idles`."""
        shape = settings.get("shape", "hull")
        return {} if shape in _GROWN else {"grow": f"area.shape={shape} does not grow; {' and '.join(_GROWN)} do"}

    def __call__(self, visible: Mask) -> Mask:
        """M for a visible mask, (H, W) bool."""
        mask = _SHAPES[self.shape](visible)
        if self.shape not in _GROWN or (found := extent(visible)) is None:
            return mask
        top, bottom, left, right = found
        return dilate(mask, self.grow * max(bottom - top, right - left))
