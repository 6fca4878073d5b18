"""Joint pixel counts: all that any scoring convention needs to know of an instance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from amodal_bench.core.types import Integers, Mask

PREDICTED, AMODAL, VISIBLE, OTHERS = 1, 2, 4, 8
"""A cell's number is the sum of the bits that are set in its pixels."""

CELLS = 16

EXACTLY = np.array(
    [[(-1) ** (all - one).bit_count() if all & one == one else 0 for all in range(CELLS)] for one in range(CELLS)]
)
"""From "at least these bits" to "exactly these bits": Moebius inversion over subsets."""

Words: TypeAlias = npt.NDArray[np.uint64]


def joint_counts(predicted: Mask, amodal: Mask, visible: Mask, others: Mask) -> Integers:
    """Count the pixels of every combination of the four masks.

    Args:
        predicted: the model's amodal mask, (H, W) bool.
        amodal: the annotated amodal mask A, (H, W) bool.
        visible: the annotated visible mask V, (H, W) bool.
        others: pixels under another annotated instance, (H, W) bool.

    Returns:
        (16,) int64; entry `p + 2 a + 4 v + 8 o` counts the pixels with those bits, and all sum to H * W.

    Raises:
        ValueError: the masks differ in shape, or one is not bool.
    """
    masks = (predicted, amodal, visible, others)
    if any(m.shape != predicted.shape for m in masks):
        raise ValueError(f"masks of different shapes: {', '.join(str(m.shape) for m in masks)}")
    if any(m.dtype != np.bool_ for m in masks):
        raise ValueError(f"masks must be bool, not {', '.join(str(m.dtype) for m in masks)}")
    # Around the object all pixels are alike but for others, and most of an image lies around it.
    top, bottom, left, right = _reach(predicted, amodal, visible)
    counts = _within([mask[top:bottom, left:right] for mask in masks])
    around = predicted.size - (bottom - top) * (right - left)
    under_others = np.count_nonzero(others) - int(counts[OTHERS:].sum())
    counts[OTHERS] += under_others
    counts[0] += around - under_others
    return counts


def _reach(predicted: Mask, amodal: Mask, visible: Mask) -> tuple[int, int, int, int]:
    """The bounding box of three masks' union as (top, bottom, left, right), ends exclusive; (0, 0, 0, 0) of none."""
    union = predicted | amodal
    union |= visible
    rows = np.flatnonzero(union.any(axis=1))
    if not len(rows):
        return 0, 0, 0, 0
    columns = np.flatnonzero(union[rows[0] : rows[-1] + 1].any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _within(masks: Sequence[Mask]) -> Integers:
    """The (16,) counts of four masks of one shape."""
    words = _words(masks)
    # Pixels in which at least these bits are set: popcounts of 64 pixels at a time.
    both = np.empty((CELLS, words.shape[1]), np.uint64)
    for bit, word in enumerate(words):
        first = 1 << bit
        both[first] = word
        np.bitwise_and(both[1:first], word, out=both[first + 1 : 2 * first])
    at_least = np.empty(CELLS, np.int64)
    at_least[0] = masks[0].size
    np.bitwise_count(both[1:]).sum(axis=1, dtype=np.uint32, out=at_least[1:])
    return EXACTLY @ at_least


def _words(masks: Sequence[Mask]) -> Words:
    """Masks of one shape as (N, W) bits, 64 pixels in a word."""
    shape, size = masks[0].shape, masks[0].size
    pixels = np.empty((len(masks), -(-size // 64) * 64), bool)
    pixels[:, size:] = False
    for own, mask in zip(pixels, masks, strict=True):
        own[:size].reshape(shape)[...] = mask
    return np.packbits(pixels, axis=1).view(np.uint64)


def cells(holds: Callable[[bool, bool, bool, bool], bool]) -> Integers:
    """The numbers of the cells in which a condition holds.

    Args:
        holds: the condition on (predicted, amodal, visible, others).

    Returns:
        (N,) int64 cell numbers, ascending.
    """
    return np.array([c for c in range(CELLS) if holds(*(bool(c >> bit & 1) for bit in range(4)))], np.int64)


def total(counts: Integers, holds: Callable[[bool, bool, bool, bool], bool]) -> Integers:
    """Pixels in which a condition holds: `counts` (..., 16) to (...) int64."""
    return np.asarray(counts[..., cells(holds)].sum(axis=-1), np.int64)
