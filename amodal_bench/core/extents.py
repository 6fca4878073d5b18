"""How many pixels many RLEs have, and whether they reach their image's border: all at once, and no mask is made.

One RLE costs twenty calls of NumPy on a few hundred numbers each; a thousand together cost as many calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from amodal_bench.core.native import MOST_PIXELS
from amodal_bench.core.rle import MOST_DIGITS, Segmentation, is_list, is_object
from amodal_bench.core.types import Integers

_Flags: TypeAlias = npt.NDArray[np.bool_]


class Extent(NamedTuple):
    """What is known of an RLE that is whole.

    Attributes:
        height, width: of its image, as it states them.
        pixels: how many it has.
        reaches_border: whether one of them lies in the first or last row or column.
    """

    height: int
    width: int
    pixels: int
    reaches_border: bool


def extents(segmentations: Sequence[Segmentation]) -> list[Extent | None]:
    """What each RLE in COCO's text form covers, in order.

    Args:
        segmentations: values as read from JSON.

    Returns:
        None for each that is something else than one RLE in text form, or is not whole: what it is, and what is
        wrong with it, `rle.united` says.
    """
    found: list[Extent | None] = [None] * len(segmentations)
    plain = [place for place, each in enumerate(segmentations) if _is_plain(each)]
    if not plain:
        return found
    chosen = [segmentations[place] for place in plain]
    heights, widths = np.array([each["size"] for each in chosen], np.int64).T
    texts = [each["counts"].encode("ascii") for each in chosen]
    whole, pixels, border = _measured(texts, heights, widths)
    for place, rle, is_whole, count, reaches in zip(
        plain, chosen, whole.tolist(), pixels.tolist(), border.tolist(), strict=True
    ):
        if is_whole:
            height, width = rle["size"]
            found[place] = Extent(height, width, count, reaches)
    return found


def _is_plain(segmentation: Segmentation) -> bool:
    if not is_object(segmentation):
        return False
    size, counts = segmentation.get("size"), segmentation.get("counts")
    return type(counts) is str and counts.isascii() and counts != "" and is_list(size) and _is_size(size)


def _is_size(size: list[Any]) -> bool:
    return (
        len(size) == 2
        and type(size[0]) is type(size[1]) is int
        and 0 < size[0] <= MOST_PIXELS
        and 0 < size[1] <= MOST_PIXELS
        and size[0] * size[1] <= MOST_PIXELS
    )


def _measured(texts: Sequence[bytes], heights: Integers, widths: Integers) -> tuple[_Flags, Integers, _Flags]:
    """Which texts are whole, their pixels, and whether they reach the border; the latter hold for whole ones alone.

    Args:
        texts: RLEs in COCO's text form, none empty.
        heights: (N,) int64, of the images.
        widths: (N,) int64.
    """
    runs, starts, whole = _runs(texts)
    areas = heights * widths
    # Whole numbers wrap around, so that one text's nonsense leaves the differences of the others as they are.
    ends = np.cumsum(runs).reshape(-1, 2)
    pairs = starts // 2
    before = np.concatenate(([0], ends[pairs[1:] - 1, 1]))
    last = np.append(pairs[1:], len(ends)) - 1
    whole &= ends[last, 1] - before == areas
    whole &= np.minimum.reduceat(runs, starts) >= 0
    whole &= np.maximum.reduceat(runs, starts) <= areas
    lengths = np.diff(np.append(pairs, len(ends)))
    inside = runs.reshape(-1, 2)[:, 1]
    pixels = np.add.reduceat(inside, pairs)
    end = ends[:, 1] - np.repeat(before, lengths)
    start = end - inside
    height, area = np.repeat(heights, lengths), np.repeat(areas, lengths)
    # Pixels go down the columns: a run holds one of the last row where a multiple of the height lies in (start, end].
    touches = (start < height) | (end > area - height)
    touches |= end // height > start // height
    touches |= (end - 1) // height > (start - 1) // height
    touches &= inside > 0
    return whole, pixels, np.logical_or.reduceat(touches, pairs)


def _runs(texts: Sequence[bytes]) -> tuple[Integers, Integers, _Flags]:
    """The runs of all texts, one after the other, each text's with a 0 behind them where their number is odd.

    See `rle._uncompressed` for the form.

    Returns:
        The runs, (R,) int64; where each text's begin, (N,) int64; and which of the texts can be read, (N,) bool.
    """
    codes = np.frombuffer(b"".join(texts), np.uint8) - np.uint8(48)  # what lies below wraps to a large number
    stops = np.cumsum([len(text) for text in texts])
    begins = np.concatenate(([0], stops[:-1]))
    ends_number = codes & 0x20 == 0
    whole = (np.maximum.reduceat(codes, begins) <= 63) & ends_number[stops - 1]
    ends_number[stops - 1] = True  # one that is cut must not swallow the next
    last = np.flatnonzero(ends_number)
    first = np.concatenate(([0], last[:-1] + 1))
    digits = last - first + 1
    text_of = np.searchsorted(last, stops - 1) + 1  # how many numbers there are up to each text's end
    whole &= np.maximum.reduceat(digits, np.concatenate(([0], text_of[:-1]))) <= MOST_DIGITS
    numbers = (codes[first] & 0x1F).astype(np.int64)
    longer, place = np.flatnonzero(digits > 1), 1
    while longer.size and place < MOST_DIGITS:
        numbers[longer] |= (codes[first[longer] + place] & 0x1F).astype(np.int64) << 5 * place
        place += 1
        longer = longer[digits[longer] > place]
    negative = np.flatnonzero(codes[last] & 0x10)
    numbers[negative] -= np.int64(1) << 5 * np.minimum(digits[negative], MOST_DIGITS)
    counts = np.diff(np.concatenate(([0], text_of)))
    starts = np.concatenate(([0], np.cumsum(counts + counts % 2)))
    runs = np.zeros(starts[-1], np.int64)
    runs[np.arange(numbers.size) + np.repeat(starts[:-1] - np.concatenate(([0], text_of[:-1])), counts)] = numbers
    return _summed_up(runs, starts[:-1], counts), starts[:-1], whole


def _summed_up(runs: Integers, starts: Integers, counts: Integers) -> Integers:
    """Runs of which all but the first three of each text state the difference to the run before the last."""
    odd = counts % 2 == 1
    sums = np.cumsum(runs.reshape(-1, 2), axis=0)
    pairs = starts // 2
    before = np.zeros((len(starts), 2), np.int64)
    before[1:] = sums[pairs[1:] - 1]
    before[:, 0] += runs[starts]  # the first run of all is no base of the third
    lengths = np.diff(np.append(pairs, len(sums)))
    sums -= np.repeat(before, lengths, axis=0)
    sums[pairs, 0] = runs[starts]
    sums[(pairs + lengths - 1)[odd], 1] = 0
    return sums.ravel()
