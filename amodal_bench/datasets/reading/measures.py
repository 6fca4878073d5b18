r"""What an index says of an instance's two masks, defined once for all loaders.

A is the amodal mask and V the visible one; V may reach beyond A.

pixels of A: as stated, else as measured; 0 where A can be read and has none, whatever is stated.
occlusion rate: |A \ V| / |A|, as stated, else as measured. NaN where A is empty.
truncated: A has a pixel in the first or last row or column of the image.
hidden: V has no pixel, whatever rate is stated. A stated rate that contradicts it (1 though V has a pixel, less than
1 though it has none) is not used.

What a mask decides that cannot be read, or whose size is unknown, is NaN or False: `sample` says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from amodal_bench.core import rle
from amodal_bench.core.extents import Extent
from amodal_bench.core.masks import touches_border
from amodal_bench.core.native import NativeRle
from amodal_bench.core.rle import Segmentation
from amodal_bench.core.types import Mask

RATE_TOLERANCE = 1e-3
"""How far a stated occlusion rate may be off the masks: files round it."""


PIXEL_TOLERANCE = 0.5
"""How far stated pixels may be off those of the mask."""

OUTLINE_TOLERANCE = 0.01
"""How far a stated area may be off the one that polygons enclose, for each pixel of their length.

Annotation tools state that area, before they round coordinates to hundredths of a pixel: each edge then sweeps up to
0.007 of its length. The pixels of COCO-A's own polygons are off it by up to 0.074 of the length, so that an area that
is compared with pixels alone is wrong for most polygons.
"""


@dataclass(frozen=True)
class Measures:
    """Columns of an index, as the module defines them."""

    amodal_pixels: float = math.nan
    occlusion_rate: float = math.nan
    truncated: bool = False
    hidden: bool = False

    def of_record(self) -> Measures:
        """What an index says of an annotation: nothing, where A has no pixel, since it cannot be used."""
        return self if self.amodal_pixels != 0 else Measures()


def agrees(stated: float, pixels: float, segmentation: Callable[[], Segmentation]) -> bool:
    """Whether a stated area is that of a mask of so many pixels; NaN says nothing and agrees.

    Args:
        stated: the area that a file states.
        pixels: of the mask.
        segmentation: gives what the mask was read from: of polygons, the area that they enclose agrees, too.
    """
    if not abs(stated - pixels) > PIXEL_TOLERANCE:
        return True
    found = rle.outline(segmentation())
    return found is not None and abs(stated - found[0]) <= max(PIXEL_TOLERANCE, OUTLINE_TOLERANCE * found[1])


def of_masks(amodal: Mask, visible: Mask) -> Measures:
    """Measure two masks, both (H, W) bool."""
    pixels = int(np.count_nonzero(amodal))
    rate = rate_of(pixels, int(np.count_nonzero(amodal & visible)))
    return Measures(pixels, rate, touches_border(amodal), hidden=not visible.any())


def of_segmentations(
    amodal: Segmentation,
    visible: Segmentation,
    size: tuple[int, int] | None,
    stated_pixels: float = math.nan,
    stated_rate: float = math.nan,
    extent: Extent | None = None,
) -> Measures:
    """Measure two masks as a file has them, without making one.

    Args:
        amodal: A as read from JSON.
        visible: V as read from JSON; `amodal` itself where V = A.
        size: the image's height and width, None where they are unknown.
        stated_pixels: the pixels of A that the file states, NaN for none.
        stated_rate: the occlusion rate that the file states, NaN for none.
        extent: of A, where it is known already.
    """
    return Segmentations(amodal, visible, size, extent).measures(stated_pixels, stated_rate)


@dataclass(eq=False)
class Segmentations:
    """A and V of an instance as a file has them; each is checked when it is first needed, and only once.

    `extent` is that of A where it is known already: then A need not be looked at.
    """

    amodal: Segmentation
    visible: Segmentation
    size: tuple[int, int] | None
    extent: Extent | None = None

    def measures(self, stated_pixels: float = math.nan, stated_rate: float = math.nan) -> Measures:
        """Measure as `of_segmentations` does."""
        if (
            self.extent is not None
            and self.extent[:2] == self.size
            and stated_rate < 1
            and rle.begins_with_pixels(self.visible)
        ):  # nothing has to be measured: as most objects are stated
            _, _, found, truncated = self.extent
            pixels = float(found) if math.isnan(stated_pixels) or not found else stated_pixels
            return Measures(pixels, stated_rate, truncated)
        covered, pixels = self._covered, stated_pixels
        if covered is not None and (math.isnan(pixels) or not covered.pixels):
            pixels = covered.pixels
        truncated = covered is not None and covered.reaches_border
        return Measures(pixels, self.rate(stated_rate), truncated, self.hidden)

    @cached_property
    def _covered(self) -> Extent | None:
        """What A covers; None where it cannot be read."""
        if self.size is not None and self.extent is not None and self.extent[:2] == self.size:
            return self.extent
        if self._whole is None or self.size is None:
            return None
        return Extent(*self.size, rle.pixels(self._whole), rle.reaches_border(self._whole))

    def rate(self, stated: float = math.nan) -> float:
        """The occlusion rate, as `settled` chooses it."""
        return settled(stated, self.hidden, lambda: self._measured_rate)

    @cached_property
    def hidden(self) -> bool:
        """Whether V can be read and has no pixel."""
        if self.size is None or rle.begins_with_pixels(self.visible):
            return False
        return self._seen is not None and rle.pixels(self._seen) == 0

    @property
    def visible_outside(self) -> float:
        r"""Pixels of V \ A, NaN where either cannot be read."""
        if self._whole is None or self._seen is None:
            return math.nan
        return rle.pixels(self._seen) - self._common

    @cached_property
    def _measured_rate(self) -> float:
        if self._whole is None or self._seen is None:
            return math.nan
        return rate_of(rle.pixels(self._whole), self._common)

    @cached_property
    def _common(self) -> int:
        if self._seen is self._whole:
            return rle.pixels(self._whole)
        return rle.common_pixels(self._whole, self._seen)

    @cached_property
    def _whole(self) -> NativeRle | None:
        return self._checked(self.amodal)

    @cached_property
    def _seen(self) -> NativeRle | None:
        # Of most objects nothing is hidden: their two masks are the same text.
        return self._whole if self.visible == self.amodal else self._checked(self.visible)

    def _checked(self, segmentation: Segmentation) -> NativeRle | None:
        if self.size is None:
            return None
        try:
            return rle.united(segmentation, *self.size)
        except ValueError:
            return None


def settled(stated: float, hidden: bool, measure: Callable[[], float]) -> float:
    """An occlusion rate as stated, or as measured where none is stated or it contradicts `hidden`."""
    if not math.isnan(stated) and (stated >= 1) == hidden:
        return stated
    measured = measure()
    return stated if math.isnan(measured) else measured


def overruled(name: str, stated: float, settled_rate: float) -> Iterator[str]:
    """What to report of a stated occlusion rate that was not used; `name` is what the file calls it."""
    if abs(stated - settled_rate) > RATE_TOLERANCE:  # False for NaN
        yield f"{name} says {stated:g} but the masks give {settled_rate:g}"


def rate_of(amodal_pixels: int, common: int) -> float:
    """The occlusion rate by the pixels of A and by those that A and V share; NaN where A is empty."""
    return 1 - common / amodal_pixels if amodal_pixels else math.nan
