"""COCO segmentations: every encoding found in the wild to a mask, and a mask back to an RLE.

pycocotools trusts its input: runs that do not fill the picture leave uninitialised pixels, a cut `counts`
string is read past its end, a NaN coordinate never returns. So everything is checked here, and goes through the gate
in `core/native.py`.
"""

from __future__ import annotations

import math
import re
from typing import Any, TypeAlias, TypedDict, TypeGuard

import cv2
import numpy as np

from amodal_bench.core import native
from amodal_bench.core.kinds import kind_of
from amodal_bench.core.native import NativeRle
from amodal_bench.core.plain import number_in, whole
from amodal_bench.core.polygons import enclosed, odd_ones, runs_between
from amodal_bench.core.types import Integers, Mask

Segmentation: TypeAlias = Any
"""A segmentation as JSON gives it: polygon(s), RLE or list of RLEs."""

COORDINATE_LIMIT = 1e6
"""Largest coordinate, in pixels: no object reaches so far out of its picture, and C's whole numbers end near it."""

MOST_DIGITS = 7
"""Characters of a number in COCO's text form."""

LONGEST_TEXT = 2
"""Characters for each pixel and one more, which no mask's text needs: longer runs have fewer characters a pixel."""

_PIXELS_AT_ONCE = re.compile("[P-o]*[0-O][P-o]{0,6}[1-?]")
"""A text's first number, and a second one that is above 0, as of almost every mask."""

LONGEST_RUN = 1 << 32
"""Runs from here on do not fit pycocotools' counts."""


class Rle(TypedDict):
    """A compressed RLE as JSON can hold it: size [H, W], counts in COCO's text form."""

    size: list[int]
    counts: str


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a value of parsed JSON is an object."""
    return isinstance(value, dict)


def object_or_empty(value: Any) -> dict[str, Any]:
    """A JSON object, {} for anything else."""
    return value if is_object(value) else {}


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a value of parsed JSON is a list."""
    return isinstance(value, list)


def decode(segmentation: Segmentation, height: int, width: int) -> Mask:
    """Turn a COCO segmentation into a mask.

    Accepts a flat polygon `[x, y, ...]`, nested polygons, an RLE with `counts` as str, bytes or list of runs,
    and a list of RLEs, or of RLEs and polygons. Parts are united; polygons are clipped to the image, and those with
    fewer than three points or an odd count of numbers are dropped. A whole number may be written as 7.0, and a size
    as text.

    Args:
        segmentation: the value as read from JSON.
        height: height of the image.
        width: width of the image.

    Returns:
        (height, width) bool, C-contiguous, as pycocotools' `maskApi.c` rasterises it.

    Raises:
        ValueError: with a short reason, where there is no mask, it cannot be read or has another size.
    """
    native.check_size(height, width)
    parts = _parts(segmentation)
    if len(parts) == 1 and is_object(parts[0]):
        runs = _checked_runs(parts[0], height, width)  # as most datasets have it: expanded once, to check and to fill
    else:
        runs = _uncompressed(united(segmentation, height, width)["counts"])
    # Runs go down the columns. This is coco_mask.decode and a copy in rows, an order of magnitude faster.
    columns = np.repeat((np.arange(runs.size) & 1).astype(np.uint8), runs).reshape(width, height)
    return np.asarray(cv2.transpose(columns).view(np.bool_))


def decode_field(key: str, segmentation: Segmentation, height: int, width: int) -> Mask:
    """`decode`, whose `ValueError` begins with the key that holds the segmentation."""
    try:
        return decode(segmentation, height, width)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def united(segmentation: Segmentation, height: int, width: int) -> NativeRle:
    """A segmentation as one checked RLE, for `pixels`, `common_pixels` and `reaches_border`; no mask is made.

    Takes and raises what `decode` does.
    """
    native.check_size(height, width)
    parts = _parts(segmentation)
    rles = [_rle(part, height, width) for part in parts if is_object(part)]
    polygons = [part for part in parts if not is_object(part)]
    if not rles or (polygons and all(map(is_list, polygons))):
        rles.append(native.from_polygons(_usable_polygons(polygons), height, width))
    elif polygons:
        raise ValueError("a segmentation is a polygon or an RLE, or a list of them, and not both in one")
    return native.merged(rles)


