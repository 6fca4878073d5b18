"""The one gate to pycocotools' mask functions: nothing passes that its C code would trust and must not.

maskApi.c writes past its buffers for an RLE of more runs than pixels + 1, divides by a height of 0, packs numbers of
more than 30 bits into six characters, and follows a polygon wherever it leads. So sizes, runs and polygons are
bounded here, for annotations and predictions alike; no other module calls it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pycocotools.mask

from amodal_bench.core.polygons import crossings, polygon_runs, walk
from amodal_bench.core.types import Floats, Integers, Mask

NativeRle: TypeAlias = Any
"""A checked RLE in pycocotools' own form: size [H, W], counts in COCO's text form as bytes."""

MOST_PIXELS = 178_956_970
"""Pixels of a mask: the size from which Pillow takes a picture for an attack."""

MOST_POINTS = 1 << 18
"""Corners of all polygons of one mask."""

MOST_STEPS = 1 << 20
"""Steps that pycocotools may walk along the polygons of one mask: 16 MB; beyond, their crossings are computed."""

MOST_CROSSINGS = 1 << 21
"""Crossings of a mask's polygons with columns: of 4,000 pixels' width, it would have to run to and fro 250 times."""

FEW_PARTS = 64
"""Parts up to which pycocotools unites one after the other."""

_coco: Any = pycocotools.mask  # the stubs that checkers ship for it are wrong


def check_size(height: Any, width: Any) -> None:
    """Raise `ValueError` unless these can be the height and the width of a mask."""
    if not all(isinstance(side, int | np.integer) and 0 < side <= MOST_PIXELS for side in (height, width)):
        raise ValueError("its image's height and width are not whole numbers that a picture can have")
    if int(height) * int(width) > MOST_PIXELS:
        raise ValueError(f"its image of {height}x{width} has more than the {MOST_PIXELS:,} pixels that are read")


def from_mask(mask: Mask) -> NativeRle:
    """A (H, W) bool mask as an RLE. Raises `ValueError` where it has no pixel or too many."""
    check_size(*mask.shape)
    return _coco.encode(np.asfortranarray(mask, dtype=np.uint8))


def from_runs(runs: Integers, height: int, width: int) -> NativeRle:
    """Runs down the columns, of which only the first may be 0, as an RLE.

    Raises:
        ValueError: they do not fill the picture, or one is empty or negative.
    """
    check_size(height, width)
    if int(runs.sum()) != height * width or (runs[1:] <= 0).any() or runs.min() < 0:
        raise ValueError("runs do not fill the picture, each with a pixel or more")
    return _coco.frPyObjects({"size": [height, width], "counts": runs.tolist()}, height, width)


def from_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> NativeRle:
    """The union of polygons `[x, y, ...]` of finite numbers as an RLE, with the pixels that pycocotools gives them.

    Raises:
        ValueError: they have too many points, or cross the picture more often than any outline does.
    """
    check_size(height, width)
    if sum(map(len, polygons)) > 2 * MOST_POINTS:
        raise ValueError(f"polygon has more than {MOST_POINTS:,} points")
    if sum(map(walk, polygons)) <= MOST_STEPS:
        rles = _coco.frPyObjects([list(polygon) for polygon in polygons], height, width)
        return rles[0] if len(rles) == 1 else _united(rles, height, width)
    if (total := sum(crossings(polygon, width) for polygon in polygons)) > MOST_CROSSINGS:
        raise ValueError(f"polygon crosses the columns of the picture {total:,} times, which no outline does")
    return from_runs(union([polygon_runs(polygon, height, width) for polygon in polygons]), height, width)


def merged(rles: Sequence[NativeRle]) -> NativeRle:
    """The union of RLEs that this module made."""
    if len(rles) == 1:
        return rles[0]
    return _united(rles, *rles[0]["size"])


def intersected(first: NativeRle, second: NativeRle) -> NativeRle:
    """What two RLEs that this module made share. Raises `ValueError` where their sizes differ."""
    _check_same([first, second])
    return _coco.merge([first, second], intersect=True)


def area(rle: NativeRle) -> int:
    """The pixels of an RLE that this module made."""
    return int(_coco.area(rle))


def box(rle: NativeRle) -> list[float]:
    """Left, top, width and height of an RLE that this module made."""
    return [float(side) for side in _coco.toBbox(rle)]


def ious(first: Sequence[NativeRle], second: Sequence[NativeRle], crowd: Sequence[int]) -> Floats:
    """IoU of each of the first with each of the second RLEs, (N, M); see pycocotools for `crowd`, one for each of M.

    Raises:
        ValueError: the sizes of the RLEs differ.
    """
    _check_same([*first, *second])
    return np.asarray(_coco.iou(list(first), list(second), list(crowd)))


def union(parts: Sequence[Integers]) -> Integers:
    """The runs of the union of masks, each as runs of the same number of pixels; (N,) int64."""
    if len(parts) == 1:
        return parts[0]
    edges = [np.cumsum(runs)[:-1] for runs in parts]  # background to mask at even places, and back at odd ones
    places = np.concatenate(edges)
    steps = np.concatenate([1 - 2 * (np.arange(edge.size) & 1) for edge in edges])
    found, where = np.unique(places, return_inverse=True)
    inside = np.cumsum(np.bincount(where, weights=steps, minlength=found.size)) > 0
    changed = found[np.diff(inside, prepend=False)]
    return np.diff(changed, prepend=0, append=int(parts[0].sum()))


def _united(rles: Sequence[NativeRle], height: int, width: int) -> NativeRle:
    _check_same(rles)
    if len(rles) <= FEW_PARTS:
        return _coco.merge(list(rles))
    groups = [_coco.merge(list(rles[start : start + FEW_PARTS])) for start in range(0, len(rles), FEW_PARTS)]
    return _united(groups, height, width)


def _check_same(rles: Sequence[NativeRle]) -> None:
    if len({tuple(rle["size"]) for rle in rles}) > 1:
        raise ValueError("masks of different sizes cannot be compared")
