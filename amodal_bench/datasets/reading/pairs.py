r"""V and A of an instance as RLEs, compared without making a mask: what `check` does for each instance of a dataset.

A loader reads its records in either form by the same steps, so that both refuse the same records for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from amodal_bench.core import native, rle
from amodal_bench.core.native import NativeRle
from amodal_bench.core.rle import Segmentation
from amodal_bench.core.types import Mask
from amodal_bench.datasets.reading.measures import rate_of

Form_ = TypeVar("Form_")


@dataclass(frozen=True)
class Form(Generic[Form_]):
    """How masks are held while a record is read.

    Attributes:
        read: a segmentation of an image of this height and width; raises `ValueError` as `rle.decode` does.
        without: the first mask without the second.
        empty: a mask of this height and width without a pixel.
        size: height and width of a mask.
    """

    read: Callable[[Segmentation, int, int], Form_]
    without: Callable[[Form_, Form_], Form_]
    empty: Callable[[int, int], Form_]
    size: Callable[[Form_], tuple[int, int]]

    def read_field(self, key: str, segmentation: Segmentation, height: int, width: int) -> Form_:
        """`read`, whose `ValueError` begins with the key that holds the segmentation."""
        try:
            return self.read(segmentation, height, width)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from error


DENSE: Form[Mask] = Form(
    rle.decode,
    lambda mask, other: np.asarray(mask & ~other),
    lambda height, width: np.zeros((height, width), np.bool_),
    lambda mask: (mask.shape[0], mask.shape[1]),
)
"""Masks as (H, W) bool."""

RUNS: Form[NativeRle] = Form(
    rle.united,
    rle.without,
    lambda height, width: native.from_runs(np.array([height * width]), height, width),
    lambda mask: (int(mask["size"][0]), int(mask["size"][1])),
)
"""Masks as checked RLEs."""


@dataclass(eq=False)
class Pair:
    """V and A of one instance, as checked RLEs of one size."""

    visible: NativeRle
    amodal: NativeRle

    @classmethod
    def of_masks(cls, visible: Mask, amodal: Mask) -> Pair:
        """The pair of two masks, both (H, W) bool."""
        return cls(native.from_mask(visible), native.from_mask(amodal))

    @cached_property
    def amodal_pixels(self) -> int:
        """Pixels of A."""
        return rle.pixels(self.amodal)

    @cached_property
    def visible_pixels(self) -> int:
        """Pixels of V."""
        return rle.pixels(self.visible)

    @cached_property
    def common_pixels(self) -> int:
        """Pixels that are both visible and amodal."""
        if self.visible == self.amodal:
            return self.amodal_pixels
        return rle.common_pixels(self.visible, self.amodal)

    @property
    def occlusion_rate(self) -> float:
        """The occlusion rate as `measures` defines it; NaN where A is empty."""
        return rate_of(self.amodal_pixels, self.common_pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        return RUNS.size(self.amodal)

    def differs(self, hidden: NativeRle) -> int:
        r"""The pixels in which a mask differs from A \ V."""
        both = native.intersected(self.amodal, hidden)
        shared = rle.pixels(both) - rle.common_pixels(both, self.visible)
        return rle.pixels(hidden) + self.amodal_pixels - self.common_pixels - 2 * shared