def pixels(rle: NativeRle) -> int:
    """How many pixels a mask has."""
    return native.area(rle)


def common_pixels(first: NativeRle, second: NativeRle) -> int:
    """How many pixels two masks of one size share."""
    return native.area(native.intersected(first, second))


def without(first: NativeRle, second: NativeRle) -> NativeRle:
    """The pixels of one mask that another of its size lacks."""
    height, width = second["size"]
    runs = _uncompressed(second["counts"])
    rest = runs[1:] if runs[0] == 0 else np.concatenate(([0], runs))
    return native.intersected(first, native.from_runs(rest, height, width))


def reaches_border(rle: NativeRle) -> bool:
    """Whether a mask has a pixel in the first or last row or column of its image."""
    height, width = rle["size"]
    left, top, across, down = native.box(rle)
    return bool(across and down) and (left <= 0 or top <= 0 or left + across >= width or top + down >= height)


def outline(segmentation: Segmentation) -> tuple[float, float] | None:
    """The area that polygons enclose and their length, in pixels and summed; None where they are none."""
    try:
        parts = _parts(segmentation)
        if any(map(is_object, parts)):
            return None
        found = [enclosed(polygon) for polygon in _usable_polygons(parts)]
    except ValueError:
        return None
    return sum(area for area, _ in found), sum(length for _, length in found)


def begins_with_pixels(segmentation: Segmentation) -> bool:
    """Whether the first runs of an RLE show that its mask, if it can be read, has a pixel; it is not checked.

    This tells of almost every mask that is not empty, at a small part of what checking all runs costs.
    """
    counts = segmentation.get("counts") if is_object(segmentation) else None
    if is_list(counts):
        return len(counts) > 1 and isinstance(counts[1], int | float) and counts[1] > 0
    if not isinstance(counts, str):
        return False
    return _PIXELS_AT_ONCE.match(counts) is not None or _second_run(counts) > 0


def _second_run(text: str) -> int:
    """The second number of COCO's text form, 0 where there is none or it is negative."""
    at = 0
    while at < len(text) and (ord(text[at]) - 48) & 0x20:
        at += 1
    run = 0
    for place, character in enumerate(text[at + 1 : at + 8]):
        code = ord(character) - 48
        run |= (code & 0x1F) << 5 * place
        if not code & 0x20:
            return 0 if code & 0x10 else run
    return 0


def _parts(segmentation: Segmentation) -> list[Any]:
    """A segmentation of any form as a list: RLEs, polygons, or the numbers of one polygon. Raises `ValueError`."""
    if segmentation is None or segmentation == [] or segmentation == {}:
        raise ValueError("no segmentation")
    parts: Any = [segmentation] if is_object(segmentation) else segmentation
    if not is_list(parts):
        raise ValueError(f"a segmentation is a polygon or an RLE, not {kind_of(parts)}")
    return parts


def encode(mask: Mask) -> Rle:
    """Turn a (H, W) bool mask into a compressed RLE whose counts are str, so that JSON can hold it."""
    rle = native.from_mask(mask)
    return {"size": [int(side) for side in mask.shape], "counts": rle["counts"].decode("ascii")}


def _usable_polygons(segmentation: list[Any]) -> list[list[float]]:
    """The parts of a flat or nested polygon that enclose anything."""
    parts = segmentation if all(map(is_list, segmentation)) else [segmentation]
    # A first part of four numbers would be taken for a box, one of five gives an empty mask without a word.
    usable = [part for part in parts if len(part) >= 6 and len(part) % 2 == 0]
    if not usable:
        raise ValueError("polygon has no part with three points")
    if not all(map(_are_coordinates, usable)):
        raise ValueError("polygon has a coordinate that is not a number or is far outside the image")
    return usable


def _are_coordinates(part: list[Any]) -> bool:
    if set(map(type, part)) <= {int, float}:  # as from JSON: a million numbers at the speed of C
        return min(part) >= -COORDINATE_LIMIT and max(part) <= COORDINATE_LIMIT and not math.isnan(sum(part))
    return all(map(_is_coordinate, part))


