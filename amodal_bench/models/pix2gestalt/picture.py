"""From pictures of whole objects on white to masks, as the authors read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import cv2
import numpy as np

from amodal_bench.core.types import Image, Mask
from amodal_bench.views.window import Window

Vote: TypeAlias = Literal["majority", "union"]
VOTES = get_args(Vote)


def object_in(picture: Image, window: Window, shape: tuple[int, int], threshold: int) -> Mask:
    """Where a picture is not white, on the image's grid.

    Args:
        picture: of the window, (S, S, 3) uint8 RGB.
        window: what the model saw of the image.
        shape: (H, W) of the image.
        threshold: the brightest grey that belongs to the object, 0 to 255.

    Returns:
        (H, W) bool; nothing lies outside the window.
    """
    large = cv2.resize(picture, (window.width, window.height), interpolation=cv2.INTER_LANCZOS4)
    # The weights of red and blue are swapped, as in the authors' code, which takes RGB for BGR.
    grey = cv2.cvtColor(large, cv2.COLOR_BGR2GRAY)
    return window.back(grey <= threshold, shape)


def vote(masks: Sequence[Mask], how: str) -> Mask:
    """One mask of several samples', each (H, W) bool.

    Args:
        masks: of the samples.
        how: `majority` takes the pixels of more than half of them, `union` those of any.
    """
    counts = np.sum(masks, axis=0)
    return np.asarray(counts > 0 if how == "union" else 2 * counts > len(masks))
