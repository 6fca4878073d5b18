"""V from points that the user names: the segmenter on the picture as it is."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from amodal_bench.core.errors import PredictionError, UsageError
from amodal_bench.core.types import Image, Integers, Mask
from amodal_bench.segmenters.base import Prompt, Segmenter

RADIUS = 0.02
"""Radius of the discs around the points, in longer sides of the picture: what is certainly the object."""
SIDE = 1024
"""Longest side of the picture that the segmenter sees: no SAM sees more, and GrabCut takes minutes for a photo."""


def points_of(texts: Sequence[str], shape: tuple[int, int]) -> Integers:
    """`X,Y` of an image of `shape` (H, W) as pixels (x, y), (N, 2) int64.

    Raises:
        UsageError: a point is not two whole numbers, or is outside the image.
    """
    return np.array([_point(text, *shape) for text in texts], np.int64)


def _point(text: str, height: int, width: int) -> tuple[int, int]:
    try:
        x, y = (int(number) for number in text.split(","))
    except ValueError:
        raise UsageError(f"--point {text}: is not X,Y, two whole numbers of pixels from the upper left") from None
    if not (0 <= x < width and 0 <= y < height):
        raise UsageError(f"--point {text}: is outside the image, which is {width} pixels wide and {height} high")
    return x, y


def ask(segmenter: Segmenter, image: Image, points: Integers, seed: int) -> Mask:
    """V as the segmenter finds it, (H, W) bool, not empty; it may extend over the whole image.

    A large picture is brought to `SIDE` pixels, and what is found in it back to its size. A segmenter that starts
    from a mask is given discs around the points for V.

    Raises:
        PredictionError: it finds nothing.
    """
    height, width = image.shape[:2]
    if (scale := SIDE / max(height, width)) < 1:
        small = max(round(scale * height), 1), max(round(scale * width), 1)
        image = cv2.resize(image, small[::-1], interpolation=cv2.INTER_AREA)
        points = (2 * points + 1) * small[::-1] // (2 * np.array([width, height]))
    shape = image.shape[0], image.shape[1]
    prompt = Prompt(discs(points, shape), np.ones(shape, bool), points, seed)
    (visible,) = segmenter.segment([image], [prompt])
    if not visible.any():
        raise PredictionError("--point: the segmenter finds nothing there; name other points, or give --mask")
    back = cv2.resize(visible.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(back, bool)


def discs(points: Integers, shape: tuple[int, int]) -> Mask:
    """All pixels near to one of the points (x, y), (H, W) bool."""
    radius = max(RADIUS * max(shape), 2)
    near = np.zeros(shape, bool)
    for x, y in points:
        top, left = max(y - int(radius), 0), max(x - int(radius), 0)
        part = near[top : y + int(radius) + 1, left : x + int(radius) + 1]
        ys, xs = np.ogrid[: part.shape[0], : part.shape[1]]
        part |= (xs + left - x) ** 2 + (ys + top - y) ** 2 <= radius**2
    return near
