"""The view: which window of the image the model sees, and the way back to the image's own grid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import cv2
import numpy as np

from amodal_bench.core.errors import ConfigError, PredictionError
from amodal_bench.core.masks import extent
from amodal_bench.core.plain import plain
from amodal_bench.core.types import Floats, Image, Mask

_Array = TypeVar("_Array", Image, Floats)


@dataclass(frozen=True)
class Window:
    """A rectangle of an image in whole pixels; it may reach beyond the image.

    Attributes:
        x, y, width, height: the rectangle, in image pixels.
        size: side in pixels of the square that the model sees.
    """

    x: int
    y: int
    width: int
    height: int
    size: int

    def image(self, image: Image) -> Image:
        """The window's pixels, (size, size, 3) uint8; beyond the image its border is repeated."""
        return _resized(self._cut(image, cv2.BORDER_REPLICATE), self.size, self.size)

    def mask(self, mask: Mask) -> Mask:
        """The window's part of a mask, (size, size) bool; an object too thin to see keeps its strongest pixels."""
        cut = self._cut(mask.astype(np.float32), cv2.BORDER_CONSTANT)
        return _present(_resized(cut, self.size, self.size))

    def back(self, mask: Mask, shape: tuple[int, int]) -> Mask:
        """A (size, size) mask of the window, put back on the image's grid of `shape` (H, W)."""
        full = _present(_resized(mask.astype(np.float32), self.width, self.height))
        result = np.zeros(shape, bool)
        top, left = max(self.y, 0), max(self.x, 0)
        bottom, right = min(self.y + self.height, shape[0]), min(self.x + self.width, shape[1])
        inner = full[top - self.y : bottom - self.y, left - self.x : right - self.x]
        result[top:bottom, left:right] = inner
        return result

    def _cut(self, array: _Array, border: int) -> _Array:
        height, width = array.shape[:2]
        top, left = max(-self.y, 0), max(-self.x, 0)
        bottom, right = max(self.y + self.height - height, 0), max(self.x + self.width - width, 0)
        inner = array[max(self.y, 0) : self.y + self.height, max(self.x, 0) : self.x + self.width]
        if not (top or left or bottom or right):
            return inner
        return np.asarray(cv2.copyMakeBorder(inner, top, bottom, left, right, border, value=0))


def _resized(array: _Array, width: int, height: int) -> _Array:
    """Averaged along an axis that shrinks, interpolated along one that grows.

    One call would do neither: OpenCV's INTER_AREA interpolates both axes as soon as one of them grows.
    """
    small = min(array.shape[1], width), min(array.shape[0], height)
    for size, how in ((small, cv2.INTER_AREA), ((width, height), cv2.INTER_LINEAR)):
        if array.shape[1::-1] != size:
            array = np.asarray(cv2.resize(array, size, interpolation=how))
    return array


def _present(cover: Floats) -> Mask:
    """Pixels that are mostly covered; where none is, those covered at least half as much as the best."""
    seen = cover > 0.5
    if not seen.any() and cover.max() > 0:
        seen = cover > 0.5 * cover.max()
    return np.asarray(seen, bool)


@dataclass(frozen=True)
class View:
    """How a window is chosen.

    Attributes:
        mode: `frame` squeezes the whole image into the model's square; `crop` takes a square around V.
        margin: of a crop: space on each side of V, as a share of V's longer side.
    """

    mode: Literal["crop", "frame"] = "crop"
    margin: float = 0.5

    def __post_init__(self) -> None:
        if self.mode not in ("crop", "frame"):
            raise ConfigError(f"view.mode: {self.mode!r} is not one of 'crop', 'frame'")
        if not 0 <= self.margin < math.inf:
            raise ConfigError(f"view.margin: {self.margin} must be >= 0 and finite")

    @staticmethod
    def idle_settings(settings: Mapping[str, Any]) -> dict[str, str]:
        """See `config.effect.Idles`."""
        whole = settings.get("mode") == "frame"
        return {"margin": "view.mode=frame shows the whole image; view=crop has a margin"} if whole else {}

    def describe(self) -> dict[str, Any]:
        """All that decides a window: the margin of a crop only."""
        return {"mode": self.mode, **({"margin": self.margin} if self.mode == "crop" else {})}

    def settings(self, place: str) -> dict[str, str]:
        """What a row shows of it, by the places of its settings below `place`; the margin of a crop only."""
        margin = {f"{place}.margin": plain(self.margin)} if self.mode == "crop" else {}
        return {f"{place}.mode": self.mode, **margin}

    def window(self, visible: Mask, size: int) -> Window:
        """The window onto a sample with visible mask (H, W) for a model of native `size`.

        A crop is moved to lie inside the image where it fits, and never exceeds the image's longer side.
        Raises `PredictionError` where there is nothing to crop around.
        """
        height, width = visible.shape
        if self.mode == "frame":
            return Window(0, 0, width, height, size)
        if (found := extent(visible)) is None:
            raise PredictionError("the visible mask is empty: there is nothing to crop around")
        top, bottom, left, right = found
        longer = max(bottom - top, right - left)
        side = min(max(int(np.ceil(longer * (1 + 2 * self.margin))), 1), max(height, width))
        y = _place((top + bottom) / 2, side, height)
        x = _place((left + right) / 2, side, width)
        return Window(x, y, side, side, size)


def _place(centre: float, side: int, extent: int) -> int:
    """Start of a span of `side` around `centre`, inside [0, extent) or around it where it does not fit."""
    if side >= extent:
        return (extent - side) // 2
    return min(max(round(centre - side / 2), 0), extent - side)
