"""COCO segmentations: every encoding found in the wild to a mask, and a mask back to an RLE.

pycocotools trusts its input: runs that do not fill the picture leave uninitialised pixels, a cut `counts`
string is read past its end, a NaN coordinate never returns. So everything is checked before it is called.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypedDict

import numpy as np
import pycocotools.mask

from amodal_bench.datasets.files import is_list, is_object
from amodal_bench.types import Mask

Segmentation: TypeAlias = Any
"""A segmentation as JSON gives it: polygon(s), RLE or list of RLEs."""

coco_mask: Any = pycocotools.mask  # the stubs that checkers ship for it are wrong

COORDINATE_LIMIT = 1e6
"""Largest coordinate, in pixels: pycocotools walks along each edge, so a wild number would take for ever."""


class Rle(TypedDict):
    """A compressed RLE as JSON can hold it: size [H, W], counts in COCO's text form."""

    size: list[int]
    counts: str


def decode(segmentation: Segmentation, height: int, width: int) -> Mask:
    """Turn a COCO segmentation into a mask.

    Accepts a flat polygon `[x, y, ...]`, nested polygons, an RLE with `counts` as str, bytes or list of runs,
    and a list of RLEs. Parts are united; polygons are clipped to the image, and those with fewer than three
    points or an odd count of numbers are dropped.

    Args:
        segmentation: the value as read from JSON.
        height: height of the image.
        width: width of the image.

    Returns:
        (height, width) bool, C-contiguous, as pycocotools' `maskApi.c` rasterises it.

    Raises:
        ValueError: with a short reason, where there is no mask, it cannot be read or has another size.
    """
    if segmentation is None or segmentation == [] or segmentation == {}:
        raise ValueError("no segmentation")
    parts: Any = [segmentation] if is_object(segmentation) else segmentation
    if not is_list(parts):
        raise ValueError(f"a segmentation is a polygon or an RLE, not a {type(parts).__name__}")
    if all(map(is_object, parts)):
        rles = [_rle(part, height, width) for part in parts]
    else:
        rles = coco_mask.frPyObjects(_usable_polygons(parts), height, width)
    return np.ascontiguousarray(coco_mask.decode(coco_mask.merge(rles)), dtype=np.bool_)


def encode(mask: Mask) -> Rle:
    """Turn a (H, W) bool mask into a compressed RLE whose counts are str, so that JSON can hold it."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in mask.shape], "counts": rle["counts"].decode("ascii")}


def _usable_polygons(segmentation: list[Any]) -> list[list[float]]:
    """The parts of a flat or nested polygon that enclose anything."""
    parts = segmentation if all(map(is_list, segmentation)) else [segmentation]
    # A first part of four numbers would be taken for a box, one of five gives an empty mask without a word.
    usable = [part for part in parts if len(part) >= 6 and len(part) % 2 == 0]
    if not usable:
        raise ValueError("polygon has no part with three points")
    if not all(_is_coordinate(value) for part in usable for value in part):
        raise ValueError("polygon has a coordinate that is not a number or is far outside the image")
    return usable


def _is_coordinate(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= COORDINATE_LIMIT  # False for NaN


def _rle(rle: dict[str, Any], height: int, width: int) -> Any:
    """A checked RLE in pycocotools' own form."""
    size = rle.get("size")
    if not is_list(size) or len(size) != 2:
        raise ValueError("malformed RLE: it has no size [height, width]")
    if size != [height, width]:
        raise ValueError(f"mask is {size[0]}x{size[1]} but the image is {height}x{width} (height x width)")
    runs = _runs(rle.get("counts"))
    if sum(runs) != height * width:
        raise ValueError(f"malformed RLE: its runs cover {sum(runs)} of {height * width} pixels")
    return coco_mask.frPyObjects({"size": size, "counts": runs}, height, width)


def _runs(counts: Any) -> list[int]:
    """Run lengths of an RLE in any of its three forms."""
    if isinstance(counts, str | bytes):
        runs = _uncompressed(counts.encode() if isinstance(counts, str) else counts)
    elif is_list(counts) and all(isinstance(run, int) for run in counts):
        runs = counts
    else:
        raise ValueError("malformed RLE: counts are neither text nor whole numbers")
    if any(run < 0 for run in runs):
        raise ValueError("malformed RLE: it has a negative run")
    return runs


def _uncompressed(text: bytes) -> list[int]:
    """Run lengths of COCO's text form (`rleFrString` in maskApi.c).

    Each character carries five bits, low ones first, and a flag that more follow; from the fourth run on, the
    difference to the run before the last is stored.
    """
    runs: list[int] = []
    value = shift = 0
    for byte in text:
        code = byte - 48
        if not 0 <= code < 64:
            raise ValueError("malformed RLE: counts hold a character that no RLE has")
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:  # sign bit of the last five
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("malformed RLE: counts end in the middle of a number")
    return runs
