"""The size of a PNG that is sure to be decoded, without decoding it: `check` looks at each picture of a dataset.

Undoing the rows' filters takes more than half of a PNG's reading, and never fails where all the rest is sound.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from amodal_bench.core.bombs import LARGE
from amodal_bench.core.files import read_bytes

inflating: Any = zlib
"""What unpacks: ISA-L does it in less than half of zlib's time, where the extra `fast` is installed."""
with suppress(ImportError):
    from isal import isal_zlib as inflating

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB = bytes([8, 2, 0, 0, 0])
"""What IHDR says of 8 bits in three colours, not interlaced: depth, colour, and three methods."""

ANCILLARY = frozenset({b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"tIME", b"bKGD", b"sBIT"})
"""Chunks beside the pixels that change none of them."""


def sound_png(path: Path) -> tuple[int, int] | None:
    """Height and width of a PNG of RGB pixels whose checksums, length and filters are all right.

    Returns:
        None for any other file: whether it can be read, and why not, decoding it says.
    """
    try:
        raw = read_bytes(path)
    except OSError:
        return None
    if not raw.startswith(SIGNATURE) or raw[12:16] != b"IHDR" or raw[24:29] != RGB:
        return None
    width, height = (int.from_bytes(raw[at : at + 4], "big") for at in (16, 20))
    if not 0 < width * height <= LARGE:
        return None
    packed = _pixels(raw)
    return (height, width) if packed is not None and _fills(packed, height, 1 + 3 * width) else None


def _pixels(raw: bytes) -> bytes | None:
    """The compressed pixels of a PNG; None unless all its chunks are whole, known, and in order."""
    parts: list[bytes] = []
    at, last = len(SIGNATURE), b""
    while at + 12 <= len(raw):
        length, kind = int.from_bytes(raw[at : at + 4], "big"), raw[at + 4 : at + 8]
        end = at + 8 + length
        if inflating.crc32(memoryview(raw)[at + 4 : end]) != int.from_bytes(raw[end : end + 4], "big"):
            return None
        if kind == b"IEND":
            return b"".join(parts) if end + 4 == len(raw) else None
        if kind == b"IDAT":
            if parts and last != b"IDAT":
                return None
            parts.append(raw[at + 8 : end])
        elif kind not in ANCILLARY and (kind, last) != (b"IHDR", b""):
            return None
        at, last = end + 4, kind
    return None


def _fills(packed: bytes, rows: int, row: int) -> bool:
    """Whether compressed pixels are so many rows of so many bytes, each with a filter that there is."""
    stream = inflating.decompressobj()
    try:
        pixels = stream.decompress(packed, rows * row + 1)
    except (zlib.error, inflating.error):
        return False
    if len(pixels) != rows * row or not stream.eof or stream.unused_data or stream.unconsumed_tail:
        return False
    return bool((np.frombuffer(pixels, np.uint8)[::row] <= 4).all())
