"""V from points that the user names: the segmenter on the picture as it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amodal_bench.errors import PredictionError
from amodal_bench.segmenters.base import Prompt, Segmenter
from amodal_bench.types import Image, Integers, Mask
from amodal_bench.verbs import UsageError

RADIUS = 0.02
"""Of the discs around the points, as a share of the picture's longer side: what is certainly the object."""


def points_of(texts: Sequence[str], shape: tuple[int, int]) -> Integers:
    """`X,Y` of an image of `shape` (H, W) as pixels (x, y), (N, 2) int64.

    Raises:
        UsageError: a point is not two whole numbers, or lies outside of the image.
    """
    return np.array([_point(text, *shape) for text in texts], np.int64)


def _point(text: str, height: int, width: int) -> tuple[int, int]:
    try:
        x, y = (int(number) for number in text.split(","))
    except ValueError:
        raise UsageError(f"--point {text}: is not X,Y, two whole numbers of pixels from the upper left") from None
    if not (0 <= x < width and 0 <= y < height):
        raise UsageError(f"--point {text}: lies outside of the image, which is {width} pixels wide and {height} high")
    return x, y


def ask(segmenter: Segmenter, image: Image, points: Integers, seed: int) -> Mask:
    """V as the segmenter finds it, (H, W) bool, not empty; it may extend over the whole image.

    A segmenter that starts from a mask is given discs around the points for V.

    Raises:
        PredictionError: it finds nothing.
    """
    shape = image.shape[:2]
    prompt = Prompt(discs(points, shape), np.ones(shape, bool), points, seed)
    (visible,) = segmenter.segment([image], [prompt])
    if not visible.any():
        raise PredictionError("--point: the segmenter finds nothing there; name other points, or give --mask")
    return visible


def discs(points: Integers, shape: tuple[int, int]) -> Mask:
    """All pixels near to one of the points (x, y), (H, W) bool."""
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    radius = max(RADIUS * max(shape), 2)
    near = np.zeros(shape, bool)
    for x, y in points:
        near |= (xs - x) ** 2 + (ys - y) ** 2 <= radius**2
    return near
