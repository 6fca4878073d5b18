"""Joint pixel counts: all that any scoring convention needs to know of an instance."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np

from amodal_bench.core.types import Integers, Mask

PREDICTED, AMODAL, VISIBLE, OTHERS = 1, 2, 4, 8
"""A cell's number is the sum of the bits that are set in its pixels."""

CELLS = 16


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
    words = [_words(mask) for mask in masks]
    # Pixels in which at least these bits are set: popcounts of 64 pixels at a time.
    counts = np.empty(CELLS, np.int64)
    counts[0] = predicted.size
    for cell in range(1, CELLS):
        chosen = [words[bit] for bit in range(4) if cell >> bit & 1]
        counts[cell] = int(np.bitwise_count(reduce(np.bitwise_and, chosen)).sum())
    # From "at least these bits" to "exactly these bits" (Moebius inversion over subsets).
    for bit in range(4):
        for cell in range(CELLS):
            if not cell >> bit & 1:
                counts[cell] -= counts[cell | 1 << bit]
    return counts


def _words(mask: Mask) -> np.typing.NDArray[np.uint64]:
    packed = np.packbits(mask.ravel())
    padded = np.zeros(-(-len(packed) // 8) * 8, np.uint8)
    padded[: len(packed)] = packed
    return padded.view(np.uint64)


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
