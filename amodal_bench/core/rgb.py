"""Pictures of any kind that Pillow opens, brought to RGB of 8 bits in one way wherever they are read."""

from __future__ import annotations

import numpy as np
from PIL import Image as pillow

from amodal_bench.core.types import Image, Integers

DEEPEST = (1 << 16) - 1
SCALE = 257
"""65535 / 255: what 16 bits are divided by, so that black stays black and white stays white."""


class OfUnknownRange(ValueError):
    """A picture whose numbers do not say which of them is white."""


def rgb(picture: pillow.Image) -> Image:
    """A picture as (H, W, 3) uint8 RGB: on white where it is transparent, and 16 bits divided by 257.

    A picture of 16 bits of which no number is above 255 is one of 8 bits that was saved so. Its EXIF orientation is
    left alone.

    Raises:
        OfUnknownRange: its numbers are floating-point, or need more than 16 bits.
        ValueError, OSError: Pillow cannot read or convert it.
    """
    if picture.mode == "F":
        raise OfUnknownRange("has floating-point pixels of unknown range")
    if is_deep(picture):
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > DEEPEST:
            raise OfUnknownRange("has pixels below 0 or above 65535, which 16 bits do not hold")
        return np.repeat(to_8_bits(values)[..., None], 3, axis=2)
    if picture.has_transparency_data:
        seen = picture.convert("RGBA")
        picture = pillow.alpha_composite(pillow.new("RGBA", seen.size, "white"), seen)
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def is_deep(picture: pillow.Image) -> bool:
    """Whether a picture is grey with more than 8 bits, which Pillow would cut off instead of scaling."""
    return picture.mode == "I" or picture.mode.startswith("I;")


def to_8_bits(values: Integers) -> Image:
    """Numbers of at most 16 bits as uint8, in the same form."""
    return (values // SCALE if values.max() > 255 else values).astype(np.uint8)