def _is_coordinate(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= COORDINATE_LIMIT  # False for NaN


def _rle(rle: dict[str, Any], height: int, width: int) -> Any:
    """A checked RLE in pycocotools' own form."""
    runs = _checked_runs(rle, height, width)
    counts = rle["counts"]
    if not runs[1:].all():  # pycocotools stops merging at an empty run
        runs = runs_between(odd_ones(np.cumsum(runs)[:-1]), height * width)
    elif not is_list(counts):
        return {"size": [height, width], "counts": _bytes(counts)}
    return native.from_runs(runs, height, width)


def _checked_runs(rle: dict[str, Any], height: int, width: int) -> Integers:
    """The run lengths of an RLE, (N,) int64. Raises `ValueError` unless they fill a picture of this size."""
    size, counts = rle.get("size"), rle.get("counts")
    if not is_list(size) or len(size) != 2:
        raise ValueError("malformed RLE: it has no size [height, width]")
    if [side_of(side) for side in size] != [height, width]:
        raise ValueError(
            f"mask is {_short(size[0])}x{_short(size[1])} but the image is {height}x{width} (height x width)"
        )
    if isinstance(counts, str | bytes | list) and len(counts) > LONGEST_TEXT * (height * width + 1) + MOST_DIGITS:
        raise ValueError(f"malformed RLE: it has more runs than its {height * width} pixels and one")
    if isinstance(counts, str | bytes):
        runs = _uncompressed(_bytes(counts))
    elif is_list(counts) and all(isinstance(run, int | float) and abs(run) < LONGEST_RUN for run in counts):
        runs = np.asarray(counts, dtype=np.int64)
        if not all(isinstance(run, int) for run in counts) and (runs != np.asarray(counts)).any():
            raise ValueError("malformed RLE: counts are neither text nor whole numbers")
    else:
        raise ValueError("malformed RLE: counts are neither text nor whole numbers")
    if runs.size and runs.min() < 0:
        raise ValueError("malformed RLE: it has a negative run")
    if runs.size > height * width + 1:
        raise ValueError(f"malformed RLE: it has more runs than its {height * width} pixels and one")
    if runs.size and runs.max() > height * width:  # many such would make their sum any number
        raise ValueError(f"malformed RLE: it has a run of {int(runs.max())} of its {height * width} pixels")
    if (covered := int(runs.sum())) != height * width:
        raise ValueError(f"malformed RLE: its runs cover {covered} of {height * width} pixels")
    return runs


def side_of(value: Any) -> int | None:
    """A side of a picture as a file states it: a whole number, also as 60.0 or as text; None of anything else."""
    return number_in(value.strip()) if isinstance(value, str) else whole(value)


def _short(side: Any) -> str:
    """A stated side for a message, however long it is."""
    try:
        text = str(side)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "?"
    return text if len(text) <= 12 else f"{text[:9]}..."


def _bytes(counts: str | bytes) -> bytes:
    # What is not ASCII, half a surrogate pair for one, becomes a character that no RLE has.
    return counts.encode("ascii", errors="xmlcharrefreplace") if isinstance(counts, str) else counts


def _uncompressed(text: bytes) -> Integers:
    """Run lengths of COCO's text form (`rleFrString` in maskApi.c), (N,) int64.

    Each character carries five bits, low ones first, and a flag that more follow; from the fourth run on, the
    difference to the run before the last is stored.
    """
    characters = np.frombuffer(text, np.uint8) - np.uint8(48)  # what lies below wraps to a large number
    codes = characters.astype(np.int64)
    if not codes.size:
        return codes
    if characters.max() > 63:
        raise ValueError("malformed RLE: counts hold a character that no RLE has")
    last = characters < 0x20
    if not last[-1]:
        raise ValueError("malformed RLE: counts end in the middle of a number")
    ends = np.flatnonzero(last)
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + 1
    digits = ends - starts + 1
    if digits.max() > MOST_DIGITS:
        raise ValueError("malformed RLE: counts hold a number that no picture has")
    places = 5 * (np.arange(codes.size) - np.repeat(starts, digits))
    runs = np.add.reduceat((codes & 0x1F) << places, starts)
    runs -= (codes[ends] & 0x10) << (5 * digits - 4)  # sign bit of the last five
    for kind in (runs[1::2], runs[2::2]):
        kind.cumsum(out=kind)
    return runs
