"""A painted view, put back on the image's own grid."""

from __future__ import annotations

import numpy as np
from PIL import Image as pillow

from amodal_bench.core.types import Image
from amodal_bench.views.window import Window


def paste(view: Image, window: Window, shape: tuple[int, int]) -> Image:
    """Put a window's picture back on the grid of the image: (H, W, 3) uint8, black outside of the window.

    Args:
        view: (size, size, 3) uint8.
        window: where it was cut out.
        shape: (H, W) of the image.
    """
    # Pillow averages along an axis that shrinks and interpolates along one that grows; bicubic keeps outlines sharp.
    fitted = pillow.fromarray(view).resize((window.width, window.height), pillow.Resampling.BICUBIC)
    top, left = max(window.y, 0), max(window.x, 0)
    bottom, right = min(window.y + window.height, shape[0]), min(window.x + window.width, shape[1])
    picture = np.zeros((*shape, 3), np.uint8)
    inner = np.asarray(fitted)[top - window.y : bottom - window.y, left - window.x : right - window.x]
    picture[top:bottom, left:right] = inner
    return picture
