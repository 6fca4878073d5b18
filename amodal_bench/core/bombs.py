"""Pictures that are damaged, or are a few bytes and would fill the memory."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from PIL import Image as pillow

DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, MemoryError,
    struct.error, zlib.error, pillow.DecompressionBombError,
)  # fmt: skip
"""By what Pillow tells of a damaged file, which depends on the format and on the damage."""

LARGE = 1 << 24
"""Pixels up to which a picture may be of any number of bytes."""

MOST_IN_A_BYTE = 10_000
"""Pixels that a byte of a larger one may stand for: a PNG of one bit and one colour has 8,240."""


def require_plausible(picture: pillow.Image, path: Path | str) -> None:
    """Raise `ValueError` where a picture that is opened, and not read yet, states more pixels than its file has."""
    width, height = picture.size
    size = Path(path).stat().st_size
    if width * height > max(LARGE, MOST_IN_A_BYTE * size):
        raise ValueError(f"it states {width}x{height} pixels (width x height) in {size:,} bytes")
